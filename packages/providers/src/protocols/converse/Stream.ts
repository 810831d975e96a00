/**
 * Decodes a stream event by event.
 *
 * `messageStart` is the preamble; `contentBlock*` are output; `messageStop` has the stop reason, which completes the
 * response; `metadata` after it has the usage. Exceptions are frames of their own kind. Unknown events have no parts
 * and are kept as `native`.
 */
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as FinishReason from "../FinishReason.ts"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import * as ToolCalls from "../ToolCalls.ts"
import * as Citations from "./Citations.ts"
import * as Errors from "./Errors.ts"
import type { Event } from "./EventStreamCodec.ts"
import { issuer } from "../messages/Protocol.ts"
import { protocol } from "./Protocol.ts"
import * as Response from "./Response.ts"
import * as Usage from "./Usage.ts"

/** Decodes one stream; stateful. */
export interface Decoder {
  /** The event's frame, the error it reports, or `undefined` for a malformed event, which is skipped. */
  readonly push: (event: Event) => Result.Result<Chat.Frame, ProviderError> | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's events -> frames
// ---------------------------------------------------------------------------------------------------------------------

/** `classify` classifies an exception. */
export const decoder = (classify: (error: Errors.WireError) => ProviderError): Decoder => {
  const state: State = { open: undefined, callBlocks: new Set(), calls: undefined }
  return {
    push: (event) => {
      if (event.kind === "corrupt") return corrupt
      if (event.kind !== "event") return Result.fail(classify(Errors.fromEvent(event)))
      const body = parse(event.data)
      const parts = body === undefined ? undefined : decodeEvent(event.event, body, state)
      if (parts === undefined) return undefined
      if (parts instanceof ProviderError) return Result.fail(parts)
      return Result.succeed({ parts, native: { protocol, event: event.event, data: event.data } })
    },
  }
}

const corrupt = Result.fail(
  new ProviderError({ reason: { _tag: "Malformed" }, message: "A frame of the event stream is corrupt" }),
)

interface State {
  /** The index of the last content block. */
  open: unknown
  /** The indexes of blocks that are calls. */
  readonly callBlocks: Set<unknown>
  calls: ToolCalls.Calls | undefined
}

const none: ReadonlyArray<Chat.Part> = []
const start: ReadonlyArray<Chat.Part> = [{ type: "start" }]

const parse = (data: string): Fields | undefined => {
  const body = Json.parse(data)
  return Predicate.isObject(body) ? body : undefined
}

/** `undefined` for an incomplete event of a known type. */
const decodeEvent = (
  name: string,
  body: Fields,
  state: State,
): ReadonlyArray<Chat.Part> | ProviderError | undefined => {
  switch (name) {
    case "contentBlockDelta":
      return Predicate.isObject(body["delta"])
        ? decodeDelta(body["delta"], body["contentBlockIndex"] ?? state.open, state)
        : undefined
    case "contentBlockStart":
      return Predicate.isObject(body["start"])
        ? decodeStart(body["start"], body["contentBlockIndex"], state)
        : undefined
    case "contentBlockStop":
      return decodeStop(body["contentBlockIndex"] ?? state.open, state)
    case "messageStart":
      return start
    case "messageStop":
      return Predicate.isString(body["stopReason"]) ? decodeMessageStop(body, state) : undefined
    case "metadata":
      return decodeMetadata(body)
    default:
      return none
  }
}

const decodeStart = (block: Fields, index: unknown, state: State): ReadonlyArray<Chat.Part> => {
  const { toolUse } = block
  state.open = index
  state.callBlocks.delete(index)
  if (!Predicate.isObject(toolUse) || Response.isServerTool(toolUse)) return none
  state.callBlocks.add(index)
  state.calls ??= ToolCalls.make(Response.callId, undefined)
  const parts: Array<Chat.Part> = []
  const { name, toolUseId: id } = toolUse
  state.calls.push(
    { slot: index, id: Json.nonEmptyString(id), name: Json.nonEmptyString(name), arguments: "", opens: true },
    parts,
  )
  return parts
}

const decodeDelta = (delta: Fields, index: unknown, state: State): ReadonlyArray<Chat.Part> => {
  const { text, toolUse, reasoningContent } = delta
  if (Predicate.isString(text)) return text === "" ? none : [{ type: "text", text }]
  if (Predicate.isObject(toolUse)) {
    if (!state.callBlocks.has(index)) return none
    const parts: Array<Chat.Part> = []
    state.calls?.push({ slot: index, arguments: Json.string(toolUse["input"]) }, parts)
    return parts
  }
  const citation = Citations.decode(delta["citation"])
  if (citation !== undefined) return [{ type: "citation", citation }]
  return Predicate.isObject(reasoningContent) ? decodeReasoning(reasoningContent) : none
}

const decodeReasoning = ({ text, signature, redactedContent }: Fields): ReadonlyArray<Chat.Part> => {
  if (Predicate.isString(text) && text !== "") return [{ type: "reasoning", text }]
  if (Predicate.isString(signature) && signature !== "")
    return [{ type: "reasoning", text: "", signature: { issuer, value: signature } }]
  if (Predicate.isString(redactedContent))
    return [{ type: "reasoning", text: "", redacted: { issuer, value: redactedContent } }]
  return none
}

const decodeStop = (index: unknown, { callBlocks, calls }: State): ReadonlyArray<Chat.Part> => {
  if (!callBlocks.has(index)) return none
  const parts: Array<Chat.Part> = []
  calls?.close(index, parts)
  return parts
}

const decodeMessageStop = (body: Fields, { calls }: State): ReadonlyArray<Chat.Part> | ProviderError => {
  const { additionalModelResponseFields: additional, stopReason: wireReason } = body
  if (Response.hasFailed(wireReason)) return Response.failure(wireReason)
  const parts: Array<Chat.Part> = []
  const original = FinishReason.read(wireReason)
  const reason = calls === undefined ? ToolCalls.finish(original, 0) : calls.end(original, parts)
  if (reason instanceof ProviderError) return reason
  parts.push({ type: "finish", reason, ...Response.stopSequence(wireReason, additional) })
  return parts
}

const decodeMetadata = (body: Fields): ReadonlyArray<Chat.Part> => {
  const usage = Usage.decode(body["usage"])
  return usage === undefined ? none : [{ type: "usage", usage }]
}
