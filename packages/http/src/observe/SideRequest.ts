/**
 * Logs and counts requests beside calls: token counts and explanations. They may reach a provider with the operator's
 * credentials, so each is logged in one line and counted by its virtual key.
 */
import type { TokenCount } from "@understudy/core/Router"
import type { Explanation } from "@understudy/core/Explain"
import type { RouterError } from "@understudy/core/RouterError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { Caller } from "../auth/Caller.ts"
import * as KeyMetrics from "./KeyMetrics.ts"

export type Kind = "count_tokens" | "explain"

/** The request, logged when it ends; `describe` renders its result. A rejected key is counted by `KeyedRouter`. */
export const logged = <A, R>(
  kind: Kind,
  model: string,
  request: Effect.Effect<A, RouterError, R>,
  describe: (result: A) => string,
): Effect.Effect<A, RouterError, R> =>
  Effect.flatMap(Effect.zip(Caller, Clock.Clock), ([caller, clock]) => {
    const startedAt = clock.currentTimeMillisUnsafe()
    const log = (level: "Info" | "Warn", result: string, outcome: string) => {
      const line = `${kind} of ${JSON.stringify(model.slice(0, maxNameLength))}: ${result} in ${clock.currentTimeMillisUnsafe() - startedAt} ms`
      if (caller === undefined) return Effect.logWithLevel(level)(line)
      const logLine = Effect.logWithLevel(level)(`${line}, key ${caller.id}`)
      const count = Metric.update(KeyMetrics.calls({ key: caller.id, outcome }), 1)
      return Effect.andThen(count, Effect.annotateLogs(logLine, { key: caller.id }))
    }
    return request.pipe(
      Effect.tap((result) => log("Info", describe(result), kind)),
      Effect.tapError(({ cause, kind, receipt }) =>
        cause === undefined && receipt === undefined && kind !== "ModelNotFound"
          ? Effect.void
          : log("Warn", `failed (${kind})`, "failure"),
      ),
    )
  })

/** The number of characters of a model name that are logged. */
const maxNameLength = 200

export const describeCount = ({ deployment, inputTokens }: TokenCount): string =>
  `${inputTokens} tokens${deployment === undefined ? ", estimated" : ` by ${deployment}`}`

export const describeExplanation = ({ route }: Explanation): string => `explained as ${JSON.stringify(route)}`
