/** Complete responses: decodes an upstream's body to `Chat`, and encodes `Chat` for a client. */
import type * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Answering } from "../ClientProtocol.ts"
import * as Amended from "../Amended.ts"
import * as Failure from "../Failure.ts"
import * as FinishReason from "../FinishReason.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import type { Block } from "../Lowering.ts"
import * as ToolCalls from "../ToolCalls.ts"
import * as Calls from "./Calls.ts"
import * as Citations from "./Citations.ts"
import * as Content from "./Content.ts"
import * as Errors from "./Errors.ts"
import * as Logprobs from "./Logprobs.ts"
import { protocol } from "./Protocol.ts"
import * as Signatures from "./Signatures.ts"
import * as Usage from "./Usage.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's body text -> Chat
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Decodes the response in `text`, which is kept as `native`. A blocked prompt becomes a refusal with the reason. Fails
 * with `Malformed` if it has no candidates, ends in a failed call, or is empty with an unknown finish reason. An error
 * in its place is classified by `classify`.
 */
export const decode = (
  text: string,
  classify: (error: Errors.WireError) => ProviderError = Failure.unclassified,
): Result.Result<Chat.Response, ProviderError> => {
  const body = Json.parseExact(text)
  if (Predicate.isObject(Json.fields(Json.list(body)[0] ?? body)["error"])) {
    return Result.fail(classify(Errors.fromBody(body)))
  }
  if (!Predicate.isObject(body)) return Json.malformed("The response is not a JSON object")
  const id = Json.nonEmptyString(body["responseId"])
  const name = Calls.nameOf(id, text)
  const choices: Array<Chat.Choice> = []
  for (const candidate of Json.list(body["candidates"])) {
    const fields = Json.fields(candidate)
    const answer = `${name}${choices.length === 0 ? "" : `-${choices.length}`}`
    const { error, choice } = decodeCandidate(fields, answer)
    if (error !== undefined) return Json.malformed(error)
    if (choice === undefined) continue
    const settled = ToolCalls.normalize(choice, (index) => Calls.generatedId(answer, index))
    if (Result.isFailure(settled)) return Result.fail(settled.failure)
    choices.push(settled.success)
  }
  const [first = blocked(body), ...alternatives] = choices
  if (first === undefined) return Json.malformed("The response has no candidates")
  const model = Json.nonEmptyString(body["modelVersion"])
  const usage = Usage.decode(body["usageMetadata"])
  return Result.succeed({
    ...(id === undefined ? undefined : { id }),
    ...(model === undefined ? undefined : { model }),
    ...first,
    ...(usage === undefined ? undefined : { usage }),
    ...(alternatives.length === 0 ? undefined : { alternatives }),
    native: Amended.native(protocol, text, body as Fields, withUsage),
  })
}

/** Some clients require a usage. */
const withUsage = (body: Fields): Fields =>
  Predicate.isObject(body["usageMetadata"]) ? body : { ...body, usageMetadata: Usage.encode(undefined) }

interface Decoded {
  readonly choice?: Chat.Choice
  /** Why there is no choice. */
  readonly error?: string
}

/** Neither field if the candidate has neither content nor a finish reason. */
const decodeCandidate = (candidate: Fields, name: string): Decoded => {
  const { finishMessage, finishReason: reason, logprobsResult } = candidate
  let calls = 0
  const decoded = Content.decodeModel(
    Json.list(Json.fields(candidate["content"])["parts"]),
    (id) => id ?? Calls.generatedId(name, calls++),
    Signatures.issued,
  )
  if (decoded.length === 0 && !Predicate.isString(reason)) return {}
  if (hasFailed(reason, decoded.length > 0)) return { error: failureMessage(reason, finishMessage) }
  const completeText = () => decoded.map((part) => (part.type === "text" ? part.text : "")).join("")
  const content = Citations.attach(decoded, Citations.decode(candidate, completeText))
  const why = refusal(reason, finishMessage)
  const logprobs = Logprobs.decode(logprobsResult)
  return {
    choice: {
      content: why === undefined ? content : [...content, { type: "refusal", text: why }],
      finishReason: FinishReason.read(reason),
      ...(logprobs === undefined ? undefined : { logprobs }),
    },
  }
}

