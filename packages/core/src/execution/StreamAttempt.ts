/**
 * The attempt of a stream. It has started once there is first output, and lasts until the stream has ended, has failed, or
 * is no longer read.
 */
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
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
  return Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Attempt.start(own, leaf, options), (running) => {
      const attempt = new StreamAttempt(running, scope, transform)
      return attempt.settleOnClose().pipe(
        Effect.andThen(restore(Effect.flatMap(attempt.open(), (opened) => attempt.accept(opened)))),
        Effect.onError((cause) => attempt.close(Exit.failCause(cause))),
        Effect.flatMap((accepted) =>
          options.claim?.() === false
            ? Effect.andThen(attempt.close(Exit.interrupt()), Effect.interrupt)
            : attempt.commit(accepted),
        ),
      )
    }),
  )
}

/** An upstream that has sent the frames in `held`, and brings more by `pull`. */
interface Opened {
  readonly pull: StreamStart.ProviderPull
  readonly held: StreamStart.Chunk
}

/** An upstream whose start was accepted, and whose remainder is watched. */
interface Accepted extends Opened {
  readonly watchdog: Watchdog.Watchdog
}

class StreamAttempt {
  readonly #running: Attempt.RunningAttempt<Chat.Request>
  readonly #transform: Transform | undefined
  /** Closed when the attempt ends. */
  readonly #scope: Scope.Closeable
  readonly #upstream = Scope.makeUnsafe()
  readonly #choices: number
  readonly #state: StreamStart.StreamState

  constructor(running: Attempt.RunningAttempt<Chat.Request>, scope: Scope.Scope, transform: Transform | undefined) {
    this.#running = running
    this.#transform = transform
    this.#scope = Scope.forkUnsafe(scope)
    this.#choices = running.context.call.request.sampling?.n ?? 1
    this.#state = new StreamStart.StreamState(this.#choices)
  }

  /** Has the attempt end when its scope closes, after the upstream. */
  settleOnClose(): Effect.Effect<void> {
    const { name } = this.#running.leaf.candidate
    return Effect.andThen(
      Scope.addFinalizerExit(this.#scope, (exit) => this.#settle(exit as Exit.Exit<unknown, ProviderError>)),
      Scope.addFinalizerExit(this.#scope, (exit) => Defect.cleanUp(name, Scope.close(this.#upstream, exit))),
    )
  }

  close(exit: Exit.Exit<unknown, ProviderError>): Effect.Effect<void> {
    return Scope.close(this.#scope, exit)
  }

  /** Opens the upstream and reads until the first output, within the limit for it. */
  open(): Effect.Effect<Opened, ProviderError> {
    const { context, leaf, request, startedAt } = this.#running
    const { name, provider } = leaf.candidate
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

  /** Starts the watchdog, and reads on until the route's check of answers, if it has one, is passed. */
  accept({ held, pull }: Opened): Effect.Effect<Accepted, ProviderError> {
    const { context, leaf } = this.#running
    const { idle, stream } = leaf.policies
    const check = Acceptance.of(context.call.request, leaf.accept)
    const abandon = (error: ProviderError) => this.close(this.#state.isComplete ? Exit.void : Exit.fail(error))
    return Effect.flatMap(Watchdog.make(this.#scope, idle, context.deadline, abandon), (watchdog) => {
      if (check === undefined) return Effect.succeed({ held, pull, watchdog })
      const limits = { bytes: stream.buffer, check, choices: this.#choices }
      const checked = Defect.contain(leaf.candidate.name, () =>
        StreamStart.accepted(pull, held, this.#state, watchdog, limits),
      )
      return Effect.map(checked, (held) => ({ held, pull, watchdog }))
    })
  }

  /** Makes this stream the call's answer. */
  commit({ held, pull, watchdog }: Accepted): Effect.Effect<StartedStream> {
    const { context, leaf, permit } = this.#running
    this.#running.firstOutput()
    context.recorder.droppedParams(held.find(({ droppedParams }) => droppedParams !== undefined)?.droppedParams)
    const rest = StreamStart.readRemainder(Defect.guard(leaf.candidate.name, pull), this.#state, watchdog)
    return Effect.as(permit.recordSuccess(), { held, rest: Effect.onError(rest, (cause) => this.close(exitOf(cause))) })
  }

  /** A consumer that stops early closes its scope in success: the attempt is then cancelled, unless the answer is complete. */
  #settle(exit: Exit.Exit<unknown, ProviderError>): Effect.Effect<void> {
    const { isComplete, usage } = this.#state
    return this.#running.end(Exit.isSuccess(exit) && !isComplete ? Exit.interrupt() : exit, usage)
  }
}

/** The exit that a stream's scope closes with: a stream that is done has succeeded. */
const exitOf = (cause: Cause.Cause<ProviderError | Cause.Done>): Exit.Exit<void, ProviderError> => {
  const error = Cause.findErrorOption(cause)
  if (error._tag === "None") return Exit.failCause(cause as Cause.Cause<never>)
  return Cause.isDone(error.value) ? Exit.void : Exit.fail(error.value)
}
