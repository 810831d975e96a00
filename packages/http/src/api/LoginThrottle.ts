/**
 * The reply to a request with an unknown key: one log line, without the key, and a delay where its address has sent many.
 * See `FailedLogins`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Option from "effect/Option"
import type { FailedLogins } from "../auth/FailedLogins.ts"
import type { ApiError } from "./ApiError.ts"
import { seconds } from "./ApiError.ts"

/** Waits for the delay of the address, before the caller replies with 401. Fails with 429 where the delay would be too long. */
export const throttle = (
  failedLogins: FailedLogins,
  { remoteAddress }: Pick<HttpServerRequest.HttpServerRequest, "remoteAddress">,
): Effect.Effect<void, ApiError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const { line, retryAfter, wait } = failedLogins.record(
      Option.getOrElse(remoteAddress, () => "an unknown address"),
      now,
    )
    const logged = line === undefined ? Effect.void : Effect.logWarning(line)
    if (retryAfter !== undefined) return Effect.andThen(logged, Effect.fail(tooMany(retryAfter)))
    if (wait === 0) return logged
    const delayed = Effect.acquireUseRelease(
      Effect.sync(() => failedLogins.startDelay()),
      () => Effect.sleep(wait),
      () => Effect.sync(() => failedLogins.endDelay()),
    )
    return Effect.andThen(logged, delayed)
  })

const tooMany = (retryAfter: number): ApiError => ({
  status: 429,
  type: "rate_limit_error",
  code: "too_many_wrong_keys",
  message: `Too many requests with unknown keys came from this address. Try again in ${seconds(retryAfter)} s.`,
  retryAfter,
})
