/**
 * The record of one running call: the only writer of its receipt. What it writes, it also publishes as events, and adds to the
 * call's trace if it has one.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import type { Candidate } from "../deployment/Candidate.ts"
import type { AnyRequest, Call } from "../model/Call.ts"
import type * as Chat from "../model/Chat.ts"
import * as Cost from "../model/Cost.ts"
import type { Price } from "../model/Cost.ts"
import { IsCutOff } from "../model/CutOff.ts"
import type { Kind } from "../model/ErrorKind.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import type { SkipReason } from "../model/SkipReason.ts"
import type { Departure } from "../queue/AdmissionQueue.ts"
import { ReceiptBuilder } from "../receipt/Receipt.ts"
import type {
  Affinity,
  Attempt,
  AttemptType,
  CallOutcome,
  Outcome,
  Place,
  Receipt,
  Skipped,
} from "../receipt/Receipt.ts"
import type { EventBus } from "../receipt/RouteEvent.ts"
import type { FailedStep, Step } from "../route/Plan.ts"
import type { AttemptTrace, CallTrace } from "../telemetry/CallTrace.ts"
import { draining, RouterError } from "./RouterError.ts"

/** How an attempt ended. Times run from its admission, at `startedAt`. `model` is the vendor's id. */
export interface EndedAttempt {
  readonly candidate: Pick<Candidate, "name" | "account">
  readonly type: AttemptType
  readonly startedAt: number
  readonly firstTokenMillis: number | undefined
  readonly model: string
  readonly price: Price | undefined
  readonly millis: number
  readonly exit: Exit.Exit<unknown, ProviderError>
  readonly usage: Chat.Usage | undefined
  readonly estimated: boolean
  /** The name of the fault that was injected. */
  readonly injected: string | undefined
}

export class CallRecorder {
  readonly #receipt: ReceiptBuilder
  readonly #bus: EventBus
  /** If the fibre of the call has a tracer. */
  readonly trace: CallTrace | undefined
  /** How the last attempt ended; a cache hit counts as a success. */
  #lastOutcome: Outcome | undefined = undefined
  /** Why the next attempt is made, if it is not the first: a retry, unless the call has gone on to another deployment. */
  #nextType: AttemptType = "initial"

  constructor(receipt: ReceiptBuilder, bus: EventBus, trace: CallTrace | undefined) {
    this.#receipt = receipt
    this.#bus = bus
    this.trace = trace
    trace?.opened(receipt)
  }

  get receipt(): Receipt {
    return this.#receipt
  }

  /** The type of the attempt that starts next. */
  nextType(known: "probe" | "continuation" | undefined): AttemptType {
    const type = known ?? this.#nextType
    this.#nextType = "retry"
    return type
  }

  /** The next attempt is a retry, or goes on to another account of the deployment. */
  goesOnWith(type: "retry" | "fallback"): void {
    this.#nextType = type
  }

  /** Gives the attempt's span, if the call is traced. */
  attemptStarted(candidate: Candidate, request: AnyRequest, type: AttemptType): AttemptTrace | undefined {
    const { id: call, route } = this.#receipt
    const span = this.trace?.attempt(candidate, request, type)
    this.#bus.publish({ _tag: "AttemptStarted", call, route, ...placeOf(candidate), model: request.model })
    return span
  }

  /** Adds the attempt to the receipt, and gives it. */
  attemptEnded(ended: EndedAttempt): Attempt {
    const receipt = this.#receipt
    const { injected } = ended
    const plain = attemptOf(ended, receipt.startedAt)
    const attempt = injected === undefined ? plain : { ...plain, injected }
    receipt.attempts.push(attempt)
    this.#lastOutcome = attempt.outcome
    this.#bus.publish({ _tag: "AttemptEnded", call: receipt.id, route: receipt.route, attempt })
    if (attempt.outcome === "success") receipt.deployment = attempt.deployment
    return attempt
  }

  /** A stream has its first output, of an attempt admitted at `from`. Only the first stream of a call sets its time to first token. */
  firstOutput(deployment: string, now: number, from: number): void {
    const receipt = this.#receipt
    receipt.deployment = deployment
    if (receipt.firstTokenMillis !== undefined) return
    const { id: call, operation, route } = receipt
    const millis = (receipt.firstTokenMillis = now - receipt.startedAt)
    this.#bus.publish({ _tag: "FirstToken", call, route, operation, deployment, millis, attemptMillis: now - from })
  }

