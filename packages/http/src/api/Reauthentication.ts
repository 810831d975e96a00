/**
 * The key of a WebSocket, which may change while the connection is open. An endpoint authenticates each call of the connection anew, or
 * ends its session once the key is revoked.
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
import { mayCall, nameOf } from "../auth/VirtualKey.ts"
import * as KeyedRouter from "../keys/KeyedRouter.ts"
import * as ApiError from "./ApiError.ts"

export interface Reauthentication {
  /** The caller and its exposure level, by the key as it is now. Fails if the key is not accepted any more. */
  readonly authenticate: Effect.Effect<Context.Context<never>, ApiError.ApiError>
  /** Waits until the key is not accepted any more, or may not call this route or deployment, and succeeds with the error that says so. */
  readonly revoked: (route: string) => Effect.Effect<ApiError.ApiError>
}

/** Of the request for a WebSocket in context, set by the middleware. Default, and without keys: nothing is revoked. */
export const Current = Context.Reference<Reauthentication>("@understudy/http/Reauthentication", {
  defaultValue: () => ({ authenticate: Effect.succeed(Context.empty()), revoked: () => Effect.never }),
})

/** For a request with this key. */
export const make = (auth: Auth.Auth, key: Auth.Key): Reauthentication => {
  const opened = key.virtualKey
  const check = Effect.map(Clock.currentTimeMillis, (now): Result.Result<Auth.Key, ApiError.ApiError> => {
    const known = auth.keys.current(key)
    return known === undefined || known.virtualKey?.id !== opened?.id
      ? Result.fail(gone(opened, opened !== undefined && auth.keys.byId(opened.id) !== undefined))
      : Result.mapError(Auth.checkValid(known, now), ApiError.fromRejection)
  })
  return {
    authenticate: Effect.map(Effect.flatMap(check, Effect.fromResult), ({ virtualKey }) =>
      Context.make(Caller, virtualKey).pipe(Context.add(Expose, Auth.exposed(auth, virtualKey))),
    ),
    revoked: Effect.fnUntraced(function* (route) {
      const changed = Latch.makeUnsafe()
      yield* Effect.acquireRelease(
        Effect.sync(() => auth.keys.onChange(() => changed.openUnsafe())),
        (stop) => Effect.sync(stop),
      )
      while (true) {
        changed.closeUnsafe()
        const checked = yield* check
        if (Result.isFailure(checked)) return checked.failure
        const { until = Infinity, virtualKey } = checked.success
        if (virtualKey !== undefined && !mayCall(virtualKey, route)) {
          return ApiError.make(KeyedRouter.forbidden(virtualKey, route), "full")
        }
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
