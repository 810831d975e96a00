/**
 * What an answer must be to count as one. Some servers ignore in silence what they were asked: an answer without the tool
 * that it was made to call, or, where the route says `accept: schema`, one that misses its JSON schema, is a failed attempt.
 *
 * An answer that says why it is not what was asked (a refusal, a content filter, a length limit, a pause) has ignored
 * nothing, and is accepted; but text that ran into a length limit is no call.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { AnyRequest } from "../model/Call.ts"
import * as Chat from "../model/Chat.ts"
import type * as Embedding from "../model/Embedding.ts"
import * as JsonSchema from "../model/JsonSchema.ts"
import { ProviderError } from "../model/ProviderError.ts"

/** What a route may have checked beside forced tools, which are checked on every route. */
export type Accept = "schema"

export const accepts = ["schema"] as const satisfies ReadonlyArray<Accept>

/** What one answer has shown: its first call, its words and its end. */
export interface PartialAnswer {
  readonly call: string | undefined
  readonly text: string
  /** The last of its texts, where they came as several. */
  readonly last: string
  readonly refuses: boolean
  /** Not there while the answer goes on. */
  readonly finishReason: Chat.FinishReason | undefined
}

/** Whether an answer is accepted, is not, or must go on before that is known. */
export type CheckResult = "accepted" | "undecided" | ProviderError

/** The check of each answer to one request. */
export type Check = (shown: PartialAnswer) => CheckResult

/** The check that answers to this request have to pass; `undefined` where each is accepted. */
export const of = (request: AnyRequest, accept: Accept | undefined): Check | undefined => {
  if (!("messages" in request)) return undefined
  return forcedToolCheck(request) ?? (accept === undefined ? undefined : schemaCheck(request.format))
}

/** Checks a whole answer, all its alternatives included. */
export const checkResponse = (
  check: Check,
  response: Chat.Response | Embedding.Response,
): ProviderError | undefined => {
  if ("vectors" in response) return undefined
  for (const choice of [response, ...(response.alternatives ?? [])]) {
    const judged = check(partialAnswerOf(choice))
    if (judged !== "accepted" && judged !== "undecided") return judged
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

const excuses: ReadonlySet<Chat.FinishReason> = new Set(["length", "content-filter", "refusal", "pause"])

const isExcused = ({ finishReason, refuses }: PartialAnswer): boolean =>
  refuses || (finishReason !== undefined && excuses.has(finishReason))

const ignored = (ignored: "tool" | "schema", message: string): ProviderError =>
  new ProviderError({ reason: { _tag: "Malformed", ignored }, message })

// ---------------------------------------------------------------------------------------------------------------------
// A tool that must be called
// ---------------------------------------------------------------------------------------------------------------------

/** A choice that tools of the vendor's own may meet cannot be checked: they do not show in `Chat`. */
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
    return offered.length === 0 || hosted ? undefined : calls(offered)
  }
  return offered.includes(toolChoice.name) ? calls([toolChoice.name]) : undefined
}

const calls =
  (names: ReadonlyArray<string>): Check =>
  (shown) => {
    if (shown.call !== undefined)
      return names.includes(shown.call) ? "accepted" : ignored("tool", notCalled(names, shown.call))
    if (isExcused(shown) && !wroteText(shown)) return "accepted"
    return shown.finishReason === undefined ? "undecided" : ignored("tool", notCalled(names, undefined))
  }

/** Vendors that heed a forced tool write no text before its call: an answer cut while it wrote text was not about to call. */
const wroteText = ({ finishReason, text }: PartialAnswer): boolean => finishReason === "length" && text.trim() !== ""

const notCalled = (names: ReadonlyArray<string>, called: string | undefined): string => {
  const [one = "", ...others] = names
  const wanted =
    others.length === 0 ? one : `none of ${names.slice(0, most).join(", ")}${names.length > most ? " …" : ""}`
  return `the tool was not called: ${wanted}${called === undefined ? "" : `; ${called} was`}`
}

/** How many tools a message names. */
const most = 3

// ---------------------------------------------------------------------------------------------------------------------
// A JSON schema
// ---------------------------------------------------------------------------------------------------------------------

const schemaCheck = (format: Chat.Format | undefined): Check | undefined => {
  if (format === undefined || format.type === "text") return undefined
  const schema = format.type === "json" || format.strict === false ? true : format.schema
  return (shown) => {
    // A call is a step towards the answer.
    if (shown.finishReason === undefined) return "undecided"
    if (shown.call !== undefined || isExcused(shown)) return "accepted"
    const parsed = Result.orElse(parse(shown.text), () => parse(shown.last))
    if (Result.isFailure(parsed)) return ignored("schema", "the answer is not the JSON that was asked for")
    const miss = JsonSchema.miss(schema, parsed.success)
    return miss === undefined ? "accepted" : ignored("schema", `the answer misses its JSON schema: ${miss}`)
  }
}

const parse = (text: string) => Result.try((): unknown => JSON.parse(text))