/** Whether the model failed: at a call, or with an unknown finish reason and no content. */
export const hasFailed = (reason: unknown, decoded: boolean): boolean =>
  Failure.statusOf(reason) !== undefined ||
  (!decoded && Predicate.isString(reason) && FinishReason.read(reason) === "other")

export const failureMessage = (reason: unknown, message: unknown): string =>
  Json.nonEmptyString(message) ?? `The model ended with ${String(reason)}`

/** Google's explanation of filtered content, if there is one. */
export const refusal = (reason: unknown, message: unknown): string | undefined =>
  FinishReason.read(reason) === "content-filter" ? Json.nonEmptyString(message) : undefined

/** The response to a blocked prompt. */
export const blocked = (body: Fields): Chat.Choice | undefined => {
  const { blockReason: reason, blockReasonMessage: message } = Json.fields(body["promptFeedback"])
  if (!Predicate.isString(reason) || reason === "BLOCKED_REASON_UNSPECIFIED") return undefined
  const text = Json.nonEmptyString(message) ?? `The prompt was blocked: ${reason}`
  return { content: [{ type: "refusal", text }], finishReason: "content-filter" }
}

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Chat -> a client's body
// ---------------------------------------------------------------------------------------------------------------------

/** A response of another protocol as a `GenerateContentResponse`. */
export const encode = (response: Chat.Response, { id, request }: Answering): Record<string, unknown> => ({
  candidates: [response, ...(response.alternatives ?? [])].map(encodeCandidate),
  usageMetadata: Usage.encode(response.usage),
  modelVersion: response.model ?? request.model,
  responseId: id,
})

/** The protocol's finish reason. `STOP` includes calls; an unknown reason is `OTHER`. */
export const encodeFinish = (reason: Chat.FinishReason): string => {
  switch (reason) {
    case "stop":
    case "tool-calls":
      return "STOP"
    case "length":
      return "MAX_TOKENS"
    case "content-filter":
    case "refusal":
      return "SAFETY"
    case "pause":
    case "other":
      return "OTHER"
  }
}

const encodeCandidate = (choice: Chat.Choice, index: number): Record<string, unknown> => {
  const parts: Array<Block> = []
  const citations: Array<Chat.Citation> = []
  let text = ""
  for (const part of ToolCalls.withoutTruncatedCall(choice)) {
    const block = encodePart(part)
    if (block !== undefined) parts.push(block)
    if (part.type !== "text") continue
    for (const citation of part.citations ?? []) citations.push(shifted(citation, text.length))
    text += part.text
  }
  return {
    content: { parts, role: "model" },
    finishReason: encodeFinish(choice.finishReason),
    index,
    ...Logprobs.encode(choice.logprobs),
    ...Citations.encode(citations, text),
  }
}

const shifted = (citation: Chat.Citation, by: number): Chat.Citation => {
  const { supports } = citation
  return supports === undefined || by === 0
    ? citation
    : { ...citation, supports: { start: supports.start + by, end: supports.end + by } }
}

/** A part of a response; `undefined` if it is empty, or not allowed in a model's content. */
export const encodePart = (part: Chat.AssistantContent): Block | undefined => {
  switch (part.type) {
    case "text":
      return part.text === "" && part.signature === undefined ? undefined : withSignature({ text: part.text }, part)
    case "reasoning":
      return withSignature({ text: part.text, thought: true }, part)
    case "refusal":
      return part.text === "" ? undefined : { text: part.text }
    case "tool-call":
      return withSignature(
        { functionCall: { ...Calls.encode(part.id), name: part.name, args: Content.args(part, ignore) } },
        part,
      )
    case "audio":
      return part.source.type === "id" ? undefined : Content.encodeMedia(part)
  }
}

const ignore = () => {}

const withSignature = (block: Block, part: Signatures.Encrypted): Block => {
  const signature = Signatures.write(part)
  return signature === undefined ? block : { ...block, thoughtSignature: signature }
}
