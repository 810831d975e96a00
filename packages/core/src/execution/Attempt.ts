/**
 * One guarded try of one deployment: admitted, timed, classified, recorded. A retry is a new attempt.
 *
 * However an attempt ends, its permit is settled exactly once, it has a line in the call's receipt, and nothing of it is
 * left running. `complete` is the attempt of a complete response; `StreamAttempt` that of a stream.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Admission from "../admission/Admission.ts"
import * as Candidate from "../deployment/Candidate.ts"
import type * as Deployment from "../deployment/Deployment.ts"
import type { ActiveFaults } from "../faults/FaultInjection.ts"
import type { InjectedFault } from "../faults/InjectedFault.ts"
import type { AnyRequest, Call } from "../model/Call.ts"
import type * as Chat from "../model/Chat.ts"
import * as Defect from "../model/Defect.ts"
import type * as Embedding from "../model/Embedding.ts"
import * as Outline from "../model/Outline.ts"
import type { Provider } from "../model/Provider.ts"
import { actionFor, ProviderError } from "../model/ProviderError.ts"
import type { Rejected } from "../model/SkipReason.ts"
import type { AttemptSpending } from "../model/Spending.ts"
import * as Cost from "../model/Cost.ts"
import type { Price } from "../model/Cost.ts"
import * as Usage from "../model/Usage.ts"
import * as Acceptance from "../policy/Acceptance.ts"
import * as Params from "../policy/Params.ts"
import * as Retry from "../policy/Retry.ts"
import * as Timeout from "../policy/Timeout.ts"
import type { Restore } from "../queue/AdmissionQueue.ts"
import type { Leaf } from "../route/BoundRoute.ts"
import type { AttemptType } from "../receipt/Receipt.ts"
import type { AttemptTrace } from "../telemetry/CallTrace.ts"
import * as Wildcard from "../route/Wildcard.ts"
import * as MaxCost from "../spend/MaxCost.ts"
import * as AttemptQueue from "./AttemptQueue.ts"
import type { CallRecorder } from "./CallRecorder.ts"
import * as UsageEstimate from "./UsageEstimate.ts"

/** What all attempts of one call share. */
export interface Context<Request extends AnyRequest = AnyRequest> {
  readonly stores: Admission.Stores
  readonly faults: ActiveFaults
  readonly call: Call<Request>
  readonly recorder: CallRecorder
  readonly deadline: Timeout.Deadline
  readonly clock: Clock.Clock
}

/** What differs from one attempt of a call to another. */
export interface Options {
  /** Tries the deployment although its circuit is open, and records nothing there: see `Admission.admit`. */
  readonly bypassCircuit?: boolean
  /** Whether it goes on after the text that a broken stream has delivered. */
  readonly continues?: boolean
  /** Waits in the queue of the deployment's limits, if it has one. */
  readonly wait?: boolean | undefined
  /** In a race: whether this answer is the first. Called once; an answer that is not the first is dropped. */
  readonly claim?: (() => boolean) | undefined
  /** Runs once the attempt is admitted, before the provider is called. */
  readonly onAdmitted?: (() => void) | undefined
}

export const noOptions: Options = {}

/** Why an attempt has no answer: the provider failed, or the deployment was not admitted. */
export type Failure = ProviderError | Rejected

// ---------------------------------------------------------------------------------------------------------------------
// Complete responses
// ---------------------------------------------------------------------------------------------------------------------

/** A complete response. */
export type Response = Chat.Response | Embedding.Response

/** Calls a provider for a complete response. */
export type Invoke<Request, A> = (provider: Provider["Service"], request: Request) => Effect.Effect<A, ProviderError>

export const chat: Invoke<Chat.Request, Chat.Response> = (provider, request) => provider.chat(request)

/** The vectors of texts. Fails as `Malformed` unless there is one for each. */
export const embed: Invoke<Embedding.Request, Embedding.Response> = (provider, request) =>
  provider.embed === undefined
    ? Effect.fail(embedsNothing)
    : Effect.flatMap(provider.embed(request), (response) => {
        const [inputs, vectors] = [request.input.length, response.vectors.length]
        return inputs === vectors ? Effect.succeed(response) : Effect.fail(miscounted(inputs, vectors))
      })

