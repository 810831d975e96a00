/**
 * A flapping primary: two errors, two responses, and so on. Its circuit opens, and it gets all calls again after one
 * successful probe.
 */
import * as Route from "@understudy/core/Route"
import * as FaultServer from "@understudy/providers/testing"
import * as Effect from "effect/Effect"
import * as Client from "./Client.ts"
import { dialects } from "./Dialect.ts"
import * as Stage from "./Stage.ts"
import type { Vendor } from "./Vendor.ts"
import type { Said } from "./Verdict.ts"
import { judge } from "./Verdict.ts"

/** A call of the sequence: whether it comes after the circuit's time is up, and what is to be seen of it. */
export interface Call {
  readonly later: boolean
  readonly asked: ReadonlyArray<"primary" | "backup">
  readonly state: string
}

const failing: Call = { later: false, asked: ["primary", "backup"], state: "fails" }
const shut: Call = { later: false, asked: ["backup"], state: "circuit open" }
const well: Call = { later: false, asked: ["primary"], state: "succeeds" }

/** The deployment of the last request answers. */
export const calls: ReadonlyArray<Call> = [
  failing,
  { ...failing, state: "fails, and the circuit opens" },
  shut,
  { later: true, asked: ["primary"], state: "the probe succeeds, and the circuit closes" },
  well,
  failing,
  { ...failing, state: "fails, and the circuit opens" },
  shut,
]

/** How long the circuit's first opening lasts, in milliseconds. */
export const open = 500

const models = { primary: "primary/flapping-2", backup: "backup/ok" }

const cast: ReadonlyArray<Said> = Object.entries(models).map(([deployment, model]) => ({
  deployment,
  text: FaultServer.line(model),
  finish: "stop",
}))

const dialect = dialects.chatCompletions

/** Plays the sequence. Returns the requests of each call, and whether the last one answered. */
export const play = (vendor: Vendor) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { upstream, url } = yield* Stage.make({
        players: {
          primary: { vendor, model: models.primary, circuit: { failures: 2, open } },
          backup: { vendor, model: models.backup },
        },
        routes: { assistant: Route.fallback("primary", "backup").pipe(Route.retry({ times: 0 })) },
      })
      return yield* Effect.forEach(calls, ({ later }) =>
        Effect.gen(function* () {
          if (later) yield* Effect.sleep(open + 10)
          const before = (yield* upstream.requests).length
          const received = yield* Client.ask(url, dialect, { route: "assistant", text: "Who speaks?", stream: false })
          const asked = (yield* upstream.requests).slice(before).map(({ model }) => model.split("/")[0] ?? "")
          const verdict = judge(received, { dialect, stream: false }, cast)
          return { asked, answered: verdict._tag === "Whole" && verdict.deployment === asked.at(-1) }
        }),
      )
    }),
  )

/** What the sequence has against it; none if it is as expected. */
export const complaints = (seen: Effect.Success<ReturnType<typeof play>>): ReadonlyArray<string> =>
  seen.flatMap(({ answered, asked }, index) => {
    const expected = calls[index]?.asked.join(" + ")
    return answered && asked.join(" + ") === expected
      ? []
      : [`call ${index + 1}: ${asked.join(" + ")}, not ${expected}`]
  })