  droppedParams(params: ReadonlyArray<string> | undefined): void {
    this.#receipt.droppedParams = params
  }

  /** Names the deployment that the call's answer, or its failure, is from. */
  attributeTo(deployment: string): void {
    this.#receipt.deployment = deployment
  }

  /** A deployment, or an account of it, is skipped. */
  skipped(candidate: Pick<Candidate, "name" | "account">, reason: SkipReason): void {
    const skipped: Skipped = { ...placeOf(candidate), reason }
    this.#receipt.skipped.push(skipped)
    this.trace?.skipped(skipped)
    const { id: call, route } = this.#receipt
    this.#bus.publish({ _tag: "DeploymentSkipped", call, route, ...skipped })
  }

  /** The call waits for a deployment's limits. */
  queued(deployment: string): void {
    const { id: call, route } = this.#receipt
    this.trace?.queued(deployment)
    this.#bus.publish({ _tag: "Queued", call, route, deployment })
  }

  /** The call no longer waits, or is rejected before it does. */
  leftQueue(deployment: string, departure: Departure, millis: number): void {
    const { id: call, route } = this.#receipt
    if (millis > 0 || departure === "admitted") this.#receipt.queued(millis)
    this.trace?.leftQueue(deployment, departure, millis)
    this.#bus.publish({ _tag: "LeftQueue", call, route, deployment, departure, millis })
  }

  /** `to` is tried because the last attempt failed. Publishes nothing if none did: a skipped deployment did not fail. */
  failover(to: Step, failures: ReadonlyArray<FailedStep>): void {
    const last = failures.findLast((failure) => failure._tag === "Failed")
    if (last === undefined) return
    const { id: call, route } = this.#receipt
    const reason = last.error.reason._tag
    const [before, after] = [nameOf(last.step), nameOf(to)]
    // Accounts that take over a stream are of the deployment that it is from.
    if (before === after && to.leaf.candidate.accounts !== undefined) return
    this.#nextType = "fallback"
    this.trace?.failover(before, after, reason)
    this.#bus.publish({ _tag: "Failover", call, route, from: before, to: after, reason })
  }

  /** `to` is tried while `from` may still answer. */
  hedged(from: Step, to: Step): void {
    const { id: call, route } = this.#receipt
    const [slow, hedge] = [nameOf(from), nameOf(to)]
    this.#nextType = "hedge"
    this.trace?.hedged(slow, hedge)
    this.#bus.publish({ _tag: "Hedged", call, route, from: slow, to: hedge })
  }

  /** The call has reached an arm of a split. Only the first counts. */
  takesArm(arm: string): void {
    const receipt = this.#receipt
    if (receipt.split !== undefined) return
    receipt.split = arm
    this.trace?.takesArm(arm)
  }

  cacheMiss(): void {
    this.#receipt.cacheHit(undefined)
  }

  /** The answer is from the cache. `model` is the vendor's id. */
  cacheHit(entry: Pick<Receipt, "deployment" | "droppedParams">, model: string): void {
    this.#receipt.cacheHit(entry)
    this.#lastOutcome = "success"
    const { deployment = "", id: call, route } = this.#receipt
    this.#bus.publish({ _tag: "CacheHit", call, route, deployment, model })
  }

  /** What became of the conversation that the call belongs to. */
  affinity(affinity: Affinity): void {
    this.#receipt.affinity = affinity
  }

  /** The call has ended, in this context. Only the first end counts. */
  ended(exit: Exit.Exit<unknown, unknown>, now: number, context: Context.Context<never>): void {
    if (Exit.isSuccess(exit)) this.#end("success", now)
    else if (Exit.hasInterrupts(exit)) this.#interrupted(now, context)
    else this.#failed(exit, now)
  }

  /** The call has failed. */
  failed(error: RouterError, now: number): void {
    this.#failed(Exit.fail(error), now)
  }

