/**
 * The calls of a running router: each begins on the generation that is in force, has a record, and ends it exactly once.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as CallExecutor from "./execution/CallExecutor.ts"
import type * as CallRecorder from "./execution/CallRecorder.ts"
import * as GuardedAnswer from "./execution/GuardedAnswer.ts"
import * as KeepAlive from "./execution/KeepAlive.ts"
import type { RouterError } from "./execution/RouterError.ts"
import * as Errors from "./execution/RouterError.ts"
import * as Shadow from "./execution/Shadow.ts"
import type { StartedStream } from "./execution/StreamAttempt.ts"
import type { Started } from "./execution/StreamingAttempt.ts"
import type * as Generation from "./generation/Generation.ts"
import { Call } from "./model/Call.ts"
import type { AnyRequest, CallOptions } from "./model/Call.ts"
import type * as Chat from "./model/Chat.ts"
import type * as Embedding from "./model/Embedding.ts"
import type { Stopped } from "./model/Guard.ts"
import type * as Operation from "./model/Operation.ts"
import * as Outline from "./model/Outline.ts"
import type { Payer, Spending } from "./model/Spending.ts"
import type { Receipt } from "./receipt/Receipt.ts"
import * as StreamRecovery from "./recovery/StreamRecovery.ts"
import type * as BoundRoute from "./route/BoundRoute.ts"
import * as CallTrace from "./telemetry/CallTrace.ts"

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

/** A running router. Each call takes `generation` once, when it begins: a reload replaces it. */
export interface Running extends CallExecutor.Engine, Shadow.Shadows {
  readonly openRecord: ReturnType<typeof CallRecorder.makeOpen>
  generation: Generation.Generation
}

/** A complete response. */
export const chat = (
  router: Running,
  request: Chat.Request,
  options: CallOptions | undefined,
): Effect.Effect<Answer, RouterError> =>
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
  })

/** The vectors of texts. */
export const embed = (
  router: Running,
  request: Embedding.Request,
  options: CallOptions | undefined,
): Effect.Effect<Answer<Embedding.Response>, RouterError> =>
  complete(router, request, options, (execution, generation) =>
    shadowed(router, generation, execution, CallExecutor.embed(router, execution), (shadow) =>
      complete(router, shadow.request, shadow.options, (execution) => CallExecutor.embed(router, execution), {
        generation,
        shadow,
      }),
    ),
  )

const notFound = (model: string, { routes }: Generation.Generation): Effect.Effect<never, RouterError> =>
  Effect.fail(Errors.modelNotFound(model, routes.keys()))

/** A call that starts now, or where its guard says that it did. */
const callOf = <Request extends AnyRequest>(
  request: Request,
  streaming: boolean,
  options: CallOptions | undefined,
  clock: Clock.Clock,
): Call<Request> => {
  const startedAt = options?.guard?.startedAt ?? clock.currentTimeMillisUnsafe()
  return new Call(request, streaming, options, startedAt - (options?.queuedMillis ?? 0))
}

/** Begins a call on a route: its trace, if the fibre has a tracer, its record and its execution. */
const begin = <Request extends AnyRequest>(
  router: Running,
  route: BoundRoute.BoundRoute,
  call: Call<Request>,
  clock: Clock.Clock,
  context: Context.Context<never>,
): CallExecutor.Execution<Request> => {
  if (route.isSplit) call.draw = router.random()
  const trace = CallTrace.begin(context, clock, route.name, call)
  return CallExecutor.begin(route, call, router.openRecord(route.name, call, trace), clock)
}

/** What a shadow call is on: the generation of its call, and the route that it is sent to. */
interface ShadowPlace {
  readonly generation: Generation.Generation
  readonly shadow: Pick<Shadow.ShadowCall<AnyRequest>, "route" | "of">
}

/** What a call has opened, for its end to close. */
interface Opened {
  readonly spending: Spending | undefined
  generation?: Generation.Generation
  recorder?: CallRecorder.CallRecorder
}

