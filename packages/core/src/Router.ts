/**
 * The service that answers: a call goes in under the name of a route, and comes out answered by whoever could, or with
 * one typed error that tells what was tried.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Admission from "./admission/Admission.ts"
import * as Attempt from "./execution/Attempt.ts"
import * as CacheStore from "./cache/CacheStore.ts"
import { Call } from "./model/Call.ts"
import type { AnyRequest, CallOptions } from "./model/Call.ts"
import * as Candidate from "./deployment/Candidate.ts"
import type * as Chat from "./model/Chat.ts"
import * as Circuit from "./admission/Circuit.ts"
import * as BoundRoute from "./route/BoundRoute.ts"
import * as TokenCount from "./inspect/TokenCount.ts"
import type * as Deployment from "./deployment/Deployment.ts"
import * as CallExecutor from "./execution/CallExecutor.ts"
import type * as Embedding from "./model/Embedding.ts"
import * as Explainer from "./inspect/Explainer.ts"
import * as KeepAlive from "./execution/KeepAlive.ts"
import type { Explanation } from "./inspect/Explain.ts"
import type * as Plan from "./route/Plan.ts"
import { Provider } from "./model/Provider.ts"
import type { Problem } from "./route/Problem.ts"
import * as RateLimit from "./admission/RateLimit.ts"
import { ReceiptBuilder } from "./receipt/Receipt.ts"
import type { Receipt } from "./receipt/Receipt.ts"
import * as ResponseCache from "./cache/ResponseCache.ts"
import * as StreamRecovery from "./recovery/StreamRecovery.ts"
import * as Cooldowns from "./admission/Cooldowns.ts"
import type { Mentions, Names, Route } from "./route/Route.ts"
import * as RouteEvent from "./receipt/RouteEvent.ts"
import type { RouterError } from "./execution/RouterError.ts"
import * as Errors from "./execution/RouterError.ts"
import * as Status from "./admission/Status.ts"
import type { Defaults } from "./policy/Policies.ts"
import * as Timeout from "./policy/Timeout.ts"
import * as Wildcard from "./route/Wildcard.ts"

export type { CircuitStatus, Status } from "./admission/Status.ts"
export type { Health } from "./deployment/Health.ts"
export type { TokenCount } from "./inspect/TokenCount.ts"
export type { Problem } from "./route/Problem.ts"

/** What a router is made of. Routes and deployments are called by their names, which must differ, exactly or by a `*`. */
export interface Options<Deployments, Routes = Readonly<Record<string, Route>>> extends Callbacks {
  readonly deployments: Deployments
  readonly routes?: Routes | undefined
  readonly defaults?: Defaults | undefined
}

/**
 * Options whose routes mention their own deployments and routes, and no other name. What a route mentions that the compiler
 * does not know is looked at when the layer is built.
 */
export type Named<Deployments, Routes> = Options<Deployments, Routes> & {
  readonly routes?: Among<Routes, Extract<keyof Deployments | keyof Routes, string>> | undefined
}

type Among<Routes, Known extends string> = {
  readonly [Key in keyof Routes]: string extends Names<Routes[Key]> ? Routes[Key] : Mentions<Known>
}

export interface Callbacks {
  /** Runs whenever a call goes on from one deployment to another. Never slows the call. */
  readonly onFailover?: ((failover: RouteEvent.Failover) => Effect.Effect<void>) | undefined
  /** Runs whenever a call was answered whole. Never slows the call. */
  readonly onSuccess?: ((receipt: Receipt) => Effect.Effect<void>) | undefined
}

/** An answer, and what it took to get it. */
export interface Answer<Response = Chat.Response> {
  readonly response: Response
  readonly receipt: Receipt
  /** When the call's time is over, in milliseconds of the clock: until then its client may read. See `timeout.total`. */
  readonly deadline: number
  /** How long a write to the client may make no progress, in milliseconds. Kept by who writes: see `timeout.write`. */
  readonly write: number
}