const miscounted = (inputs: number, vectors: number): ProviderError =>
  new ProviderError({ reason: { _tag: "Malformed" }, message: `${vectors} vectors for ${inputs} inputs` })

const embedsNothing = new ProviderError({
  reason: { _tag: "Unsupported", feature: "embeddings" },
  message: "this provider makes no embeddings",
})

/** An attempt of a complete response. */
export const complete = <Request extends AnyRequest, A extends Response>(
  context: Context<Request>,
  leaf: Leaf,
  invoke: Invoke<Request, A>,
  options: Options,
): Effect.Effect<A, Failure> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMapEager(start(context, leaf, options, restore), (running) => {
      const { name } = leaf.candidate
      const { provider } = running
      const { attempt } = Candidate.limits(leaf.candidate, leaf.policies, running.context.call)
      const limit = Timeout.earliest("attempt", attempt, context.deadline, running.startedAt)
      const checks = Acceptance.of(context.call.request, leaf.accept)
      let rejected: Chat.Usage | undefined
      const response = Defect.contain(name, () => {
        const invoked = invoke(provider, running.request)
        if (checks === undefined) return invoked
        return Effect.flatMap(invoked, (response) =>
          Effect.flatMap(Acceptance.checkResponse(checks, response), (fault) => {
            if (fault === undefined) return Effect.succeed(response)
            rejected = response.usage
            return Effect.fail(fault)
          }),
        )
      })
      return Effect.matchCauseEffect(restore(running.traced(Timeout.withTimeout(response, limit))), {
        onSuccess: (response) => {
          running.span?.response(response)
          const output = response.usage === undefined ? UsageEstimate.outputOf(response) : undefined
          if (options.claim?.() === false)
            return Effect.flatMapEager(running.end(Exit.interrupt(), response.usage, output), () => Effect.interrupt)
          leaf.candidate.health.recordLatency(running.elapsed())
          context.recorder.droppedParams(response.droppedParams)
          const exit = Exit.succeed(response)
          return Effect.flatMapEager(running.end(exit, response.usage, output), () => exit)
        },
        onFailure: (cause) => {
          const exit = Exit.failCause(cause)
          return Effect.flatMapEager(running.end(exit, rejected, undefined), () => exit)
        },
      })
    }),
  )

// ---------------------------------------------------------------------------------------------------------------------
// Any attempt
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Admits an attempt, and records that it has started. Over stores in memory it runs at once (see `Admission`), unless the
 * deployment has a queue. Only a wait there is interruptible, by `restore`.
 */
export const start = <Request extends AnyRequest>(
  context: Context<Request>,
  leaf: Leaf,
  options: Options,
  restore: Restore,
): Effect.Effect<RunningAttempt<Request>, Rejected> => {
  const { deployment, name, queue } = leaf.candidate
  const call = Params.callFor(name, deployment, context.call)
  const own = call === context.call ? context : { ...context, call }
  return queue.policy === undefined
    ? begin(own, leaf, options)
    : AttemptQueue.admitted(own, leaf, options.wait === true, restore, (leaf) => begin(own, leaf, options))
}

const begin = <Request extends AnyRequest>(
  context: Context<Request>,
  leaf: Leaf,
  options: Options,
): Effect.Effect<RunningAttempt<Request>, Rejected> => {
  const { spending } = context.call
  if (spending === undefined) return admit(context, leaf, options, undefined)
  const { deployment, name } = leaf.candidate
  const model = () => Wildcard.substitute(deployment.model, context.recorder.receipt.route, context.call.request.model)
  const most = () => MaxCost.ofAttempt(deployment, context.call, model)
  const planned = { deployment: name, vendor: deployment.vendor, most }
  return Effect.flatMapEager(spending.begin(planned), (spent) =>
    Effect.catchEager(admit(context, leaf, options, spent), (rejected) =>
      Effect.flatMapEager(spent.end(0), () => Effect.fail(rejected)),
    ),
  )
}

