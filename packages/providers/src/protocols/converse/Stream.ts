/**
 * A streamed Converse answer, event by event.
 *
 * `messageStart` is preamble; `contentBlock*` are output; `messageStop` brings the stop reason, which is the proof that
 * the answer is whole; `metadata`, which comes after it, the usage. Exceptions are frames of their own kind; events of a
 * later API say nothing to the engine but travel along as `native`.
 */
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Json from "../Json.ts"
import type { Fields } from "../Json.ts"
import * as Citations from "./Citations.ts"
import * as Errors from "./Errors.ts"
import type { Event } from "./Framing.ts"
import { issuer } from "../messages/Protocol.ts"
import { protocol } from "./Protocol.ts"
import * as Response from "./Response.ts"
import * as Usage from "./Usage.ts"

/** Holds one stream's state: never shared between streams. */
export interface Decoder {
  /** The event's frame; the error it reports; undefined for one that is malformed, which is skipped. */
  readonly push: (event: Event) => Result.Result<Chat.Frame, ProviderError> | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode: the upstream's events -> frames
// ---------------------------------------------------------------------------------------------------------------------

/** `classify` is the vendor's judgement of an exception. */
export const decoder = (classify: (error: Errors.WireError) => ProviderError): Decoder => {
  const calls: Calls = new Map()
  return {
    push: (event) => {
      if (event.kind === "corrupt") return corrupt
      if (event.kind !== "event") return Result.fail(classify(Errors.fromEvent(event)))
      const body = parse(event.data)
      const parts = body === undefined ? undefined : decodeEvent(event.event, body, calls)
      if (parts === undefined) return undefined
      return Result.succeed({ parts, native: { protocol, event: event.event, data: event.data } })
    },
  }
}

const corrupt = Result.fail(
  new ProviderError({ reason: { _tag: "Malformed" }, message: "A frame of the event stream is corrupt" }),
)

/** The open tool calls by the index of their content block. */
type Calls = Map<unknown, Call>

interface Call {
  /** Among the tool calls alone, as `Chat` counts them. */
  readonly index: number
  hasArguments: boolean
}

const none: ReadonlyArray<Chat.Part> = []
const start: ReadonlyArray<Chat.Part> = [{ type: "start" }]

const parse = (data: string): Fields | undefined => {
  const body = Json.parse(data)
  return Predicate.isObject(body) ? body : undefined
}

/** Undefined where a known event lacks what makes it one. */
const decodeEvent = (name: string, body: Fields, calls: Calls): ReadonlyArray<Chat.Part> | undefined => {
  switch (name) {
    case "contentBlockDelta":
      return Predicate.isObject(body["delta"])
        ? decodeDelta(body["delta"], calls.get(body["contentBlockIndex"]))
        : undefined
    case "contentBlockStart":
      return Predicate.isObject(body["start"])
        ? decodeStart(body["start"], body["contentBlockIndex"], calls)
        : undefined
    case "contentBlockStop":
      return decodeStop(calls.get(body["contentBlockIndex"]))
    case "messageStart":
      return start
    case "messageStop":
      return Predicate.isString(body["stopReason"]) ? decodeMessageStop(body, calls.size > 0) : undefined
    case "metadata":
      return decodeMetadata(body)
    default:
      return none
  }
}

const decodeStart = (block: Fields, blockIndex: unknown, calls: Calls): ReadonlyArray<Chat.Part> => {
  const toolUse = block["toolUse"]
  if (!Predicate.isObject(toolUse) || Response.isServerTool(toolUse)) return none
  const index = calls.size
  calls.set(blockIndex, { index, hasArguments: false })
  return [{ type: "tool-call", index, id: Json.string(toolUse["toolUseId"]), name: Json.string(toolUse["name"]) }]
}

const decodeDelta = (delta: Fields, call: Call | undefined): ReadonlyArray<Chat.Part> => {
  const { text, toolUse, reasoningContent } = delta
  if (Predicate.isString(text)) return text === "" ? none : [{ type: "text", text }]
  if (Predicate.isObject(toolUse)) {
    const json = Json.string(toolUse["input"])
    if (call === undefined || json === "") return none
    call.hasArguments = true
    return [{ type: "tool-arguments", index: call.index, arguments: json }]
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

/** A call without arguments may send none at all: whoever parses them needs the empty object. */
const decodeStop = (call: Call | undefined): ReadonlyArray<Chat.Part> => {
  if (call === undefined || call.hasArguments) return none
  call.hasArguments = true
  return [{ type: "tool-arguments", index: call.index, arguments: "{}" }]
}

const decodeMessageStop = (body: Fields, called: boolean): ReadonlyArray<Chat.Part> => [
  {
    type: "finish",
    reason: Response.finish(body["stopReason"], called),
    ...Response.stopSequence(body["additionalModelResponseFields"]),
  },
]

const decodeMetadata = (body: Fields): ReadonlyArray<Chat.Part> => {
  const usage = Usage.decode(body["usage"])
  return usage === undefined ? none : [{ type: "usage", usage }]
}