/**
 * An answer that has begun: `frames` fails with a `RouterError` of kind `StreamInterrupted` if it breaks off, and ends only when
 * whole. `receipt` goes on being written until the stream has ended. On a route with `sse.keepAlive` it may not have begun
 * yet: then `frames` may fail with any kind.
 */
export interface Streaming {
  readonly frames: Stream.Stream<Chat.Frame, RouterError>
  readonly receipt: Receipt
  /** Whether `frames` keeps silent until the answer is whole, and it may still become another deployment's. */
  readonly buffered: boolean
  /** How long the route lets `frames` be silent before a sign of life is due, in milliseconds: see `Route.sse`. */
  readonly keepAlive: number | undefined
  /** When the call's time is over, in milliseconds of the clock: what is left of `frames` then fails. See `timeout.total`. */
  readonly deadline: number
  /** How long a write to the stream's client may make no progress, in milliseconds. Kept by who writes: see `timeout.write`. */
  readonly write: number
}

export class Router extends Context.Service<
  Router,
  {
    /** One whole answer to `request`, whose `model` names a route or a deployment: see `Wildcard` for names with a `*`. */
    readonly chat: (request: Chat.Request, options?: CallOptions) => Effect.Effect<Answer, RouterError>
    /**
     * A streamed answer, once one is committed: until then every failure is answered by the next candidate, and nothing
     * is shown. The stream and its upstream live in the given scope.
     */
    readonly chatStream: (
      request: Chat.Request,
      options?: CallOptions,
    ) => Effect.Effect<Streaming, RouterError, Scope.Scope>
    /** The vectors of texts, of one and the same deployment. `request.model` names a route or a deployment. */
    readonly embed: (
      request: Embedding.Request,
      options?: CallOptions,
    ) => Effect.Effect<Answer<Embedding.Response>, RouterError>
    /** How many tokens a request has, by the first on its route who can count, else estimated: see `Count`. */
    readonly countTokens: (
      request: Chat.Request,
      options?: CallOptions,
    ) => Effect.Effect<TokenCount.TokenCount, RouterError>
    /** Whom a call would ask just now, in which order, and why not the others. Changes nothing. */
    readonly explain: (
      request: AnyRequest,
      options?: CallOptions & { readonly streaming?: boolean },
    ) => Effect.Effect<Explanation, RouterError>
    /** What happens, as it happens. Lossy: a slow reader misses events. */
    readonly events: Stream.Stream<RouteEvent.RouteEvent>
    /** Calls a quick function with every event, in the fibre it happens in, until the scope closes. */
    readonly subscribe: RouteEvent.EventBus["subscribe"]
    /** The names that can be called. */
    readonly routes: ReadonlyArray<string>
    readonly deployments: ReadonlyArray<string>
    /** How each deployment stands just now. */
    readonly status: Effect.Effect<ReadonlyArray<Status.Status>>
    /**
     * Ends a deployment's cooldown and closes its circuit, whatever opened it, dead credentials included, for all who
     * share its state: the next call asks it. Fails with kind `ModelNotFound` if there is no deployment of that name.
     */
    readonly reset: (deployment: string) => Effect.Effect<void, RouterError>
  }
>()("@understudy/core/Router") {}

/** Values that do not fit, or routes and deployments that do not fit together: every problem, with its path. */
export class InvalidRoutes extends Data.TaggedError("InvalidRoutes")<{
  readonly problems: ReadonlyArray<Problem>
}> {
  override get message(): string {
    return this.problems.map(({ message, path }) => `${path}: ${message}`).join("\n")
  }
}

/**
 * A router over these deployments and routes, its circuits and limits kept in memory. The layer needs whatever its
 * deployments' providers need, and may fail to start as they may.
 *
 * ```ts
 * const RouterLive = Router.layer({
 *   deployments: {
 *     "gpt-4o": Deployment.make({ model: "gpt-4o", provider: OpenAi.layer() }),
 *     sonnet: Deployment.make({ model: "claude-sonnet-4-5", provider: Anthropic.layer() })
 *   },
 *   routes: { assistant: Route.fallback("gpt-4o", "sonnet") }
 * })
 * ```
 *
 * A route that mentions a name which is neither a deployment nor a route does not compile.
 */
