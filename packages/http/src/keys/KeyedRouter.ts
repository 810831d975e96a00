/**
 * Enforces virtual keys: a layer over the `Router`, so that it applies to calls of every protocol, after they are decoded
 * and before a deployment is selected.
 *
 * A call outside of the routes or limits of the key or its team fails with a `RouterError`. The state of the limits is in the headers of
 * every response. A call over a limit that has a queue waits there. Calls without a virtual key (see `Caller`) are passed to the router unchanged.
 */
import type { AnyRequest, CallOptions } from "@understudy/core/Call"
import { Call } from "@understudy/core/Call"
import type { AllOptions } from "@understudy/core/internal/model/LayeredOptions"
import type { Receipt } from "@understudy/core/Receipt"
import { Router } from "@understudy/core/Router"
import type { Operating } from "@understudy/core/Router"
import { RouterError } from "@understudy/core/RouterError"
import { didYouMean } from "@understudy/core/internal/route/Suggestion"
import { lowered } from "@understudy/core/internal/model/Priority"
import * as Timeout from "@understudy/core/internal/policy/Timeout"
import type { Priority } from "@understudy/core/Policies"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpEffect from "effect/http/HttpEffect"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as KeyMetrics from "../observe/KeyMetrics.ts"
import * as KeyLimits from "./KeyLimits.ts"
import { Caller } from "../auth/Caller.ts"
import type { Keyring } from "../auth/Keyring.ts"
import * as RateLimitHeaders from "./RateLimitHeaders.ts"
import type { KeyLimits as Limits, VirtualKey } from "../auth/VirtualKey.ts"
import { mayCall, nameOf, priorityOf, routesOf } from "../auth/VirtualKey.ts"

