/**
 * The `faultInjection` section of a configuration: for how long an operator may switch faults on.
 */
import { PositiveDuration } from "@understudy/providers/internal/config/DurationText"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

export const FaultInjectionSection = Schema.Struct({ maxDuration: Schema.optionalKey(PositiveDuration) })

export interface FaultInjectionSettings {
  /** The longest time that faults may be switched on for at once. */
  readonly maxDuration: Duration.Duration
}

export const defaults: FaultInjectionSettings = { maxDuration: Duration.hours(1) }

/** The section with its defaults filled in. */
export const settings = (section: typeof FaultInjectionSection.Type): FaultInjectionSettings => ({
  ...defaults,
  ...section,
})
