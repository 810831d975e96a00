/**
 * The router: a service that answers a call to a route with the response of the first deployment that gives one, or fails
 * with one typed error that lists what was tried.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type * as Pull from "effect/Pull"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Admission from "./admission/Admission.ts"
import * as Circuit from "./admission/Circuit.ts"
import * as Cooldowns from "./admission/Cooldowns.ts"
import * as RateLimit from "./admission/RateLimit.ts"
import * as Status from "./admission/Status.ts"
import * as CacheStore from "./cache/CacheStore.ts"
import * as ResponseCache from "./cache/ResponseCache.ts"
import * as Candidate from "./deployment/Candidate.ts"
import type * as Deployment from "./deployment/Deployment.ts"
import * as CallExecutor from "./execution/CallExecutor.ts"
import * as CallRecorder from "./execution/CallRecorder.ts"
import * as KeepAlive from "./execution/KeepAlive.ts"
import type { RouterError } from "./execution/RouterError.ts"
import * as Errors from "./execution/RouterError.ts"
import type { StartedStream } from "./execution/StreamAttempt.ts"
import * as Explainer from "./inspect/Explainer.ts"
import type { Explanation } from "./inspect/Explain.ts"
import * as TokenCount from "./inspect/TokenCount.ts"
import { Call } from "./model/Call.ts"
import type { AnyRequest, CallOptions } from "./model/Call.ts"
import type * as Chat from "./model/Chat.ts"
import type * as Embedding from "./model/Embedding.ts"
import { Provider } from "./model/Provider.ts"
import type { Defaults } from "./policy/Policies.ts"
import type { Receipt } from "./receipt/Receipt.ts"
import * as RouteEvent from "./receipt/RouteEvent.ts"
import * as StreamRecovery from "./recovery/StreamRecovery.ts"
import * as BoundRoute from "./route/BoundRoute.ts"
import type * as Plan from "./route/Plan.ts"
import type { Problem } from "./route/Problem.ts"
import type { Mentions, Names, Route } from "./route/Route.ts"
import * as Wildcard from "./route/Wildcard.ts"
import * as MaxCost from "./spend/MaxCost.ts"
import * as CallTrace from "./telemetry/CallTrace.ts"

export type { CircuitStatus, Status } from "./admission/Status.ts"
export type { Health } from "./deployment/Health.ts"
export type { TokenCount } from "./inspect/TokenCount.ts"
export type { Problem } from "./route/Problem.ts"

/** Options of a router. Routes and deployments are called by name, exactly or by a `*`; no two may have the same name. */
export interface Options<Deployments, Routes = Readonly<Record<string, Route>>> extends Callbacks {
  readonly deployments: Deployments
  readonly routes?: Routes | undefined
  readonly defaults?: Defaults | undefined
}

/**
 * Options whose routes name only deployments and routes of these options. Names that the compiler does not know are
 * checked when the layer is built.
 */
export type Named<Deployments, Routes> = Options<Deployments, Routes> & {
  readonly routes?: Among<Routes, Extract<keyof Deployments | keyof Routes, string>> | undefined
}

type Among<Routes, Known extends string> = {
  readonly [Key in keyof Routes]: string extends Names<Routes[Key]> ? Routes[Key] : Mentions<Known>
}

export interface Callbacks {
  /** Runs when a call falls back from one deployment to another. Never delays the call. */
  readonly onFailover?: ((failover: RouteEvent.Failover) => Effect.Effect<void>) | undefined
  /** Runs when a call has its complete answer. Never delays the call. */
  readonly onSuccess?: ((receipt: Receipt) => Effect.Effect<void>) | undefined
}

/** A complete response, with the receipt of its call. */
export interface Answer<Response = Chat.Response> {
  readonly response: Response
  readonly receipt: Receipt
  /** When the call must have ended, its client's reading included, in clock milliseconds: see `timeout.total`. */
  readonly deadline: number
  /** How long a write to the client may make no progress, in milliseconds: see `timeout.write`. Applied by the writer. */
  readonly write: number
}

/**
 * A streamed answer. `frames` ends when the answer is complete, and fails with a `RouterError` of kind `StreamInterrupted`
 * if it breaks. `receipt` is written until the stream has ended. On a route with `sse.keepAlive` the answer may not have
 * begun yet: then `frames` may fail with any kind.
 */