const admit = <Request extends AnyRequest>(
  context: Context<Request>,
  leaf: Leaf,
  { bypassCircuit = false, continues = false, onAdmitted }: Options,
  spending: AttemptSpending | undefined,
): Effect.Effect<RunningAttempt<Request>, Rejected> =>
  Effect.mapEager(
    Admission.admit(context.stores, leaf.candidate, context.call, context.clock, bypassCircuit),
    (permit) => {
      const { recorder } = context
      onAdmitted?.()
      const type = recorder.nextType(bypassCircuit ? "probe" : continues ? "continuation" : undefined)
      const running = new RunningAttempt(context, leaf, permit, spending, type)
      running.span = recorder.attemptStarted(leaf.candidate, running.request, type)
      return running
    },
  )

/** An attempt that was admitted. */
export class RunningAttempt<Request extends AnyRequest = AnyRequest> {
  readonly context: Context<Request>
  readonly leaf: Leaf
  readonly permit: Admission.Permit
  #spending: AttemptSpending | undefined
  /** What was charged before the end. */
  #charged: { readonly usage: Chat.Usage; readonly cost: number } | undefined = undefined
  readonly request: Request
  readonly type: AttemptType
  /** Milliseconds of the clock. */
  readonly startedAt: number
  #firstTokenMillis: number | undefined = undefined
  readonly #fault: InjectedFault | undefined
  /** If the call is sampled. */
  span: AttemptTrace | undefined = undefined

  constructor(
    context: Context<Request>,
    leaf: Leaf,
    permit: Admission.Permit,
    spending: AttemptSpending | undefined,
    type: AttemptType,
  ) {
    this.context = context
    this.leaf = leaf
    this.permit = permit
    this.#spending = spending
    this.type = type
    this.request = requestFor(context.call.request, context.recorder.receipt.route, leaf)
    this.startedAt = context.clock.currentTimeMillisUnsafe()
    const { call, faults, recorder } = context
    this.#fault = faults.isOn
      ? faults.draw(
          {
            deployment: leaf.candidate.name,
            route: recorder.receipt.route,
            operation: call.operation,
            streaming: call.streaming,
          },
          this.startedAt,
        )
      : undefined
  }

  /** The provider of the deployment, with the fault that is injected into this attempt, if there is one. */
  get provider(): Provider["Service"] {
    const { provider } = this.leaf.candidate
    return this.#fault === undefined ? provider : this.#fault.around(provider)
  }

  elapsed(): number {
    return this.context.clock.currentTimeMillisUnsafe() - this.startedAt
  }

  /** The call of the provider, which hands on the attempt's span, if it has one. */
  traced<A, E>(call: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return this.span === undefined ? call : this.span.around(call)
  }

  /** Records a stream's first output, with the frames up to it. */
  firstOutput(held: ReadonlyArray<Chat.Frame>): void {
    const { health, name } = this.leaf.candidate
    const now = this.context.clock.currentTimeMillisUnsafe()
    const millis = (this.#firstTokenMillis = now - this.startedAt)
    health.recordFirstToken(millis)
    this.span?.firstOutput(held, millis)
    this.context.recorder.firstOutput(name, now, this.startedAt)
  }

  /**
   * Charges one response of a session to the limits and budgets, and reserves what the next one may cost. Rejects if a budget does not
   * cover that.
   */
  charge(usage: Chat.Usage): Effect.Effect<void, Rejected> {
    const { call } = this.context
    const { deployment, name } = this.leaf.candidate
    const price = this.#price
    const cost = (price && Cost.ofUsage(price, usage, this.startedAt)) ?? 0
    const charged = this.#charged
    this.#charged = { usage: Usage.sum(charged?.usage, usage), cost: cost + (charged?.cost ?? 0) }
    const counted = this.permit.use(usage)
    const spending = this.#spending
    if (spending === undefined) return counted
    this.#spending = undefined
    // The conversation so far is the input of the next response.
    const input = usage.inputTokens + usage.outputTokens
    const output = MaxCost.outputTokens(call.request, deployment)
    const most = () => (price === undefined ? 0 : Cost.most(price, input, output))
    return counted.pipe(
      Effect.andThen(spending.end(cost)),
      Effect.andThen(call.spending?.begin({ deployment: name, vendor: deployment.vendor, most }) ?? Effect.undefined),
      Effect.map((next) => {
        this.#spending = next
      }),
      Effect.uninterruptible,
    )
  }

  get #price(): Price | undefined {
    const { price, priceOf } = this.leaf.candidate.deployment
    return price ?? priceOf?.(this.request.model)
  }

