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
import type * as Admission from "./Admission.ts"
import * as Attempt from "./Attempt.ts"
import * as Cache from "./Cache.ts"
import { Call } from "./Call.ts"
import type { Asked, CallOptions } from "./Call.ts"
import * as Candidate from "./Candidate.ts"
import type * as Chat from "./Chat.ts"
import * as Circuit from "./Circuit.ts"
import * as Compiled from "./Compiled.ts"
import * as Count from "./Count.ts"
import type * as Deployment from "./Deployment.ts"
import * as Dispatch from "./Dispatch.ts"
import type * as Embedding from "./Embedding.ts"
import * as Explain from "./Explain.ts"
import * as KeepAlive from "./KeepAlive.ts"
import type { Explanation } from "./Explain.ts"
import type * as Plan from "./Plan.ts"
import { Provider } from "./Provider.ts"
import * as RateLimit from "./RateLimit.ts"
import { Ledger } from "./Receipt.ts"
import type { Receipt } from "./Receipt.ts"
import * as Recall from "./Recall.ts"
import * as Recovery from "./Recovery.ts"
import * as Rests from "./Rests.ts"
import type { Mentions, Names, Route } from "./Route.ts"
import * as RouteEvent from "./RouteEvent.ts"
import type { RouterError } from "./RouterError.ts"
import * as Errors from "./RouterError.ts"
import * as Status from "./Status.ts"
import * as Timeout from "./Timeout.ts"
import * as Wildcard from "./Wildcard.ts"

/** What a router is made of. Routes and deployments are called by their names, which must differ, exactly or by a `*`. */
export interface Options<Deployments, Routes = Readonly<Record<string, Route>>> extends Callbacks {
  readonly deployments: Deployments
  readonly routes?: Routes | undefined
  readonly defaults?: Candidate.Defaults | undefined
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
 * An answer that has begun: `frames` fails with a `RouterError` of kind `Broken` if it breaks off, and ends only when
 * whole. `receipt` goes on being written until the stream has ended. On a route with `sse.keepAlive` it may not have begun
 * yet: then `frames` may fail with any kind.
 */
export interface Streaming {
  readonly frames: Stream.Stream<Chat.Frame, RouterError>
  readonly receipt: Receipt
  /** Whether `frames` keeps silent until the answer is whole, and it may still become another deployment's. */
  readonly heldBack: boolean
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
    readonly countTokens: (request: Chat.Request, options?: CallOptions) => Effect.Effect<Count.Count, RouterError>
    /** Whom a call would ask just now, in which order, and why not the others. Changes nothing. */
    readonly explain: (
      request: Asked,
      options?: CallOptions & { readonly streaming?: boolean },
    ) => Effect.Effect<Explanation, RouterError>
    /** What happens, as it happens. Lossy: a slow reader misses events. */
    readonly events: Stream.Stream<RouteEvent.RouteEvent>
    /** Calls a quick function with every event, in the fibre it happens in, until the scope closes. */
    readonly listen: RouteEvent.Bus["listen"]
    /** The names that can be called. */
    readonly routes: ReadonlyArray<string>
    readonly deployments: ReadonlyArray<string>
    /** How each deployment stands just now. */
    readonly status: Effect.Effect<ReadonlyArray<Status.Status>>
    /**
     * Ends a deployment's cooldown and closes its circuit, whatever opened it, dead credentials included, for all who
     * share its state: the next call asks it. Fails with kind `UnknownModel` if there is no deployment of that name.
     */
    readonly reset: (deployment: string) => Effect.Effect<void, RouterError>
  }
>()("@understudy/core/Router") {}

/** Values that do not fit, or routes and deployments that do not fit together: every problem, with its path. */
export class InvalidRoutes extends Data.TaggedError("InvalidRoutes")<{
  readonly problems: ReadonlyArray<Compiled.Problem>
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
  Rests.layerMemory,
  Cache.layerMemory,
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
  | Rests.Rests
  | Cache.CacheStore
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
    rests: yield* Rests.Rests,
  }
  const bus = RouteEvent.makeBus()
  const random = yield* Random.Random
  const defaults = options.defaults ?? {}
  const compile = <C extends Pick<Candidate.Candidate, "deployment">>(candidates: ReadonlyMap<string, C>) =>
    Effect.fromResult(
      Result.mapError(
        Compiled.make(options.routes ?? {}, candidates, defaults),
        (problems) => new InvalidRoutes({ problems }),
      ),
    )
  // What does not fit is said before any provider is started.
  yield* compile(new Map(Object.entries(options.deployments).map(([name, deployment]) => [name, { deployment }])))
  const candidates = yield* start(options.deployments, defaults)
  const compiled = yield* compile(candidates)
  const recalls = yield* Recall.make(compiled, bus)
  yield* listen(bus, options)