export interface Streaming {
  readonly frames: Stream.Stream<Chat.Frame, RouterError>
  readonly receipt: Receipt
  /** Whether `frames` brings nothing until the answer is complete, or is from a deployment that is not yet known. */
  readonly buffered: boolean
  /** How long `frames` may bring nothing before a keep-alive is due, in milliseconds: see `Route.sse`. */
  readonly keepAlive: number | undefined
  /** When the call must have ended, in clock milliseconds: after that `frames` fails. See `timeout.total`. */
  readonly deadline: number
  /** How long a write to the client may make no progress, in milliseconds: see `timeout.write`. Applied by the writer. */
  readonly write: number
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
    /** The events of all calls. Lossy: a slow reader misses events. */
    readonly events: Stream.Stream<RouteEvent.RouteEvent>
    /** Calls a function with every event, in the fibre that publishes it, until the scope closes. It must be quick. */
    readonly subscribe: RouteEvent.EventBus["subscribe"]
    /** The names of the routes; deployments can be called by name too. */
    readonly routes: ReadonlyArray<string>
    readonly deployments: ReadonlyArray<string>
    /** The protocols of a model's deployments. None if its responses are cached, which takes the whole request. */
    readonly protocols: (model: string) => ReadonlySet<string>
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
  }
>()("@understudy/core/Router") {}

/** Every problem of a router's options, with its path: values that are not allowed, and names that lead nowhere. */
export class InvalidRoutes extends Data.TaggedError("InvalidRoutes")<{
  readonly problems: ReadonlyArray<Problem>
}> {
  override get message(): string {
    return this.problems.map(({ message, path }) => `${path}: ${message}`).join("\n")
  }
}

/**
 * A router over these deployments and routes, with circuits, limits, cooldowns and caches in memory. The layer requires what
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
  Router,
  InvalidRoutes | Deployment.Error<Deployments[keyof Deployments]>,
  Deployment.Requirements<Deployments[keyof Deployments]>
> => Layer.provide(started(options), layerMemory)

/** The state of a router in memory, for one router of one process. */
export const layerMemory = Layer.mergeAll(
  Circuit.layerStore,
  RateLimit.layerMemory,
  Cooldowns.layerMemory,
  CacheStore.layerMemory,
)

/** A router whose state is in the given stores. Several gateways share one state by those of `SharedState`. */
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

const make = Effect.fnUntraced(function* <E, R>(
  options: Options<Readonly<Record<string, Deployment.Deployment<E, R>>>>,
) {
  const stores: Admission.Stores = {
    circuits: yield* CircuitBreaker.CircuitBreakerStore,
    limiter: yield* RateLimiter.RateLimiter,
    cooldowns: yield* Cooldowns.Cooldowns,
  }
  const bus = RouteEvent.makeEventBus()
  const chance = yield* Random.Random
  const random: Plan.Random = () => chance.nextDoubleUnsafe()
  const defaults = options.defaults ?? {}
  // Checked before any provider is started.
  yield* bind(options, new Map(Object.entries(options.deployments).map(([name, deployment]) => [name, { deployment }])))
  const candidates = yield* start(options.deployments, defaults)
  const routes = yield* bind(options, candidates)
  const caches = yield* ResponseCache.make(routes)
  yield* listen(bus, options)
  return service({
    stores,
    random,
    bus,
    candidates,
    routes,
    routeNames: Object.keys(options.routes ?? {}),
    canonicalName: Wildcard.among([...routes.keys()]),
    caches,
    openRecord: CallRecorder.makeOpen(bus, random),
  })
})

/** A router that has started. */
interface Started extends CallExecutor.Engine {
  readonly bus: RouteEvent.EventBus
  readonly candidates: ReadonlyMap<string, Candidate.Candidate>
  /** Every name that can be called, deployments included. */
  readonly routes: ReadonlyMap<string, BoundRoute.BoundRoute>
  readonly routeNames: ReadonlyArray<string>
  /** The name that serves a model: itself, or one with a `*`. */
  readonly canonicalName: (model: string) => string
  readonly caches: ReadonlyMap<string, ResponseCache.ResponseCache>
  readonly openRecord: ReturnType<typeof CallRecorder.makeOpen>
}

const service = (router: Started): Router["Service"] => ({
  chat: (request, options) =>
    complete(router, request, options, (execution) => {
      const fresh = () => CallExecutor.chat(router, execution)
      const cache = router.caches.get(execution.route.name)
      return cache === undefined ? fresh() : cache.complete(execution.call, execution.recorder, fresh)
    }),
  embed: (request, options) => complete(router, request, options, (execution) => CallExecutor.embed(router, execution)),
  chatStream: (request, options) => chatStream(router, request, options),
  countTokens: (request, options) =>
    withRoute(router, request.model, (route, now) =>
      TokenCount.run(router.stores, route, new Call(request, false, options, now, "count"), router.random),
    ),
  explain: (request, options) =>
    withRoute(router, request.model, (route, now) =>
      Explainer.make(router.stores, route, new Call(request, options?.streaming === true, options, now)),
    ),
  events: router.bus.stream,
  subscribe: router.bus.subscribe,
  routes: router.routeNames,
  deployments: [...router.candidates.keys()],
  protocols: protocolsOf(router),
  maxCost: maxCost(router),
  status: Effect.forEach([...router.candidates.values()], (candidate) => Status.of(router.stores, candidate)),
  reset: (deployment) => {
    const candidate = router.candidates.get(deployment)
    return candidate === undefined
      ? Effect.fail(Errors.modelNotFound(deployment, router.candidates.keys()))
      : Status.reset(router.stores, candidate)
  },
})

