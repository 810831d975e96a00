/**
 * The access token of a provider. The first call fetches it; from then on it is refreshed in the background, before it
 * expires. Concurrent calls share one fetch, and a call waits for one fetch at most.
 *
 * A refresh that fails is retried with a backoff while the present token is valid, and fails no call. A token that the API
 * rejects with a 401, such as a revoked one, is replaced once.
 */
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberHandle from "effect/FiberHandle"

/** An access token, in the headers that authorize a request: alternating names and values. */
export interface Token {
  readonly headers: ReadonlyArray<string>
  /** The end of its validity, in milliseconds of the clock. */
  readonly expiresAt: number
}

/** Sends a request with a token. `discard` reads what is left of a response that is not used. */
export interface Tokens {
  readonly use: <A extends { readonly status: number }, E>(
    send: (token: Token) => Effect.Effect<A, E>,
    discard: (response: A) => Effect.Effect<unknown>,
  ) => Effect.Effect<A, E | ProviderError>
}

/** The settings of `make`. */
export interface Options {
  /** Gets a new token. */
  readonly fetch: Effect.Effect<Token, ProviderError>
  /** Waits for some milliseconds. Default: without keeping the process alive. */
  readonly sleep?: ((millis: number) => Effect.Effect<void>) | undefined
}

/** A token in use. */
interface Held extends Token {
  readonly fetchedAt: number
  /** Whether the API has responded to it with another status than 401. */
  accepted: boolean
}

/** The tokens of one provider. Refreshes end with the scope. */
export const make = Effect.fnUntraced(function* ({ fetch: source, sleep = idle }: Options) {
  const clock = yield* Clock.Clock
  // Run beside the calls, in the context of the provider: they outlive the call that started them, and hold nothing of it.
  const runFetch = yield* FiberHandle.makeRuntime<never>()
  const runRenewal = yield* FiberHandle.makeRuntime<never>()
  const now = () => clock.currentTimeMillisUnsafe()
  let current: Held | undefined
  let pending: Deferred.Deferred<Held, ProviderError> | undefined

  const valid = (): Held | undefined =>
    current !== undefined && now() < current.expiresAt - expiryMargin ? current : undefined

  const fetch: Effect.Effect<Held, ProviderError> = Effect.suspend(() => {
    if (pending !== undefined) return Deferred.await(pending)
    const shared = (pending = Deferred.makeUnsafe<Held, ProviderError>())
    const fiber = runFetch(
      Effect.map(source, (token) => {
        current = { ...token, fetchedAt: now(), accepted: false }
        runRenewal(renew(current))
        return current
      }),
    )
    fiber.addObserver((exit) => {
      pending = undefined
      Deferred.doneUnsafe(shared, exit)
    })
    // A call that is interrupted leaves the fetch to the others.
    return Deferred.await(shared)
  })

  /** Refreshes the token before it expires. A fetch that succeeds begins the renewal of the next token. */
  const renew = (token: Held): Effect.Effect<void> => {
    const attempt = (failures: number): Effect.Effect<void> =>
      Effect.catch(Effect.asVoid(fetch), ({ message }) => {
        const wait = Math.min(firstRetry * 2 ** failures, maxRetry)
        const left = token.expiresAt - now()
        if (current !== token || left <= wait) return Effect.void
        const seconds = Math.round(left / 1000)
        return Effect.logWarning(
          `vertex: the access token is valid for ${seconds} s more, and cannot be refreshed: ${message}`,
        ).pipe(Effect.andThen(sleep(wait)), Effect.andThen(attempt(failures + 1)))
      })
    return Effect.andThen(sleep(refreshDelay(token.expiresAt - now())), attempt(0))
  }

  /** Whether a token that was rejected is replaced: once it has worked, or is no longer new. */
  const drop = (token: Held): boolean => {
    if (!token.accepted && now() - token.fetchedAt < newFor) return false
    if (current === token) current = undefined
    return true
  }

  const held = (): Effect.Effect<Held, ProviderError> => {
    const token = valid()
    return token === undefined ? fetch : Effect.succeed(token)
  }

  const tokens: Tokens = {
    use: (send, discard) => {
      const sent = (token: Held) =>
        Effect.map(send(token), (response) => {
          if (response.status !== 401) token.accepted = true
          return response
        })
      return Effect.suspend(() => {
        const token = valid()
        if (token === undefined) return Effect.flatMap(fetch, sent)
        return Effect.filterOrElse(
          sent(token),
          (response) => response.status !== 401 || !drop(token),
          (response) => Effect.andThen(discard(response), Effect.flatMap(Effect.suspend(held), sent)),
        )
      })
    },
  }
  return tokens
})

/** A token is not used in its last 10 seconds, in which a request may arrive too late. */
const expiryMargin = 10_000

/**
 * A token is refreshed 225 seconds before it expires. Google's metadata server issues a new one only in the last 5 minutes
 * of the former one.
 */
const refreshLead = 225_000

/** A short-lived token is refreshed after half of its time. */
const refreshDelay = (left: number): number =>
  left > 2 * refreshLead ? left - refreshLead : Math.max(left / 2, minDelay)

const minDelay = 1000

const firstRetry = 1000
const maxRetry = 60_000

/** How long a token that has never worked is not replaced: the API rejects the account, not the token. */
const newFor = 60_000

/** A timer of Effect's clock would keep the process alive. */
const idle = (millis: number): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const timer = setTimeout(() => resume(Effect.void), millis).unref()
    return Effect.sync(() => clearTimeout(timer))
  })

/** One token that is not refreshed; no token, if undefined. */
export const fixed = (token: Token | undefined): Tokens => ({
  use: (send) => send(token ?? none),
})

const none: Token = { headers: [], expiresAt: Number.POSITIVE_INFINITY }
