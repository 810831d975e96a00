/**
 * A real PostgreSQL of a test's own, on a free port, in a temporary folder. Where it is not installed, Debian's package is, by
 * root; where it cannot be, `installed` is false and says so.
 */
import { spawn, spawnSync } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { chmodSync, chownSync, globSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort, install } from "../Programs.ts"

/** The folder of the newest version's programs, which Debian keeps out of the path. */
const folder = (): string | undefined => {
  const [newest] = globSync("/usr/lib/postgresql/*/bin").toSorted(
    (a, b) => Number(b.split("/")[4]) - Number(a.split("/")[4]),
  )
  return newest ?? (spawnSync("initdb", ["--version"]).status === 0 ? "" : undefined)
}

if (folder() === undefined) install("postgresql")

const programs = folder()

export const installed = programs !== undefined

if (!installed) process.stderr.write("postgresql is not installed: the tests of PostgreSQL are SKIPPED\n")

/** PostgreSQL refuses to run as root: there it runs as the user of Debian's package. */
const user = (): { readonly uid?: number; readonly gid?: number } => {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string) => Number(spawnSync("id", [flag, "postgres"]).stdout.toString())
  return { uid: id("-u"), gid: id("-g") }
}

/** What a statement gives, in one of a server's databases: values separated by `|`, a line for each row. */
export const query = (database: string, statement: string): string => {
  const { status, stderr, stdout } = spawnSync(join(programs ?? "", "psql"), [database, "-Atc", statement])
  if (status !== 0) throw new Error(`psql: ${stderr}`)
  return stdout.toString().trim()
}

export interface TestPostgres {
  /** The address of a new, empty database. */
  readonly database: () => Promise<string>
  /** Ends it as a crash would. */
  readonly kill: () => Promise<void>
  /** Starts it again on the same port, with the same data. */
  readonly restart: () => Promise<void>
  /** Ends it and deletes its data. */
  readonly close: () => Promise<void>
}

const launch = (data: string, port: number): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    // A crash of the server loses nothing without fsync, only one of the machine does.
    const settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200", "fsync=off"]
    const flags = settings.flatMap((setting) => ["-c", setting])
    const child = spawn(join(programs ?? "", "postgres"), ["-D", data, "-p", String(port), ...flags], {
      ...user(),
      cwd: data,
      stdio: ["ignore", "ignore", "pipe"],
    })
    let printed = ""
    child.stderr.on("data", (text) => {
      printed += text
      if (printed.includes("database system is ready to accept connections")) resolve(child)
    })
    child.once("error", reject)
    child.once("exit", () => reject(new Error(`postgres did not start:\n${printed}`)))
  })

export const start = async (): Promise<TestPostgres> => {
  const data = mkdtempSync(join(tmpdir(), "understudy-postgres-"))
  const { gid, uid } = user()
  chmodSync(data, 0o700)
  if (uid !== undefined && gid !== undefined) chownSync(data, uid, gid)
  const made = spawnSync(
    join(programs ?? "", "initdb"),
    ["-D", data, "-U", "understudy", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"],
    { ...user(), cwd: data },
  )
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`)
  const port = await freePort()
  let child = await launch(data, port)
  const url = (name: string) => `postgres://understudy@127.0.0.1:${port}/${name}`
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, "exit")
    child.kill(signal)
    await ended
  }
  let databases = 0
  return {
    database: async () => {
      const name = `test${++databases}`
      const created = spawnSync(join(programs ?? "", "createdb"), ["--maintenance-db", url("postgres"), name])
      if (created.status !== 0) throw new Error(`createdb: ${created.stderr}`)
      return url(name)
    },
    // A killed postmaster leaves its children, which end when they notice: SIGQUIT ends all of them without a checkpoint.
    kill: () => end("SIGQUIT"),
    restart: async () => {
      child = await launch(data, port)
    },
    close: async () => {
      await end("SIGQUIT")
      rmSync(data, { recursive: true, force: true })
    },
  }
}