// ---------------------------------------------------------------------------------------------------------------------
// Calls
// ---------------------------------------------------------------------------------------------------------------------

const protocolsOf = ({ caches, candidates, canonicalName, routes }: Started): Router["Service"]["protocols"] => {
  const protocols = new Map<string, ReadonlySet<string>>()
  for (const [name, { route }] of routes) {
    const spoken = BoundRoute.deployments(route).flatMap(([deployment]) => {
      const protocol = candidates.get(deployment)?.provider.protocol
      return protocol === undefined || caches.has(name) ? [] : [protocol]
    })
    protocols.set(name, new Set(spoken))
  }
  return (model) => protocols.get(canonicalName(model)) ?? noProtocols
}

const noProtocols: ReadonlySet<string> = new Set()

const maxCost = ({ canonicalName, routes }: Started): Router["Service"]["maxCost"] => {
  const priced = new Map<string, ReadonlyArray<Deployment.Options>>()
  for (const [name, { route }] of routes) {
    priced.set(name, MaxCost.distinct(BoundRoute.candidates(route).map(({ deployment }) => deployment)))
  }
  return (request) => {
    const route = canonicalName(request.model)
    const deployments = priced.get(route)
    if (deployments === undefined) return undefined
    const call = new Call(request, false)
    let most = 0
    for (const deployment of deployments) {
      const model = () => Wildcard.substitute(deployment.model, route, request.model)
      most = Math.max(most, MaxCost.ofAttempt(deployment, call, model))
    }
    return most
  }
}

/** Runs `use` with the route that serves a model, the time, and the services in context. */
const withRoute = <A, R>(
  { canonicalName, routes }: Started,
  model: string,
  use: (
    route: BoundRoute.BoundRoute,
    now: number,
    clock: Clock.Clock,
    context: Context.Context<R>,
  ) => Effect.Effect<A, RouterError, R>,
): Effect.Effect<A, RouterError, R> =>
  Effect.contextWith((context: Context.Context<R>) => {
    const clock = Context.get(context, Clock.Clock)
    const route = routes.get(canonicalName(model))
    return route === undefined
      ? Effect.fail(Errors.modelNotFound(model, routes.keys()))
      : use(route, clock.currentTimeMillisUnsafe(), clock, context)
  })

/** A call of a complete response, from its record's opening to its end. */
const complete = <Request extends AnyRequest, A>(
  router: Started,
  request: Request,
  options: CallOptions | undefined,
  run: (execution: CallExecutor.Execution<Request>) => Effect.Effect<A, RouterError>,
): Effect.Effect<Answer<A>, RouterError> =>
  withRoute(router, request.model, (route, now, clock, context: Context.Context<never>) => {
    const call = new Call(request, false, options, now)
    const trace = CallTrace.begin(context, clock, route.name, call)
    const recorder = router.openRecord(route.name, call, trace)
    const execution = CallExecutor.begin(route, call, recorder, clock)
    const { receipt } = recorder
    const running = run(execution)
    return Effect.map(
      Effect.onExitPrimitive(trace === undefined ? running : trace.around(running), (exit) => {
        recorder.ended(exit, clock.currentTimeMillisUnsafe())
        return undefined
      }),
      (response) => ({ response, receipt, deadline: execution.deadline.at, write: route.write }),
    )
  })

