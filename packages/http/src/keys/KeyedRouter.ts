/**
 * Enforces virtual keys: a layer over the `Router`, so that it applies to calls of every protocol, after they are decoded
 * and before a deployment is selected.
 *
 * A call outside of the routes or limits of the key or its team fails with a `RouterError`. The state of the limits is in the headers of
 * every response. Calls without a virtual key (see `Caller`) are passed to the router unchanged.
 */
import type { AnyRequest, CallOptions } from "@understudy/core/Call"
import { Call } from "@understudy/core/Call"
import type { Receipt } from "@understudy/core/Receipt"
import { Router } from "@understudy/core/Router"
import { RouterError } from "@understudy/core/RouterError"
import { didYouMean } from "@understudy/core/internal/route/Suggestion"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpEffect from "effect/http/HttpEffect"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as KeyMetrics from "../observe/KeyMetrics.ts"
import * as KeyLimits from "./KeyLimits.ts"
import { Caller } from "../auth/Caller.ts"
import type { Keyring } from "../auth/Keyring.ts"
import * as RateLimitHeaders from "./RateLimitHeaders.ts"
import type { KeyLimits as Limits, VirtualKey } from "../auth/VirtualKey.ts"
import { mayCall, nameOf, routesOf } from "../auth/VirtualKey.ts"

/** The router in context, within the routes and limits that these keys have at the time of a call. */
export const layer = (keys: Keyring): Layer.Layer<Router, never, Router | RateLimiter.RateLimiter> =>
  Layer.effect(
    Router,
    Effect.gen(function* () {
      const router = yield* Router
      const limiter = yield* RateLimiter.RateLimiter
      const admit = admission(keys, limiter, router.canonicalName)
      return Router.of({
        ...router,
        chat: (request, options) =>
          keyedCall(admit, new Call(request, false), options, Effect.ensuring, (options) =>
            router.chat(request, options),
          ),
        chatStream: (request, options) =>
          keyedCall(admit, new Call(request, true), options, untilScopeCloses, (options) =>
            router.chatStream(request, options),
          ),
        embed: (request, options) =>
          keyedCall(admit, new Call(request, false), options, Effect.ensuring, (options) =>
            router.embed(request, options),
          ),
        countTokens: (request, options) =>
          sideRequest(admit, request, (key) => router.countTokens(request, withKey(key, options))),
        explain: (request, options) =>
          sideRequest(admit, request, (key) =>
            router.explain(
              request,
              key === undefined ? options : { ...optionsOf(key, options), streaming: options?.streaming === true },
            ),
          ),
      })
    }),
  )

/** Which limits of a key apply: those of calls, or those of token counts and explanations. */
type Limited = "calls" | "side requests"

/** Takes a permit for a request of a key. Fails with `RateLimited` or `Forbidden`. */
type Admit = (
  key: VirtualKey,
  call: Pick<Call, "request" | "tokens">,
  limited: Limited,
) => Effect.Effect<KeyLimits.Lease, RouterError>

/** The admission of these keys. `resolve` finds the name of a route or a deployment for a model name, by its wildcards. */
const admission = (keys: Keyring, limiter: RateLimiter.RateLimiter, resolve: (model: string) => string): Admit => {
  const limiters: Record<Limited, Limiters> = {
    calls: new Limiters(limiter, keys, "", (limits) => limits),
    "side requests": new Limiters(limiter, keys, ":side-requests", KeyLimits.ofSideRequests),
  }
  return (caller, call, limited) => {
    const { model } = call.request
    const key = keys.byId(caller.id)
    if (key === undefined || !mayCall(key, resolve(model))) return forbid(key ?? caller, model)
    const admitted = limiters[limited].of(key).acquire(call)
    return Effect.catch(Effect.tap(admitted, addHeaders), (exceeded) =>
      Effect.andThen(addHeaders(exceeded), reject(key, "rate_limited", rateLimited(exceeded, limited))),
    )
  }
}

