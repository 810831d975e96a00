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

/** A candidate is asked because the last attempt before it failed, if there was one: a skipped candidate did not fail. */
export const failover = ({ bus, ledger }: Of, step: Step, misses: ReadonlyArray<Miss>): void => {
  const last = misses.findLast((miss) => miss._tag === "Failed")
  if (last === undefined) return
  bus.publish({
    _tag: "Failover",
    call: ledger.id,
    route: ledger.route,
    from: last.step.leaf.candidate.name,
    to: step.leaf.candidate.name,
    reason: last.error.reason._tag,
  })
}

/** Tells why a candidate is asked, at its first attempt and at no retry: beside a slow one, or after one that failed. */
export const once = (of: Of, step: Step, misses: ReadonlyArray<Miss>, beside: Step | undefined): (() => void) => {
  let told = false
  return () => {
    if (told) return
    told = true
    if (beside === undefined) failover(of, step, misses)
    else hedged(of, beside, step)
  }
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
