/**
 * Whether the process shuts down and ends the calls that still run. A call that is interrupted then has failed with an error of kind
 * `Draining`: its caller did not cancel it.
 */
import * as Context from "effect/Context"

export const IsCutOff = Context.Reference<() => boolean>("@understudy/core/IsCutOff", {
  defaultValue: () => () => false,
})
