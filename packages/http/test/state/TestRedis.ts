/**
 * A real Redis of a test's own, on a free port and keeping nothing. Where `redis-server` is not installed it is, by the
 * one who may; where it cannot be, `installed` is false and says so.
 */
import { spawn, spawnSync } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { freePort, install } from "../Programs.ts"

const found = () => spawnSync("redis-server", ["--version"]).status === 0

if (!found()) install("redis-server")

export const installed = found()

if (!installed) process.stderr.write("redis-server is not installed: the tests of shared state are SKIPPED\n")

export interface TestRedis {
  readonly url: string
  /** Answers nothing until `thaw`, though its connections stand. */
  readonly freeze: () => void
  readonly thaw: () => void
  readonly kill: () => Promise<void>
  /** Starts it again on the same port, with nothing in it. */
  readonly restart: () => Promise<void>
}

const launch = (port: number): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    const child = spawn(
      "redis-server",
      ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no"],
      { stdio: ["ignore", "pipe", "ignore"] },
    )
    let printed = ""
    child.stdout.on("data", (text) => {
      printed += text
      if (/ready to accept connections/i.test(printed)) resolve(child)
    })
    child.once("error", reject)
    child.once("exit", () => reject(new Error(`redis-server did not start:\n${printed}`)))
  })

export const start = async (): Promise<TestRedis> => {
  const port = await freePort()
  let child = await launch(port)
  return {
    url: `redis://127.0.0.1:${port}`,
    freeze: () => child.kill("SIGSTOP"),
    thaw: () => child.kill("SIGCONT"),
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, "exit")
      child.kill("SIGKILL")
      await ended
    },
    restart: async () => {
      child = await launch(port)
    },
  }
}
