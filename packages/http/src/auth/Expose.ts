/**
 * How much the caller in hand is told of who answers, and why not others.
 *
 * - `full`: all that is known, a provider's own words and circuits included.
 * - `names`: deployments, models and the kinds of failures: no words of a provider but on the caller's own mistake, no
 *   address of an upstream, no circuit, cooldown or limit of a deployment.
 * - `none`: nothing of deployments.
 */
import * as Context from "effect/Context"

export const levels = ["full", "names", "none"] as const

export type Level = (typeof levels)[number]

/** The level of the call in hand, as the gate sets it: `full` where no gate stands. */
export const Expose = Context.Reference<Level>("@understudy/http/Expose", { defaultValue: () => "full" })
