/**
 * Two gateways behind a reverse proxy, restarted one after the other under load: no call may fail.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Exit from "effect/Exit"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Load from "./Load.ts"
import * as Ports from "./Ports.ts"
import * as Process from "./Process.ts"
import * as Proxy from "./Proxy.ts"

export interface Options extends Omit<Load.Options, "port"> {
  readonly proxy: Proxy.Proxy
  /** How long gateways are restarted, in seconds; each at least once. */
  readonly seconds: number
  /** How long a stream takes, in seconds. */
  readonly streamSeconds: number
  /** The command `understudy`: its sources, or its bundle. */
  readonly main: string
  /** `server.drain.delay`, in seconds. */
  readonly delay: number
  /** Changes the shipped file of the proxy. */
  readonly edit?: (text: string) => string
}

export interface Restart {
  /** The gateway's number, from 1. */
  readonly gateway: number
  /** Seconds after the first call: SIGTERM, the end of the process, and the first 200 of /ready after it. */
  readonly stoppedAt: number
  readonly endedAt: number
  readonly readyAt: number
}

export interface Report extends Load.Tally {
  readonly restarts: ReadonlyArray<Restart>
  readonly seconds: number
  /** What the proxy logged. */
  readonly log: string
}

const words = 10

const configuration = ({ delay, streamSeconds }: Options): string => `
server: { overload: false, drain: { delay: ${delay}s, timeout: 30s } }
deployments:
  whole: { provider: simulated, model: any, latency: 50ms, reply: Hello }
  stream: { provider: simulated, model: any, firstToken: 50ms, tokenDelay: ${(streamSeconds * 1000) / words}ms, reply: "${"word ".repeat(words).trim()}" }
`

/** A gateway on its port, until it is restarted. */
const gateway = Effect.fnUntraced(function* (main: string, config: string, port: number) {
  const program = yield* Process.start(process.execPath, [main, "serve", "--config", config, "--port", String(port)])
  yield* Process.ready(program, `http://127.0.0.1:${port}/ready`)
  return program
})

/** A gateway that can be restarted: SIGTERM, its end, and a new one that is ready. Returns when each was. */
const restartable = Effect.fnUntraced(function* (main: string, config: string, port: number, seconds: () => number) {
  const outer = yield* Effect.scope
  const begin = Effect.gen(function* () {
    const scope = yield* Scope.fork(outer)
    return { scope, program: yield* Scope.provide(gateway(main, config, port), scope) }
  })
  let current = yield* begin
  return Effect.gen(function* () {
    const stoppedAt = seconds()
    current.program.child.kill("SIGTERM")
    yield* current.program.ended
    const endedAt = seconds()
    const { child, printed } = current.program
    if (child.exitCode !== 130) {
      const message = `a gateway ended with ${child.exitCode}:\n${printed()}`
      return yield* new Process.ProgramEnded({ message })
    }
    yield* Scope.close(current.scope, Exit.void)
    current = yield* begin
    return { stoppedAt, endedAt, readyAt: seconds() }
  })
})

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "understudy-rolling-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true })),
)

/** Plays it. Fails if a gateway or the proxy does not start, or a gateway does not end as it should. */
export const play = Effect.fnUntraced(function* (options: Options) {
  const config = join(yield* folder, "understudy.yaml")
  writeFileSync(config, configuration(options))
  let startedAt = 0
  const seconds = () => (performance.now() - startedAt) / 1000
  const ports = [yield* Ports.lasting, yield* Ports.lasting]
  const gateways = yield* Effect.forEach(ports, (port) => restartable(options.main, config, port, seconds), {
    concurrency: "unbounded",
  })
  const port = yield* Ports.lasting
  const proxy = yield* Proxy.start(options.proxy, port, ports, options.edit ?? ((text) => text))
  startedAt = performance.now()
  const restarts: Array<Restart> = []
  const rolling = Effect.gen(function* () {
    while (seconds() < options.seconds || restarts.length < gateways.length) {
      for (const [index, restart] of gateways.entries()) {
        // The proxy's health check has to see that the other gateway is back.
        yield* Effect.sleep(options.delay * 1000)
        restarts.push({ gateway: index + 1, ...(yield* restart) })
      }
    }
  })
  const tally = yield* Load.run({ ...options, port }, rolling)
  return { ...tally, restarts, seconds: seconds(), log: proxy.printed() } satisfies Report
}, Effect.scoped)
