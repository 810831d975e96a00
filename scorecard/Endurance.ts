/**
 * Many concurrent calls with random faults and clients that disconnect, which must leave nothing behind. Circuits, cooldowns,
 * retries and fallbacks are active, for all vendors and dialects and every `protect`. The faults are deterministic by seed.
 */
import type { Protect } from "@understudy/core/Policies"
import { protects } from "@understudy/core/Policies"
import * as Route from "@understudy/core/Route"
import * as FaultServer from "@understudy/providers/testing"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Http from "node:http"
import * as Client from "./Client.ts"
import * as Dialect from "./Dialect.ts"
import * as Stage from "./Stage.ts"
import { after, vendors } from "./Vendor.ts"
import type { Vendor } from "./Vendor.ts"
import type { Said } from "./Verdict.ts"
import { judge } from "./Verdict.ts"

export interface Options {
  readonly calls: number
  readonly concurrency: number
  readonly seed: string
  /** How long a provider may be silent, in milliseconds. */
  readonly silence: number
  /** The heap in use after a collection, in bytes. */
  readonly heap: () => number
}

export interface Report {
  readonly calls: number
  /** How many calls ended so, by the caller's verdict; `Left` are those whose caller went away. */
  readonly ends: Readonly<Record<string, number>>
  /** What was wrong with the answers that were wrong. */
  readonly wrong: ReadonlyArray<string>
  /** Requests that the providers saw, and the most that the configuration allows. */
  readonly attempts: number
  readonly allowed: number
  /** After each quarter, in bytes. */
  readonly heap: ReadonlyArray<number>
  /** When all was over: calls in flight as the router and the providers count them; then, with the gateway closed, sockets. */
  readonly inFlight: number
  readonly exchanges: number
  readonly sockets: number
  readonly millis: number
}

const retries = 1

const faults: ReadonlyArray<Behavior.Behavior> = [
  Behavior.answer({ delay: 10 }),
  Behavior.refuse("overloaded"),
  Behavior.refuse("server-error"),
  Behavior.refuse("rate-limit"),
  Behavior.refuse("rate-limit", { form: "millis", millis: 10 }),
  Behavior.refuse("rate-limit", { form: "millis", millis: 60 }),
  Behavior.refuse("context-length"),
  Behavior.refuse("invalid-request"),
  Behavior.refuse("bad-key"),
  Behavior.reset,
  Behavior.silent,
  Behavior.cut(0),
  Behavior.cut(3),
  Behavior.cut(3, { how: "reset" }),
  Behavior.stall(0, { pings: true }),
  Behavior.stall(3),
  Behavior.malformedEvent(2),
  Behavior.noDone(),
  Behavior.noFinish(),
  Behavior.errorEvent("first"),
  Behavior.errorEvent(2),
  Behavior.html(502),
  Behavior.empty,
  Behavior.halfJson(),
]

/** Mostly responses: the circuit of a provider that only fails would stay open. */
const drawn = Effect.gen(function* () {
  if ((yield* Random.next) < 0.6) return Behavior.answer()
  return yield* oneOf(faults)
})

/** The text of a deployment. It differs from all others from its first word, so that it cannot be taken for their continuation. */
const line = (deployment: string): string => `${deployment} says: ${FaultServer.line(deployment)}`

const script = (deployment: string) =>
  Effect.map(Effect.replicateEffect(drawn, 500), ([first = Behavior.answer(), ...rest]): Behavior.Script => {
    const saying = (step: Behavior.Behavior) => Behavior.withText(step, line(deployment))
    return { steps: [saying(first), ...rest.map(saying)], repeat: "all" }
  })

/** When a caller goes away, if it does: at once, soon, or as soon as it hears something. */
const leaving = Effect.gen(function* () {
  if ((yield* Random.next) > 0.15) return undefined
  return (yield* Random.nextBoolean) ? ("first-byte" as const) : yield* Random.nextIntBetween(0, 40)
})

/** A pair of deployments of two vendors, and what its route says of broken streams. */
interface Pair {
  readonly vendor: Vendor
  readonly name: string
  readonly primary: string
  readonly backup: string
  readonly protect: Protect
}

/** Several a vendor, so that one circuit or rest does not keep all calls away. */
const pairs: ReadonlyArray<Pair> = vendors.flatMap((vendor) =>
  Array.from({ length: 8 }, (_, index) => {
    const name = `${vendor}-${index}`
    const protect = protects[index % protects.length] ?? "preamble"
    return { vendor, name, primary: `${name}-primary`, backup: `${name}-backup`, protect }
  }),
)

const oneOf = <A>(all: ReadonlyArray<A>): Effect.Effect<A> => Effect.orDie(Random.choice(all))

