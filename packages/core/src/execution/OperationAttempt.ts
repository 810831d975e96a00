/**
 * The attempt of an operation besides chat and embeddings. A complete response is one frame, which is awaited for `timeout.attempt`;
 * a stream's first bytes commit the call to it, and it then goes on within `timeout.idle` and `timeout.total`.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Candidate from "../deployment/Candidate.ts"
import type * as Chat from "../model/Chat.ts"
import type { Frame, Request } from "../model/Operation.ts"
import { ProviderError } from "../model/ProviderError.ts"
import type { Rejection } from "../model/SkipReason.ts"
import * as Usage from "../model/Usage.ts"
import * as Timeout from "../policy/Timeout.ts"
import type { Leaf } from "../route/BoundRoute.ts"
import type * as Attempt from "./Attempt.ts"
import type { Opened, Started, StartLimits } from "./StreamingAttempt.ts"
import { run, StreamingAttempt } from "./StreamingAttempt.ts"
import type { Chunk, ProviderPull, State } from "./StreamStart.ts"
import type { Output } from "./UsageEstimate.ts"
import * as Watchdog from "./Watchdog.ts"

/** An attempt, up to its first output. The answer lives in a fork of `scope`. */
export const start = (
  context: Attempt.Context<Request>,
  leaf: Leaf,
  scope: Scope.Scope,
  options: Attempt.Options,
): Effect.Effect<Started<Frame>, Attempt.Failure> =>
  run(context, leaf, options, (running, services) => new OperationAttempt(running, scope, services))

class OperationState implements State<Frame> {
  /** Bytes, or UTF-16 code units. */
  size = 0
  isComplete = false
  usage: Chat.Usage | undefined = undefined
  readonly #isSession: boolean

  constructor(isSession: boolean) {
    this.#isSession = isSession
  }

  get hasOutput(): boolean {
    return this.size > 0
  }

  take(chunk: Chunk<Frame>): boolean {
    for (const { data, isLast, usage } of chunk) {
      this.size += data.length
      if (usage !== undefined) this.usage = this.#isSession ? Usage.sum(this.usage, usage) : usage
      if (isLast === true) this.isComplete = true
    }
    return true
  }
}

class OperationAttempt extends StreamingAttempt<Request, Frame> {
  protected readonly state: OperationState
  readonly #isSession: boolean

  constructor(running: Attempt.RunningAttempt<Request>, scope: Scope.Scope, services: Context.Context<never>) {
    super(running, scope, services)
    this.#isSession = running.request.body.type === "session"
    this.state = new OperationState(this.#isSession)
  }

  protected frames(): Stream.Stream<Frame, ProviderError> {
    const { provider, request } = this.running
    return provider.operations?.send(request) ?? Stream.fail(missing(request))
  }

  protected limits(): StartLimits {
    const { context, leaf, startedAt } = this.running
    const { afterFirstEvent, attempt, firstToken } = Candidate.limits(leaf.candidate, leaf.policies, context.call)
    const { deadline } = context
    return context.call.streaming
      ? { first: Timeout.earliest("first-token", firstToken, deadline, startedAt), afterFirstEvent }
      : { first: Timeout.earliest("attempt", attempt, deadline, startedAt), afterFirstEvent: attempt }
  }

  protected checked(opened: Effect.Effect<Opened<Frame>, ProviderError>): Effect.Effect<Opened<Frame>, ProviderError> {
    return this.#isSession
      ? Effect.flatMap(opened, ({ held, pull }) => Effect.map(this.#charged(held), (held) => ({ held, pull })))
      : opened
  }

  protected committed(): void {
    const { context, leaf } = this.running
    if (context.call.streaming) this.running.firstOutput([])
    else leaf.candidate.health.recordLatency(this.running.elapsed())
  }

  /** A session is silent while its client is, and lasts as long as its ends keep it. */
  protected override watch(): Watchdog.Watchdog {
    return this.#isSession ? Watchdog.none : super.watch()
  }

  /** Charges the responses of a session as they come, so that it ends when a budget does not cover another one. */
  protected captured(pull: ProviderPull<Frame>): ProviderPull<Frame> {
    return this.#isSession ? Effect.flatMap(pull, (chunk) => this.#charged(chunk)) : pull
  }

  #charged(chunk: Chunk<Frame>): Effect.Effect<Chunk<Frame>> {
    let used: Chat.Usage | undefined
    for (const { usage } of chunk) if (usage !== undefined) used = Usage.sum(used, Usage.sound(usage) ?? usage)
    if (used === undefined) return Effect.succeed(chunk)
    return Effect.catch(Effect.as(this.running.charge(used), chunk), ({ reason }) =>
      Effect.succeed<Chunk<Frame>>(chunk.at(-1)?.isLast === true ? chunk : [...chunk, ended(reason)]),
    )
  }

  protected output(): Output | undefined {
    return this.state.isComplete ? undefined : { parts: this.state.hasOutput ? 1 : 0, characters: 0 }
  }
}

const ended = (reason: Rejection): Frame => ({
  data: "",
  isLast: true,
  end: { type: "over-budget", budget: reason._tag === "OverBudget" ? reason.budget : "" },
})

const missing = ({ operation }: Request): ProviderError =>
  new ProviderError({
    reason: { _tag: "Unsupported", feature: operation },
    message: `this provider does not have the operation ${operation}`,
  })
