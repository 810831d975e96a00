/**
 * Checks of responses. Some servers ignore a forced tool or a JSON schema without an error. A response without the forced
 * tool call is a failed attempt, and with `accept: schema` so is one that does not match its JSON schema.
 *
 * A response with a refusal, or that ends by a content filter, a length limit or a pause, is accepted: it has ignored
 * nothing. Text that reaches a length limit is still not a forced tool call.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { AnyRequest } from "../model/Call.ts"
import * as Chat from "../model/Chat.ts"
import type * as Embedding from "../model/Embedding.ts"
import * as JsonSchema from "../model/JsonSchema.ts"
import * as Outline from "../model/Outline.ts"
import { ProviderError } from "../model/ProviderError.ts"

/** What a route checks besides forced tools, which are checked on every route. */
export type Accept = "schema"

export const accepts = ["schema"] as const satisfies ReadonlyArray<Accept>

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

/** The check of a response to one request. */
export type Check = (answer: PartialAnswer) => CheckResult

/** The check of responses to this request; `undefined` if every response is accepted. */
export const of = (request: AnyRequest, accept: Accept | undefined): Check | undefined => {
  if (!("messages" in request)) return undefined
  return forcedToolCheck(Outline.settings(request)) ?? (accept === undefined ? undefined : schemaCheck(request.format))
}

/** Checks a complete response with all its choices. */
export const checkResponse = (
  check: Check,
  response: Chat.Response | Embedding.Response,
): ProviderError | undefined => {
  if ("vectors" in response) return undefined
  for (const choice of [response, ...(response.alternatives ?? [])]) {
    const result = check(partialAnswerOf(choice))
    if (result !== "accepted" && result !== "undecided") return result
  }
  return undefined
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

const ignored = (ignored: "tool" | "schema", message: string): ProviderError =>
  new ProviderError({ reason: { _tag: "Malformed", ignored }, message })

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
      return names.includes(answer.call) ? "accepted" : ignored("tool", notCalled(names, answer.call))
    if (isExcused(answer) && !wroteText(answer)) return "accepted"
    return answer.finishReason === undefined ? "undecided" : ignored("tool", notCalled(names, undefined))
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

const schemaCheck = (format: Chat.Format | undefined): Check | undefined => {
  if (format === undefined || format.type === "text") return undefined
  const schema = format.type === "json" || format.strict === false ? true : format.schema
  return (answer) => {
    // A tool call precedes the final response.
    if (answer.finishReason === undefined) return "undecided"
    if (answer.call !== undefined || isExcused(answer)) return "accepted"
    const parsed = Result.orElse(parse(answer.text), () => parse(answer.last))
    if (Result.isFailure(parsed)) return ignored("schema", "the response is not JSON")
    const violation = JsonSchema.violation(schema, parsed.success)
    return violation === undefined
      ? "accepted"
      : ignored("schema", `the response does not match its JSON schema: ${violation}`)
  }
}

const parse = (text: string) => Result.try((): unknown => JSON.parse(text))
