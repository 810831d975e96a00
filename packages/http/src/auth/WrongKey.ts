/**
 * What happens before a wrong key is answered: a line in the log, which holds no key, and a wait where its address has sent
 * many. See `Strangers`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Option from "effect/Option"
import type { ApiError } from "../api/ApiError.ts"
import { seconds } from "../api/ApiError.ts"
import type { FailedLogins } from "./FailedLogins.ts"

/** Waits as long as its answer is to be held back; fails where the address has sent too many. */
export const reject = (
  strangers: FailedLogins,
  { remoteAddress }: Pick<HttpServerRequest.HttpServerRequest, "remoteAddress">,
): Effect.Effect<void, ApiError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const { line, retryAfter, wait } = strangers.miss(
      Option.getOrElse(remoteAddress, () => "an unknown address"),
      now,
    )
    const logged = line === undefined ? Effect.void : Effect.logWarning(line)
    if (retryAfter !== undefined) return Effect.andThen(logged, Effect.fail(tooMany(retryAfter)))
    if (wait === 0) return logged
    const held = Effect.acquireUseRelease(
      Effect.sync(() => strangers.hold()),
      () => Effect.sleep(wait),
      () => Effect.sync(() => strangers.release()),
    )
    return Effect.andThen(logged, held)
  })

const tooMany = (retryAfter: number): ApiError => ({
  status: 429,
  type: "rate_limit_error",
  code: "too_many_wrong_keys",
  message: `Too many keys that this gateway does not know came from this address. Try again in ${seconds(retryAfter)} s.`,
  retryAfter,
})