const cast: ReadonlyArray<Said> = pairs
  .flatMap(({ backup, primary }) => [primary, backup])
  .map((deployment) => ({ deployment, text: line(deployment), finish: "stop" }))

const circuit = { failures: 5, open: 20, max: 40, long: 40 }

/** Plays them all, and then looks what is left. */
export const play = Effect.fnUntraced(function* (options: Options) {
  const startedAt = performance.now()
  return yield* Effect.scoped(endure(options, startedAt)).pipe(Random.withSeed(options.seed))
})

const endure = Effect.fnUntraced(function* ({ calls, concurrency, heap, silence }: Options, startedAt: number) {
  const agent = yield* Effect.acquireRelease(
    Effect.sync(() => new Http.Agent({ keepAlive: true })),
    (agent) => Effect.sync(() => agent.destroy()),
  )
  const timeout = { firstToken: silence, idle: silence, attempt: silence }
  const player = (model: string, vendor: Vendor) => [model, { vendor, model, circuit, timeout }] as const
  const players = pairs.flatMap(({ backup, primary, vendor }) => [
    player(primary, vendor),
    player(backup, after(vendor)),
  ])
  const upstream = yield* FaultServer.make({ history: 1, pace: { settle: 2, ping: 10 } })
  for (const [model] of players) yield* upstream.script(model, yield* script(model))
  let seen = 0
  const ends: Record<string, number> = {}
  const wrong: Array<string> = []
  const heaps: Array<number> = []

  const inFlight = yield* Effect.scoped(
    Effect.gen(function* () {
      const { router, url } = yield* Stage.open(upstream, {
        players: Object.fromEntries(players),
        routes: Object.fromEntries(
          pairs.map(({ backup, name, primary, protect }) => [
            name,
            Route.fallback(primary, backup).pipe(
              Route.retry({ times: retries, base: 5, maxRetryAfter: 50 }),
              Route.stream({ protect }),
            ),
          ]),
        ),
      })
      const one = Effect.gen(function* () {
        const { name, protect } = yield* oneOf(pairs)
        const dialect = Dialect.dialects[yield* oneOf(Dialect.names)]
        const stream = yield* Random.nextBoolean
        const leave = yield* leaving
        const received = yield* Client.ask(url, dialect, { route: name, stream, text: "What now?" }, { agent, leave })
        const verdict = judge(received, { dialect, stream, buffered: stream && protect === "full" }, cast)
        const end = received.end === "left" ? "Left" : verdict._tag
        ends[end] = (ends[end] ?? 0) + 1
        if (verdict._tag === "Wrong" && end !== "Left") wrong.push(verdict.why)
      })
      for (let quarter = 1; quarter <= 4; quarter++) {
        yield* Effect.replicateEffect(one, Math.ceil(calls / 4), { concurrency, discard: true })
        yield* upstream.idle
        heaps.push(heap())
      }
      for (const [model] of players) seen += yield* upstream.attempts(model)
      return (yield* router.status).reduce((sum, { inFlight }) => sum + inFlight, 0)
    }),
  )
  yield* Effect.timeoutOption(Effect.andThen(upstream.drained, upstream.idle), "2 seconds")
  const report: Report = {
    calls: Math.ceil(calls / 4) * 4,
    ends,
    wrong,
    attempts: seen,
    allowed: calls * 2 * (1 + retries),
    heap: heaps,
    inFlight,
    exchanges: yield* upstream.inFlight,
    sockets: yield* upstream.openSockets,
    millis: performance.now() - startedAt,
  }
  return report
})

/** How much the heap may have grown from the first quarter to the last, in bytes, before it counts as a leak. */
const growth = 4_000_000

/** What a report has against the gateway; none if nothing was left of the calls. */
export const complaints = (report: Report): ReadonlyArray<string> => {
  const [first = 0] = report.heap
  const last = report.heap.at(-1) ?? 0
  const never = ["Truncated", "Hung", "Dropped", "Wrong"].filter((end) => (report.ends[end] ?? 0) > 0)
  return [
    ...never.map((end) => `${report.ends[end]} calls: ${end}`),
    ...new Set(report.wrong),
    ...(report.attempts > report.allowed ? [`${report.attempts} attempts, ${report.allowed} are allowed`] : []),
    ...(report.inFlight === 0 ? [] : [`${report.inFlight} calls in flight`]),
    ...(report.exchanges === 0 ? [] : [`${report.exchanges} exchanges under way`]),
    ...(report.sockets === 0 ? [] : [`${report.sockets} sockets open`]),
    ...(last - first > growth ? [`the heap grew by ${((last - first) / 1e6).toFixed(1)} MB`] : []),
  ]
}
