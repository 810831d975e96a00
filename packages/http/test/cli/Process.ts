/** `understudy` as processes of a test's own, which end with it. */
import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const main = join(import.meta.dirname, "..", "..", "src", "main.js")

const folders: Array<string> = []
const children: Array<ChildProcess> = []

/** Ends every process, and removes what it stood in: for `afterAll`. */
export const clean = () => {
  for (const child of children.splice(0)) child.kill("SIGKILL")
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
}

const folderWith = (files: Readonly<Record<string, string>>): string => {
  const folder = mkdtempSync(join(tmpdir(), "understudy-serve-"))
  folders.push(folder)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

export interface Started {
  readonly child: ChildProcess
  /** Its working directory. */
  readonly folder: string
  readonly printed: () => string
  /** Waits until something is printed, or fails with what was when the process ends first. */
  readonly says: (pattern: RegExp) => Promise<RegExpExecArray>
  readonly ended: Promise<number | null>
}

export const start = (
  args: ReadonlyArray<string>,
  options: {
    readonly files?: Readonly<Record<string, string>>
    readonly env?: Record<string, string>
    /** Options of Node. */
    readonly node?: ReadonlyArray<string>
    /** How many files and sockets it may have open. */
    readonly openFiles?: number
  } = {},
): Started => {
  const command = [process.execPath, ...(options.node ?? []), main, "serve", ...args] as const
  const [program, ...rest] =
    options.openFiles === undefined
      ? command
      : (["sh", "-c", `ulimit -n ${options.openFiles}; exec "$0" "$@"`, ...command] as const)
  const folder = folderWith(options.files ?? {})
  const child = spawn(program, rest, {
    cwd: folder,
    env: { PATH: process.env["PATH"], NO_COLOR: "1", ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  })
  children.push(child)
  let printed = ""
  child.stdout.on("data", (text) => (printed += text))
  child.stderr.on("data", (text) => (printed += text))
  const ended = once(child, "close").then(([code]) => code as number | null)
  const says = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(printed)
        if (found !== null) resolve(found)
      }
      child.stdout.on("data", look)
      child.stderr.on("data", look)
      void ended.then(() => reject(new Error(`never said ${pattern}, but:\n${printed}`)))
      look()
    })
  return { child, folder, printed: () => printed, says, ended }
}

/** What a command printed, and its exit code. */
export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end. `typed`: what is typed on its terminal when it asks; without, it has no terminal. */
export const run = async (
  args: ReadonlyArray<string>,
  options: {
    readonly files?: Readonly<Record<string, string>>
    readonly env?: Record<string, string>
    readonly typed?: string
  } = {},
): Promise<Ran> => {
  const command = [process.execPath, main, ...args]
  const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ")
  const [program = "", ...rest] = options.typed === undefined ? command : ["script", "-qec", quoted, "/dev/null"]
  const child = spawn(program, rest, {
    cwd: folderWith(options.files ?? {}),
    env: { PATH: process.env["PATH"], NO_COLOR: "1", ...options.env },
    stdio: [options.typed === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  })
  children.push(child)
  let [stdout, stderr] = ["", ""]
  child.stdout?.on("data", (text) => {
    stdout += text
    if (stdout.includes("(y/N)") && child.stdin?.writableEnded === false) child.stdin.end(options.typed)
  })
  child.stderr?.on("data", (text) => (stderr += text))
  const [code] = (await once(child, "close")) as [number | null]
  return { code, stdout, stderr }
}

export const url = ({ says }: Started) => says(/serves (http:\S+)\/v1/).then(([, url = ""]) => url)

export const ask = (url: string, body: object = {}, headers: Record<string, string> = {}) =>
  fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ model: "assistant", messages: [{ role: "user", content: "secret words" }], ...body }),
  })
