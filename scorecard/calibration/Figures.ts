/** What the calibration compares: figures of calls that were made and of calls that were simulated, and how far they may differ. */
import type { Report } from "@understudy/core/Rehearsal"
import type { Call } from "@understudy/core/Tape"
import type { BranchSkip, PlanSkip } from "@understudy/core/internal/model/SkipReason"
import type { Ended } from "./Clients.ts"

export interface Figures {
  readonly calls: number
  /** Shares of all calls. */
  readonly answered: number
  /** Answered, although the first deployment failed or was not available. */
  readonly rescued: number
  readonly attemptsPerCall: number
  /** Of answered calls, until the end of the response, in milliseconds. */
  readonly p95: number
}

/** The figures of a rehearsal. */
export const simulated = ({ attemptsPerCall, availability, calls, latency, rescued }: Report): Figures => ({
  calls,
  answered: availability,
  rescued: rescued / calls,
  attemptsPerCall,
  p95: latency.p95 ?? 0,
})

/** The figures of calls by what their clients saw and what the gateway recorded of them. */
export const live = (ended: ReadonlyArray<Ended>, recorded: ReadonlyArray<Call>): Figures => {
  const millis = ended
    .filter(({ isAnswered }) => isAnswered)
    .map(({ millis }) => millis)
    .toSorted((a, b) => a - b)
  return {
    calls: ended.length,
    answered: millis.length / ended.length,
    rescued: recorded.filter(isRescued).length / ended.length,
    attemptsPerCall: recorded.reduce((sum, { attempts }) => sum + attempts.length, 0) / ended.length,
    p95: millis[Math.ceil(millis.length * 0.95) - 1] ?? 0,
  }
}

/** Reasons for which a deployment does not suit a request, so that it is not the first that could have answered. */
const unsuited: ReadonlyArray<string> = [
  "MissingCapability",
  "ContextWindowTooSmall",
  "ZeroWeight",
  "BranchNotTaken",
  "BranchTaken",
  "AlreadyFailed",
] satisfies ReadonlyArray<(PlanSkip | BranchSkip)["_tag"]>

const isRescued = ({ attempts, deployment, outcome, skipped }: Call): boolean => {
  if (outcome !== "success" || deployment === undefined) return false
  const first = skipped.find(({ reason }) => !unsuited.includes(reason))?.deployment ?? attempts[0]?.deployment
  return first !== deployment
}

/** How far a figure of the simulation is from that of the live calls, and how far it may be. */
export interface Difference {
  readonly figure: string
  readonly live: string
  readonly simulated: string
  readonly difference: string
  readonly bar: string
  readonly isWithin: boolean
}

export const differences = (live: Figures, simulated: Figures): ReadonlyArray<Difference> => {
  const share = (value: number) => `${(value * 100).toFixed(2)} %`
  const points = simulated.rescued - live.rescued
  const relative = (figure: "attemptsPerCall" | "p95") => simulated[figure] / live[figure] - 1
  const row = (
    figure: string,
    text: (figures: Figures) => string,
    difference: number,
    unit: string,
    bar: number,
  ): Difference => ({
    figure,
    live: text(live),
    simulated: text(simulated),
    difference: `${difference < 0 ? "−" : "+"}${Math.abs(difference * 100).toFixed(2)} ${unit}`,
    bar: `${bar * 100} ${unit === "points" ? "point" : unit}`,
    isWithin: Math.abs(difference) <= bar,
  })
  return [
    row("rescued", ({ rescued }) => share(rescued), points, "points", 0.01),
    row("attempts a call", ({ attemptsPerCall }) => attemptsPerCall.toFixed(3), relative("attemptsPerCall"), "%", 0.02),
    row("latency p95", ({ p95 }) => `${(p95 / 1000).toFixed(2)} s`, relative("p95"), "%", 0.1),
  ]
}
