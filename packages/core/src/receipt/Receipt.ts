/**
 * What became of a call: every attempt with its reason, time, usage and price, and every candidate passed over. Kept
 * while the call runs, settled once when it ends, cut streams included.
 */
import type * as Chat from "../model/Chat.ts"
import * as Cost from "../model/Cost.ts"
import type { Price } from "../model/Cost.ts"
import type { ProviderError, ReasonTag } from "../model/ProviderError.ts"
import type { SkipReason } from "../model/SkipReason.ts"

/** One try of one deployment. `millis` runs from its admission to its end. */
export interface Attempt {
  readonly deployment: string
  readonly outcome: Outcome
  readonly millis: number
  readonly reason?: ReasonTag | undefined
  readonly status?: number | undefined
  readonly message?: string | undefined
  readonly usage?: Chat.Usage | undefined
  /** US dollars, where the deployment has a price and said what it used. */
  readonly cost?: number | undefined
}

/** A candidate that was not asked, and why. */
export interface Skipped {
  readonly deployment: string
  readonly reason: SkipReason
}

/**
 * - `answered`: whole.
 * - `failed`: nobody answered, or the stream broke after its commit.
 * - `interrupted`: the caller went away.
 */
export type Outcome = "success" | "failure" | "cancelled"

export interface Receipt {
  readonly id: string
  /** The route or deployment the caller named: one with a `*`, where that stands for the name. */
  readonly route: string
  /** Who asked, where that was said. */
  readonly caller: string | undefined
  readonly streaming: boolean
  /** Clock milliseconds. */
  readonly startedAt: number
  /** Whose answer it is, once one has answered or committed: of an answer that was taken over, who finished it. */
  readonly deployment: string | undefined
  readonly attempts: ReadonlyArray<Attempt>
  readonly skipped: ReadonlyArray<Skipped>
  /** What was wished for and not said to that deployment: see `Chat.Unsupported`. */
  readonly droppedParams: ReadonlyArray<string> | undefined
  /** Where the route keeps its answers: whether this one was given before, and nobody was asked. */
  readonly cache: "hit" | "miss" | undefined
  /** Until a stream's first real output, from the start of the call. */
  readonly firstTokenMillis: number | undefined
  /** Present once the call has ended. */
  readonly outcome: Outcome | undefined
  readonly millis: number | undefined
}

/** The receipt of a running call: written by the engine alone. */
export class ReceiptBuilder implements Receipt {
  readonly id: string
  readonly route: string
  readonly caller: string | undefined
  readonly streaming: boolean
  readonly startedAt: number
  readonly attempts: Array<Attempt> = []
  readonly skipped: Array<Skipped> = []
  deployment: string | undefined = undefined
  droppedParams: ReadonlyArray<string> | undefined = undefined
  cache: "hit" | "miss" | undefined = undefined
  firstTokenMillis: number | undefined = undefined
  outcome: Outcome | undefined = undefined
  millis: number | undefined = undefined

  constructor(id: string, route: string, caller: string | undefined, streaming: boolean, startedAt: number) {
    this.id = id
    this.route = route
    this.caller = caller
    this.streaming = streaming
    this.startedAt = startedAt
  }

  succeeded(deployment: string, millis: number, usage: Chat.Usage | undefined, price: Price | undefined): void {
    this.attempts.push({ deployment, outcome: "success", millis, ...usageAndCost(usage, price) })
  }

  failed(
    deployment: string,
    millis: number,
    error: ProviderError,
    usage: Chat.Usage | undefined,
    price: Price | undefined,
  ): void {
    this.attempts.push({
      deployment,
      outcome: "failure",
      millis,
      reason: error.reason._tag,
      status: error.status,
      message: error.message,
      ...usageAndCost(usage, price),
    })
  }

  cancelled(deployment: string, millis: number, usage: Chat.Usage | undefined, price: Price | undefined): void {
    this.attempts.push({ deployment, outcome: "cancelled", millis, ...usageAndCost(usage, price) })
  }

  skip(deployment: string, verdict: Skipped["reason"]): void {
    this.skipped.push({ deployment, reason: verdict })
  }

  /** The answer is one that was given before, if there is one. */
  cacheHit(entry: Pick<Receipt, "deployment" | "droppedParams"> | undefined): void {
    this.cache = entry === undefined ? "miss" : "hit"
    this.deployment = entry?.deployment
    this.droppedParams = entry?.droppedParams
  }

  finish(outcome: Outcome, now: number): void {
    this.outcome = outcome
    this.millis = now - this.startedAt
  }
}

const usageAndCost = (usage: Chat.Usage | undefined, price: Price | undefined) =>
  usage === undefined ? undefined : { usage, cost: price === undefined ? undefined : Cost.of(price, usage) }

/** What all attempts of a call used and cost together. `cost` is `undefined` when no attempt's price is known. */
export const total = (
  receipt: Pick<Receipt, "attempts">,
): { readonly inputTokens: number; readonly outputTokens: number; readonly cost: number | undefined } => {
  let inputTokens = 0
  let outputTokens = 0
  let cost: number | undefined
  for (const attempt of receipt.attempts) {
    inputTokens += attempt.usage?.inputTokens ?? 0
    outputTokens += attempt.usage?.outputTokens ?? 0
    if (attempt.cost !== undefined) cost = (cost ?? 0) + attempt.cost
  }
  return { inputTokens, outputTokens, cost }
}