export const layer = <
  Deployments extends Record<string, Deployment.Any>,
  Routes extends Readonly<Record<string, Route>> = Readonly<Record<string, Route>>,
>(
  options: Named<Deployments, Routes>,
): Layer.Layer<
  Router,
  InvalidRoutes | Deployment.Error<Deployments[keyof Deployments]>,
  Deployment.Requirements<Deployments[keyof Deployments]>
> => Layer.provide(started(options), layerMemory)

/** What a router keeps, in memory: for one process, or one router of it. */
export const layerMemory = Layer.mergeAll(
  Circuit.layerStore,
  RateLimit.layerMemory,
  Cooldowns.layerMemory,
  CacheStore.layerMemory,
)

/** The same, with all that it keeps in the stores given: those of `SharedState` let several gateways act as one. */
export const layerShared = <
  Deployments extends Record<string, Deployment.Any>,
  Routes extends Readonly<Record<string, Route>> = Readonly<Record<string, Route>>,
>(
  options: Named<Deployments, Routes>,
): Layer.Layer<
  Router,
  InvalidRoutes | Deployment.Error<Deployments[keyof Deployments]>,
  | Deployment.Requirements<Deployments[keyof Deployments]>
  | CircuitBreaker.CircuitBreakerStore
  | RateLimiter.RateLimiter
  | Cooldowns.Cooldowns
  | CacheStore.CacheStore
> => started(options)

const started = <Deployments extends Record<string, Deployment.Any>>(options: Options<Deployments>) =>
  Layer.effect(Router, make(options as Options<Together<Deployments>>))

/** Deployments seen as one type: each may fail as any of them may, and needs what any of them needs. */
type Together<Deployments extends Record<string, Deployment.Any>> = Readonly<
  Record<
    string,
    Deployment.Deployment<
      Deployment.Error<Deployments[keyof Deployments]>,
      Deployment.Requirements<Deployments[keyof Deployments]>
    >
  >
>

