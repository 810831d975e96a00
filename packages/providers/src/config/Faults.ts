/**
 * The schema of `faults`, of a deployment and of a route: what an operator can have injected. Which kinds go together, and
 * what the shares add up to, is checked by `Rules`.
 */
import type { Fault as CoreFault } from "@understudy/core/Policies"
import * as Schema from "effect/Schema"
import { DurationText, PositiveDuration } from "./DurationText.ts"
import { countOrNone, errorStatus, positiveShare, source, text } from "./Fields.ts"

const optional = Schema.optionalKey

/** A fault. Its fields have the names and the meanings that they have for a simulated deployment. */
export const Fault = Schema.Struct({
  name: optional(text("the name of a fault")),
  share: positiveShare.pipe(
    Schema.annotateKey({ messageMissingKey: "is missing: set the share of attempts, such as 0.1" }),
  ),
  latency: optional(PositiveDuration),
  status: optional(errorStatus),
  retryAfter: optional(DurationText),
  outage: optional(
    source<true, boolean>({
      from: Schema.Boolean,
      to: Schema.Literal(true),
      expected: "true",
      parse: (value) => value || undefined,
      print: (value) => value,
    }),
  ),
  refusal: optional(text("the text of a refusal")),
  disconnectAfterTokens: optional(countOrNone),
  stallAfterTokens: optional(countOrNone),
})

export const Faults: Schema.Codec<ReadonlyArray<CoreFault>, ReadonlyArray<typeof Fault.Encoded>> = Schema.Array(
  Fault,
).annotate({ expected: "a list of faults, such as [{ share: 0.1, status: 503 }]" })
