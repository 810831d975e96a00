/**
 * The router: a service that answers a call to a route with the response of the first deployment that gives one, or fails
 * with one typed error that lists what was tried.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type * as Admission from "./admission/Admission.ts"
import * as Circuit from "./admission/Circuit.ts"
import * as Cooldowns from "./admission/Cooldowns.ts"
import * as RateLimit from "./admission/RateLimit.ts"
import * as Status from "./admission/Status.ts"
import * as AffinityStore from "./affinity/AffinityStore.ts"
import * as CacheStore from "./cache/CacheStore.ts"
import * as Calls from "./Calls.ts"
import type { Answer, Operating, Streaming } from "./Calls.ts"
import * as Candidate from "./deployment/Candidate.ts"
import type * as Deployment from "./deployment/Deployment.ts"
import * as CallRecorder from "./execution/CallRecorder.ts"
import * as FaultInjection from "./faults/FaultInjection.ts"
import * as Shadow from "./execution/Shadow.ts"
import type { RouterError } from "./execution/RouterError.ts"
import * as Errors from "./execution/RouterError.ts"
import * as Change from "./generation/Change.ts"
import * as Generation from "./generation/Generation.ts"
import { InvalidRoutes } from "./generation/Generation.ts"
import * as Explainer from "./inspect/Explainer.ts"
import type { Explanation } from "./inspect/Explain.ts"
import * as TokenCount from "./inspect/TokenCount.ts"
import { Call } from "./model/Call.ts"
import type { AnyRequest, CallOptions } from "./model/Call.ts"
import type * as Chat from "./model/Chat.ts"
import type * as Embedding from "./model/Embedding.ts"
import type * as Operation from "./model/Operation.ts"
import type { Stopped } from "./model/Guard.ts"
import type { Origin } from "./model/Provider.ts"
import type { Receipt } from "./receipt/Receipt.ts"
import * as RouteEvent from "./receipt/RouteEvent.ts"
import type * as Plan from "./route/Plan.ts"
import type { Mentions, Names, Route } from "./route/Route.ts"

export type { Answer, Operating, Streaming } from "./Calls.ts"
export type { CircuitStatus, Status } from "./admission/Status.ts"
export type { Health } from "./deployment/Health.ts"
export type { FaultInjection, FaultStatus } from "./faults/FaultInjection.ts"
export { InvalidFaultInjection } from "./faults/FaultInjection.ts"
export type { TokenCount } from "./inspect/TokenCount.ts"
export { InvalidRoutes }
export type { Change } from "./generation/Change.ts"
export type { Problem } from "./route/Problem.ts"

/** Options of a router. Routes and deployments are called by name, exactly or by a `*`; no two may have the same name. */
export interface Options<Deployments, Routes = Readonly<Record<string, Route>>>
  extends Generation.Options<Deployments, Routes>, Callbacks {}

/**
 * Options whose routes name only deployments and routes of these options. Names that the compiler does not know are
 * checked when the layer is built.
 */
export type Named<Deployments, Routes> = Options<Deployments, Routes> & NamedRoutes<Deployments, Routes>

interface NamedRoutes<Deployments, Routes> {
  readonly routes?: Among<Routes, Extract<keyof Deployments | keyof Routes, string>> | undefined
}

type Among<Routes, Known extends string> = {
  readonly [Key in keyof Routes]: string extends Names<Routes[Key]> ? Routes[Key] : Mentions<Known>
}

export interface Callbacks {
  /** Runs when a call falls back from one deployment to another, unless it is a shadow call. Never delays the call. */
  readonly onFailover?: ((failover: RouteEvent.Failover) => Effect.Effect<void>) | undefined
  /** Runs when a call has its complete answer, unless it is a shadow call. Never delays the call. */
  readonly onSuccess?: ((receipt: Receipt) => Effect.Effect<void>) | undefined
}

