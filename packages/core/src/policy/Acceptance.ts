/**
 * Checks of responses. A response that misses one is a failed attempt (`NotAccepted`), so that the next deployment is asked.
 *
 * Some servers ignore a forced tool without an error: the tool call is checked on every route. All other checks are those of
 * a route's `accept`: of complete responses, and of streams that `protect: full` holds until they are complete.
 *
 * A response with a refusal, or that ends by a content filter, a length limit or a pause, misses only the check of refusals:
 * it has ignored nothing. Text that reaches a length limit is still not a forced tool call. A response with a tool call is not
 * the final one: its text is not checked.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { AnyRequest } from "../model/Call.ts"
import * as Chat from "../model/Chat.ts"
import type * as Embedding from "../model/Embedding.ts"
import * as JsonSchema from "../model/JsonSchema.ts"
import * as Outline from "../model/Outline.ts"
import { ProviderError } from "../model/ProviderError.ts"
import type { Protect } from "./StreamPolicy.ts"

// ---------------------------------------------------------------------------------------------------------------------
// The policy
// ---------------------------------------------------------------------------------------------------------------------

/**
 * What a response of a route must be. All that are set must hold.
 *
 * - `schema`: JSON that matches this JSON Schema; `request`: the schema of its request, if that has one.
 * - `length`: the length of its text in characters.
 * - `refusal`: `false` rejects a response with a refusal part, or that the vendor's refusal or content filter ended. `startsWith`
 *   also rejects a text that begins with one of these texts, in upper or lower case.
 * - `predicate`: a test of the application's own.
 */
export interface AcceptPolicy {
  readonly schema?: "request" | Readonly<Record<string, unknown>> | undefined
  readonly length?: { readonly min?: number | undefined; readonly max?: number | undefined } | undefined
  readonly refusal?: false | { readonly startsWith: ReadonlyArray<string> } | undefined
  readonly predicate?: AcceptPredicate | undefined
}

/** A test of complete responses. `name` is in explanations and errors, after "the response fails". */
export interface AcceptPredicate {
  readonly name: string
  readonly test: (response: Chat.Response, request: Chat.Request) => boolean | Effect.Effect<boolean>
}

/** A policy, or `schema`, which is short for `{ schema: "request" }`. */
export type Accept = "schema" | AcceptPolicy

export const resolve = (accept: Accept): AcceptPolicy => (accept === "schema" ? { schema: "request" } : accept)

/** Whether `accept` checks streams: only those that are held until they are complete. */
export const checksStreams = (protect: Protect): boolean => protect === "full"

/** The checks of a policy, each a noun phrase, such as `20 to 4000 characters`. */
export const describe = ({ length, predicate, refusal, schema }: AcceptPolicy): ReadonlyArray<string> => [
  ...(schema === undefined ? [] : [schema === "request" ? "the JSON schema of its request" : "a JSON schema"]),
  ...(length === undefined ? [] : [describeLength(length)]),
  ...(refusal === undefined ? [] : ["no refusal"]),
  ...(predicate === undefined ? [] : [predicate.name]),
]

const describeLength = ({ max, min }: NonNullable<AcceptPolicy["length"]>): string => {
  if (min === undefined) return `at most ${max} characters`
  return max === undefined ? `at least ${min} characters` : `${min} to ${max} characters`
}

// ---------------------------------------------------------------------------------------------------------------------
// Checks
// ---------------------------------------------------------------------------------------------------------------------

/** A response so far: its first tool call, its text and its finish reason. */
export interface PartialAnswer {
  readonly call: string | undefined
  readonly text: string
  /** The last text part, if there are several. */
  readonly last: string
  readonly refuses: boolean
  /** `undefined` until the response has finished. */
  readonly finishReason: Chat.FinishReason | undefined
}

/** The result of a check: accepted, an error, or undecided until more of the response is there. */
export type CheckResult = "accepted" | "undecided" | ProviderError

/** The check of one choice of a response. */
export type Check = (answer: PartialAnswer) => CheckResult

/** The checks of a response to one request. */
export interface Checks {
  readonly check: Check
  /** The test of the complete response, once `check` has accepted all of its choices. Gives the error, if it fails. */
  readonly test: ((response: Chat.Response) => Effect.Effect<ProviderError | undefined>) | undefined
}

