/**
 * How much of deployments a caller sees in errors, headers, explanations and activity.
 *
 * - `full`: everything, including provider messages and circuit states.
 * - `names`: deployments, models and failure reasons. Provider messages only for the caller's own mistakes; no upstream
 *   addresses, circuits, cooldowns or limits.
 * - `none`: nothing about deployments.
 */
import * as Context from "effect/Context"

export const levels = ["full", "names", "none"] as const

export type Level = (typeof levels)[number]

/** The level of the request in context, set by the middleware. Default: `full`. */
export const Expose = Context.Reference<Level>("@understudy/http/Expose", { defaultValue: () => "full" })