export class Router extends Context.Service<
  Router,
  {
    /** A complete response to `request`, whose `model` names a route or a deployment: see `Wildcard` for names with a `*`. */
    readonly chat: (request: Chat.Request, options?: CallOptions) => Effect.Effect<Answer, RouterError>
    /**
     * A streamed response, once a deployment has brought its first output: before that, a failure falls back to the next
     * deployment. The stream and its upstream live in the given scope.
     */
    readonly chatStream: (
      request: Chat.Request,
      options?: CallOptions,
    ) => Effect.Effect<Streaming, RouterError, Scope.Scope>
    /** The vectors of texts, all from one deployment. `request.model` names a route or a deployment. */
    readonly embed: (
      request: Embedding.Request,
      options?: CallOptions,
    ) => Effect.Effect<Answer<Embedding.Response>, RouterError>
    /**
     * The response to another operation, such as a moderation or an image. `request.model` names a route or a deployment;
     * deployments without the operation are skipped. If it is streamed, its bytes arrive as the provider sends them, once a
     * deployment has sent its first; otherwise it is one frame. It lives in the given scope, as its upstream does.
     */
    readonly operate: (
      request: Operation.Request,
      options?: CallOptions,
    ) => Effect.Effect<Operating, RouterError, Scope.Scope>
    /** The number of tokens of a request, by the first deployment of its route that can count, else estimated. */
    readonly countTokens: (
      request: Chat.Request,
      options?: CallOptions,
    ) => Effect.Effect<TokenCount.TokenCount, RouterError>
    /** The deployments that a call would try now, in order, and why the others would be skipped. Changes no state. */
    readonly explain: (
      request: AnyRequest,
      options?: CallOptions & { readonly streaming?: boolean },
    ) => Effect.Effect<Explanation, RouterError>
    /**
     * Ends a call that a layer over the router stops before the router has received it: records it, and fails with its error.
     * An exit that is an interruption records it as cancelled.
     */
    readonly end: (
      request: AnyRequest,
      call: { readonly options: CallOptions; readonly streaming: boolean },
      exit: Exit.Exit<never, Stopped>,
    ) => Effect.Effect<never, RouterError>
    /** The events of all calls. Lossy: a slow reader misses events. */
    readonly events: Stream.Stream<RouteEvent.RouteEvent>
    /** Calls a function with every event, in the fibre that publishes it, until the scope closes. It must be quick. */
    readonly subscribe: RouteEvent.EventBus["subscribe"]
    /** The names of the routes; deployments can be called by name too. A reload may change them. */
    readonly routes: () => ReadonlyArray<string>
    readonly deployments: () => ReadonlyArray<string>
    /** The name of the route or the deployment that serves a model: the model's, or one with a `*`. */
    readonly canonicalName: (model: string) => string
    /** The vendor of a deployment, by OpenTelemetry's name, and its server. `undefined` if there is no such deployment. */
    readonly originOf: (deployment: string) => Origin | undefined
    /**
     * The credential of a deployment's account, as `ProviderService.account` has it. `place` is that of the account among several,
     * from 1, as in receipts.
     */
    readonly accountOf: (deployment: string, place?: number) => string | undefined
    /** The protocols of a model's deployments. None if its route has a cache or a shadow, which take the whole request. */
    readonly protocols: (model: string) => ReadonlySet<string>
    /** The timeout of a call on a model's route, in milliseconds: its `timeout.total`. `undefined` if no route has the name. */
    readonly totalTimeout: (model: string) => number | undefined
    /**
     * The most in US dollars that one attempt of a call may cost, at the dearest deployment of its route: its input by
     * estimate, its output by `maxTokens` or by what the model can write. `undefined` if no route has the name. Deployments
     * without a price cost nothing.
     */
    readonly maxCost: (request: AnyRequest) => number | undefined
    /** The status of each deployment at this moment. */
    readonly status: Effect.Effect<ReadonlyArray<Status.Status>>
    /**
     * Ends a deployment's cooldown and closes its circuit, also after an authentication error, for all gateways that share
     * its state. Fails with kind `ModelNotFound` if there is no deployment of that name.
     */
    readonly reset: (deployment: string) => Effect.Effect<void, RouterError>
    /** Ends the shadow calls that are running. No more start. The router's layer does so when it closes, if not before. */
    readonly stopShadows: Effect.Effect<void>
    /** Switches the configured faults of deployments and routes on and off. They are off at the start. */
    readonly faults: FaultInjection.FaultInjection
  }
>()("@understudy/core/Router") {}

