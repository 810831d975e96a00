/**
 * The receipt of a call: every attempt with its outcome, duration, usage and cost, and every deployment that was skipped. It
 * is built while the call runs, and finished once, when the call ends, also for a stream that is interrupted.
 */
import type { Call, Needs, Operation } from "../model/Call.ts"
import type * as Chat from "../model/Chat.ts"
import type { Kind } from "../model/ErrorKind.ts"
import type { GuardrailResult } from "../model/Guard.ts"
import type { ReasonTag } from "../model/ProviderError.ts"
import type { SkipReason } from "../model/SkipReason.ts"

/**
 * Why an attempt is made. A `fallback` goes on to another deployment, or to another account of it. A `probe` is sent to a deployment whose circuit is open, because all others were skipped; a
 * `continuation` goes on after the text that a broken stream has delivered.
 */
export type AttemptType = "initial" | "retry" | "fallback" | "hedge" | "probe" | "continuation"

/** A deployment. `account`: the place of the account among those of the deployment, from 1, if it has several. */
export interface Place {
  readonly deployment: string
  readonly account?: number | undefined
}

/** The deployment with its account, for messages: `gpt-4o`, or `gpt-4o#2`. */
export const label = ({ account, deployment }: Place): string =>
  account === undefined ? deployment : `${deployment}#${account}`

/** One attempt at one deployment. `millis` is the time from its admission to its end. */
export interface Attempt extends Place {
  readonly type: AttemptType
  /** When it was admitted, in clock milliseconds. */
  readonly startedAt: number
  /** The vendor's model id. */
  readonly model: string
  readonly outcome: Outcome
  readonly millis: number
  readonly reason?: ReasonTag | undefined
  readonly status?: number | undefined
  /** The provider's Retry-After, in milliseconds, if it sent one. */
  readonly retryAfter?: number | undefined
  readonly message?: string | undefined
  /** Whether `message` has nothing of a request or a response: see `ProviderError`. */
  readonly contentFree?: true | undefined
  /** Of a stream: the time from its admission to its first output, in milliseconds. */
  readonly firstTokenMillis?: number | undefined
  readonly usage?: Chat.Usage | undefined
  /** Whether `usage` is estimated: the provider was called, and did not report it, or not all of it. */
  readonly estimated?: true | undefined
  /** US dollars at the start of the call, if the price is known and the attempt has a usage. */
  readonly cost?: number | undefined
  /** The version of the price that `cost` is from: see `Price`. */
  readonly priceVersion?: string | undefined
  /** The name of the fault that was injected into it: see `FaultInjection`. */
  readonly injected?: string | undefined
}

/** A deployment, or one of its accounts, that was not tried, and why. */
export interface Skipped extends Place {
  readonly reason: SkipReason
}

/**
 * The outcome of an attempt or a call.
 *
 * - `success`: the response is complete.
 * - `failure`: all deployments failed, or the stream broke after its first output.
 * - `cancelled`: the client disconnected, or another hedged attempt won.
 */
export type Outcome = "success" | "failure" | "cancelled"

/**
 * What became of the conversation that a call belongs to, at a balance that keeps conversations (see `AffinityPolicy`).
 *
 * - `new`: it was kept nowhere yet, and is kept on the deployment that answers.
 * - `kept`: the deployment that it was kept on answers.
 * - `moved`: another deployment answers, and keeps it if it is in the same balance. `from` is the one that had it, and `reason`
 *   why that did not answer: it was skipped, its attempt failed, or it is no longer in the balance (`Removed`).
 */
export interface Affinity {
  readonly result: "new" | "kept" | "moved"
  readonly from?: string | undefined
  readonly reason?: SkipReason["_tag"] | ReasonTag | "Removed" | undefined
}

/** As `Outcome`, and `refused`: a guardrail refused the call, or its answer, which is billed. */
export type CallOutcome = Outcome | "refused"

