/**
 * The key of a request that lasts, a WebSocket or a stream of events: it may change meanwhile. An endpoint authenticates each call of a
 * connection anew, or ends what it serves once the key is revoked.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Result from "effect/Result"
import * as Auth from "../auth/Auth.ts"
import { Caller } from "../auth/Caller.ts"
import { Expose } from "../auth/Expose.ts"
import type { VirtualKey } from "../auth/VirtualKey.ts"
import { nameOf } from "../auth/VirtualKey.ts"
import * as ApiError from "./ApiError.ts"

export interface Reauthentication {
  /** The caller and its exposure level, by the key as it is now. Fails if the key is not accepted any more. */
  readonly authenticate: Effect.Effect<Context.Context<never>, ApiError.ApiError>
  /**
   * Waits until the key is not accepted any more, or the check of its caller (`Caller`) fails, and succeeds with the error that says
   * so.
   */
  readonly revoked: (check: Effect.Effect<unknown, ApiError.ApiError>) => Effect.Effect<ApiError.ApiError>
}

/** Of the request in context, unless that is a `POST`: set by the middleware. Default, and without keys: nothing is revoked. */
export const Current = Context.Reference<Reauthentication>("@understudy/http/Reauthentication", {
  defaultValue: () => ({ authenticate: Effect.succeed(Context.empty()), revoked: () => Effect.never }),
})

/** For a request with this key. */
export const make = (auth: Auth.Auth, key: Auth.Key): Reauthentication => {
  const opened = key.virtualKey
  const current = Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<Auth.Key, ApiError.ApiError> => {
    const known = auth.keys.current(key)
    return known === undefined || known.virtualKey?.id !== opened?.id
      ? Effect.fail(gone(opened, opened !== undefined && auth.keys.byId(opened.id) !== undefined))
      : Effect.fromResult(Result.mapError(Auth.checkValid(known, now), ApiError.fromRejection))
  })
  const callerOf = ({ virtualKey }: Auth.Key): Context.Context<never> =>
    Context.make(Caller, virtualKey).pipe(Context.add(Expose, Auth.exposed(auth, virtualKey)))
  return {
    authenticate: Effect.map(current, callerOf),
    revoked: Effect.fnUntraced(function* (check) {
      const checked = Effect.result(Effect.tap(current, (key) => Effect.provideContext(check, callerOf(key))))
      const changed = Latch.makeUnsafe()
      yield* Effect.acquireRelease(
        Effect.sync(() => auth.keys.onChange(() => changed.openUnsafe())),
        (stop) => Effect.sync(stop),
      )
      while (true) {
        changed.closeUnsafe()
        const result = yield* checked
        if (Result.isFailure(result)) return result.failure
        const { until = Infinity, virtualKey } = result.success
        const expiresAt = Math.min(until, virtualKey?.expiresAt ?? Infinity)
        yield* Effect.timeoutOption(changed.await, expiresAt - (yield* Clock.currentTimeMillis))
      }
    }, Effect.scoped),
  }
}

/** `hasText`: whether the key is there with another text. */
const gone = (key: VirtualKey | undefined, hasText: boolean): ApiError.ApiError =>
  ApiError.fromRejection({
    status: 401,
    code: "invalid_api_key",
    message:
      key === undefined
        ? "The operator's key was replaced."
        : hasText
          ? `Key "${nameOf(key)}" was rotated: its former secret is not accepted any more.`
          : `Key "${nameOf(key)}" was deleted.`,
  })
