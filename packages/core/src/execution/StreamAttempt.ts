/**
 * The attempt of a stream. It has started once there is first output, and lasts until the stream has ended, has failed, or
 * is no longer read.
 */
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Candidate from "../deployment/Candidate.ts"
import type { Call } from "../model/Call.ts"
import type * as Chat from "../model/Chat.ts"
import * as Defect from "../model/Defect.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import * as Acceptance from "../policy/Acceptance.ts"
import * as Timeout from "../policy/Timeout.ts"
import type { Leaf } from "../route/BoundRoute.ts"
import * as Attempt from "./Attempt.ts"
import * as StreamStart from "./StreamStart.ts"
import * as Watchdog from "./Watchdog.ts"

/** A stream that has first output: the frames so far, then the rest as it comes. */
export interface StartedStream {
  readonly held: StreamStart.Chunk
  readonly rest: Pull.Pull<StreamStart.Chunk, ProviderError>
  /** Whether `rest` brings nothing until the answer is complete. */
  readonly buffered?: boolean
}

/** What an attempt sends in place of its call's request, and how it reads the stream. */
export interface Transform {
  readonly call: Call<Chat.Request>
  readonly frames: (frames: ProviderStream) => ProviderStream
  /** In place of the deployment's limits. */
  readonly limits: Timeout.AttemptTimeouts
}

export type ProviderStream = Stream.Stream<Chat.Frame, ProviderError>

export interface Options extends Attempt.Options {
  readonly transform?: Transform | undefined
}

/** An attempt of a stream, up to its first output. The stream lives in a fork of `scope`. */
export const start = (
  context: Attempt.Context<Chat.Request>,
  leaf: Leaf,
  scope: Scope.Scope,
  options: Options,
): Effect.Effect<StartedStream, Attempt.Failure> => {
  const { transform } = options
  const own = transform === undefined ? context : { ...context, call: transform.call }
  const given = transform === undefined ? options : { ...options, continues: true }
  return Effect.contextWith((services: Context.Context<never>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMapEager(Attempt.start(own, leaf, given, restore), (running) => {
        const attempt = new StreamAttempt(running, scope, transform, services)
        return Effect.matchCauseEffect(
          Effect.flatMap(attempt.settleOnClose(), () => restore(running.traced(attempt.open()))),
          {
            onSuccess: (opened) =>
              options.claim?.() === false
                ? Effect.andThen(attempt.close(Exit.interrupt()), Effect.interrupt)
                : attempt.commit(opened),
            onFailure: (cause) => Effect.andThen(attempt.close(Exit.failCause(cause)), Effect.failCause(cause)),
          },
        )
      }),
    ),
  )
}

/** An upstream that has sent the frames in `held`, and brings more by `pull`. */
interface Opened {
  readonly pull: StreamStart.ProviderPull
  readonly held: StreamStart.Chunk
}

class StreamAttempt {
  readonly #running: Attempt.RunningAttempt<Chat.Request>
  readonly #transform: Transform | undefined
  /** Closed when the attempt ends. */
  readonly #scope: Scope.Closeable
  readonly #upstream = Scope.makeUnsafe()
  readonly #choices: number
  readonly #state: StreamStart.StreamState
  readonly #services: Context.Context<never>
  #watchdog: Watchdog.Watchdog | undefined
  #isClosed = false

  constructor(
    running: Attempt.RunningAttempt<Chat.Request>,
    scope: Scope.Scope,
    transform: Transform | undefined,
    services: Context.Context<never>,
  ) {
    this.#services = services
    this.#running = running
    this.#transform = transform
    this.#scope = Scope.forkUnsafe(scope)
    this.#choices = running.context.call.request.sampling?.n ?? 1
    this.#state = new StreamStart.StreamState(this.#choices)
  }

