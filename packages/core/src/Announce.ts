/**
 * What a call does beside attempting, entered in its receipt and told to whoever listens.
 */
import type { Context } from "./Attempt.ts"
import type { Miss } from "./Fallback.ts"
import type { Step } from "./Plan.ts"
import type { PassedOver } from "./Receipt.ts"

type Of = Pick<Context, "bus" | "ledger">

/** A candidate is not asked. */
export const passedOver = ({ bus, ledger }: Of, step: Step, verdict: PassedOver["verdict"]): void => {
  const deployment = step.leaf.candidate.name
  ledger.passOver(deployment, verdict)
  bus.publish({ _tag: "PassedOver", call: ledger.id, route: ledger.route, deployment, verdict })
}

/** A candidate is asked because the last one before it could not answer, if there was one. */
export const failover = ({ bus, ledger }: Of, step: Step, misses: ReadonlyArray<Miss>): void => {
  const last = misses.at(-1)
  if (last === undefined) return
  bus.publish({
    _tag: "Failover",
    call: ledger.id,
    route: ledger.route,
    from: last.step.leaf.candidate.name,
    to: step.leaf.candidate.name,
    reason: last._tag === "Failed" ? last.error.reason._tag : last.verdict._tag,
  })
}

/** A candidate is asked beside another, which may still answer. */
export const hedged = ({ bus, ledger }: Of, from: Step, to: Step): void =>
  bus.publish({
    _tag: "Hedged",
    call: ledger.id,
    route: ledger.route,
    from: from.leaf.candidate.name,
    to: to.leaf.candidate.name,
  })
