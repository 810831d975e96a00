/**
 * How a deployment behaves, and how that changes: what its provider does on average, and the incidents that befall it.
 */
import type { Reason } from "../model/ProviderError.ts"
import type { Distribution } from "./Distribution.ts"
import { scaled } from "./Distribution.ts"

/** What a provider does. Shares are from 0 to 1; times are milliseconds. */
export interface Behavior {
  /** The time to the first token; it includes the way to the provider. */
  readonly firstToken: Distribution
  readonly tokensPerSecond: Distribution
  /** How calls fail before any output. The sum of their shares is at most 1. */
  readonly failures: ReadonlyArray<Failure>
  /** The share of streams that break off after part of their output, and of those that go silent for ever. */
  readonly cut: number
  readonly stall: number
  /** What the vendor admits. Calls beyond it fail with `RateLimited`, and with the time until the next would be admitted. */
  readonly quota: Quota | undefined
}

/** A way in which a share of the calls fails. */
export interface Failure {
  readonly share: number
  readonly reason: Reason
  /** The HTTP status, if there is one. */
  readonly status?: number | undefined
  /** When, after the start of the call. */
  readonly after: Distribution
}

/** Requests and tokens a minute. Both refill continuously, as vendors document. */
export interface Quota {
  readonly rpm?: number | undefined
  readonly tpm?: number | undefined
}

/** A provider without incidents: its first token after half a second, 60 tokens a second, no failures. */
export const usual: Behavior = {
  firstToken: { median: 500, p95: 1500 },
  tokensPerSecond: { median: 60, p95: 90 },
  failures: [],
  cut: 0,
  stall: 0,
  quota: undefined,
}

/** What an incident changes. */
export interface Change {
  /** Nothing gets through: calls fail with `Network`, and streams break off. */
  readonly outage?: boolean | undefined
  /** Everything takes so many times as long. */
  readonly slower?: number | undefined
  /** The time to the first token alone is so many times as long. */
  readonly slowerFirstToken?: number | undefined
  /** Failures besides those that there are. They come first. */
  readonly failures?: ReadonlyArray<Failure> | undefined
  readonly cut?: number | undefined
  readonly stall?: number | undefined
  /** The quota is multiplied by this. */
  readonly quota?: number | undefined
}

/** A change for some time. `from` and `until` are clock milliseconds; `until` is exclusive. */
export interface Incident {
  readonly from: number
  readonly until: number
  readonly change: Change
}

/** A behavior from one time to another. */
export interface Phase extends Behavior {
  readonly from: number
  readonly isOut: boolean
}

/** The phases of a deployment, in order, from the beginning of time on. Incidents at one time add up. */
export const phases = (behavior: Behavior, incidents: ReadonlyArray<Incident>): ReadonlyArray<Phase> => {
  const times = [...new Set(incidents.flatMap(({ from, until }) => [from, until]))].toSorted((a, b) => a - b)
  return [Number.NEGATIVE_INFINITY, ...times].map((from) => {
    const changes = incidents.filter((each) => each.from <= from && from < each.until).map(({ change }) => change)
    return { ...changes.reduce(changed, behavior), from, isOut: changes.some(({ outage }) => outage === true) }
  })
}

const changed = (behavior: Behavior, change: Change): Behavior => {
  const { slower = 1, slowerFirstToken = 1 } = change
  return {
    firstToken: scaled(behavior.firstToken, slower * slowerFirstToken),
    tokensPerSecond: scaled(behavior.tokensPerSecond, 1 / slower),
    failures: change.failures === undefined ? behavior.failures : [...change.failures, ...behavior.failures],
    cut: Math.max(behavior.cut, change.cut ?? 0),
    stall: Math.max(behavior.stall, change.stall ?? 0),
    quota: behavior.quota && change.quota !== undefined ? reduced(behavior.quota, change.quota) : behavior.quota,
  }
}

const reduced = ({ rpm, tpm }: Quota, factor: number): Quota => ({
  rpm: rpm === undefined ? undefined : rpm * factor,
  tpm: tpm === undefined ? undefined : tpm * factor,
})