/** A call of a stream: its record ends with the scope, or when the call fails before it has a stream. */
const chatStream = (
  router: Started,
  request: Chat.Request,
  options: CallOptions | undefined,
): Effect.Effect<Streaming, RouterError, Scope.Scope> =>
  withRoute(router, request.model, (route, now, clock, context: Context.Context<Scope.Scope>) => {
    const scope = Context.get(context, Scope.Scope)
    const call = new Call(request, true, options, now)
    const trace = CallTrace.begin(context, clock, route.name, call)
    const recorder = router.openRecord(route.name, call, trace)
    const execution = CallExecutor.begin(route, call, recorder, clock)
    const fresh = () => CallExecutor.stream(router, execution, scope, StreamRecovery.protect)
    const starting = router.caches.get(route.name)?.stream(call, recorder, fresh) ?? fresh()
    const started = trace === undefined ? starting : trace.around(starting)
    const end = (exit: Exit.Exit<unknown, unknown>) => recorder.streamClosed(exit, clock.currentTimeMillisUnsafe())
    return Effect.andThen(
      Scope.addFinalizerExit(scope, (exit) => Effect.sync(() => end(exit))),
      streaming(
        execution,
        Effect.tapError(started, (error) =>
          Effect.sync(() => recorder.ended(Exit.fail(error), clock.currentTimeMillisUnsafe())),
        ),
        scope,
      ),
    )
  })

/** The stream once it has started; on a route with `sse.keepAlive`, at the latest when a first keep-alive is due. */
const streaming = (
  { deadline, recorder, route }: CallExecutor.Execution,
  start: Effect.Effect<StartedStream, RouterError>,
  scope: Scope.Scope,
): Effect.Effect<Streaming, RouterError> => {
  const { keepAlive, write } = route
  const { receipt } = recorder
  const rest = { receipt, keepAlive, write, deadline: deadline.at }
  const started = (stream: StartedStream): Streaming => ({
    frames: framesOf(stream, receipt),
    buffered: stream.buffered === true,
    ...rest,
  })
  if (keepAlive === undefined) return Effect.map(start, started)
  return Effect.map(KeepAlive.open(start, keepAlive, scope), (opened) =>
    opened._tag === "Started"
      ? started(opened.value)
      : {
          frames: Stream.unwrap(Effect.map(opened.started, (stream) => framesOf(stream, receipt))),
          buffered: true,
          ...rest,
        },
  )
}

/** One stream for both parts: a concatenation would keep its first part, and state of its own, as long as the answer lasts. */
const framesOf = ({ held, rest }: StartedStream, receipt: Receipt): Stream.Stream<Chat.Frame, RouterError> => {
  let first: StartedStream["held"] | undefined = held
  const remainder = Effect.mapError(rest, (error) =>
    Cause.isDone(error) ? error : Errors.streamInterrupted(error, receipt),
  )
  const pull: Pull.Pull<StartedStream["held"], RouterError> = Effect.suspend(() => {
    if (first === undefined) return remainder
    const chunk = first
    first = undefined
    return Effect.succeed(chunk)
  })
  return Stream.fromPull(Effect.succeed(pull))
}

// ---------------------------------------------------------------------------------------------------------------------
// Starting
// ---------------------------------------------------------------------------------------------------------------------

/** Binds the names of all routes to candidates, or to what is known of them before they are started. */
const bind = <C extends BoundRoute.Unstarted>(
  { defaults = {}, routes = {} }: Pick<Options<unknown>, "defaults" | "routes">,
  candidates: ReadonlyMap<string, C>,
): Effect.Effect<ReadonlyMap<string, BoundRoute.BoundRoute<C>>, InvalidRoutes> =>
  Effect.fromResult(
    Result.mapError(BoundRoute.make(routes, candidates, defaults), (problems) => new InvalidRoutes({ problems })),
  )

/** Starts the provider of each deployment, in the scope of the router. */
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

/** Runs the callbacks of the options on the events they are for. */
const listen = (bus: RouteEvent.EventBus, { onFailover, onSuccess }: Callbacks) =>
  onFailover === undefined && onSuccess === undefined
    ? Effect.void
    : RouteEvent.runHandlers(bus.subscribe, (event) => {
        if (event._tag === "Failover") return onFailover?.(event)
        if (event._tag === "CallEnded" && event.receipt.outcome === "success") return onSuccess?.(event.receipt)
        return undefined
      })

/** The name, if this router serves it; else the error of a call to it. */
export const named = (
  { deployments, routes }: Pick<Router["Service"], "deployments" | "routes">,
  name: string,
): Effect.Effect<string, RouterError> => {
  const known = [...routes, ...deployments]
  return known.includes(Wildcard.among(known)(name))
    ? Effect.succeed(name)
    : Effect.fail(Errors.modelNotFound(name, known))
}

/** The parts of a streamed response, without their frames. */
export const stream = (request: Chat.Request, options?: CallOptions): Stream.Stream<Chat.Part, RouterError, Router> =>
  Stream.unwrap(
    Effect.map(
      Effect.flatMap(Router, (router) => router.chatStream(request, options)),
      ({ frames }) => Stream.flattenIterable(Stream.map(frames, ({ parts }) => parts)),
    ),
  )
