/**
 * Asides: what a caller asks the gateway beside calls, such as how many tokens a request has. They may reach a vendor with
 * the operator's key, so each is logged in a line, and counted by the key that it came with.
 */
import type { TokenCount } from "@understudy/core/Router"
import type { Explanation } from "@understudy/core/Explain"
import type { RouterError } from "@understudy/core/RouterError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { Caller } from "../auth/Caller.ts"
import { callsByKey } from "./Metrics.ts"

export type Kind = "count_tokens" | "explain"

/** The aside, told of when it has ended; `said` is what came of it. A key that is turned away is counted where that is done. */
export const noted = <A, R>(
  kind: Kind,
  model: string,
  asked: Effect.Effect<A, RouterError, R>,
  said: (answer: A) => string,
): Effect.Effect<A, RouterError, R> =>
  Effect.flatMap(Effect.zip(Caller, Clock.Clock), ([caller, clock]) => {
    const begun = clock.currentTimeMillisUnsafe()
    const tell = (level: "Info" | "Warn", words: string, outcome: string) => {
      const line = `${kind} of ${JSON.stringify(model.slice(0, longest))}: ${words} in ${clock.currentTimeMillisUnsafe() - begun} ms`
      const logged = Effect.logWithLevel(level)(line)
      if (caller === undefined) return logged
      const counted = Metric.update(Metric.withAttributes(callsByKey, { key: caller.id, outcome }), 1)
      return Effect.andThen(counted, Effect.annotateLogs(logged, { key: caller.id }))
    }
    return asked.pipe(
      Effect.tap((answer) => tell("Info", said(answer), kind)),
      Effect.tapError(({ cause, kind, receipt }) =>
        cause === undefined && receipt === undefined && kind !== "ModelNotFound"
          ? Effect.void
          : tell("Warn", `failed (${kind})`, "failure"),
      ),
    )
  })

/** The most of a name that is logged. */
const longest = 200

export const counted = ({ deployment, inputTokens }: TokenCount): string =>
  `${inputTokens} tokens${deployment === undefined ? ", estimated" : ` by ${deployment}`}`

export const explained = ({ route }: Explanation): string => `explained as ${JSON.stringify(route)}`
