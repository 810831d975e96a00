/**
 * What a call does beside attempting, entered in its receipt and told to whoever listens.
 */
import type { Context } from "./Attempt.ts"
import type { FailedStep } from "../route/Plan.ts"
import type { Step } from "../route/Plan.ts"
import type { Skipped } from "../receipt/Receipt.ts"

type Of = Pick<Context, "bus" | "receipt">

/** A candidate is not asked. */
export const skipped = ({ bus, receipt }: Of, step: Step, verdict: Skipped["reason"]): void => {
  const deployment = step.leaf.candidate.name
  receipt.skip(deployment, verdict)
  bus.publish({ _tag: "DeploymentSkipped", call: receipt.id, route: receipt.route, deployment, reason: verdict })
}

/** A candidate is asked because the last attempt before it failed, if there was one: a skipped candidate did not fail. */
export const failover = ({ bus, receipt }: Of, step: Step, failures: ReadonlyArray<FailedStep>): void => {
  const last = failures.findLast((miss) => miss._tag === "Failed")
  if (last === undefined) return
  bus.publish({
    _tag: "Failover",
    call: receipt.id,
    route: receipt.route,
    from: last.step.leaf.candidate.name,
    to: step.leaf.candidate.name,
    reason: last.error.reason._tag,
  })
}

/** Tells why a candidate is asked, at its first attempt and at no retry: beside a slow one, or after one that failed. */
export const once = (
  of: Of,
  step: Step,
  failures: ReadonlyArray<FailedStep>,
  beside: Step | undefined,
): (() => void) => {
  let told = false
  return () => {
    if (told) return
    told = true
    if (beside === undefined) failover(of, step, failures)
    else hedged(of, beside, step)
  }
}

/** A candidate is asked beside another, which may still answer. */
export const hedged = ({ bus, receipt }: Of, from: Step, to: Step): void =>
  bus.publish({
    _tag: "Hedged",
    call: receipt.id,
    route: receipt.route,
    from: from.leaf.candidate.name,
    to: to.leaf.candidate.name,
  })