  /** Has the attempt end when its scope closes, after the upstream. */
  settleOnClose(): Effect.Effect<void> {
    const { name } = this.#running.leaf.candidate
    return Scope.addFinalizerExit(this.#scope, (exit) => {
      this.#isClosed = true
      this.#watchdog?.stop()
      return Effect.flatMap(Defect.cleanUp(name, Scope.close(this.#upstream, exit)), () =>
        this.#settle(exit as Exit.Exit<unknown, ProviderError>),
      )
    })
  }

  close(exit: Exit.Exit<unknown, ProviderError>): Effect.Effect<void> {
    return Scope.close(this.#scope, exit)
  }

  /** Opens the upstream, and reads until the first output or until the route's check of answers is passed. */
  open(): Effect.Effect<Opened, ProviderError> {
    const { context, leaf } = this.#running
    const accept = Acceptance.checksStreams(leaf.policies.stream.protect) ? leaf.accept : undefined
    const checks = Acceptance.of(context.call.request, accept)
    const opened = this.#untilFirstOutput()
    return checks === undefined ? opened : Effect.flatMap(opened, (opened) => this.#checked(opened, checks))
  }

  #untilFirstOutput(): Effect.Effect<Opened, ProviderError> {
    const { context, leaf, provider, request, startedAt } = this.#running
    const { name } = leaf.candidate
    const transform = this.#transform
    const { afterFirstEvent, firstToken } =
      transform?.limits ?? Candidate.limits(leaf.candidate, leaf.policies, context.call)
    const afterFirst: Timeout.TimeoutLimit = { phase: "first-token", millis: afterFirstEvent, byCaller: false }
    const opened = Defect.contain(name, () => {
      const frames = provider.stream(request)
      const channel = Stream.toChannel(transform === undefined ? frames : transform.frames(frames))
      // `Stream.toPull` would take a semaphore and replace the fibre's context for every pull.
      return Effect.flatMap(Channel.toPullScoped(channel, this.#upstream), (pull) =>
        Effect.map(StreamStart.readUntilFirstOutput(pull, this.#state, afterFirst), (held) => ({ pull, held })),
      )
    })
    return Timeout.withTimeout(opened, Timeout.earliest("first-token", firstToken, context.deadline, startedAt))
  }

  #checked({ held, pull }: Opened, checks: Acceptance.Checks): Effect.Effect<Opened, ProviderError> {
    const { candidate, policies } = this.#running.leaf
    const limits = { bytes: policies.stream.buffer, checks, choices: this.#choices }
    const checked = Defect.contain(candidate.name, () =>
      StreamStart.accepted(pull, held, this.#state, this.#watch(), limits),
    )
    return Effect.map(checked, (held) => ({ held, pull }))
  }

  /** The watchdog of what follows the first output. */
  #watch(): Watchdog.Watchdog {
    const { context, leaf } = this.#running
    const abandon = (error: ProviderError) => this.close(this.#state.isComplete ? Exit.void : Exit.fail(error))
    const watchdog = (this.#watchdog ??= Watchdog.make(this.#services, leaf.policies.idle, context.deadline, abandon))
    if (this.#isClosed) watchdog.stop()
    return watchdog
  }

  /** Makes this stream the call's answer. */
  commit({ held, pull }: Opened): Effect.Effect<StartedStream> {
    const { context, leaf, permit } = this.#running
    this.#running.firstOutput(held)
    context.recorder.droppedParams(held.find(({ droppedParams }) => droppedParams !== undefined)?.droppedParams)
    const guarded = Defect.guard(leaf.candidate.name, pull)
    const rest = StreamStart.readRemainder(this.#captured(guarded), this.#state, this.#watch())
    return once(permit.recordSuccess(), { held, rest: Effect.onError(rest, (cause) => this.close(exitOf(cause))) })
  }

  /** The pull, with its frames in the attempt's span if their content is asked for. */
  #captured(pull: StreamStart.ProviderPull): StreamStart.ProviderPull {
    const { span } = this.#running
    return span?.readsFrames === true ? Effect.tap(pull, (chunk) => Effect.sync(() => span.frames(chunk))) : pull
  }

  /** A consumer that stops early closes its scope in success: the attempt is then cancelled, unless the answer is complete. */
  #settle(exit: Exit.Exit<unknown, ProviderError>): Effect.Effect<void> {
    const { finishReasons, hasOutput, isComplete, usage } = this.#state
    if (hasOutput || isComplete) this.#running.span?.streamed(this.#choices, finishReasons)
    return this.#running.end(Exit.isSuccess(exit) && !isComplete ? Exit.interrupt() : exit, usage, this.#state)
  }
}

/** `value` after `first`. Apart from the closures of the stream, which would hold the value as long as it lasts. */
const once = <A>(first: Effect.Effect<void>, value: A): Effect.Effect<A> => Effect.mapEager(first, () => value)

/** The exit that a stream's scope closes with: a stream that is done has succeeded. */
const exitOf = (cause: Cause.Cause<ProviderError | Cause.Done>): Exit.Exit<void, ProviderError> => {
  const error = Cause.findErrorOption(cause)
  if (error._tag === "None") return Exit.failCause(cause as Cause.Cause<never>)
  return Cause.isDone(error.value) ? Exit.void : Exit.fail(error.value)
}