  #failed(exit: Exit.Exit<unknown, unknown>, now: number): void {
    this.#end(kindOf(exit) === "GuardrailRefused" ? "refused" : "failure", now, exit)
  }

  /** A shadow call has no client, so that a shutdown only cancels it. */
  #interrupted(now: number, context: Context.Context<never>): void {
    const isCutOff = this.#receipt.shadowOf === undefined && Context.get(context, IsCutOff)()
    if (isCutOff) this.failed(draining(this.#receipt), now)
    else this.#end("cancelled", now)
  }

  /**
   * The scope of a streamed call has closed: the call ended as its last attempt did. The scope's exit only says how the
   * stream's consumer ended; one that stops before the stream ends has cancelled it.
   */
  streamClosed(exit: Exit.Exit<unknown, unknown>, now: number, context: Context.Context<never>): void {
    if (this.#lastOutcome === "success" || this.#lastOutcome === "failure") this.#end(this.#lastOutcome, now)
    else if (Exit.isSuccess(exit)) this.#interrupted(now, context)
    else this.ended(exit, now, context)
  }

  #end(outcome: CallOutcome, now: number, exit?: Exit.Exit<unknown, unknown>): void {
    const receipt = this.#receipt
    if (receipt.outcome !== undefined) return
    receipt.finish(outcome, outcome === "failure" || outcome === "refused" ? kindOf(exit) : undefined, now)
    this.trace?.end(receipt, exit)
    this.#bus.publish({ _tag: "CallEnded", call: receipt.id, route: receipt.route, receipt })
  }
}

/** The end of a stream after its first output has no error of its own. A defect has no kind. */
const kindOf = (exit: Exit.Exit<unknown, unknown> | undefined): Kind | undefined => {
  if (exit === undefined || Exit.isSuccess(exit)) return "StreamInterrupted"
  const error = Cause.findErrorOption(exit.cause)
  return error._tag === "Some" && error.value instanceof RouterError ? error.value.kind : undefined
}

/** An attempt that neither succeeded nor failed was cancelled. */
const attemptOf = (ended: EndedAttempt, startedAt: number): Attempt => {
  const { candidate, exit, firstTokenMillis, millis, model, startedAt: at, type } = ended
  const begun = { ...placeOf(candidate), model, type, startedAt: at, firstTokenMillis }
  if (Exit.isSuccess(exit)) return { ...begun, outcome: "success", millis, ...usageAndCost(ended, startedAt) }
  const error = Cause.findErrorOption(exit.cause)
  if (error._tag === "None") return { ...begun, outcome: "cancelled", millis, ...usageAndCost(ended, startedAt) }
  const { contentFree, message, reason, retryAfter, status } = error.value
  return {
    ...begun,
    outcome: "failure",
    millis,
    reason: reason._tag,
    status,
    retryAfter: retryAfter === undefined ? undefined : Duration.toMillis(retryAfter),
    message,
    ...(contentFree === undefined ? undefined : { contentFree }),
    ...usageAndCost(ended, startedAt),
  }
}

const placeOf = ({ account, name: deployment }: Pick<Candidate, "name" | "account">): Place =>
  account === undefined ? { deployment } : { deployment, account }

const usageAndCost = ({ estimated, price, usage }: EndedAttempt, startedAt: number) => {
  if (usage === undefined) return undefined
  const counted = estimated ? { usage, estimated } : { usage }
  if (price === undefined) return { ...counted, cost: undefined }
  const { version = Cost.configured } = price
  return { ...counted, cost: Cost.ofUsage(price, usage, startedAt), priceVersion: version }
}

const nameOf = ({ leaf }: Step): string => leaf.candidate.name

/** The bus that marks the events of a shadow call. */
const busOf = (bus: EventBus, { shadowOf }: Call): EventBus =>
  shadowOf === undefined ? bus : { ...bus, publish: (event) => bus.publish({ ...event, shadowOf }) }

/** Ids that no other router gives: a random prefix and a number. */
export const makeIds = (random: () => number): (() => string) => {
  const prefix = Math.floor(random() * 2 ** 40).toString(36)
  let calls = 0
  return () => `${prefix}-${(++calls).toString(36)}`
}

/** Opens the records of one router's calls, under ids of its own, unless a layer over it has given the call one. */
export const makeOpen = (
  bus: EventBus,
  random: () => number,
): ((route: string, call: Call, trace: CallTrace | undefined) => CallRecorder) => {
  const newId = makeIds(random)
  return (route, call, trace) => {
    const receipt = new ReceiptBuilder(call.options.guard?.id ?? newId(), route, call, trace?.span)
    // Now, while the request is at hand: it is not kept until the call ends.
    if (bus.wantsNeeds(receipt.id)) receipt.needs = call.needs
    return new CallRecorder(receipt, busOf(bus, call), trace)
  }
}
