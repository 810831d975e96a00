/**
 * The time that a fallback takes beyond the configured waits: from the arrival of the request that fails, at once or by a
 * timeout, to the arrival of the next request, as the providers see them. Includes two loopback hops.
 */
import { protects } from "@understudy/core/Policies"
import * as Route from "@understudy/core/Route"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as Effect from "effect/Effect"
import * as Client from "./Client.ts"
import { dialects } from "./Dialect.ts"
import * as Stage from "./Stage.ts"
import { isAttempt } from "./Trial.ts"

interface Way {
  readonly title: string
  readonly script: Behavior.Script
  readonly stream: boolean
  readonly retries: number
  /** What is configured to be waited for, in milliseconds. */
  readonly wait: number
}

const always = (step: Behavior.Behavior): Behavior.Script => ({ steps: [step], repeat: "last" })

const silence = 100

const ways: ReadonlyArray<Way> = [
  {
    title: "fallback after an error status",
    script: always(Behavior.refuse("overloaded")),
    stream: false,
    retries: 0,
    wait: 0,
  },
  { title: "fallback after a connection reset", script: always(Behavior.reset), stream: false, retries: 0, wait: 0 },
  {
    title: "fallback after an error event before the first token",
    script: always(Behavior.errorEvent("first")),
    stream: true,
    retries: 0,
    wait: 0,
  },
  {
    title: `fallback after a timeout of ${silence} ms`,
    script: always(Behavior.silent),
    stream: true,
    retries: 0,
    wait: silence,
  },
  {
    title: "retry after a Retry-After of 50 ms",
    script: {
      steps: [Behavior.refuse("rate-limit", { form: "millis", millis: 50 }), Behavior.answer()],
      repeat: "all",
    },
    stream: false,
    retries: 1,
    wait: 50,
  },
]

/** Milliseconds: half of the samples are below `median`, all but a twentieth below `p95`. */
export interface Measured {
  readonly title: string
  readonly median: number
  readonly p95: number
}

export interface Costs {
  readonly movingOn: ReadonlyArray<Measured>
  /** The time to the first token of a stream of so many `words`, one every `gap` milliseconds, for each `protect`. */
  readonly firstWord: ReadonlyArray<Measured>
}

export const gap = 2
export const words = 40

const never = { failures: Number.MAX_SAFE_INTEGER }

/** Measures, one call after the other. */
export const measure = (samples: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { upstream, url } = yield* Stage.make(
        {
          players: {
            ...Object.fromEntries(
              ways.map(({ title }) => [
                title,
                { vendor: "openai" as const, model: title, circuit: never, timeout: { firstToken: silence } },
              ]),
            ),
            backup: { vendor: "openai", model: "backup" },
          },
          routes: {
            ...Object.fromEntries(
              ways.map(({ retries, title }) => [
                `to ${title}`,
                Route.fallback(title, "backup").pipe(Route.retry({ times: retries, budget: 1 })),
              ]),
            ),
            ...Object.fromEntries(
              protects.map((protect) => [protect, Route.to("backup").pipe(Route.stream({ protect }))]),
            ),
          },
        },
        { pace: { gap } },
      )
      yield* upstream.script("backup", [Behavior.answer({ text: "word ".repeat(words) })])
      const call = (route: string, stream: boolean) =>
        Client.ask(url, dialects.chatCompletions, { route, stream, text: "What now?" })
      const sampled = <E>(title: string, samples: number, one: Effect.Effect<number, E>) =>
        Effect.map(
          Effect.forEach(Array.from({ length: samples + warmUp }), () => one),
          (all) => summary(title, all.slice(warmUp)),
        )
      const movingOn = yield* Effect.forEach(ways, ({ script, stream, title, wait }) =>
        Effect.gen(function* () {
          yield* upstream.script(title, script)
          return yield* sampled(
            title,
            samples,
            Effect.gen(function* () {
              const before = (yield* upstream.requests).length
              yield* call(`to ${title}`, stream)
              const [failed, next] = (yield* upstream.requests).slice(before).filter(isAttempt)
              return failed === undefined || next === undefined ? Number.NaN : next.arrived - failed.arrived - wait
            }),
          )
        }),
      )
      const firstWord = yield* Effect.forEach(protects, (protect) =>
        sampled(
          protect,
          samples,
          Effect.map(call(protect, true), ({ firstEvent }) => firstEvent),
        ),
      )
      const costs: Costs = { movingOn, firstWord }
      return costs
    }),
  )

const warmUp = 10

const summary = (title: string, values: ReadonlyArray<number>): Measured => {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return { title, median: at(0.5), p95: at(0.95) }
}