/** The record of one call. */
export interface Receipt {
  readonly id: string
  /** The route or deployment that was called; its name with the `*` if it is a wildcard. */
  readonly route: string
  /** The model that the request named: for a route with a `*`, the text that matched it. */
  readonly model: string
  /** The caller's name: see `CallOptions`. A shadow call has none, and no team and no tags. */
  readonly caller: string | undefined
  /** The caller's team, and the tags of the call: see `CallOptions`. */
  readonly team: string | undefined
  readonly tags: ReadonlyArray<string>
  /** The protocol of the client: see `CallOptions`. */
  readonly protocol: string | undefined
  readonly operation: Operation
  readonly streaming: boolean
  /** What the call needs of a model, if a subscriber asked for it: see `EventBus`. */
  readonly needs: Needs | undefined
  /** The ids of the call's trace and span, in hexadecimal, if its fibre has a tracer. */
  readonly traceId: string | undefined
  readonly spanId: string | undefined
  /** The id of the call that this one is the shadow of: see `Route.shadow`. */
  readonly shadowOf: string | undefined
  /** In clock milliseconds. */
  readonly startedAt: number
  /** The deployment that answers, once its output has begun. If a stream was resumed, the deployment that finished it. */
  readonly deployment: string | undefined
  readonly attempts: ReadonlyArray<Attempt>
  readonly skipped: ReadonlyArray<Skipped>
  /** The arm of the first split that the call reached, also if the answer is from a deployment after the split. */
  readonly split: string | undefined
  /** Parameters that were not sent to that deployment: see `Chat.UnsupportedParams`. */
  readonly droppedParams: ReadonlyArray<string> | undefined
  /** If the route has a cache: whether the response came from it. */
  readonly cache: "hit" | "miss" | undefined
  /** What became of its conversation, if a balance of the route keeps conversations and a deployment answers. */
  readonly affinity: Affinity | undefined
  /** The time from the start of the call to a stream's first output. */
  readonly firstTokenMillis: number | undefined
  /** How long the call has waited for limits, in milliseconds; `undefined` if it has not. `millis` includes it. */
  readonly queuedMillis: number | undefined
  /** Set when the call has ended, as is `millis`. */
  readonly outcome: CallOutcome | undefined
  /** What its guardrails decided, if it has any. */
  readonly guardrails?: ReadonlyArray<GuardrailResult> | undefined
  /** The kind of the error of a call that failed. */
  readonly error: Kind | undefined
  readonly millis: number | undefined
}

/** The ids of a span. */
export interface SpanIds {
  readonly traceId: string
  readonly spanId: string
}

/** The receipt of a running call, which the engine writes. */
export class ReceiptBuilder implements Receipt {
  readonly id: string
  readonly route: string
  readonly model: string
  readonly caller: string | undefined
  readonly team: string | undefined
  readonly tags: ReadonlyArray<string>
  readonly protocol: string | undefined
  readonly operation: Operation
  readonly streaming: boolean
  readonly traceId: string | undefined
  readonly spanId: string | undefined
  readonly shadowOf: string | undefined
  readonly startedAt: number
  needs: Needs | undefined = undefined
  readonly attempts: Array<Attempt> = []
  readonly skipped: Array<Skipped> = []
  deployment: string | undefined = undefined
  split: string | undefined = undefined
  droppedParams: ReadonlyArray<string> | undefined = undefined
  cache: "hit" | "miss" | undefined = undefined
  affinity: Affinity | undefined = undefined
  firstTokenMillis: number | undefined = undefined
  queuedMillis: number | undefined
  outcome: CallOutcome | undefined = undefined
  readonly guardrails: ReadonlyArray<GuardrailResult> | undefined
  error: Kind | undefined = undefined
  millis: number | undefined = undefined

  constructor(
    id: string,
    route: string,
    { at, operation, options, request, shadowOf, streaming }: Call,
    span: SpanIds | undefined,
  ) {
    this.id = id
    this.route = route
    this.model = request.model
    // What a shadow call costs is none of the caller's spend.
    const isOwn = shadowOf === undefined
    this.caller = isOwn ? options.caller : undefined
    this.team = isOwn ? options.team : undefined
    this.tags = isOwn ? (options.tags ?? noTags) : noTags
    this.shadowOf = shadowOf?.call
    this.protocol = options.protocol
    this.operation = operation
    this.streaming = streaming
    this.traceId = span?.traceId
    this.spanId = span?.spanId
    this.startedAt = at
    this.queuedMillis = options.queuedMillis
    this.guardrails = options.guard?.results
  }

  /** Records the result of the cache lookup: `undefined` is a miss. */
  cacheHit(entry: Pick<Receipt, "deployment" | "droppedParams"> | undefined): void {
    this.cache = entry === undefined ? "miss" : "hit"
    this.deployment = entry?.deployment
    this.droppedParams = entry?.droppedParams
  }

  /** Adds a wait. */
  queued(millis: number): void {
    this.queuedMillis = (this.queuedMillis ?? 0) + millis
  }

  finish(outcome: CallOutcome, error: Kind | undefined, now: number): void {
    this.outcome = outcome
    this.error = error
    this.millis = now - this.startedAt
  }
}

const noTags: ReadonlyArray<string> = []

/**
 * The tokens and cost of all attempts of a call. `cost` is `undefined` if no attempt has a cost, and `cachedInputTokens`, which
 * are part of `inputTokens`, if no provider reported them.
 */
export const total = (
  receipt: Pick<Receipt, "attempts">,
): {
  readonly inputTokens: number
  readonly cachedInputTokens: number | undefined
  readonly outputTokens: number
  readonly cost: number | undefined
} => {
  let inputTokens = 0
  let cachedInputTokens: number | undefined
  let outputTokens = 0
  let cost: number | undefined
  for (const attempt of receipt.attempts) {
    inputTokens += attempt.usage?.inputTokens ?? 0
    outputTokens += attempt.usage?.outputTokens ?? 0
    const cached = attempt.usage?.cachedInputTokens
    if (cached !== undefined) cachedInputTokens = (cachedInputTokens ?? 0) + cached
    if (attempt.cost !== undefined) cost = (cost ?? 0) + attempt.cost
  }
  return { inputTokens, cachedInputTokens, outputTokens, cost }
}
