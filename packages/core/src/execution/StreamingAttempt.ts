/**
 * An attempt whose answer arrives piece by piece: it has started once there is first output, and lasts until the answer has
 * ended, has failed, or is no longer read. `StreamAttempt` is that of a chat stream, `OperationAttempt` that of an operation.
 */
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { AnyRequest } from "../model/Call.ts"
import * as Defect from "../model/Defect.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import * as Timeout from "../policy/Timeout.ts"
import type { Leaf } from "../route/BoundRoute.ts"
import * as Attempt from "./Attempt.ts"
import * as StreamStart from "./StreamStart.ts"
import type { Output } from "./UsageEstimate.ts"
import * as Watchdog from "./Watchdog.ts"

/** An answer that has first output: the frames so far, then the rest as it comes. */
export interface Started<Frame> {
  readonly held: StreamStart.Chunk<Frame>
  readonly rest: Pull.Pull<StreamStart.Chunk<Frame>, ProviderError>
  /** Whether `rest` brings nothing until the answer is complete. */
  readonly buffered?: boolean
}

/** An upstream that has sent the frames in `held`, and brings more by `pull`. */
export interface Opened<Frame> {
  readonly pull: StreamStart.ProviderPull<Frame>
  readonly held: StreamStart.Chunk<Frame>
}

/** How long an answer may take to begin. `afterFirstEvent`: from its first event to its first output, in milliseconds. */
export interface StartLimits {
  readonly first: Timeout.TimeoutLimit
  readonly afterFirstEvent: number
}

/** Admits an attempt and runs it up to its first output. Its answer lives in a fork of the scope that `make` gives it. */
export const run = <Request extends AnyRequest, Frame>(
  context: Attempt.Context<Request>,
  leaf: Leaf,
  options: Attempt.Options,
  make: (
    running: Attempt.RunningAttempt<Request>,
    services: Context.Context<never>,
  ) => StreamingAttempt<Request, Frame>,
): Effect.Effect<Started<Frame>, Attempt.Failure> =>
  Effect.contextWith((services: Context.Context<never>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMapEager(Attempt.start(context, leaf, options, restore), (running) => {
        const attempt = make(running, services)
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

export abstract class StreamingAttempt<Request extends AnyRequest, Frame> {
  protected readonly running: Attempt.RunningAttempt<Request>
  /** Closed when the attempt ends. */
  readonly #scope: Scope.Closeable
  readonly #upstream = Scope.makeUnsafe()
  readonly #services: Context.Context<never>
  #watchdog: Watchdog.Watchdog | undefined
  #isClosed = false

  constructor(running: Attempt.RunningAttempt<Request>, scope: Scope.Scope, services: Context.Context<never>) {
    this.#services = services
    this.running = running
    this.#scope = Scope.forkUnsafe(scope)
  }

  protected abstract readonly state: StreamStart.State<Frame>
  /** The frames of the provider. */
  protected abstract frames(): Stream.Stream<Frame, ProviderError>
  protected abstract limits(): StartLimits
  /** Reads on until the answer may be given, where its first output is not enough. */
  protected abstract checked(
    opened: Effect.Effect<Opened<Frame>, ProviderError>,
  ): Effect.Effect<Opened<Frame>, ProviderError>
  /** Records that this is the call's answer. */
  protected abstract committed(held: StreamStart.Chunk<Frame>): void
  /** The pull of what follows the first output, as it is read. */
  protected abstract captured(pull: StreamStart.ProviderPull<Frame>): StreamStart.ProviderPull<Frame>
  /** What arrived, where its usage is not reported, or not all of it. Called once, when the attempt ends. */
  protected abstract output(): Output | undefined

  /** Has the attempt end when its scope closes, after the upstream. */
  settleOnClose(): Effect.Effect<void> {
    const { name } = this.running.leaf.candidate
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

  /** Opens the upstream, and reads until the answer may be given. */
  open(): Effect.Effect<Opened<Frame>, ProviderError> {
    return this.checked(this.#untilFirstOutput())
  }

  #untilFirstOutput(): Effect.Effect<Opened<Frame>, ProviderError> {
    const { afterFirstEvent, first } = this.limits()
    const afterFirst: Timeout.TimeoutLimit = { phase: first.phase, millis: afterFirstEvent, byCaller: false }
    const opened = Defect.contain(this.running.leaf.candidate.name, () => {
      const channel = Stream.toChannel(this.frames())
      // `Stream.toPull` would take a semaphore and replace the fibre's context for every pull.
      return Effect.flatMap(Channel.toPullScoped(channel, this.#upstream), (pull) =>
        Effect.map(StreamStart.readUntilFirstOutput(pull, this.state, afterFirst), (held) => ({ pull, held })),
      )
    })
    return Timeout.withTimeout(opened, first)
  }

  /** The watchdog of what follows the first output. */
  protected watch(): Watchdog.Watchdog {
    const { context, leaf } = this.running
    const abandon = (error: ProviderError) => this.close(this.state.isComplete ? Exit.void : Exit.fail(error))
    const watchdog = (this.#watchdog ??= Watchdog.make(this.#services, leaf.policies.idle, context.deadline, abandon))
    if (this.#isClosed) watchdog.stop()
    return watchdog
  }

  /** Makes this the call's answer. */
  commit({ held, pull }: Opened<Frame>): Effect.Effect<Started<Frame>> {
    const { leaf, permit } = this.running
    this.committed(held)
    const guarded = Defect.guard(leaf.candidate.name, pull)
    const rest = StreamStart.readRemainder(this.captured(guarded), this.state, this.watch())
    return once(permit.recordSuccess(), { held, rest: Effect.onError(rest, (cause) => this.close(exitOf(cause))) })
  }

  /** A consumer that stops early closes its scope in success: the attempt is then cancelled, unless the answer is complete. */
  #settle(exit: Exit.Exit<unknown, ProviderError>): Effect.Effect<void> {
    const { isComplete, usage } = this.state
    const output = this.output()
    return this.running.end(Exit.isSuccess(exit) && !isComplete ? Exit.interrupt() : exit, usage, output)
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
