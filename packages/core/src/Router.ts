/**
 * The router: a service that answers a call to a route with the response of the first deployment that gives one, or fails
 * with one typed error that lists what was tried.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type * as Pull from "effect/Pull"
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
import * as Candidate from "./deployment/Candidate.ts"
import type * as Deployment from "./deployment/Deployment.ts"
import * as CallExecutor from "./execution/CallExecutor.ts"
import * as GuardedAnswer from "./execution/GuardedAnswer.ts"
import * as CallRecorder from "./execution/CallRecorder.ts"
import * as FaultInjection from "./faults/FaultInjection.ts"
import * as KeepAlive from "./execution/KeepAlive.ts"
import * as Shadow from "./execution/Shadow.ts"
import type { RouterError } from "./execution/RouterError.ts"
import * as Errors from "./execution/RouterError.ts"
import type { StartedStream } from "./execution/StreamAttempt.ts"
import * as Change from "./generation/Change.ts"
import * as Generation from "./generation/Generation.ts"
import { InvalidRoutes } from "./generation/Generation.ts"
import * as Explainer from "./inspect/Explainer.ts"
import type { Explanation } from "./inspect/Explain.ts"
import * as TokenCount from "./inspect/TokenCount.ts"
import { Call } from "./model/Call.ts"
import type { AnyRequest, CallOptions, ShadowOf } from "./model/Call.ts"
import type * as Chat from "./model/Chat.ts"
import type * as Embedding from "./model/Embedding.ts"
import type { Stopped } from "./model/Guard.ts"
import type { Origin } from "./model/Provider.ts"
import type { Receipt } from "./receipt/Receipt.ts"
import * as RouteEvent from "./receipt/RouteEvent.ts"
import * as StreamRecovery from "./recovery/StreamRecovery.ts"
import type * as BoundRoute from "./route/BoundRoute.ts"
import type * as Plan from "./route/Plan.ts"
import type { Mentions, Names, Route } from "./route/Route.ts"
import * as CallTrace from "./telemetry/CallTrace.ts"

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
    /**
     * Ends a call that a layer over the router stops before the router has received it: records it, and fails with its error.
     * An exit that is an interruption records it as cancelled.
     */
    readonly end: (
      request: AnyRequest,
      options: CallOptions & { readonly streaming?: boolean },
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
  const router: Running = {
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
  router: Running,
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

/** A running router. Each call takes `generation` once, when it begins: a reload replaces it. */
interface Running extends CallExecutor.Engine, Shadow.Shadows {
  readonly openRecord: ReturnType<typeof CallRecorder.makeOpen>
  generation: Generation.Generation
}

const service = (router: Running, scope: Scope.Scope): Router["Service"] => ({
  chat: (request, options) =>
    complete(router, request, options, (execution, generation) => {
      const fresh = () =>
        shadowed(router, generation, execution, CallExecutor.chat(router, execution), (shadow) =>
          complete(router, shadow.request, shadow.options, (execution) => CallExecutor.chat(router, execution), {
            generation,
            shadow,
          }),
        )
      const cache = generation.caches.get(execution.route.name)
      const answered = cache === undefined ? fresh() : cache.complete(execution.call, execution.recorder, fresh)
      const guard = options?.guard
      return guard === undefined ? answered : GuardedAnswer.complete(guard, execution.recorder.receipt, answered)
    }),
  embed: (request, options) =>
    complete(router, request, options, (execution, generation) =>
      shadowed(router, generation, execution, CallExecutor.embed(router, execution), (shadow) =>
        complete(router, shadow.request, shadow.options, (execution) => CallExecutor.embed(router, execution), {
          generation,
          shadow,
        }),
      ),
    ),
  chatStream: (request, options) => chatStream(router, request, options),
  countTokens: (request, options) =>
    aside(router, request.model, (route, now) =>
      TokenCount.run(router.stores, route, new Call(request, false, options, now, "count"), router.random),
    ),
  explain: (request, options) =>
    aside(router, request.model, (route, now) =>
      Explainer.make(router, route, new Call(request, options?.streaming === true, options, now)),
    ),
  end: (request, options, exit) => end(router, request, options, exit),
  events: router.bus.stream,
  subscribe: router.bus.subscribe,
  routes: () => router.generation.routeNames,
  deployments: () => router.generation.deploymentNames,
  canonicalName: (model) => router.generation.canonicalName(model),
  originOf: (deployment) => router.generation.candidates.get(deployment)?.origin,
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

// ---------------------------------------------------------------------------------------------------------------------
// Calls
// ---------------------------------------------------------------------------------------------------------------------

const notFound = (model: string, { routes }: Generation.Generation): Effect.Effect<never, RouterError> =>
  Effect.fail(Errors.modelNotFound(model, routes.keys()))

/** Begins a call on a route: its trace, if the fibre has a tracer, its record and its execution. */
const begin = <Request extends AnyRequest>(
  router: Running,
  route: BoundRoute.BoundRoute,
  request: Request,
  streaming: boolean,
  options: CallOptions | undefined,
  clock: Clock.Clock,
  context: Context.Context<never>,
  shadowOf: ShadowOf | undefined,
): CallExecutor.Execution<Request> => {
  const startedAt = options?.guard?.startedAt ?? clock.currentTimeMillisUnsafe()
  const call = new Call(request, streaming, options, startedAt - (options?.queuedMillis ?? 0))
  if (route.isSplit) call.draw = router.random()
  if (shadowOf !== undefined) call.shadowOf = shadowOf
  const trace = CallTrace.begin(context, clock, route.name, call)
  return CallExecutor.begin(route, call, router.openRecord(route.name, call, trace), clock)
}

/** What a shadow call is on: the generation of its call, and the route that it is sent to. */
interface ShadowPlace {
  readonly generation: Generation.Generation
  readonly shadow: Pick<Shadow.ShadowCall<AnyRequest>, "route" | "of">
}

/** A call whose shadow, made by `shadow`, starts when the call does. */
const shadowed = <Request extends AnyRequest, A>(
  router: Running,
  generation: Generation.Generation,
  execution: CallExecutor.Execution<Request>,
  call: Effect.Effect<A, RouterError>,
  shadow: (call: Shadow.ShadowCall<Request>) => Effect.Effect<unknown, RouterError>,
): Effect.Effect<A, RouterError> =>
  execution.route.shadow === undefined
    ? call
    : Effect.andThen(Shadow.start(router, generation, execution, shadow), call)

/** A call of a complete response, from its record's opening to its end. */
const complete = <Request extends AnyRequest, A>(
  router: Running,
  request: Request,
  options: CallOptions | undefined,
  run: (execution: CallExecutor.Execution<Request>, generation: Generation.Generation) => Effect.Effect<A, RouterError>,
  on?: ShadowPlace,
): Effect.Effect<Answer<A>, RouterError> =>
  Effect.contextWith((context: Context.Context<never>) => {
    const clock = Context.get(context, Clock.Clock)
    let entered: Generation.Generation | undefined
    let recorder: CallRecorder.CallRecorder | undefined
    // Begun where its end is guarded: a fibre may be interrupted between any two steps.
    return Effect.onExitPrimitive(
      Effect.suspend(() => {
        const generation = (entered = on?.generation ?? router.generation)
        generation.enter()
        const route = on?.shadow.route ?? generation.routeOf(request.model)
        if (route === undefined) return notFound(request.model, generation)
        const execution = begin(router, route, request, false, options, clock, context, on?.shadow.of)
        recorder = execution.recorder
        const { receipt, trace } = recorder
        const running = run(execution, generation)
        return Effect.map(trace === undefined ? running : trace.around(running), (response) => ({
          response,
          receipt,
          deadline: execution.deadline.at,
          write: route.write,
        }))
      }),
      (exit) => {
        recorder?.ended(exit, clock.currentTimeMillisUnsafe())
        entered?.leave()
        return undefined
      },
    )
  })

/** A call of a stream: its record ends with the scope, or when the call fails before it has a stream. */
const chatStream = (
  router: Running,
  request: Chat.Request,
  options: CallOptions | undefined,
  on?: ShadowPlace,
): Effect.Effect<Streaming, RouterError, Scope.Scope> =>
  Effect.contextWith((context: Context.Context<Scope.Scope>) => {
    const scope = Context.get(context, Scope.Scope)
    const clock = Context.get(context, Clock.Clock)
    let entered: Generation.Generation | undefined
    let recorder: CallRecorder.CallRecorder | undefined
    // Added first, so that it runs last: when the upstream is closed.
    const ended = Scope.addFinalizerExit(scope, (exit) =>
      Effect.sync(() => {
        recorder?.streamClosed(exit, clock.currentTimeMillisUnsafe())
        entered?.leave()
      }),
    )
    const begun = Effect.suspend(() => {
      const generation = (entered = on?.generation ?? router.generation)
      generation.enter()
      const route = on?.shadow.route ?? generation.routeOf(request.model)
      if (route === undefined) return notFound(request.model, generation)
      const execution = begin(router, route, request, true, options, clock, context, on?.shadow.of)
      const record = (recorder = execution.recorder)
      const fresh = () =>
        shadowed(
          router,
          generation,
          execution,
          CallExecutor.stream(router, execution, scope, StreamRecovery.protect),
          (shadow) => drained(chatStream(router, shadow.request, shadow.options, { generation, shadow })),
        )
      const cache = on === undefined ? generation.caches.get(route.name) : undefined
      const unguarded = cache?.stream(execution.call, record, fresh) ?? fresh()
      const guard = options?.guard
      const starting =
        guard === undefined
          ? unguarded
          : Effect.onInterrupt(GuardedAnswer.stream(guard, record.receipt, scope, unguarded), () =>
              Effect.sync(() => record.ended(Exit.interrupt(), clock.currentTimeMillisUnsafe())),
            )
      const started = record.trace === undefined ? starting : record.trace.around(starting)
      return streaming(
        execution,
        Effect.tapError(started, (error) =>
          Effect.sync(() => record.ended(Exit.fail(error), clock.currentTimeMillisUnsafe())),
        ),
        scope,
      )
    })
    return Effect.andThen(ended, begun)
  })

/** A stream that is read to its end. */
const drained = (stream: Effect.Effect<Streaming, RouterError, Scope.Scope>): Effect.Effect<void, RouterError> =>
  Effect.scoped(Effect.flatMap(stream, ({ frames }) => Stream.runDrain(frames)))

/** The record of a call that ends before it has an execution. */
const end = (
  router: Running,
  request: AnyRequest,
  { streaming = false, ...options }: CallOptions & { readonly streaming?: boolean },
  exit: Exit.Exit<never, Stopped>,
): Effect.Effect<never, RouterError> =>
  Effect.contextWith((context: Context.Context<never>) => {
    const { generation } = router
    const clock = Context.get(context, Clock.Clock)
    const route = generation.routeOf(request.model)
    if (route === undefined) return notFound(request.model, generation)
    const { recorder } = begin(router, route, request, streaming, options, clock, context, undefined)
    const ended = Exit.mapError(exit, (stopped) => Errors.stopped(stopped, recorder.receipt))
    recorder.ended(ended, clock.currentTimeMillisUnsafe())
    return ended
  })

/** What has no record: `use` with the route that serves a model, and the time. */
const aside = <A>(
  router: Running,
  model: string,
  use: (route: BoundRoute.BoundRoute, now: number) => Effect.Effect<A, RouterError>,
): Effect.Effect<A, RouterError> =>
  Effect.clockWith((clock) => {
    let entered: Generation.Generation | undefined
    return Effect.onExitPrimitive(
      Effect.suspend(() => {
        const generation = (entered = router.generation)
        generation.enter()
        const route = generation.routeOf(model)
        return route === undefined ? notFound(model, generation) : use(route, clock.currentTimeMillisUnsafe())
      }),
      () => {
        entered?.leave()
        return undefined
      },
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
