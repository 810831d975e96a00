/**
 * The priority of a call: its class among the calls that wait for a limit. A higher class is admitted before a lower one, always.
 */

/** The classes of waiting calls, in the order in which they are admitted. */
export const priorities = ["high", "normal", "low"] as const

export type Priority = (typeof priorities)[number]

/** The place of a class in the order: 0 is admitted first. Default: that of `normal`. */
export const rank = (priority: Priority = "normal"): number => priorities.indexOf(priority)

/** The priority of a call that requests another: it may be lower than its own, never higher. */
export const lowered = (own: Priority | undefined, requested: Priority | undefined): Priority | undefined =>
  requested !== undefined && rank(requested) > rank(own) ? requested : own
