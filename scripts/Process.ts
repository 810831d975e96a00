/**
 * Child processes of the runs with real clients and servers: programs with a time limit, and a gateway until it listens. Each is killed when
 * this process ends.
 */
import type { ChildProcess } from "node:child_process"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")

/** A folder for this run, removed when the process ends. */
export const folder = mkdtempSync(join(tmpdir(), "understudy-run-"))

const running = new Set<ChildProcess>()

process.once("exit", () => {
  for (const child of running) kill(child)
  rmSync(folder, { recursive: true, force: true })
})
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1))

/** Ends a program with all that it started: each leads a process group of its own. */
const kill = (child: ChildProcess) => {
  if (child.pid === undefined || child.exitCode !== null) return
  try {
    process.kill(-child.pid, "SIGKILL")
  } catch {
    child.kill("SIGKILL")
  }
}

export const start = (
  command: string,
  args: ReadonlyArray<string>,
  cwd: string,
  env: NodeJS.ProcessEnv = process.env,
) => {
  const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], detached: true })
  running.add(child)
  child.once("exit", () => running.delete(child))
  const printed = { out: "", err: "" }
  child.stdout.on("data", (bytes: Buffer) => (printed.out += bytes.toString()))
  child.stderr.on("data", (bytes: Buffer) => (printed.err += bytes.toString()))
  return { child, printed }
}

/** How a program ended. `code` is `undefined` where it was still running after the limit. */
export interface Ended {
  readonly out: string
  readonly err: string
  readonly code: number | undefined
}

/** What a program printed, once it is done or `limit` milliseconds have passed. */
export const run = async (
  limit: number,
  command: string,
  args: ReadonlyArray<string>,
  cwd: string,
  env?: NodeJS.ProcessEnv,
): Promise<Ended> => {
  const { child, printed } = start(command, args, cwd, env)
  const slow = setTimeout(() => kill(child), limit)
  const [code] = await once(child, "close")
  clearTimeout(slow)
  return { ...printed, code: code ?? undefined }
}

/** A gateway as its operator starts it, once it says where it listens. */
export const serve = async (config: string) => {
  const entry = join(root, "packages/http/src/main.js")
  const { child, printed } = start(process.execPath, [entry, "serve", "--config", config, "--port", "0"], folder)
  while (child.exitCode === null) {
    const url = /serves (\S+)\/v1/.exec(printed.out)?.[1]
    if (url !== undefined) return { stop: () => child.kill(), stopped: once(child, "close"), url }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`the gateway did not start\n${printed.out}${printed.err}`)
}
