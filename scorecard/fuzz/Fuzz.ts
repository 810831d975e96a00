/**
 * Many cases through the real gateway on loopback: requests and answers of every dialect, mutated by a seed. Whatever is
 * sent, a caller is answered, in its dialect, without a fault of the gateway's own; and nobody waits for another's bytes.
 */
import * as Route from "@understudy/core/Route"
import { protects } from "@understudy/core/Policies"
import * as Effect from "effect/Effect"
import type * as Dialect from "../Dialect.ts"
import * as Stage from "../Stage.ts"
import type { Vendor } from "../Vendor.ts"
import { after, vendors } from "../Vendor.ts"
import type { Received } from "./Caller.ts"
import { Caller } from "./Caller.ts"
import * as Case from "./Case.ts"
import * as Stalls from "./Stalls.ts"
import * as Upstream from "./Upstream.ts"

export interface Options {
  readonly dialect: Dialect.Name
  readonly seed: string
  /** How many cases, and the number of the first. */
  readonly count: number
  readonly from?: number
  readonly concurrency: number
  /** Whether to begin no further case. */
  readonly isStopped?: () => boolean
  /** The heap in use after a collection, in bytes. */
  readonly heap: () => number
  /** Told of each case; of what there is against it, if anything. */
  readonly onCase?: (one: Case.Case, received: Received, complaint: string | undefined) => void
}

export interface Report {
  readonly dialect: Dialect.Name
  readonly cases: number
  /** How often each status came, by what was mutated: `request 400`. */
  readonly statuses: Readonly<Record<string, number>>
  readonly wrong: ReadonlyArray<{ readonly index: number; readonly why: string }>
  /** After each quarter, in bytes. */
  readonly heap: ReadonlyArray<number>
  /** The longest that the event loop worked for the gateway at one piece. */
  readonly stall: Stalls.Stall
  readonly inFlight: number
  readonly millis: number
}

/** Longest wait for an answer before it counts as stuck, in milliseconds. */
const patience = 20_000

/**
 * A vendor's silence is short where answers are mutated: nothing that was cut off is to be waited for. Where they are sound
 * it is long: a busy machine is no fault.
 */
const silence = { odd: 400, sound: 15_000 }

const models: Readonly<Record<Vendor, string>> = {
  openai: "reasoner",
  responses: "reasoner",
  anthropic: "claude-sonnet-4-5",
  bedrock: "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
  gemini: "gemini-2.5-flash",
  vertex: "claude-sonnet-4-5",
}

/** Whatever came before, every case asks its vendor. */
const circuit = { failures: Number.MAX_SAFE_INTEGER, open: 1, max: 1, long: 1 }

const cast = (): Stage.Cast => {
  const players: Record<string, Stage.Player> = {}
  const routes: Record<string, Route.Route> = {}
  for (const vendor of vendors) {
    const player = (millis: number): Stage.Player => ({
      vendor,
      model: models[vendor],
      circuit,
      timeout: { firstToken: millis, idle: millis, attempt: millis },
    })
    players[`sound-${vendor}`] = player(silence.sound)
    players[`odd-${vendor}`] = player(silence.odd)
    players[`${vendor}/*`] = { ...player(silence.sound), model: "*" }
    routes[vendor] = Route.fallback(`sound-${vendor}`).pipe(Route.retry({ times: 0 }))
    for (const protect of protects) {
      routes[`${vendor}-${protect}`] = Route.fallback(`odd-${vendor}`, `odd-${after(vendor)}`).pipe(
        Route.retry({ times: 0 }),
        Route.stream({ protect }),
      )
    }
  }
  return { players, routes }
}

/** Plays the cases of one dialect. */
export const play = Effect.fnUntraced(function* (options: Options) {
  const { concurrency, count, dialect, from = 0, heap, isStopped = () => false, onCase, seed } = options
  const startedAt = performance.now()
  const statuses: Record<string, number> = {}
  const wrong: Array<{ readonly index: number; readonly why: string }> = []
  const heaps: Array<number> = []
  const { router, url } = yield* Stage.open(yield* Upstream.make, cast())
  const callers = yield* Effect.acquireRelease(
    Effect.sync(() => Array.from({ length: concurrency }, () => new Caller(Number(new URL(url).port), patience))),
    (callers) => Effect.sync(() => callers.forEach((caller) => caller.close())),
  )
  let next = from
  const stalls = yield* Stalls.watch(() => next - 1)
  const lane = (caller: Caller, end: number) =>
    Effect.whileLoop({
      while: () => next < end && !isStopped(),
      body: () => {
        const one = Stalls.aside(() => Case.make(seed, dialect, next++))
        return Effect.tap(caller.ask(one.bytes), (received) => {
          const why = Stalls.aside(() => Case.against(one, received))
          const key = `${one.kind} ${received.status}`
          statuses[key] = (statuses[key] ?? 0) + 1
          if (why !== undefined) wrong.push({ index: one.index, why })
          onCase?.(one, received, why)
          // A wait that an answer asked for keeps no later case away.
          return one.kind === "answer" && (received.status === 429 || received.status === 503)
            ? Effect.forEach(vendors, (vendor) => Effect.ignore(router.reset(`odd-${vendor}`)), { discard: true })
            : Effect.void
        })
      },
      step: () => undefined,
    })
  for (let quarter = 1; quarter <= 4 && !isStopped(); quarter++) {
    const end = from + Math.ceil((count * quarter) / 4)
    yield* Effect.forEach(callers, (caller) => lane(caller, end), { concurrency: "unbounded", discard: true })
    heaps.push(heap())
  }
  const report: Report = {
    dialect,
    cases: next - from,
    statuses,
    wrong,
    heap: heaps,
    stall: stalls(),
    inFlight: (yield* router.status).reduce((sum, { inFlight }) => sum + inFlight, 0),
    millis: performance.now() - startedAt,
  }
  return report
}, Effect.scoped)

/** How much the heap may have grown from the first quarter to the last, in bytes, before it counts as a leak. */
const growth = 8_000_000

/** The longest that the event loop may work for the gateway at one piece, in milliseconds. */
const longest = 200

/** What a report has against the gateway; none if all is well. */
export const complaints = ({ dialect, heap, inFlight, stall, wrong }: Report): ReadonlyArray<string> => {
  const [first = 0] = heap
  const last = heap.at(-1) ?? 0
  const kinds = Map.groupBy(wrong, ({ why }) => why)
  return [
    ...[...kinds].map(
      ([why, cases]) =>
        `${dialect}: ${cases.length} × ${why} (${cases
          .slice(0, 5)
          .map(({ index }) => index)
          .join(", ")})`,
    ),
    ...(inFlight === 0 ? [] : [`${dialect}: ${inFlight} calls in flight`]),
    ...(stall.millis <= longest
      ? []
      : [
          `${dialect}: the loop stalled for ${stall.millis.toFixed(0)} ms, at case ${stall.at} or one under way with it`,
        ]),
    ...(last - first <= growth ? [] : [`${dialect}: the heap grew by ${((last - first) / 1e6).toFixed(1)} MB`]),
  ]
}
