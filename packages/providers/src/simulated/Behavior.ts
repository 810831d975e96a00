/**
 * The behavior of a simulated deployment: its options with its fault, resolved to numbers. Pure.
 */
import * as Duration from "effect/Duration"
import type { Fault } from "./Fault.ts"

/** The configured behavior. By default calls take no time and never fail. */
export interface Options {
  /** The time to a complete response or a failure, and to a stream's first token unless `firstToken` is set. */
  readonly latency?: Duration.Input | undefined
  /** The time to a stream's first token. */
  readonly firstToken?: Duration.Input | undefined
  /** The time between a stream's tokens. */
  readonly tokenDelay?: Duration.Input | undefined
  /** The share of calls that fail, 0 to 1, selected by the seed. */
  readonly failureRate?: number | undefined
  /** The HTTP status of failures. Every call fails unless `failureRate` is set. Default: 500. */
  readonly status?: number | undefined
  /** The `Retry-After` of a 429 or 5xx. */
  readonly retryAfter?: Duration.Input | undefined
  /** Every stream breaks after so many tokens. Complete responses are not affected. */
  readonly disconnectAfterTokens?: number | undefined
  /** Every stream stalls after so many tokens. Complete responses are not affected. */
  readonly stallAfterTokens?: number | undefined
  /** A window, counted from the start of the layer, in which the deployment is unreachable. */
  readonly outage?: { readonly from: Duration.Input; readonly for: Duration.Input } | undefined
}

/** The resolved behavior. Times are milliseconds, infinity for never. */
export interface Behavior {
  readonly latency: number
  readonly firstToken: number
  readonly tokenDelay: number
  readonly failureRate: number
  readonly status: number
  readonly retryAfter: Duration.Duration | undefined
  readonly disconnectAfterTokens: number
  readonly stallAfterTokens: number
  /** When the deployment is unreachable, in milliseconds of the clock. */
  readonly outage: { readonly from: number; readonly until: number }
}

const never = Number.POSITIVE_INFINITY

const noOutage: Behavior["outage"] = { from: never, until: never }

/** The behavior. `startedAt` is the start of the layer, `faultAt` when the fault was set, in milliseconds of the clock. */
export const resolve = (options: Options, fault: Fault, startedAt: number, faultAt: number): Behavior => {
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
    outage: fault.outage === undefined ? outage(options.outage, startedAt) : outage(windowOf(fault.outage), faultAt),
  }
}

/** A status without a rate applies to every call. */
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