/** Enters the generation of a call, reserves what it may spend, and begins it on its route, or on the one that a budget says. */
const open = <Request extends AnyRequest, A>(
  router: Running,
  opened: Opened,
  request: Request,
  { clock, context, on, options, streaming }: Opening,
  run: (execution: CallExecutor.Execution<Request>, generation: Generation.Generation) => Effect.Effect<A, RouterError>,
): Effect.Effect<A, RouterError> => {
  const { spending } = opened
  const generation = (opened.generation = on?.generation ?? router.generation)
  generation.enter()
  const place = (request: Request, mayUseAnother: boolean): Effect.Effect<A, RouterError> => {
    const route = on?.shadow.route ?? generation.routeOf(request.model)
    if (route === undefined) return notFound(request.model, generation)
    const call = callOf(request, streaming, options, clock)
    call.shadowOf = on?.shadow.of
    call.spending = spending
    const start = () => {
      const execution = begin(router, route, call, clock, context)
      opened.recorder = execution.recorder
      return run(execution, generation)
    }
    if (spending === undefined) return start()
    const payer = on === undefined && options !== undefined ? options : noPayer
    const most = () => generation.mostOf(route, call)
    const reserved = spending.start({ route: route.name, payer, mayUseAnother, most })
    return Effect.flatMapEager(Effect.mapErrorEager(reserved, Errors.budgetExceeded), (other) =>
      other === undefined ? start() : place(Outline.set(request, { model: other }), false),
    )
  }
  return place(request, on === undefined)
}

const noPayer: Payer = {}

/** How a call is opened, besides its request. */
interface Opening {
  readonly streaming: boolean
  readonly options: CallOptions | undefined
  readonly clock: Clock.Clock
  readonly context: Context.Context<never>
  readonly on: ShadowPlace | undefined
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
    const opened: Opened = { spending: options?.spending?.open(clock) }
    // Begun where its end is guarded: a fibre may be interrupted between any two steps.
    return Effect.onExitPrimitive(
      Effect.suspend(() =>
        open(router, opened, request, { streaming: false, options, clock, context, on }, (execution, generation) => {
          const { deadline, recorder, route } = execution
          const { receipt, trace } = recorder
          const running = run(execution, generation)
          return Effect.map(trace === undefined ? running : trace.around(running), (response) => ({
            response,
            receipt,
            deadline: deadline.at,
            write: route.write,
          }))
        }),
      ),
      (exit) => {
        opened.recorder?.ended(exit, clock.currentTimeMillisUnsafe(), context)
        opened.generation?.leave()
        return opened.spending?.end()
      },
    )
  })

/** What a streamed call runs with. */
interface Begun<Request extends AnyRequest> {
  readonly generation: Generation.Generation
  readonly execution: CallExecutor.Execution<Request>
  readonly scope: Scope.Scope
  readonly clock: Clock.Clock
  readonly context: Context.Context<never>
}

/** A call whose answer is read in a scope: its record ends with the scope, or when the call fails before it has an answer. */
const streamedCall = <Request extends AnyRequest, A>(
  router: Running,
  request: Request,
  streaming: boolean,
  options: CallOptions | undefined,
  run: (begun: Begun<Request>) => Effect.Effect<A, RouterError>,
  on: ShadowPlace | undefined,
): Effect.Effect<A, RouterError, Scope.Scope> =>
  Effect.contextWith((context: Context.Context<Scope.Scope>) => {
    const clock = Context.get(context, Clock.Clock)
    const opened: Opened = { spending: options?.spending?.open(clock) }
    const { spending } = opened
    const scope = Context.get(context, Scope.Scope)
    // Added first, so that it runs last: when the upstream is closed.
    const ended = Scope.addFinalizerExit(scope, (exit) =>
      Effect.suspend(() => {
        opened.recorder?.streamClosed(exit, clock.currentTimeMillisUnsafe(), context)
        opened.generation?.leave()
        return spending?.end() ?? Effect.void
      }),
    )
    const begun = Effect.suspend(() =>
      open(router, opened, request, { streaming, options, clock, context, on }, (execution, generation) =>
        run({ generation, execution, scope, clock, context }),
      ),
    )
    // What a call that fails has spent is settled then: the scope around it may stay open.
    return Effect.andThen(ended, spending === undefined ? begun : Effect.onError(begun, () => spending.end()))
  })

/** The answer of a call once it has begun, in the span of its call. A failure before that ends the record. */
const starting = <A>(
  { recorder }: CallExecutor.Execution,
  clock: Clock.Clock,
  answer: Effect.Effect<A, RouterError>,
): Effect.Effect<A, RouterError> => {
  const { trace } = recorder
  return Effect.tapError(trace === undefined ? answer : trace.around(answer), (error) =>
    Effect.sync(() => recorder.failed(error, clock.currentTimeMillisUnsafe())),
  )
}