/** The checks of responses to this request; `undefined` if every response is accepted. */
export const of = (request: AnyRequest, accept: AcceptPolicy | undefined): Checks | undefined => {
  if (!("messages" in request)) return undefined
  const forced = forcedToolCheck(Outline.settings(request))
  if (accept === undefined) return forced && { check: forced, test: undefined }
  const { length, predicate, refusal, schema } = accept
  const all = [
    forced,
    refusal === undefined ? undefined : refusalCheck(refusal),
    schema === "request" ? formatCheck(request.format) : schema && schemaCheck(schema),
    length && lengthCheck(length),
    predicate && untilFinished,
  ].filter((check) => check !== undefined)
  if (all.length === 0) return undefined
  return { check: every(all), test: predicate && ((response) => run(predicate, response, request)) }
}

/** The first error, once it is there; accepted when all have accepted. */
const every =
  (checks: ReadonlyArray<Check>): Check =>
  (answer) => {
    let result: CheckResult = "accepted"
    for (const check of checks) {
      const one = check(answer)
      if (one === "undecided") result = one
      else if (one !== "accepted") return one
    }
    return result
  }

const untilFinished: Check = ({ finishReason }) => (finishReason === undefined ? "undecided" : "accepted")

const run = (
  { name, test }: AcceptPredicate,
  response: Chat.Response,
  request: Chat.Request,
): Effect.Effect<ProviderError | undefined> =>
  Effect.suspend(() => {
    const result = test(response, request)
    const passes = Predicate.isBoolean(result) ? Effect.succeed(result) : result
    return Effect.map(passes, (passes) =>
      passes ? undefined : notAccepted("predicate", `the response fails "${name}"`),
    )
  })

/** Checks a complete response with all its choices. Gives the error, if it misses a check. */
export const checkResponse = (
  { check, test }: Checks,
  response: Chat.Response | Embedding.Response,
): Effect.Effect<ProviderError | undefined> => {
  if ("vectors" in response) return Effect.undefined
  for (const choice of [response, ...(response.alternatives ?? [])]) {
    const result = check(partialAnswerOf(choice))
    if (result !== "accepted" && result !== "undecided") return Effect.succeed(result)
  }
  return test === undefined ? Effect.undefined : test(response)
}

const partialAnswerOf = ({ content, finishReason }: Chat.Choice): PartialAnswer => ({
  call: Chat.toolCalls({ content })[0]?.name,
  text: Chat.text({ content }),
  last: content.findLast((part) => part.type === "text")?.text ?? "",
  refuses: content.some(({ type }) => type === "refusal"),
  finishReason,
})

const excusing: ReadonlySet<Chat.FinishReason> = new Set(["length", "content-filter", "refusal", "pause"])

const isExcused = ({ finishReason, refuses }: PartialAnswer): boolean =>
  refuses || (finishReason !== undefined && excusing.has(finishReason))

const notAccepted = (check: "tool" | "schema" | "length" | "refusal" | "predicate", message: string): ProviderError =>
  new ProviderError({ reason: { _tag: "NotAccepted", check }, message })

// ---------------------------------------------------------------------------------------------------------------------
// Forced tools
// ---------------------------------------------------------------------------------------------------------------------

/** If the vendor's own tools may satisfy the choice, there is no check: calls of them are not in `Chat`. */
const forcedToolCheck = ({
  toolChoice,
  tools = [],
  droppedParams,
  requiredUnsupported,
  vendor,
}: Chat.Request): Check | undefined => {
  if (toolChoice === undefined || toolChoice === "auto" || toolChoice === "none") return undefined
  const offered = tools.map(({ name }) => name)
  if (Predicate.isString(toolChoice)) {
    const hosted =
      [...(droppedParams ?? []), ...(requiredUnsupported ?? [])].some(Chat.isHostedTool) ||
      Object.values(vendor ?? {}).some((fields) => fields["tools"] !== undefined)
    return offered.length === 0 || hosted ? undefined : requireCall(offered)
  }
  return offered.includes(toolChoice.name) ? requireCall([toolChoice.name]) : undefined
}

