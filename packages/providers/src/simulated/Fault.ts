/**
 * What is wrong with a simulated deployment while it runs: said over what it was configured with, as the JSON body of
 * `POST /simulated/{deployment}`, such as `{ "status": 503 }`.
 */
import * as Data from "effect/Data"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { DurationText } from "../config/DurationText.ts"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/**
 * A deployment's fault: each field stands in place of the option of that name, and an empty fault is none.
 *
 * - `status`: every call fails with it; a stream under way breaks.
 * - `failureRate`: that share of the calls fails, 0 to 1, with `status` or else the configured one, or 500.
 * - `retryAfter`: what a refusal says of when to come back.
 * - `latency`: until a plain answer; and until a stream's first token, unless `firstToken` says otherwise.
 * - `tokenDelay`: between the tokens of a stream, the one under way too.
 * - `disconnectAfterTokens`, `stallAfterTokens`: every stream, the one under way too, breaks or falls silent after so many tokens.
 * - `outage`: `true` makes the deployment unreachable, `false` lifts a configured outage, and a window is counted from
 *   when the fault is set.
 */
export const Fault = Schema.Struct({
  status: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 400, maximum: 599 }))),
  failureRate: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))),
  retryAfter: Schema.optionalKey(DurationText),
  latency: Schema.optionalKey(DurationText),
  firstToken: Schema.optionalKey(DurationText),
  tokenDelay: Schema.optionalKey(DurationText),
  disconnectAfterTokens: Schema.optionalKey(Count),
  stallAfterTokens: Schema.optionalKey(Count),
  outage: Schema.optionalKey(
    Schema.Union([Schema.Boolean, Schema.Struct({ from: Schema.optionalKey(DurationText), for: DurationText })]),
  ),
})
export type Fault = typeof Fault.Type

/** No fault: a deployment without one. */
export const none: Fault = {}

const time = 'a duration such as "500ms", "2s" or "5m"'
const count = "a whole number of tokens, 0 or more"

const expected: Readonly<Record<keyof Fault, string>> = {
  status: "an HTTP status from 400 to 599",
  failureRate: "a number from 0 to 1",
  retryAfter: time,
  latency: time,
  firstToken: time,
  tokenDelay: time,
  disconnectAfterTokens: count,
  stallAfterTokens: count,
  outage: 'true, false, or a window such as { "from": "10s", "for": "1m" }',
}

/** A body that is no fault. `field` is the first one that is wrong, empty if the body itself is. */
export class InvalidFault extends Data.TaggedError("InvalidFault")<{
  readonly field: string
  readonly message: string
}> {}

const known = [...Object.keys(expected), "reset"].join(", ")

const isField = (key: string): key is keyof Fault => Object.hasOwn(expected, key)

/** A fault out of a JSON body. `{}` and `{ "reset": true }` are none. */
export const decode = (body: unknown): Result.Result<Fault, InvalidFault> => {
  if (!Predicate.isObject(body)) return invalid("", `expected an object such as { "status": 503 }, ${found(body)}`)
  const { reset, ...fault } = body
  for (const key in fault) if (!isField(key)) return invalid(key, `unknown field \`${key}\`; known fields: ${known}`)
  if (reset !== undefined) {
    if (reset !== true) return invalid("reset", `\`reset\`: expected true, ${found(reset)}`)
    return Object.keys(fault).length === 0
      ? Result.succeed(none)
      : invalid("reset", "`reset` removes every fault: send it alone")
  }
  return Result.mapError(decodeFields(fault), ({ issue }) => {
    const field = String(issues(issue).issues[0]?.path?.[0] ?? "")
    return new InvalidFault({
      field,
      message: `\`${field}\`: expected ${isField(field) ? expected[field] : "something else"}, ${found(fault[field])}`,
    })
  })
}

/** A fault as its JSON body says it. */
export const encode: (fault: Fault) => typeof Fault.Encoded = Schema.encodeSync(Fault)

const decodeFields = Schema.decodeUnknownResult(Fault, { onExcessProperty: "error" })

const issues = SchemaIssue.makeFormatterStandardSchemaV1()

const invalid = (field: string, message: string) => Result.fail(new InvalidFault({ field, message }))

const found = (value: unknown): string => `found ${JSON.stringify(value)}`