/** Replaces the deployments, routes and defaults of a running router. */
export class Reload extends Context.Service<
  Reload,
  {
    /**
     * Checks the options, starts the providers that are new, and then puts all of it in force at once; returns what changed.
     * If anything is wrong, it fails, and changes nothing. Reloads run one after the other.
     *
     * Calls that are running finish on what they began on. A provider is the same if its deployment has the same name and the
     * very same layer: it goes on running, and others close when their last call has ended. A deployment with the same
     * provider and model keeps its circuit, cooldown, calls in flight and latencies, and rate limits are counted on for every
     * deployment whose name stays; its new policies and limits apply to the calls that begin then. Caches are kept by routes
     * whose cache policy and deployments stay.
     *
     * Providers are built with the services of the router's layer, and with those in context.
     */
    readonly reload: <
      Deployments extends Record<string, Deployment.Any>,
      Routes extends Readonly<Record<string, Route>> = Readonly<Record<string, Route>>,
    >(
      options: Generation.Options<Deployments, Routes> & NamedRoutes<Deployments, Routes>,
    ) => Effect.Effect<
      ReadonlyArray<Change.Change>,
      InvalidRoutes | Deployment.Error<Deployments[keyof Deployments]>,
      Deployment.Requirements<Deployments[keyof Deployments]>
    >
  }
>()("@understudy/core/Router/Reload") {}

/**
 * A router over these deployments and routes, with circuits, limits, cooldowns, caches and conversations in memory. The layer requires what
 * the providers of its deployments require, and fails to start with their errors.
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
 * A route that names neither a deployment nor a route does not compile.
 */
export const layer = <
  Deployments extends Record<string, Deployment.Any>,
  Routes extends Readonly<Record<string, Route>> = Readonly<Record<string, Route>>,
>(
  options: Named<Deployments, Routes>,
): Layer.Layer<
  Router | Reload,
  InvalidRoutes | Deployment.Error<Deployments[keyof Deployments]>,
  Deployment.Requirements<Deployments[keyof Deployments]>
> => Layer.provide(started(options), layerMemory)

/** The state of a router in memory, for one router of one process. */
export const layerMemory = Layer.mergeAll(
  Circuit.layerStore,
  RateLimit.layerMemory,
  Cooldowns.layerMemory,
  CacheStore.layerMemory,
  AffinityStore.layerMemory,
)

/** A router whose state is in the given stores. Several gateways share one state by those of `SharedState`. */
export const layerShared = <
  Deployments extends Record<string, Deployment.Any>,
  Routes extends Readonly<Record<string, Route>> = Readonly<Record<string, Route>>,
>(
  options: Named<Deployments, Routes>,
): Layer.Layer<
  Router | Reload,
  InvalidRoutes | Deployment.Error<Deployments[keyof Deployments]>,
  | Deployment.Requirements<Deployments[keyof Deployments]>
  | CircuitBreaker.CircuitBreakerStore
  | RateLimiter.RateLimiter
  | Cooldowns.Cooldowns
  | CacheStore.CacheStore
  | AffinityStore.AffinityStore
> => started(options)

const started = <Deployments extends Record<string, Deployment.Any>>(options: Options<Deployments>) =>
  Layer.effectContext(make(options as Options<Together<Deployments>>))

/** Deployments of one type, with the errors and the requirements of all of them. */
type Together<Deployments extends Record<string, Deployment.Any>> = Readonly<
  Record<
    string,
    Deployment.Deployment<
      Deployment.Error<Deployments[keyof Deployments]>,
      Deployment.Requirements<Deployments[keyof Deployments]>
    >
  >
>

const make = Effect.fnUntraced(function* <E, R>(options: Generation.Uniform<E, R> & Callbacks) {
  const stores: Admission.Stores = {
    circuits: yield* CircuitBreaker.CircuitBreakerStore,
    limiter: yield* RateLimiter.RateLimiter,
    cooldowns: yield* Cooldowns.Cooldowns,
  }
  const bus = RouteEvent.makeEventBus()
  const chance = yield* Random.Random
  const random: Plan.Random = () => chance.nextDoubleUnsafe()
  const shared: Generation.Shared = {
    stores,
    cacheStore: yield* CacheStore.CacheStore,
    suspects: Candidate.suspects(),
    scope: yield* Effect.scope,
  }
  const router: Calls.Running = {
    stores,
    random,
    faults: new FaultInjection.ActiveFaults(random),
    bus,
    affinity: yield* AffinityStore.AffinityStore,
    generation: yield* Generation.start(shared, options, undefined),
    openRecord: CallRecorder.makeOpen(bus, random),
    scope: yield* Scope.fork(shared.scope),
  }
  router.generation.enforceLimits()
  yield* listen(bus, options)
  const context = yield* Effect.context<never>()
  const oneAtATime = yield* Semaphore.make(1)
  return Context.make(Router, service(router, shared.scope)).pipe(
    Context.add(Reload, {
      reload: <Deployments extends Record<string, Deployment.Any>>(next: Generation.Options<Deployments>) =>
        replace(router, shared, next as Generation.Options<Together<Deployments>>).pipe(
          oneAtATime.withPermits(1),
          Effect.updateContext((own: Context.Context<Deployment.Requirements<Deployments[keyof Deployments]>>) =>
            Context.merge(context, own),
          ),
        ),
    }),
  )
})