const requireCall =
  (names: ReadonlyArray<string>): Check =>
  (answer) => {
    if (answer.call !== undefined)
      return names.includes(answer.call) ? "accepted" : notAccepted("tool", notCalled(names, answer.call))
    if (isExcused(answer) && !wroteText(answer)) return "accepted"
    return answer.finishReason === undefined ? "undecided" : notAccepted("tool", notCalled(names, undefined))
  }

/** Servers that support forced tools write no text before the call: text cut at a length limit was not followed by one. */
const wroteText = ({ finishReason, text }: PartialAnswer): boolean => finishReason === "length" && text.trim() !== ""

const notCalled = (names: ReadonlyArray<string>, called: string | undefined): string => {
  const [one = "", ...others] = names
  const required =
    others.length === 0 ? one : `none of ${names.slice(0, maxNames).join(", ")}${names.length > maxNames ? " …" : ""}`
  return `the tool was not called: ${required}${called === undefined ? "" : `; ${called} was`}`
}

/** The number of tools that a message names. */
const maxNames = 3

// ---------------------------------------------------------------------------------------------------------------------
// JSON schemas
// ---------------------------------------------------------------------------------------------------------------------

const formatCheck = (format: Chat.Format | undefined): Check | undefined => {
  if (format === undefined || format.type === "text") return undefined
  return schemaCheck(format.type === "json" || format.strict === false ? true : format.schema)
}

const schemaCheck =
  (schema: unknown): Check =>
  (answer) => {
    if (answer.finishReason === undefined) return "undecided"
    if (answer.call !== undefined || isExcused(answer)) return "accepted"
    const parsed = Result.orElse(parse(answer.text), () => parse(answer.last))
    if (Result.isFailure(parsed)) return notAccepted("schema", "the response is not JSON")
    const violation = JsonSchema.violation(schema, parsed.success)
    return violation === undefined
      ? "accepted"
      : notAccepted("schema", `the response does not match its JSON schema: ${violation}`)
  }

const parse = (text: string) => Result.try((): unknown => JSON.parse(text))

// ---------------------------------------------------------------------------------------------------------------------
// Lengths and refusals
// ---------------------------------------------------------------------------------------------------------------------

/** A text that is too long is known before its end. */
const lengthCheck =
  ({ max = Number.POSITIVE_INFINITY, min = 0 }: NonNullable<AcceptPolicy["length"]>): Check =>
  (answer) => {
    if (answer.call !== undefined) return "accepted"
    // A count of the characters takes longer than that of their code units, of which there are at least as many.
    const length = answer.text.length <= max ? undefined : countOf(answer.text)
    if (length !== undefined && length > max)
      return notAccepted("length", `the response is longer than ${max} characters`)
    if (answer.finishReason === undefined) return "undecided"
    if (isExcused(answer) || answer.text.length >= min * maxUnits) return "accepted"
    return (length ?? countOf(answer.text)) >= min
      ? "accepted"
      : notAccepted("length", `the response is shorter than ${min} characters`)
  }

/** A character is a code point. */
const countOf = (text: string): number => {
  let count = 0
  for (const _ of text) count++
  return count
}

/** The most UTF-16 code units of a character. */
const maxUnits = 2

const refusing: ReadonlySet<Chat.FinishReason> = new Set(["content-filter", "refusal"])

const refusalCheck = (refusal: NonNullable<AcceptPolicy["refusal"]> | false): Check => {
  const beginnings = refusal === false ? [] : refusal.startsWith.map(plain)
  return (answer) => {
    const { call, finishReason, refuses, text } = answer
    if (refuses) return notAccepted("refusal", "the response is a refusal")
    if (finishReason === undefined) return "undecided"
    if (refusing.has(finishReason))
      return notAccepted("refusal", `the response is a refusal: it ended by ${finishReason}`)
    if (call !== undefined) return "accepted"
    const begun = plain(text.slice(0, longestBeginning))
    return beginnings.some((beginning) => begun.startsWith(beginning))
      ? notAccepted("refusal", "the response begins like a refusal")
      : "accepted"
  }
}

/** The characters of a text that are compared with the beginnings of refusals. */
const longestBeginning = 1000

/** In lower case, without white space around it, and with straight apostrophes. */
const plain = (text: string): string => text.trim().toLowerCase().replaceAll("\u2019", "'")
