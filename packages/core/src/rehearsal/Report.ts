/** What came of a rehearsal, as data: the same for the same seed, configuration and calls. Times are milliseconds, costs US dollars. */
import type { Kind } from "../model/ErrorKind.ts"
import type { ReasonTag } from "../model/ProviderError.ts"
import type { SkipReason } from "../model/SkipReason.ts"
import type { Assumption } from "./TapeFates.ts"

export interface Report {
  /** The first and the last time that calls began, in clock milliseconds. */
  readonly from: number
  readonly until: number
  readonly calls: number
  readonly answered: number
  /** The share of the calls that were answered; 1 without calls. */
  readonly availability: number
  /** Calls that failed, by the kind of their error. */
  readonly errors: Readonly<Partial<Record<Kind, number>>>
  /** Of answered calls: until the end of the response, and, for streams, until its first token. */
  readonly latency: Percentiles
  readonly firstToken: Percentiles
  readonly attempts: number
  readonly attemptsPerCall: number
  readonly cost: number
  readonly cacheHits: number
  /** Answered calls whose first deployment failed or was not available. */
  readonly rescued: number
  /** The most frequent first. */
  readonly failovers: ReadonlyArray<FailoverCount>
  readonly deployments: ReadonlyArray<DeploymentReport>
  /** In a replay: what the tape does not have, by deployment. */
  readonly assumed: ReadonlyArray<Readonly<Assumption>>
  /** The ten minutes with the most failed calls, then with the slowest answers; worst first. */
  readonly worstMinutes: ReadonlyArray<Minute>
  readonly minutes: ReadonlyArray<Minute>
}

/** `undefined` if there is nothing that it is of. */
export interface Percentiles {
  readonly p50: number | undefined
  readonly p95: number | undefined
  readonly p99: number | undefined
}

/** Calls that one deployment answered because another could not. */
export interface FailoverCount {
  readonly from: string
  readonly to: string
  readonly calls: number
}

export interface DeploymentReport {
  readonly deployment: string
  readonly attempts: number
  /** Attempts that failed, by reason. */
  readonly failures: Readonly<Partial<Record<ReasonTag, number>>>
  /** How often a call passed it over, by reason. */
  readonly skipped: Readonly<Partial<Record<SkipReason["_tag"], number>>>
  readonly answered: number
  /** Its share of all answers that came from a deployment. */
  readonly share: number
  readonly cost: number
}

/** The calls that began in one minute. */
export interface Minute {
  /** Its start, in clock milliseconds. */
  readonly at: number
  readonly calls: number
  readonly failed: number
  readonly attempts: number
  readonly cost: number
  readonly latency: Percentiles
  readonly firstToken: Percentiles
  /** Answers by deployment. */
  readonly answered: Readonly<Record<string, number>>
  /** Deployments whose circuit was open when the minute ended. */
  readonly open: ReadonlyArray<string>
}