/** The router in context, within the routes and limits that these keys have at the time of a call. */
export const layer = (keys: Keyring): Layer.Layer<Router, never, Router | RateLimiter.RateLimiter> =>
  Layer.effect(
    Router,
    Effect.gen(function* () {
      const router = yield* Router
      const limiter = yield* RateLimiter.RateLimiter
      const admit = yield* admission(keys, limiter, router.canonicalName)
      return Router.of({
        ...router,
        chat: (request, options) =>
          keyedCall(admit, router, new Call(request, false), options, Effect.ensuring, (options) =>
            router.chat(request, options),
          ),
        chatStream: (request, options) =>
          keyedCall(admit, router, new Call(request, true), options, untilScopeCloses, (options) =>
            router.chatStream(request, options),
          ),
        embed: (request, options) =>
          keyedCall(admit, router, new Call(request, false), options, Effect.ensuring, (options) =>
            router.embed(request, options),
          ),
        operate: (request, options) =>
          keyedCall(
            admit,
            router,
            new Call(request, request.streaming === true),
            options,
            untilScopeCloses,
            (options, use) =>
              request.body.type === "session"
                ? Effect.map(router.operate(request, options), (session) => counted(session, use))
                : router.operate(request, options),
          ),
        countTokens: (request, options) =>
          sideRequest(admit, request, (key) => router.countTokens(request, withKey(key, options))),
        explain: (request, options) =>
          sideRequest(admit, request, (key) =>
            router.explain(
              request,
              key === undefined ? options : explained(new KeyedOptions(key, options), options?.streaming === true),
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
  waiting?: QueueWait,
) => Effect.Effect<KeyLimits.Lease, RouterError>

/** The admission of these keys. `resolve` finds the name of a route or a deployment for a model name, by its wildcards. */
const admission = Effect.fnUntraced(function* (
  keys: Keyring,
  limiter: RateLimiter.RateLimiter,
  resolve: (model: string) => string,
): Effect.fn.Return<Admit, never, Scope.Scope> {
  const limiters: Record<Limited, Limiters> = {
    calls: new Limiters(limiter, keys, "", (limits) => limits),
    "side requests": new Limiters(limiter, keys, ":side-requests", KeyLimits.ofSideRequests),
  }
  const stop = keys.onChange(() => limiters.calls.update())
  yield* Effect.addFinalizer(() => Effect.sync(stop))
  return (caller, call, limited, waiting) => {
    const { model } = call.request
    const key = keys.byId(caller.id)
    if (key === undefined || !mayCall(key, resolve(model))) {
      return reject(key ?? caller, "forbidden", forbidden(key ?? caller, model))
    }
    const admitted = limiters[limited].of(key).acquire(call, waiting)
    return Effect.catch(Effect.tap(admitted, addHeaders), (exceeded) =>
      Effect.andThen(
        addHeaders(exceeded, waiting?.millis),
        reject(key, "rate_limited", rateLimited(exceeded, limited, waiting?.millis)),
      ),
    )
  }
})

/** The limiters of keys. One is made with the first request of its key: most keys of a large list are rarely used. */
class Limiters {
  readonly #limiter: RateLimiter.RateLimiter
  readonly #keys: Keyring
  readonly #suffix: string
  readonly #limitsOf: (limits: Limits) => Limits
  /** Each with the key that it was made for: a key that changes is another value. */
  readonly #made = new Map<string, { readonly key: VirtualKey; readonly limiter: KeyLimits.KeyLimiter }>()
  /** The limits of keys and teams, with the permits and the waiting calls that outlive a change. */
  readonly #owners = new Map<string, KeyLimits.OwnerLimits>()

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
    const own = this.#owner({ type: "key", id: key.id, name: nameOf(key) }, limits)
    const limiter =
      team?.limits === undefined
        ? own
        : KeyLimits.both(own, this.#owner({ type: "team", id: team.id, name: team.name }, team.limits))
    this.#made.set(key.id, { key, limiter })
    if (this.#made.size > 2 * this.#keys.size + minForgotten) this.#forget()
    return limiter
  }

  /** Puts the limits in force that keys and teams have now, for the calls that wait. */
  update(): void {
    for (const [id, { key }] of this.#made) {
      const team = key.team === undefined ? undefined : this.#owners.get(`team:${key.team.id}`)
      const own = this.#owners.get(`key:${id}`)
      if (own?.waiting === 0 && (team?.waiting ?? 0) === 0) continue
      const now = this.#keys.byId(id)
      // A key that is gone has no queue any more, and neither has a team without limits.
      if (now === undefined) own?.update(withoutQueue(key.limits))
      else this.of(now)
      if (now?.team?.limits === undefined) team?.update(withoutQueue(key.team?.limits))
    }
  }

  #owner(owner: KeyLimits.Owner, limits: Limits = {}): KeyLimits.OwnerLimits {
    const name = `${owner.type}:${owner.id}`
    let known = this.#owners.get(name)
    if (known === undefined) {
      known = new KeyLimits.OwnerLimits(this.#limiter, { ...owner, id: `${owner.id}${this.#suffix}` })
      this.#owners.set(name, known)
    }
    known.update(this.#limitsOf(limits))
    return known
  }

  /** Forgets the limiters of keys that no longer exist. */
  #forget(): void {
    for (const id of this.#made.keys()) {
      if (this.#keys.byId(id) !== undefined) continue
      this.#made.delete(id)
      this.#owners.delete(`key:${id}`)
    }
  }
}

const withoutQueue = (limits: Limits = {}): Limits => ({ ...limits, queue: undefined })

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
  router: Router["Service"],
  call: Call,
  options: CallOptions | undefined,
  holding: Holding<H>,
  run: (options: CallOptions | undefined, use: Use) => Effect.Effect<A, RouterError, R>,
): Effect.Effect<A, RouterError, R | H> =>
  Effect.withFiber((fiber): Effect.Effect<A, RouterError, R | H> => {
    const key = fiber.getRef(Caller)
    return key === undefined
      ? run(options, useNothing)
      : Effect.uninterruptibleMask((restore) => {
          const wait = mayWait(key) ? new QueueWait(fiber, router, key, call, options, restore) : undefined
          return Effect.flatMap(admit(key, call, "calls", wait), (lease) => {
            // The usage of a call that is cancelled before it has a response is unknown.
            let used = (): number | undefined => undefined
            let counted = 0
            const use: Use = (tokens) => {
              counted += tokens
              return lease.use(tokens)
            }
            const setReceipt = (receipt: Receipt | undefined) =>
              Effect.sync(() => {
                used = () => (receipt === undefined ? 0 : left(KeyLimits.used(receipt), counted))
              })
            return holding(
              restore(run(new KeyedOptions(key, options, wait?.millis), use)).pipe(
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
          })
        })
  })

/** Takes tokens of the limits before a call has ended. */
type Use = (tokens: number) => Effect.Effect<void>

const useNothing: Use = () => Effect.void

/** The tokens that were not taken before the end. */
const left = (used: number | undefined, counted: number): number | undefined =>
  used === undefined ? (counted === 0 ? undefined : 0) : Math.max(0, used - counted)

/** A session whose tokens are taken from the limits as they are reported. */
const counted = (session: Operating, use: Use): Operating => ({
  ...session,
  frames: Stream.tap(session.frames, ({ usage }) =>
    usage === undefined ? Effect.void : use(usage.inputTokens + usage.outputTokens),
  ),
})

const mayWait = ({ limits, team }: VirtualKey): boolean => (limits?.queue ?? team?.limits?.queue) !== undefined

/** How a call waits for the limits of its key and its team, and how long it has. */
class QueueWait implements KeyLimits.Waiting {
  readonly #context: Context.Context<never>
  readonly caller: string
  readonly priority: Priority | undefined
  readonly deadline: number
  readonly restore: KeyLimits.Waiting["restore"]
  /** `undefined` if it has not waited. */
  millis: number | undefined = undefined

  constructor(
    { context }: { readonly context: Context.Context<never> },
    router: Router["Service"],
    key: VirtualKey,
    { request }: Pick<Call, "request">,
    options: CallOptions | undefined,
    restore: KeyLimits.Waiting["restore"],
  ) {
    const now = Context.get(context, Clock.Clock).currentTimeMillisUnsafe()
    this.#context = context
    this.caller = key.id
    this.priority = lowered(priorityOf(key), options?.priority)
    this.deadline = Timeout.deadline(now, router.totalTimeout(request.model) ?? Infinity, options?.timeout).at
    this.restore = restore
  }

  readonly onQueued: KeyLimits.Waiting["onQueued"] = ({ owner, waiting }) =>
    KeyMetrics.queueOf(owner).waiting.updateUnsafe(waiting, this.#context)

  readonly onLeft: KeyLimits.Waiting["onLeft"] = ({ owner, waiting }, departure, millis) => {
    const queue = KeyMetrics.queueOf(owner)
    queue.waiting.updateUnsafe(waiting, this.#context)
    queue.wait(departure).updateUnsafe(millis / 1000, this.#context)
    if (departure === "full" || departure === "timeout") queue.rejected(departure).updateUnsafe(1, this.#context)
    if (millis > 0 || departure === "admitted") this.millis = (this.millis ?? 0) + millis
  }
}

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
  key === undefined ? options : new KeyedOptions(key, options)

/**
 * The options with the key as caller, its team, and its tags before the call's. Tags, headers and the session stay lazy. A class, as
 * V8 defines each accessor of an object literal anew for each call.
 */
class KeyedOptions implements AllOptions {
  readonly #key: VirtualKey
  readonly #own: CallOptions
  readonly timeout: CallOptions["timeout"]
  readonly caller: string
  readonly protocol: CallOptions["protocol"]
  readonly team: CallOptions["team"]
  readonly priority: CallOptions["priority"]
  readonly queuedMillis: CallOptions["queuedMillis"]
  readonly spending: CallOptions["spending"]
  readonly guard: CallOptions["guard"]

  constructor(key: VirtualKey, own: CallOptions = {}, queuedMillis = own.queuedMillis) {
    this.#key = key
    this.#own = own
    this.timeout = own.timeout
    this.caller = key.id
    this.protocol = own.protocol
    this.team = key.team?.id
    this.priority = lowered(priorityOf(key), own.priority)
    this.queuedMillis = queuedMillis
    this.spending = own.spending
    this.guard = own.guard
  }

  get tags(): CallOptions["tags"] {
    const [{ tags }, own] = [this.#key, this.#own]
    return tags === undefined || tags.length === 0 ? own.tags : [...tags, ...(own.tags ?? [])]
  }

  get headers(): CallOptions["headers"] {
    return this.#own.headers
  }

  get session(): CallOptions["session"] {
    return this.#own.session
  }
}

/** The options of an explanation. */
const explained = (options: KeyedOptions, streaming: boolean): AllOptions & { readonly streaming: boolean } => {
  const { headers, session, tags } = options
  return { ...options, headers, session, tags, streaming }
}

/**
 * Adds the state of the limits to the headers of the response, whatever its status. `queuedMillis`: how long a call that is
 * rejected has waited. Without a request there is no response.
 */
const addHeaders = ({ statuses }: Pick<KeyLimits.Lease, "statuses">, queuedMillis?: number): Effect.Effect<void> =>
  Effect.map(Effect.context(), (context) => {
    if (Context.getOrUndefined(context, HttpServerRequest) === undefined) return
    HttpEffect.appendPreResponseHandlerUnsafe(context, (_, response) =>
      Effect.succeed(
        HttpServerResponse.setHeaders(response, {
          ...RateLimitHeaders.headers(statuses),
          ...RateLimitHeaders.queuedHeaders(queuedMillis),
        }),
      ),
    )
  })

const reject = (key: VirtualKey, outcome: "forbidden" | "rate_limited", error: RouterError) =>
  Effect.andThen(Metric.update(KeyMetrics.calls({ key: key.id, outcome }), 1), Effect.fail(error))

/**
 * The error for an existing name that the key may not call and for an unknown name: it must not reveal which names exist.
 */
export const forbidden = (key: VirtualKey, model: string): RouterError => {
  const routes = routesOf(key) ?? []
  return new RouterError({
    kind: "Forbidden",
    message: `Key "${nameOf(key)}" may not call "${model}"${didYouMean(model, routes) || "."} It may call: ${routes.join(", ") || "nothing"}.`,
    receipt: undefined,
    param: "model",
  })
}

const rateLimited = (
  { name, limit, owner, queue, retryAfter, requested }: KeyLimits.KeyLimitExceeded,
  limited: Limited,
  queuedMillis = 0,
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
          message: `${owner.type === "key" ? "Key" : "Team"} "${owner.name}" exceeds its limit of ${describe[name](limit)}${limited === "calls" ? "" : " for token counts and explanations"}.${queue === undefined ? "" : notAdmitted[queue](queuedMillis)}`,
          retryAfter,
        }),
  })

/** Why a queue did not help a call that has waited so many milliseconds. */
const notAdmitted: Record<"full" | "timeout", (millis: number) => string> = {
  full: (millis) =>
    millis === 0 ? " Its queue is full." : " Its queue is full: other calls took the place of this one.",
  timeout: (millis) =>
    millis === 0
      ? " The call would wait longer than it may."
      : ` The call has waited ${Duration.format(Duration.millis(millis))} in its queue.`,
}

const describe: Record<KeyLimits.KeyLimitExceeded["name"], (limit: number) => string> = {
  rpm: (limit) => `${plural(limit, "request")} a minute`,
  rpd: (limit) => `${plural(limit, "request")} a day`,
  tpm: (limit) => `${plural(limit, "token")} a minute`,
  concurrency: (limit) => `${plural(limit, "concurrent call")}`,
}

const plural = (amount: number, thing: string): string => `${amount} ${thing}${amount === 1 ? "" : "s"}`