export const chatStream = (
  router: Running,
  request: Chat.Request,
  options: CallOptions | undefined,
  on?: ShadowPlace,
): Effect.Effect<Streaming, RouterError, Scope.Scope> =>
  streamedCall(
    router,
    request,
    true,
    options,
    ({ clock, context, execution, generation, scope }) => {
      const { recorder, route } = execution
      const fresh = () =>
        shadowed(
          router,
          generation,
          execution,
          CallExecutor.stream(router, execution, scope, StreamRecovery.protect),
          (shadow) => drained(chatStream(router, shadow.request, shadow.options, { generation, shadow })),
        )
      const cache = on === undefined ? generation.caches.get(route.name) : undefined
      const unguarded = cache?.stream(execution.call, recorder, fresh) ?? fresh()
      const guard = options?.guard
      const answer =
        guard === undefined
          ? unguarded
          : Effect.onInterrupt(GuardedAnswer.stream(guard, recorder.receipt, scope, unguarded), () =>
              Effect.sync(() => recorder.ended(Exit.interrupt(), clock.currentTimeMillisUnsafe(), context)),
            )
      return streaming(execution, starting(execution, clock, answer), scope)
    },
    on,
  )

/**
 * The response to another operation. `frames` ends when it is complete, and fails with a `RouterError` of kind
 * `StreamInterrupted` if it breaks. `receipt` is written until then. `deadline` and `write` are as in `Answer`.
 */
export interface Operating {
  readonly contentType: string
  readonly frames: Stream.Stream<Operation.Frame, RouterError>
  readonly receipt: Receipt
  readonly deadline: number
  readonly write: number
}

/**
 * A call of another operation than chat and embeddings. A multipart body has no shadow, as its files live as long as its call; nor
 * has a session, as its messages are read once.
 */
export const operate = (
  router: Running,
  request: Operation.Request,
  options: CallOptions | undefined,
  on?: ShadowPlace,
): Effect.Effect<Operating, RouterError, Scope.Scope> =>
  streamedCall(
    router,
    request,
    request.streaming === true,
    options,
    ({ clock, execution, generation, scope }) => {
      const fresh = CallExecutor.operate(router, execution, scope)
      const answer =
        request.body.type !== "json"
          ? fresh
          : shadowed(router, generation, execution, fresh, (shadow) =>
              drained(operate(router, shadow.request, shadow.options, { generation, shadow })),
            )
      const { deadline, recorder, route } = execution
      return Effect.map(starting(execution, clock, answer), (started) => ({
        contentType: started.held[0].contentType ?? "application/octet-stream",
        frames: framesOf(started, recorder.receipt),
        receipt: recorder.receipt,
        deadline: deadline.at,
        write: route.write,
      }))
    },
    on,
  )

/** A stream that is read to its end. */
const drained = (
  stream: Effect.Effect<Pick<Streaming | Operating, "frames">, RouterError, Scope.Scope>,
): Effect.Effect<void, RouterError> =>
  Effect.scoped(Effect.flatMap(stream, ({ frames }) => Stream.runDrain<unknown, RouterError, never>(frames)))

/** The record of a call that ends before it has an execution. */
export const end = (
  router: Running,
  request: AnyRequest,
  { options, streaming }: { readonly options: CallOptions; readonly streaming: boolean },
  exit: Exit.Exit<never, Stopped>,
): Effect.Effect<never, RouterError> =>
  Effect.contextWith((context: Context.Context<never>) => {
    const { generation } = router
    const clock = Context.get(context, Clock.Clock)
    const route = generation.routeOf(request.model)
    if (route === undefined) return notFound(request.model, generation)
    const { recorder } = begin(router, route, callOf(request, streaming, options, clock), clock, context)
    const ended = Exit.mapError(exit, (stopped) => Errors.stopped(stopped, recorder.receipt))
    recorder.ended(ended, clock.currentTimeMillisUnsafe(), context)
    return ended
  })

/** What has no record: `use` with the route that serves a model, and the time. */
export const aside = <A>(
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
const framesOf = <Frame>({ held, rest }: Started<Frame>, receipt: Receipt): Stream.Stream<Frame, RouterError> => {
  let first: Started<Frame>["held"] | undefined = held
  const remainder = Effect.mapError(rest, (error) =>
    Cause.isDone(error) ? error : Errors.streamInterrupted(error, receipt),
  )
  const pull: Pull.Pull<Started<Frame>["held"], RouterError> = Effect.suspend(() => {
    if (first === undefined) return remainder
    const chunk = first
    first = undefined
    return Effect.succeed(chunk)
  })
  return Stream.fromPull(Effect.succeed(pull))
}
