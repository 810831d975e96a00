/**
 * The items of an answer, as clients' SDKs know them: whole ones, which a stream brings when they are done.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Json from "../Json.ts"
import type { Block } from "../Lowering.ts"
import * as ToolIds from "../ToolIds.ts"
import type { Name } from "./Namespaces.ts"

/** Where an item stands: `incomplete` is the last one of an answer that was cut short. */
export type Status = "in_progress" | "completed" | "incomplete"

export const text = (text: string, annotations: ReadonlyArray<unknown>, logprobs: ReadonlyArray<unknown>): Block => ({
  type: "output_text",
  text,
  annotations,
  logprobs,
})

export const refusal = (refusal: string): Block => ({ type: "refusal", refusal })

export const message = (id: string, status: Status, content: ReadonlyArray<Block>): Block => ({
  id,
  type: "message",
  status,
  role: "assistant",
  content,
})

/** A tool call: its id carries its signature, for which the protocol has no place. */
export const call = (
  id: string,
  status: Status,
  { arguments: written, custom, id: callId, name, signature }: Omit<Chat.ToolCall, "type">,
  names: ReadonlyMap<string, Name>,
): Block => {
  const called = { call_id: ToolIds.write(callId, signature), ...(names.get(name) ?? { name }) }
  return custom === true
    ? { id, type: "custom_tool_call", status, ...called, input: written }
    : { id, type: "function_call", status, ...called, arguments: written }
}

/** The kind of a call's item, as its id begins. */
export const kindOf = ({ custom }: Pick<Chat.ToolCall, "custom">): "fc" | "ctc" => (custom === true ? "ctc" : "fc")

/** Log probabilities of tokens: `Chat` has them as Chat Completions does, under `content`, and need not have all of them. */
export const logprobs = (value: unknown): ReadonlyArray<Block> =>
  Json.list(Array.isArray(value) ? value : Json.fields(value)["content"]).map((token) => ({
    ...probable(token),
    top_logprobs: Json.list(Json.fields(token)["top_logprobs"]).map(probable),
  }))

const isByte = (value: unknown): boolean => Json.integer(value) !== undefined

const probable = (value: unknown): Block => {
  const { bytes, logprob, token } = Json.fields(value)
  const written = Json.string(token)
  return {
    token: written,
    logprob: Json.number(logprob) ?? 0,
    bytes: Array.isArray(bytes) && bytes.every(isByte) ? bytes : [...new TextEncoder().encode(written)],
  }
}
