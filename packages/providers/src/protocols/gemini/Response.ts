/**
 * A whole answer, from both ends.
 */
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
 * The answer in `text`, which travels along as `native`. A prompt that was blocked is answered by a refusal that says
 * why. Fails with `Malformed` on what is not an answer with candidates, ends in a call that failed to be one, or says
 * nothing but that it ended for a reason of its own, and as `classify` judges an error in its place.
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
    const { broken, choice } = decodeCandidate(fields, answer)
    if (broken !== undefined) return Json.malformed(broken)
    if (choice === undefined) continue
    const settled = ToolCalls.normalize(choice, (index) => Calls.made(answer, index))
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
    native: Amended.native(protocol, text, body as Fields, counted),
  })
}

/** Some clients rely on a usage. */
const counted = (body: Fields): Fields =>
  Predicate.isObject(body["usageMetadata"]) ? body : { ...body, usageMetadata: Usage.encode(undefined) }

interface Decoded {
  readonly choice?: Chat.Choice
  /** Why it is none. */
  readonly broken?: string
}

/** Neither where nothing is said, nor that it is finished. */
const decodeCandidate = (candidate: Fields, name: string): Decoded => {
  const { finishMessage, finishReason: reason, logprobsResult } = candidate
  let calls = 0
  const said = Content.decodeModel(
    Json.list(Json.fields(candidate["content"])["parts"]),
    (id) => id ?? Calls.made(name, calls++),
    Signatures.issued,
  )
  if (said.length === 0 && !Predicate.isString(reason)) return {}
  if (isBroken(reason, said.length > 0)) return { broken: brokenMessage(reason, finishMessage) }
  const whole = () => said.map((part) => (part.type === "text" ? part.text : "")).join("")
  const content = Citations.attach(said, Citations.decode(candidate, whole))
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

/**
 * Whether the model failed at what it meant to say: at a call, whatever came before it, or at all of it, where there are
 * words for an end but none that were `said`.
 */
export const isBroken = (reason: unknown, said: boolean): boolean =>
  Failure.statusOf(reason) !== undefined ||
  (!said && Predicate.isString(reason) && FinishReason.read(reason) === "other")

export const brokenMessage = (reason: unknown, message: unknown): string =>
  Json.nonEmptyString(message) ?? `The model ended with ${String(reason)}`

/** Google's words for why the answer was stopped by a filter, where it has any. */
export const refusal = (reason: unknown, message: unknown): string | undefined =>
  FinishReason.read(reason) === "content-filter" ? Json.nonEmptyString(message) : undefined

/** What is answered to a prompt that was blocked. */
export const blocked = (body: Fields): Chat.Choice | undefined => {
  const { blockReason: reason, blockReasonMessage: message } = Json.fields(body["promptFeedback"])
  if (!Predicate.isString(reason) || reason === "BLOCKED_REASON_UNSPECIFIED") return undefined
  const text = Json.nonEmptyString(message) ?? `The prompt was blocked: ${reason}`
  return { content: [{ type: "refusal", text }], finishReason: "content-filter" }
}

// ---------------------------------------------------------------------------------------------------------------------
// Encode: Chat -> a client's body
// ---------------------------------------------------------------------------------------------------------------------

/** An answer of another protocol's as a `GenerateContentResponse`. */
export const encode = (response: Chat.Response, { id, request }: Answering): Record<string, unknown> => ({
  candidates: [response, ...(response.alternatives ?? [])].map(encodeCandidate),
  usageMetadata: Usage.encode(response.usage),
  modelVersion: response.model ?? request.model,
  responseId: id,
})

/** The protocol calls both a call and an end by `STOP`. What has no word of its own is not softened into that. */
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

/** A part of an answer; undefined for one that says nothing, or that has no place in a model's content. */
export const encodePart = (part: Chat.AssistantContent): Block | undefined => {
  switch (part.type) {
    case "text":
      return part.text === "" && part.signature === undefined ? undefined : sealed({ text: part.text }, part)
    case "reasoning":
      return sealed({ text: part.text, thought: true }, part)
    case "refusal":
      return part.text === "" ? undefined : { text: part.text }
    case "tool-call":
      return sealed(
        { functionCall: { ...Calls.encode(part.id), name: part.name, args: Content.args(part, silent) } },
        part,
      )
    case "audio":
      return part.source.type === "id" ? undefined : Content.encodeMedia(part)
  }
}

const silent = () => {}

const sealed = (block: Block, seal: Signatures.Sealed): Block => {
  const signature = Signatures.write(seal)
  return signature === undefined ? block : { ...block, thoughtSignature: signature }
}