/** The limiters of keys. One is made with the first request of its key: most keys of a large list are rarely used. */
class Limiters {
  readonly #limiter: RateLimiter.RateLimiter
  readonly #keys: Keyring
  readonly #suffix: string
  readonly #limitsOf: (limits: Limits) => Limits
  /** Each with the key that it was made for: a key that changes is another value. */
  readonly #made = new Map<string, { readonly key: VirtualKey; readonly limiter: KeyLimits.KeyLimiter }>()
  /** The permits of concurrency limits, which outlive a change of the limit. */
  readonly #permits = new Map<string, Semaphore.Semaphore>()

  constructor(limiter: RateLimiter.RateLimiter, keys: Keyring, suffix: string, limitsOf: (limits: Limits) => Limits) {
    this.#limiter = limiter
    this.#keys = keys
    this.#suffix = suffix
    this.#limitsOf = limitsOf
  }

  of(key: VirtualKey): KeyLimits.KeyLimiter {
    const made = this.#made.get(key.id)
    if (made?.key === key) return made.limiter
    const { limits, team } = key
    const own = this.#make({ type: "key", id: key.id, name: nameOf(key) }, limits)
    const limiter =
      team?.limits === undefined
        ? own
        : KeyLimits.both(this.#make({ type: "team", id: team.id, name: team.name }, team.limits), own)
    this.#made.set(key.id, { key, limiter })
    if (this.#made.size > 2 * this.#keys.size + minForgotten) this.#forget()
    return limiter
  }

  #make(owner: KeyLimits.Owner, limits: Limits = {}): KeyLimits.KeyLimiter {
    const now = this.#limitsOf(limits)
    const concurrency = this.#concurrencyOf(`${owner.type}:${owner.id}`, now.concurrency)
    return KeyLimits.make(this.#limiter, { ...owner, id: `${owner.id}${this.#suffix}` }, now, concurrency)
  }

  #concurrencyOf(owner: string, max: number | undefined): KeyLimits.Concurrency | undefined {
    if (max === undefined) return undefined
    const known = this.#permits.get(owner)
    if (known !== undefined) Effect.runSync(known.resize(max))
    const permits = known ?? Semaphore.makeUnsafe(max)
    this.#permits.set(owner, permits)
    // Calls have permits of their own, and token counts and explanations have theirs.
    return { key: `${owner}${this.#suffix}`, max, permits }
  }

  /** Forgets the limiters of keys that no longer exist. */
  #forget(): void {
    for (const id of this.#made.keys()) {
      if (this.#keys.byId(id) !== undefined) continue
      this.#made.delete(id)
      this.#permits.delete(`key:${id}`)
    }
  }
}

/** The fewest limiters of former keys that are worth a search. */
const minForgotten = 100

/** How long a call holds its permit: `release` must run when it has ended. */
type Holding<R> = <A, E, R1>(call: Effect.Effect<A, E, R1>, release: Effect.Effect<void>) => Effect.Effect<A, E, R | R1>

/** A finalizer of the scope itself: `Effect.addFinalizer` would copy the services in context for each call. */
const untilScopeCloses: Holding<Scope.Scope> = (call, release) =>
  Effect.flatMap(Effect.scope, (scope) => Effect.andThen(Scope.addFinalizer(scope, release), call))

/** Runs a call of the caller in context with a permit. */
const keyedCall = <A extends { readonly receipt: Receipt }, R, H>(
  admit: Admit,
  call: Call,
  options: CallOptions | undefined,
  holding: Holding<H>,
  run: (options: CallOptions | undefined) => Effect.Effect<A, RouterError, R>,
): Effect.Effect<A, RouterError, R | H> =>
  Effect.flatMap(Caller, (key): Effect.Effect<A, RouterError, R | H> =>
    key === undefined
      ? run(options)
      : Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(admit(key, call, "calls"), (lease) => {
            // The usage of a call that is cancelled before it has a response is unknown.
            let used = (): number | undefined => undefined
            const setReceipt = (receipt: Receipt | undefined) =>
              Effect.sync(() => {
                used = () => (receipt === undefined ? 0 : KeyLimits.used(receipt))
              })
            return holding(
              restore(run(optionsOf(key, options))).pipe(
                Effect.tap(({ receipt }) => setReceipt(receipt)),
                Effect.tapError(({ kind, receipt }) =>
                  Effect.andThen(
                    setReceipt(receipt),
                    kind === "BudgetExceeded"
                      ? Metric.update(KeyMetrics.calls({ key: key.id, outcome: "budget_exceeded" }), 1)
                      : Effect.void,
                  ),
                ),
              ),
              Effect.suspend(() => lease.release(used())),
            )
          }),
        ),
  )

