/** Anthropic's messages, as its callers ask and read them. */
import type { Dialect, Heard } from "./Dialect.ts"
import { parsed } from "../Json.ts"
import * as Sse from "../Sse.ts"

const tool = {
  name: "note",
  input_schema: { type: "object", properties: { text: { type: "string" } } },
}

/** As much of its bodies and events as is judged. */
interface Wire {
  readonly type?: string
  readonly error?: { readonly type?: unknown; readonly message?: unknown }
  readonly content?: ReadonlyArray<Block>
  readonly stop_reason?: string | null
  readonly index?: number
  readonly content_block?: Block
  readonly delta?: {
    readonly type?: string
    readonly text?: string
    readonly partial_json?: string
    readonly stop_reason?: string | null
  }
  readonly usage?: { readonly output_tokens?: number }
}

interface Block {
  readonly type?: string
  readonly text?: string
  readonly input?: unknown
}

const isError = (body: Wire | undefined): boolean =>
  body?.type === "error" && typeof body.error?.type === "string" && typeof body.error.message === "string"

const finishes: Readonly<Record<string, string>> = {
  end_turn: "stop",
  max_tokens: "length",
  refusal: "content_filter",
  tool_use: "tool_calls",
}

const finishOf = (reason: string | null | undefined): string | undefined =>
  reason === null || reason === undefined ? undefined : (finishes[reason] ?? reason)

const fromBody = (text: string): Heard | string => {
  const body = parsed<Wire>(text)
  if (body === undefined) return "a body that is not JSON"
  if (body.error !== undefined) return "200 with an error inside"
  if (body.type !== "message") return "a body that is no message"
  const called = body.content?.find(({ type }) => type === "tool_use")
  return {
    text: body.content?.map((block) => block.text ?? "").join("") ?? "",
    arguments: called === undefined ? "" : JSON.stringify(called.input),
    finish: finishOf(body.stop_reason),
    failed: false,
  }
}

/** What a block of that type grows by. */
const deltas: Readonly<Record<string, string>> = { text: "text_delta", tool_use: "input_json_delta" }

/**
 * Folds a stream's events as SDKs do, by their names: one `message_start`; blocks one after the other, counted from 0, each
 * closed once; one `message_delta` and one `message_stop`, or an error and neither.
 */
const fromStream = (body: string): Heard | string => {
  let text = ""
  let written = ""
  let finish: string | undefined
  let open: Block | undefined
  let blocks = 0
  let state: "before" | "within" | "told" | "stopped" | "failed" = "before"
  for (const { data, name } of Sse.events(body)) {
    const event = parsed<Wire>(data)
    if (event === undefined) return "an event that is not JSON"
    if (event.type !== name) return `an event named ${name} that is a ${event.type}`
    if (state === "stopped" || state === "failed") return `${name} after its end`
    if (name === "ping") continue
    if (name === "error") {
      if (!isError(event)) return "an error event without an error's shape"
      if (state === "told") return "an error after its reason to stop"
      state = "failed"
      continue
    }
    if ((name === "message_start") !== (state === "before")) return `${name} ${state} its message`
    switch (name) {
      case "message_start":
        state = "within"
        break
      case "content_block_start":
        if (open !== undefined) return "a block within a block"
        if (state !== "within" || event.index !== blocks) return `block ${event.index} where ${blocks} comes`
        open = event.content_block ?? {}
        text += open.text ?? ""
        break
      case "content_block_delta":
        if (open === undefined || event.index !== blocks) return `words in block ${event.index}, which is not open`
        if (event.delta?.type !== deltas[open.type ?? ""]) return `a ${event.delta?.type} in a block of ${open.type}`
        text += event.delta?.text ?? ""
        written += event.delta?.partial_json ?? ""
        break
      case "content_block_stop":
        if (open === undefined || event.index !== blocks) return `the end of block ${event.index}, which is not open`
        open = undefined
        blocks++
        break
      case "message_delta":
        if (open !== undefined) return "a block that nothing closes"
        if (state === "told") return "ends twice"
        if (event.usage?.output_tokens === undefined) return "an end without its usage"
        finish = finishOf(event.delta?.stop_reason)
        state = "told"
        break
      case "message_stop":
        if (state !== "told") return "stops without a reason"
        state = "stopped"
        break
      default:
        return `an event of an unknown kind: ${name}`
    }
  }
  if (state !== "stopped" && state !== "failed") return "ends with neither message_stop nor an error"
  return { text, arguments: written, finish, failed: state === "failed" }
}

export const messages: Dialect = {
  title: "Messages",
  path: () => "/v1/messages",
  request: ({ route, stream, text, tool: wanted }) => ({
    model: route,
    max_tokens: 1_000,
    messages: [{ role: "user", content: text }],
    ...(stream ? { stream } : undefined),
    ...(wanted === true ? { tools: [tool], tool_choice: { type: "any" } } : undefined),
  }),
  isError: (body) => isError(parsed<Wire>(body)),
  body: fromBody,
  stream: fromStream,
}