  const draw: Plan.Draw = () => random.nextDoubleUnsafe()
  const shared: Dispatch.Shared = { stores, bus, draw }
  const runId = Math.floor(draw() * 2 ** 40).toString(36)
  const meant = Wildcard.among([...compiled.keys()])
  let calls = 0

  const find = (name: string): Effect.Effect<Compiled.Compiled, RouterError> => {
    const found = compiled.get(meant(name))
    return found === undefined ? Effect.fail(Errors.unknownModel(name, compiled.keys())) : Effect.succeed(found)
  }

  const open = ({ name }: Compiled.Compiled, { at, options, streaming }: Call): Ledger =>
    new Ledger(`${runId}-${(++calls).toString(36)}`, name, options.caller, streaming, at)

  const settle = (ledger: Ledger, exit: Exit.Exit<unknown, unknown>, now: number): void => {
    if (ledger.outcome !== undefined) return
    ledger.settle(Exit.isSuccess(exit) ? "answered" : Exit.hasInterrupts(exit) ? "interrupted" : "failed", now)
    bus.publish({ _tag: "Ended", call: ledger.id, route: ledger.route, receipt: ledger })
  }

  const whole = <Request extends Asked, Response extends Attempt.Answer>(
    ask: Attempt.Ask<Request, Response>,
    recall?: (route: string) => Recall.Recalling<Response> | undefined,
  ) => {
    const attempt: Dispatch.Try<Request, Response> = (context, { leaf }, force) =>
      Attempt.whole(context, leaf, force, ask)
    return (request: Request, options?: CallOptions): Effect.Effect<Answer<Response>, RouterError> =>
      Effect.flatMap(find(request.model), (compiled) =>
        Effect.clockWith((clock) => {
          const call = new Call(request, false, options, clock.currentTimeMillisUnsafe())
          const ledger = open(compiled, call)
          const { total, write } = compiled
          const { at: deadline } = Timeout.deadline(call.at, total, call.options.timeout)
          const fresh = () => Dispatch.run(shared, compiled, call, ledger, attempt)
          return (recall?.(compiled.name)?.(call, ledger, fresh) ?? fresh()).pipe(
            Effect.onExit((exit) => Effect.sync(() => settle(ledger, exit, clock.currentTimeMillisUnsafe()))),
            Effect.map((response) => ({ response, receipt: ledger, deadline, write })),
          )
        }),
      )
  }

