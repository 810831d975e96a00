/** The attempt of a chat stream. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as Candidate from "../deployment/Candidate.ts"
import type { Call } from "../model/Call.ts"
import type * as Chat from "../model/Chat.ts"
import * as Defect from "../model/Defect.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import * as Acceptance from "../policy/Acceptance.ts"
import * as Timeout from "../policy/Timeout.ts"
import type { Leaf } from "../route/BoundRoute.ts"
import type * as Attempt from "./Attempt.ts"
import type { Opened, Started, StartLimits } from "./StreamingAttempt.ts"
import { run, StreamingAttempt } from "./StreamingAttempt.ts"
import * as StreamStart from "./StreamStart.ts"

/** A stream that has first output: the frames so far, then the rest as it comes. */
export type StartedStream = Started<Chat.Frame>

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
  return run(own, leaf, given, (running, services) => new StreamAttempt(running, scope, transform, services))
}

class StreamAttempt extends StreamingAttempt<Chat.Request, Chat.Frame> {
  readonly #transform: Transform | undefined
  readonly #choices: number
  protected readonly state: StreamStart.StreamState

  constructor(
    running: Attempt.RunningAttempt<Chat.Request>,
    scope: Scope.Scope,
    transform: Transform | undefined,
    services: Context.Context<never>,
  ) {
    super(running, scope, services)
    this.#transform = transform
    this.#choices = running.context.call.request.sampling?.n ?? 1
    this.state = new StreamStart.StreamState(this.#choices)
  }

  protected frames(): ProviderStream {
    const { provider, request } = this.running
    const frames = provider.stream(request)
    return this.#transform === undefined ? frames : this.#transform.frames(frames)
  }

  protected limits(): StartLimits {
    const { context, leaf, startedAt } = this.running
    const { afterFirstEvent, firstToken } =
      this.#transform?.limits ?? Candidate.limits(leaf.candidate, leaf.policies, context.call)
    return { first: Timeout.earliest("first-token", firstToken, context.deadline, startedAt), afterFirstEvent }
  }

  /** Reads on until the route's check of answers is passed. */
  protected checked(
    opened: Effect.Effect<Opened<Chat.Frame>, ProviderError>,
  ): Effect.Effect<Opened<Chat.Frame>, ProviderError> {
    const { context, leaf } = this.running
    const { candidate, policies } = leaf
    const accept = Acceptance.checksStreams(policies.stream.protect) ? leaf.accept : undefined
    const checks = Acceptance.of(context.call.request, accept)
    if (checks === undefined) return opened
    const limits = { bytes: policies.stream.buffer, checks, choices: this.#choices }
    return Effect.flatMap(opened, ({ held, pull }) => {
      const checked = Defect.contain(candidate.name, () =>
        StreamStart.accepted(pull, held, this.state, this.watch(), limits),
      )
      return Effect.map(checked, (held) => ({ held, pull }))
    })
  }

  protected committed(held: StreamStart.Chunk): void {
    this.running.firstOutput(held)
    this.running.context.recorder.droppedParams(
      held.find(({ droppedParams }) => droppedParams !== undefined)?.droppedParams,
    )
  }

  /** The pull, with its frames in the attempt's span if their content is asked for. */
  protected captured(pull: StreamStart.ProviderPull): StreamStart.ProviderPull {
    const { span } = this.running
    return span?.readsFrames === true ? Effect.tap(pull, (chunk) => Effect.sync(() => span.frames(chunk))) : pull
  }

  protected output(): StreamStart.StreamState {
    const { finishReasons, hasOutput, isComplete } = this.state
    if (hasOutput || isComplete) this.running.span?.streamed(this.#choices, finishReasons)
    return this.state
  }
}
