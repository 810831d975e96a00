/** The output items of a response, complete as in clients' SDKs; a stream has them when they are done. */
import type * as Chat from "@understudy/core/Chat"
import * as Json from "../Json.ts"
import type { Block } from "../Lowering.ts"
import * as ToolIds from "../ToolIds.ts"
import type { Name } from "./Namespaces.ts"

/** The status of an item. `incomplete` is the last item of a truncated response. */
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

/** A tool call. Its id includes its signature, for which the protocol has no field. */
export const call = (
  id: string,
  status: Status,
  { arguments: json, custom, id: callId, name, signature }: Omit<Chat.ToolCall, "type">,
  names: ReadonlyMap<string, Name>,
): Block => {
  const called = { call_id: ToolIds.write(callId, signature), ...(names.get(name) ?? { name }) }
  return custom === true
    ? { id, type: "custom_tool_call", status, ...called, input: json }
    : { id, type: "function_call", status, ...called, arguments: json }
}

/** The prefix of a call item's id. */
export const kindOf = ({ custom }: Pick<Chat.ToolCall, "custom">): "fc" | "ctc" => (custom === true ? "ctc" : "fc")

/** Token log probabilities. `Chat` has them in Chat Completions' form, under `content`, possibly incomplete. */
export const logprobs = (value: unknown): ReadonlyArray<Block> =>
  Json.list(Array.isArray(value) ? value : Json.fields(value)["content"]).map((token) => ({
    ...tokenLogprob(token),
    top_logprobs: Json.list(Json.fields(token)["top_logprobs"]).map(tokenLogprob),
  }))

const isByte = (value: unknown): boolean => Json.integer(value) !== undefined

const tokenLogprob = (value: unknown): Block => {
  const { bytes, logprob, token } = Json.fields(value)
  const json = Json.string(token)
  return {
    token: json,
    logprob: Json.number(logprob) ?? 0,
    bytes: Array.isArray(bytes) && bytes.every(isByte) ? bytes : [...new TextEncoder().encode(json)],
  }
}
