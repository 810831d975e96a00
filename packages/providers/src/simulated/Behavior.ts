/**
 * How a simulated deployment behaves just now: its options and the fault over them, resolved to numbers. Pure.
 */
import * as Duration from "effect/Duration"
import type { Fault } from "./Fault.ts"

/** What may be said of a deployment's behaviour from the start. What is not said takes no time and does not fail. */
export interface Options {
  /** Until a plain answer, and until a stream's first token unless `firstToken` says otherwise. A refusal takes as long. */
  readonly latency?: Duration.Input | undefined
  /** Until a stream's first token. */
  readonly firstToken?: Duration.Input | undefined
  /** Between a stream's tokens. */
  readonly tokenDelay?: Duration.Input | undefined
  /** The share of calls that fail, 0 to 1, by the seed. */
  readonly failureRate?: number | undefined
  /** The HTTP status that it fails with: every call, unless `failureRate` says how many. 500 if not said. */
  readonly status?: number | undefined
  /** What a 429 or a 5xx says of when to come back. */
  readonly retryAfter?: Duration.Input | undefined
  /** Every stream breaks after so many tokens. A plain answer stays whole. */
  readonly disconnectAfterTokens?: number | undefined
  /** Every stream falls silent after so many tokens. A plain answer stays whole. */
  readonly stallAfterTokens?: number | undefined
  /** A window, counted from the start of the layer, in which it cannot be reached. */
  readonly outage?: { readonly from: Duration.Input; readonly for: Duration.Input } | undefined
}

/** Times are milliseconds; what never happens is at infinity. */
export interface Behavior {
  readonly latency: number
  readonly firstToken: number
  readonly tokenDelay: number
  readonly failureRate: number
  readonly status: number
  readonly retryAfter: Duration.Duration | undefined
  readonly disconnectAfterTokens: number
  readonly stallAfterTokens: number
  /** When it cannot be reached, in milliseconds of the clock. */
  readonly outage: { readonly from: number; readonly until: number }
}

const never = Number.POSITIVE_INFINITY

const noOutage: Behavior["outage"] = { from: never, until: never }

/** `startedAt` is when the layer started, `brokenAt` when the fault was set, both in milliseconds of the clock. */
export const resolve = (options: Options, fault: Fault, startedAt: number, brokenAt: number): Behavior => {
  const status = fault.status ?? options.status
  const latency = fault.latency ?? options.latency
  return {
    latency: millis(latency),
    firstToken: millis(fault.firstToken ?? fault.latency ?? options.firstToken ?? latency),
    tokenDelay: millis(fault.tokenDelay ?? options.tokenDelay),
    failureRate: failureRate(options, fault),
    status: status ?? 500,
    retryAfter: fault.retryAfter ?? duration(options.retryAfter),
    disconnectAfterTokens: fault.disconnectAfterTokens ?? options.disconnectAfterTokens ?? never,
    stallAfterTokens: fault.stallAfterTokens ?? options.stallAfterTokens ?? never,
    outage: fault.outage === undefined ? outage(options.outage, startedAt) : outage(windowOf(fault.outage), brokenAt),
  }
}

/** A status with no rate beside it is what every call fails with. */
const failureRate = (options: Options, fault: Fault): number => {
  if (fault.failureRate !== undefined) return fault.failureRate
  if (fault.status !== undefined) return 1
  return options.failureRate ?? (options.status === undefined ? 0 : 1)
}

const windowOf = (fault: Exclude<Fault["outage"], undefined>) => {
  if (fault === false) return undefined
  return fault === true ? { for: Duration.infinity } : fault
}

const outage = (
  window: { readonly from?: Duration.Input; readonly for: Duration.Input } | undefined,
  since: number,
): Behavior["outage"] => {
  if (window === undefined) return noOutage
  const from = since + millis(window.from)
  return { from, until: from + millis(window.for) }
}

const duration = (input: Duration.Input | undefined): Duration.Duration | undefined =>
  input === undefined ? undefined : Duration.fromInputUnsafe(input)

const millis = (input: Duration.Input | undefined): number =>
  input === undefined ? 0 : Duration.toMillis(Duration.fromInputUnsafe(input))