const make = Effect.fnUntraced(function* <E, R>(
  options: Options<Readonly<Record<string, Deployment.Deployment<E, R>>>>,
) {
  const stores: Admission.Stores = {
    circuits: yield* CircuitBreaker.CircuitBreakerStore,
    limiter: yield* RateLimiter.RateLimiter,
    cooldowns: yield* Cooldowns.Cooldowns,
  }
  const bus = RouteEvent.makeEventBus()
  const random = yield* Random.Random
  const defaults = options.defaults ?? {}
  const compile = <C extends Pick<Candidate.Candidate, "deployment">>(candidates: ReadonlyMap<string, C>) =>
    Effect.fromResult(
      Result.mapError(
        BoundRoute.make(options.routes ?? {}, candidates, defaults),
        (problems) => new InvalidRoutes({ problems }),
      ),
    )
  // What does not fit is said before any provider is started.
  yield* compile(new Map(Object.entries(options.deployments).map(([name, deployment]) => [name, { deployment }])))
  const candidates = yield* start(options.deployments, defaults)
  const compiled = yield* compile(candidates)
  const recalls = yield* ResponseCache.make(compiled, bus)
  yield* listen(bus, options)

  const draw: Plan.Random = () => random.nextDoubleUnsafe()
  const shared: CallExecutor.Shared = { stores, bus, draw }
  const runId = Math.floor(draw() * 2 ** 40).toString(36)
  const meant = Wildcard.among([...compiled.keys()])
  let calls = 0

  const find = (name: string): Effect.Effect<BoundRoute.BoundRoute, RouterError> => {
    const found = compiled.get(meant(name))
    return found === undefined ? Effect.fail(Errors.modelNotFound(name, compiled.keys())) : Effect.succeed(found)
  }

  const open = ({ name }: BoundRoute.BoundRoute, { at, options, streaming }: Call): ReceiptBuilder =>
    new ReceiptBuilder(`${runId}-${(++calls).toString(36)}`, name, options.caller, streaming, at)

  const settle = (receipt: ReceiptBuilder, exit: Exit.Exit<unknown, unknown>, now: number): void => {
    if (receipt.outcome !== undefined) return
    receipt.finish(Exit.isSuccess(exit) ? "success" : Exit.hasInterrupts(exit) ? "cancelled" : "failure", now)
    bus.publish({ _tag: "CallEnded", call: receipt.id, route: receipt.route, receipt })
  }

  const whole = <Request extends AnyRequest, Response extends Attempt.Answer>(
    ask: Attempt.Invoke<Request, Response>,
    recall?: (route: string) => ResponseCache.Options<Response> | undefined,
  ) => {
    const attempt: CallExecutor.AttemptFn<Request, Response> = (context, { leaf }, force) =>
      Attempt.complete(context, leaf, force, ask)
    return (request: Request, options?: CallOptions): Effect.Effect<Answer<Response>, RouterError> =>
      Effect.flatMap(find(request.model), (compiled) =>
        Effect.clockWith((clock) => {
          const call = new Call(request, false, options, clock.currentTimeMillisUnsafe())
          const receipt = open(compiled, call)
          const { total, write } = compiled
          const { at: deadline } = Timeout.deadline(call.at, total, call.options.timeout)
          const fresh = () => CallExecutor.execute(shared, compiled, call, receipt, attempt)
          return (recall?.(compiled.name)?.(call, receipt, fresh) ?? fresh()).pipe(
            Effect.onExit((exit) => Effect.sync(() => settle(receipt, exit, clock.currentTimeMillisUnsafe()))),
            Effect.map((response) => ({ response, receipt, deadline, write })),
          )
        }),
      )
  }

  return Router.of({
    chat: whole(Attempt.chat, (route) => recalls.get(route)?.complete),
    embed: whole(Attempt.embed),
    countTokens: (request, options) =>
      Effect.flatMap(Effect.all([find(request.model), Clock.currentTimeMillis]), ([compiled, now]) =>
        TokenCount.run(stores, compiled, new Call(request, false, options, now, "count"), draw),
      ),
    chatStream: (request, options) =>
      Effect.flatMap(find(request.model), (compiled) =>
        Effect.clockWith((clock) =>
          Effect.flatMap(Effect.scope, (scope) => {
            const call = new Call(request, true, options, clock.currentTimeMillisUnsafe())
            const receipt = open(compiled, call)
            const attempt: CallExecutor.AttemptFn<Chat.Request, Attempt.StartedStream> = (
              context,
              step,
              force,
              steps,
            ) => StreamRecovery.stream(context, steps, step, force, scope)
            const fresh = () => CallExecutor.execute(shared, compiled, call, receipt, attempt)
            const { keepAlive, total, write } = compiled
            const told = { keepAlive, write, deadline: Timeout.deadline(call.at, total, call.options.timeout).at }
            const begin = Effect.tapError(recalls.get(compiled.name)?.stream(call, receipt, fresh) ?? fresh(), () =>
              Effect.sync(() => settle(receipt, Exit.fail("failure"), clock.currentTimeMillisUnsafe())),
            )
            const begun = (committed: Attempt.StartedStream): Streaming => ({
              frames: frames(committed, receipt),
              receipt,
              buffered: committed.buffered === true,
              ...told,
            })
            return Effect.andThen(
              Scope.addFinalizerExit(scope, (exit) =>
                Effect.sync(() => settle(receipt, lastAttempt(receipt, exit), clock.currentTimeMillisUnsafe())),
              ),
              keepAlive === undefined
                ? Effect.map(begin, begun)
                : Effect.map(KeepAlive.open(begin, keepAlive, scope), (opened) =>
                    opened._tag === "Begun"
                      ? begun(opened.value)
                      : {
                          frames: Stream.unwrap(Effect.map(opened.begun, (committed) => frames(committed, receipt))),
                          receipt,
                          buffered: true,
                          ...told,
                        },
                  ),
            )
          }),
        ),
      ),
    explain: (request, options) =>
      Effect.flatMap(Effect.all([find(request.model), Clock.currentTimeMillis]), ([compiled, now]) =>
        Explainer.make(stores, compiled, new Call(request, options?.streaming === true, options, now)),
      ),
    events: bus.stream,
    subscribe: bus.subscribe,
    routes: Object.keys(options.routes ?? {}),
    deployments: [...candidates.keys()],
    status: Effect.forEach([...candidates.values()], (candidate) => Status.of(stores, candidate)),
    reset: (deployment) => {
      const candidate = candidates.get(deployment)
      return candidate === undefined
        ? Effect.fail(Errors.modelNotFound(deployment, candidates.keys()))
        : Status.reset(stores, candidate)
    },
  })
})