/** Runs a token count or an explanation of the caller in context. These have limits of their own. */
const sideRequest = <A>(
  admit: Admit,
  request: AnyRequest,
  run: (key: VirtualKey | undefined) => Effect.Effect<A, RouterError>,
): Effect.Effect<A, RouterError> =>
  Effect.flatMap(Caller, (key) =>
    key === undefined
      ? run(key)
      : Effect.acquireUseRelease(
          admit(key, { request, tokens: 0 }, "side requests"),
          () => run(key),
          (lease) => lease.release(undefined),
        ),
  )

const withKey = (key: VirtualKey | undefined, options: CallOptions | undefined): CallOptions | undefined =>
  key === undefined ? options : optionsOf(key, options)

/** The options with the key as caller, its team, and its tags before the call's. Tags, headers and the session stay lazy. */
const optionsOf = (
  key: VirtualKey,
  options: CallOptions = {},
): { readonly [Option in keyof Required<CallOptions>]: CallOptions[Option] } => ({
  timeout: options.timeout,
  get tags() {
    return key.tags === undefined || key.tags.length === 0 ? options.tags : [...key.tags, ...(options.tags ?? [])]
  },
  get headers() {
    return options.headers
  },
  get session() {
    return options.session
  },
  caller: key.id,
  protocol: options.protocol,
  team: key.team?.id,
  spending: options.spending,
})

/** Adds the state of the limits to the headers of the response, whatever its status. Without a request there is no response. */
const addHeaders = ({ statuses }: Pick<KeyLimits.Lease, "statuses">): Effect.Effect<void> =>
  Effect.map(Effect.context(), (context) => {
    if (Context.getOrUndefined(context, HttpServerRequest) === undefined) return
    HttpEffect.appendPreResponseHandlerUnsafe(context, (_, response) =>
      Effect.succeed(HttpServerResponse.setHeaders(response, RateLimitHeaders.headers(statuses))),
    )
  })

const reject = (key: VirtualKey, outcome: "forbidden" | "rate_limited", error: RouterError) =>
  Effect.andThen(Metric.update(KeyMetrics.calls({ key: key.id, outcome }), 1), Effect.fail(error))

/**
 * The error for an existing name that the key may not call and for an unknown name: it must not reveal which names exist.
 */
const forbid = (key: VirtualKey, model: string): Effect.Effect<never, RouterError> => {
  const routes = routesOf(key) ?? []
  return reject(
    key,
    "forbidden",
    new RouterError({
      kind: "Forbidden",
      message: `Key "${nameOf(key)}" may not call "${model}"${didYouMean(model, routes) || "."} It may call: ${routes.join(", ") || "nothing"}.`,
      receipt: undefined,
      param: "model",
    }),
  )
}

const rateLimited = (
  { name, limit, owner, retryAfter, requested }: KeyLimits.KeyLimitExceeded,
  limited: Limited,
): RouterError =>
  new RouterError({
    kind: "RateLimited",
    receipt: undefined,
    ...(requested > limit
      ? {
          message: `The call needs an estimated ${requested} tokens, more than the limit of ${owner.type} "${owner.name}": ${limit} tokens a minute.`,
          permanent: true,
        }
      : {
          message: `${owner.type === "key" ? "Key" : "Team"} "${owner.name}" exceeds its limit of ${describe[name](limit)}${limited === "calls" ? "" : " for token counts and explanations"}.`,
          retryAfter,
        }),
  })

const describe: Record<KeyLimits.KeyLimitExceeded["name"], (limit: number) => string> = {
  rpm: (limit) => `${plural(limit, "request")} a minute`,
  rpd: (limit) => `${plural(limit, "request")} a day`,
  tpm: (limit) => `${plural(limit, "token")} a minute`,
  concurrency: (limit) => `${plural(limit, "concurrent call")}`,
}

const plural = (amount: number, thing: string): string => `${amount} ${thing}${amount === 1 ? "" : "s"}`
