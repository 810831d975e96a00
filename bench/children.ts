/**
 * Every process the benchmark starts: started, waited for, and stopped, also on Ctrl-C and on failure.
 */
import { type ChildProcess, fork, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer as createNetServer, type AddressInfo } from "node:net"
import type { Server } from "node:http"
import { fileURLToPath } from "node:url"
import { killAll } from "./process.ts"

const live = new Set<ChildProcess>()

const track = (child: ChildProcess) => {
  live.add(child)
  child.once("exit", () => live.delete(child))
  return child
}

/** Ends one process: politely, then by force after ten seconds: a CPU profile takes some to write. */
export const stop = async (child: ChildProcess) => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, "exit")
  child.kill("SIGTERM")
  const force = setTimeout(() => child.kill("SIGKILL"), 10_000)
  await exit
  clearTimeout(force)
}

/** Ends one process and its descendants at once. */
export const end = (child: ChildProcess) => {
  if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) killAll(child.pid)
}

const closers = new Set<() => Promise<void>>()

/** Registers how a server that another module started is closed when everything is stopped. `close` may run twice. */
export const closeLater = (close: () => Promise<void>) => closers.add(close)

export const stopAll = () => Promise.all([...[...live].map(stop), ...[...closers].map((close) => close())])

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  // In a forked child the default stands: the parent stops it.
  if (process.send === undefined) process.once(signal, () => void stopAll().then(() => process.exit(code)))
}
process.once("exit", () => {
  for (const child of live) end(child)
})

/** Listens on a port, by default a free one. A forked child tells its parent the port, and dies with it. */
export const announce = (server: Server, port = 0) => {
  process.once("disconnect", () => process.exit())
  server.listen(port, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }))
}

/** Starts a file of this folder without waiting for it. */
export const start = (file: string, args: ReadonlyArray<string> = []) =>
  track(fork(fileURLToPath(new URL(file, import.meta.url)), args))

/** Starts one of our own servers and waits for its port. */
export const startServer = async (file: string, args: ReadonlyArray<string> = []) => {
  const child = start(file, args)
  const [message] = await Promise.race([
    once(child, "message"),
    once(child, "exit").then(() => Promise.reject(new Error(`${file} ended before it listened`))),
  ])
  return { child, port: (message as { readonly port: number }).port }
}

/** A free port, for servers that cannot choose one. */
export const freePort = async () => {
  const server = createNetServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, "close")
  return port
}

/** A program that listens on a port it is given. */
export interface Foreign {
  readonly name: string
  /** Default: Node. */
  readonly command?: string
  readonly args: ReadonlyArray<string>
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
}

/** Starts a program and calls `ready` until it is true, for at most two minutes. The error contains the program's output. */
export const startUntil = async (program: Foreign, ready: () => Promise<boolean>, everyMillis: number) => {
  const child = track(
    spawn(program.command ?? process.execPath, program.args, {
      cwd: program.cwd,
      env: { ...process.env, ...program.env },
      stdio: ["ignore", "pipe", "pipe"],
    }),
  )
  let printed = ""
  const keep = (bytes: Buffer) => {
    if (printed.length < 20_000) printed += bytes.toString()
  }
  child.stdout!.on("data", keep)
  child.stderr!.on("data", keep)
  child.once("error", (error) => (printed += String(error)))
  const deadline = performance.now() + 120_000
  while (performance.now() < deadline && child.exitCode === null && child.pid !== undefined) {
    if (await ready().catch(() => false)) return child
    await new Promise((resolve) => setTimeout(resolve, everyMillis))
  }
  end(child)
  throw new Error(`${program.name} did not become ready\n${printed}`)
}

/** Starts a program and waits until `GET url` returns 200. */
export const startForeign = ({ url, ...program }: Foreign & { readonly url: string }) =>
  startUntil(program, () => fetch(url).then(({ ok }) => ok), 50)