  return Router.of({
    chat: whole(Attempt.chat, (route) => recalls.get(route)?.whole),
    embed: whole(Attempt.embed),
    countTokens: (request, options) =>
      Effect.flatMap(Effect.all([find(request.model), Clock.currentTimeMillis]), ([compiled, now]) =>
        Count.run(stores, compiled, new Call(request, false, options, now, "count"), draw),
      ),
    chatStream: (request, options) =>
      Effect.flatMap(find(request.model), (compiled) =>
        Effect.clockWith((clock) =>
          Effect.flatMap(Effect.scope, (scope) => {
            const call = new Call(request, true, options, clock.currentTimeMillisUnsafe())
            const ledger = open(compiled, call)
            const attempt: Dispatch.Try<Chat.Request, Attempt.Committed> = (context, step, force, steps) =>
              Recovery.stream(context, steps, step, force, scope)
            const fresh = () => Dispatch.run(shared, compiled, call, ledger, attempt)
            const { keepAlive, total, write } = compiled
            const told = { keepAlive, write, deadline: Timeout.deadline(call.at, total, call.options.timeout).at }
            const begin = Effect.tapError(recalls.get(compiled.name)?.stream(call, ledger, fresh) ?? fresh(), () =>
              Effect.sync(() => settle(ledger, Exit.fail("failed"), clock.currentTimeMillisUnsafe())),
            )
            const begun = (committed: Attempt.Committed): Streaming => ({
              frames: frames(committed, ledger),
              receipt: ledger,
              heldBack: committed.heldBack === true,
              ...told,
            })
            return Effect.andThen(
              Scope.addFinalizerExit(scope, (exit) =>
                Effect.sync(() => settle(ledger, lastAttempt(ledger, exit), clock.currentTimeMillisUnsafe())),
              ),
              keepAlive === undefined
                ? Effect.map(begin, begun)
                : Effect.map(KeepAlive.open(begin, keepAlive, scope), (opened) =>
                    opened._tag === "Begun"
                      ? begun(opened.value)
                      : {
                          frames: Stream.unwrap(Effect.map(opened.begun, (committed) => frames(committed, ledger))),
                          receipt: ledger,
                          heldBack: true,
                          ...told,
                        },
                  ),
            )
          }),
        ),
      ),
    explain: (request, options) =>
      Effect.flatMap(Effect.all([find(request.model), Clock.currentTimeMillis]), ([compiled, now]) =>
        Explain.make(stores, compiled, new Call(request, options?.streaming === true, options, now)),
      ),
    events: bus.stream,
    listen: bus.listen,
    routes: Object.keys(options.routes ?? {}),
    deployments: [...candidates.keys()],
    status: Effect.forEach([...candidates.values()], (candidate) => Status.of(stores, candidate)),
    reset: (deployment) => {
      const candidate = candidates.get(deployment)
      return candidate === undefined
        ? Effect.fail(Errors.unknownModel(deployment, candidates.keys()))
        : Status.reset(stores, candidate)
    },
  })
})

/** Starts every deployment's provider, in the scope of the router. */
const start = <E, R>(
  deployments: Readonly<Record<string, Deployment.Deployment<E, R>>>,
  defaults: Candidate.Defaults,
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
const listen = (bus: RouteEvent.Bus, { onFailover, onSuccess }: Callbacks) =>
  onFailover === undefined && onSuccess === undefined
    ? Effect.void
    : RouteEvent.handle(bus.listen, (event) => {
        if (event._tag === "Failover") return onFailover?.(event)
        if (event._tag === "Ended" && event.receipt.outcome === "answered") return onSuccess?.(event.receipt)
        return undefined
      })

const frames = ({ held, rest }: Attempt.Committed, receipt: Receipt): Stream.Stream<Chat.Frame, RouterError> =>
  Stream.concat(
    Stream.fromArray(held),
    Stream.mapError(Stream.fromPull(Effect.succeed(rest)), (error) => Errors.broken(error, receipt)),
  )

/** How a stream's call ended, told by its last attempt: the scope's own exit only knows how its consumer ended. */
const lastAttempt = (ledger: Ledger, exit: Exit.Exit<unknown, unknown>): Exit.Exit<unknown, unknown> => {
  if (ledger.cache === "hit") return Exit.void
  switch (ledger.attempts.at(-1)?.outcome) {
    case "answered":
      return Exit.void
    case "failed":
      return Exit.fail("failed")
    case "interrupted":
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
    : Effect.fail(Errors.unknownModel(name, known))
}

/** The parts of a streamed answer, without its frames: for an application that reads the answer itself. */
export const stream = (request: Chat.Request, options?: CallOptions): Stream.Stream<Chat.Part, RouterError, Router> =>
  Stream.unwrap(
    Effect.map(
      Effect.flatMap(Router, (router) => router.chatStream(request, options)),
      ({ frames }) => Stream.flattenIterable(Stream.map(frames, ({ parts }) => parts)),
    ),
  )
