/**
 * Every process the benchmark starts: started, waited for, and stopped, also on Ctrl-C and on failure.
 */
import { type ChildProcess, fork, spawn } from "node:child_process"
import { once } from "node:events"
import { createServer as createNetServer, type AddressInfo } from "node:net"
import type { Server } from "node:http"
import { fileURLToPath } from "node:url"

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

export const stopAll = () => Promise.all([...live].map(stop))

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  // In a forked child the default stands: the parent stops it.
  if (process.send === undefined) process.once(signal, () => void stopAll().then(() => process.exit(code)))
}
process.once("exit", () => {
  for (const child of live) child.kill("SIGKILL")
})

/** Called by a forked child: listens on a free port, tells the parent, and dies with it. */
export const announce = (server: Server) => {
  process.once("disconnect", () => process.exit())
  server.listen(0, "127.0.0.1", () => process.send!({ port: (server.address() as AddressInfo).port }))
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

/** Starts Node with another project's program and waits until `GET url` returns 200. The error contains the program's output. */
export const startForeign = async (options: {
  readonly name: string
  readonly args: ReadonlyArray<string>
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  readonly url: string
}) => {
  const child = track(
    spawn(process.execPath, options.args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    }),
  )
  let printed = ""
  const keep = (bytes: Buffer) => {
    if (printed.length < 20_000) printed += bytes.toString()
  }
  child.stdout!.on("data", keep)
  child.stderr!.on("data", keep)
  const deadline = performance.now() + 30_000
  while (performance.now() < deadline && child.exitCode === null) {
    const ready = await fetch(options.url).then(
      (answer) => answer.ok,
      () => false,
    )
    if (ready) return child
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await stop(child)
  throw new Error(`${options.name} did not become ready\n${printed}`)
}
