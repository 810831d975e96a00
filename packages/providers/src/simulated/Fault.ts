/**
 * A fault of a running simulated deployment, which overrides its configuration: the JSON body of
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
 * A deployment's fault. Each field overrides the option of its name. An empty object is no fault.
 *
 * - `status`: every call fails with it; open streams break.
 * - `failureRate`: the share of calls that fail, 0 to 1, with `status`, else the configured status, else 500.
 * - `retryAfter`: the `Retry-After` of failures.
 * - `latency`: the time to a complete response, and to a stream's first token unless `firstToken` is set.
 * - `tokenDelay`: the time between a stream's tokens, in open streams too.
 * - `disconnectAfterTokens`, `stallAfterTokens`: every stream, open ones included, breaks or stalls after so many tokens.
 * - `outage`: `true` makes the deployment unreachable, `false` ends a configured outage, a window is counted from the
 *   time when the fault is set.
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

/** An invalid fault. `field` is the first invalid field, empty if the body is no object. */
export class InvalidFault extends Data.TaggedError("InvalidFault")<{
  readonly field: string
  readonly message: string
}> {}

const known = [...Object.keys(expected), "reset"].join(", ")

const isField = (key: string): key is keyof Fault => Object.hasOwn(expected, key)

/** Decodes a JSON body. `{}` and `{ "reset": true }` are no fault. */
export const decode = (body: unknown): Result.Result<Fault, InvalidFault> => {
  if (!Predicate.isObject(body)) return invalid("", `expected an object such as { "status": 503 }, ${describe(body)}`)
  const { reset, ...fault } = body
  for (const key in fault) if (!isField(key)) return invalid(key, `unknown field \`${key}\`; known fields: ${known}`)
  if (reset !== undefined) {
    if (reset !== true) return invalid("reset", `\`reset\`: expected true, ${describe(reset)}`)
    return Object.keys(fault).length === 0
      ? Result.succeed(none)
      : invalid("reset", "`reset` removes every fault: send it alone")
  }
  return Result.mapError(decodeFields(fault), ({ issue }) => {
    const field = String(issues(issue).issues[0]?.path?.[0] ?? "")
    return new InvalidFault({
      field,
      message: `\`${field}\`: expected ${isField(field) ? expected[field] : "something else"}, ${describe(fault[field])}`,
    })
  })
}

/** The JSON body of a fault. */
export const encode: (fault: Fault) => typeof Fault.Encoded = Schema.encodeSync(Fault)

const decodeFields = Schema.decodeUnknownResult(Fault, { onExcessProperty: "error" })

const issues = SchemaIssue.makeFormatterStandardSchemaV1()

const invalid = (field: string, message: string) => Result.fail(new InvalidFault({ field, message }))

const describe = (value: unknown): string => `found ${JSON.stringify(value)}`