  /**
   * Records how the attempt ended, and settles its permit: at once, over stores in memory. Must run exactly once. `output` is
   * what arrived, where its usage is not reported, or not all of it.
   */
  end(
    exit: Exit.Exit<unknown, ProviderError>,
    reported: Chat.Usage | undefined,
    output: UsageEstimate.Output | undefined,
  ): Effect.Effect<void> {
    const { candidate } = this.leaf
    const { deployment } = candidate
    const usage = Usage.sound(reported)
    const millis = this.elapsed()
    const complete = Exit.isSuccess(exit) ? usage : undefined
    const fault = this.#fault
    const counted =
      fault?.isCalled === false
        ? undefined
        : (complete ?? UsageEstimate.of({ call: this.context.call, deployment, exit, millis, output, usage }))
    const attempt = this.context.recorder.attemptEnded({
      candidate,
      type: this.type,
      startedAt: this.startedAt,
      firstTokenMillis: this.#firstTokenMillis,
      model: this.request.model,
      price: this.#price,
      millis,
      exit,
      usage: counted,
      estimated: counted !== usage,
      injected: fault?.name,
    })
    const charged = this.#charged
    const left = charged === undefined ? usage : Usage.without(usage, charged.usage)
    const permit = this.permit.settle({ ...outcomeOf(this.leaf, exit), usage: left })
    this.span?.end(attempt, exit)
    const spending = this.#spending
    const settled =
      spending === undefined
        ? permit
        : Effect.flatMapEager(permit, () => spending.end(Math.max(0, (attempt.cost ?? 0) - (charged?.cost ?? 0))))
    const error = Exit.isSuccess(exit) ? undefined : Cause.findErrorOption(exit.cause)
    return error?._tag === "Some" && error.value.reason._tag === "LocalError"
      ? Effect.andThen(
          Effect.logError(`${error.value.message}: could not call "${Candidate.label(candidate)}"`),
          settled,
        )
      : settled
  }
}

/** The request for one deployment of a route: with its own model id, and at most the output that the model can write. */
export const requestFor = <Request extends AnyRequest>(
  request: Request,
  route: string,
  { candidate, policies }: Leaf,
): Request => {
  const { capabilities, model } = candidate.deployment
  const own = {
    model: Wildcard.substitute(model, route, request.model),
    unsupportedParams: policies.unsupportedParams,
  }
  const maxOutput = capabilities?.maxOutput
  const sampling = "sampling" in request ? request.sampling : undefined
  return Outline.set(
    request,
    maxOutput === undefined || (sampling?.maxTokens ?? 0) <= maxOutput
      ? own
      : { ...own, sampling: { ...sampling, maxTokens: maxOutput } },
  )
}

/** What an exit means for the deployment's circuit and cooldown. */
export const outcomeOf = (
  { candidate, policies }: Leaf,
  exit: Exit.Exit<unknown, ProviderError>,
): Omit<Admission.Outcome, "usage"> => {
  if (Exit.isSuccess(exit)) return succeeded
  const error = Cause.findErrorOption(exit.cause)
  if (error._tag === "None" || blamesCallersModel(candidate.deployment, error.value)) return inconclusive
  const { reason, retryAfter } = error.value
  return {
    action: actionFor(reason).circuit,
    account: reason._tag === "Authentication" || reason._tag === "QuotaExhausted",
    wait: retryAfter === undefined ? Retry.shortestDelay(policies.retry) : Duration.toMillis(retryAfter),
  }
}

const succeeded = { action: undefined }
const inconclusive = { action: "ignore" } as const

/** Whether the caller chose a model, by a `*`, that the provider does not serve: other models may still work. */
const blamesCallersModel = ({ model }: Deployment.Options, { reason }: ProviderError): boolean =>
  Wildcard.hasWildcard(model) && (reason._tag === "ModelNotFound" || reason._tag === "Permission")