/** Starts every deployment's provider, in the scope of the router. */
const start = <E, R>(
  deployments: Readonly<Record<string, Deployment.Deployment<E, R>>>,
  defaults: Defaults,
): Effect.Effect<ReadonlyMap<string, Candidate.Candidate>, E, R | Scope.Scope> => {
  const suspects = Candidate.suspects()
  return Effect.map(
    Effect.forEach(
      Object.entries(deployments),
      ([name, deployment]) =>
        Effect.map(Layer.build(deployment.provider), (context) =>
          Candidate.make(name, deployment, Context.get(context, Provider), defaults, suspects),
        ),
      { concurrency: "unbounded" },
    ),
    (candidates) => new Map(candidates.map((candidate) => [candidate.name, candidate])),
  )
}

/** Runs the callbacks of the options. */
const listen = (bus: RouteEvent.EventBus, { onFailover, onSuccess }: Callbacks) =>
  onFailover === undefined && onSuccess === undefined
    ? Effect.void
    : RouteEvent.runHandlers(bus.subscribe, (event) => {
        if (event._tag === "Failover") return onFailover?.(event)
        if (event._tag === "CallEnded" && event.receipt.outcome === "success") return onSuccess?.(event.receipt)
        return undefined
      })

const frames = ({ held, rest }: Attempt.StartedStream, receipt: Receipt): Stream.Stream<Chat.Frame, RouterError> =>
  Stream.concat(
    Stream.fromArray(held),
    Stream.mapError(Stream.fromPull(Effect.succeed(rest)), (error) => Errors.streamInterrupted(error, receipt)),
  )

/** How a stream's call ended, told by its last attempt: the scope's own exit only knows how its consumer ended. */
const lastAttempt = (receipt: ReceiptBuilder, exit: Exit.Exit<unknown, unknown>): Exit.Exit<unknown, unknown> => {
  if (receipt.cache === "hit") return Exit.void
  switch (receipt.attempts.at(-1)?.outcome) {
    case "success":
      return Exit.void
    case "failure":
      return Exit.fail("failure")
    case "cancelled":
    case undefined:
      return Exit.isSuccess(exit) ? Exit.interrupt() : exit
  }
}

/** The name, where this router serves it; else the error that a call by that name would have. */
export const named = (
  { deployments, routes }: Pick<Router["Service"], "deployments" | "routes">,
  name: string,
): Effect.Effect<string, RouterError> => {
  const known = [...routes, ...deployments]
  return known.includes(Wildcard.among(known)(name))
    ? Effect.succeed(name)
    : Effect.fail(Errors.modelNotFound(name, known))
}

/** The parts of a streamed answer, without its frames: for an application that reads the answer itself. */
export const stream = (request: Chat.Request, options?: CallOptions): Stream.Stream<Chat.Part, RouterError, Router> =>
  Stream.unwrap(
    Effect.map(
      Effect.flatMap(Router, (router) => router.chatStream(request, options)),
      ({ frames }) => Stream.flattenIterable(Stream.map(frames, ({ parts }) => parts)),
    ),
  )