/** Puts the next generation in force, and closes the one before when its calls have ended. */
const replace = <E, R>(
  router: Calls.Running,
  shared: Generation.Shared,
  next: Generation.Uniform<E, R>,
): Effect.Effect<ReadonlyArray<Change.Change>, InvalidRoutes | E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(restore(Generation.start(shared, next, router.generation)), (generation) => {
      const { generation: previous } = router
      router.generation = generation
      generation.enforceLimits()
      return Effect.as(
        Effect.andThen(
          router.faults.replace(generation.faults),
          Effect.forkIn(previous.retire, shared.scope, { startImmediately: true }),
        ),
        Change.between(previous.options, next),
      )
    }),
  )

const service = (router: Calls.Running, scope: Scope.Scope): Router["Service"] => ({
  chat: (request, options) => Calls.chat(router, request, options),
  embed: (request, options) => Calls.embed(router, request, options),
  chatStream: (request, options) => Calls.chatStream(router, request, options),
  operate: (request, options) => Calls.operate(router, request, options),
  countTokens: (request, options) =>
    Calls.aside(router, request.model, (route, now) =>
      TokenCount.run(router.stores, route, new Call(request, false, options, now, "count"), router.random),
    ),
  explain: (request, options) =>
    Calls.aside(router, request.model, (route, now) =>
      Explainer.make(router, route, new Call(request, options?.streaming === true, options, now)),
    ),
  end: (request, call, exit) => Calls.end(router, request, call, exit),
  events: router.bus.stream,
  subscribe: router.bus.subscribe,
  routes: () => router.generation.routeNames,
  deployments: () => router.generation.deploymentNames,
  canonicalName: (model) => router.generation.canonicalName(model),
  originOf: (deployment) => router.generation.candidates.get(deployment)?.origin,
  accountOf: (deployment, place) => {
    const candidate = router.generation.candidates.get(deployment)
    return (place === undefined ? candidate : candidate?.accounts?.all[place - 1])?.provider.account
  },
  protocols: (model) => router.generation.protocols(model),
  totalTimeout: (model) => router.generation.routeOf(model)?.total,
  maxCost: (request) => router.generation.maxCost(request),
  status: Effect.suspend(() =>
    Effect.forEach([...router.generation.candidates.values()], (candidate) => Status.of(router.stores, candidate)),
  ),
  reset: (deployment) =>
    Effect.suspend(() => {
      const { candidates } = router.generation
      const candidate = candidates.get(deployment)
      return candidate === undefined
        ? Effect.fail(Errors.modelNotFound(deployment, candidates.keys()))
        : Status.reset(router.stores, candidate)
    }),
  stopShadows: Shadow.stop(router),
  faults: FaultInjection.make(router.faults, () => router.generation.faults, scope),
})

/** Runs the callbacks of the options on the events they are for. */
const listen = (bus: RouteEvent.EventBus, { onFailover, onSuccess }: Callbacks) =>
  onFailover === undefined && onSuccess === undefined
    ? Effect.void
    : RouteEvent.runHandlers(bus.subscribe, (event) => {
        if (event.shadowOf !== undefined) return undefined
        if (event._tag === "Failover") return onFailover?.(event)
        if (event._tag === "CallEnded" && event.receipt.outcome === "success") return onSuccess?.(event.receipt)
        return undefined
      })

/** The name, if this router serves it; else the error of a call to it. */
export const named = (
  { canonicalName, deployments, routes }: Pick<Router["Service"], "canonicalName" | "deployments" | "routes">,
  name: string,
): Effect.Effect<string, RouterError> => {
  const known = [...routes(), ...deployments()]
  return known.includes(canonicalName(name)) ? Effect.succeed(name) : Effect.fail(Errors.modelNotFound(name, known))
}

/** The parts of a streamed response, without their frames. */
export const stream = (request: Chat.Request, options?: CallOptions): Stream.Stream<Chat.Part, RouterError, Router> =>
  Stream.unwrap(
    Effect.map(
      Effect.flatMap(Router, (router) => router.chatStream(request, options)),
      ({ frames }) => Stream.flattenIterable(Stream.map(frames, ({ parts }) => parts)),
    ),
  )
