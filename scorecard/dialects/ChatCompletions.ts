/** OpenAI's chat completions, as its callers ask and read them. */
import type { Dialect, Heard } from "./Dialect.ts"
import { parsed } from "../Json.ts"
import * as Sse from "../Sse.ts"

const tool = {
  type: "function",
  function: { name: "note", parameters: { type: "object", properties: { text: { type: "string" } } } },
}

/** As much of its bodies and events as is judged. */
interface Wire {
  readonly id?: string
  readonly error?: { readonly message?: unknown; readonly type?: unknown; readonly code?: unknown }
  readonly choices?: ReadonlyArray<{
    readonly message?: Words
    readonly delta?: Words
    readonly finish_reason?: string | null
  }>
}

interface Words {
  readonly content?: string | null
  readonly tool_calls?: ReadonlyArray<{ readonly function?: { readonly arguments?: string } }>
}

/** Whether it is an error of OpenAI's protocol. */
export const isError = (body: Pick<Wire, "error"> | undefined): boolean =>
  typeof body?.error?.message === "string" && typeof body.error.type === "string" && typeof body.error.code === "string"

const fromBody = (text: string): Heard | string => {
  const body = parsed<Wire>(text)
  if (body === undefined) return "a body that is not JSON"
  if (body.error !== undefined) return "200 with an error inside"
  const choice = body.choices?.[0]
  return {
    text: choice?.message?.content ?? "",
    arguments: choice?.message?.tool_calls?.[0]?.function?.arguments ?? "",
    finish: choice?.finish_reason ?? undefined,
    failed: false,
  }
}

/** Folds a stream's events. Its last one is `[DONE]` or an error, never both and never neither. */
const fromStream = (text: string): Heard | string => {
  const events = Sse.events(text).map(({ data }) => data)
  const chunks: Array<Wire> = []
  for (const event of events) {
    if (event === "[DONE]") continue
    const chunk = parsed<Wire>(event)
    if (chunk === undefined) return "an event that is not JSON"
    chunks.push(chunk)
  }
  const failed = chunks.findIndex(({ error }) => error !== undefined)
  const done = events.indexOf("[DONE]")
  if (failed !== -1 && (done !== -1 || failed !== chunks.length - 1)) return "goes on after its error"
  if (failed !== -1 && !isError(chunks[failed])) return "an error event without an error's shape"
  if (done !== -1 && done !== events.length - 1) return "goes on after [DONE]"
  if (failed === -1 && done === -1) return "ends with neither [DONE] nor an error"
  if (new Set(chunks.flatMap(({ id }) => id ?? [])).size > 1) return "more than one id"
  const deltas = chunks.flatMap(({ choices }) => choices?.[0] ?? [])
  const finishes = deltas.flatMap(({ finish_reason }) => finish_reason ?? [])
  if (finishes.length > 1) return "ends twice"
  return {
    text: deltas.map(({ delta }) => delta?.content ?? "").join(""),
    arguments: deltas.map(({ delta }) => delta?.tool_calls?.[0]?.function?.arguments ?? "").join(""),
    finish: finishes[0],
    failed: failed !== -1,
  }
}

export const chatCompletions: Dialect = {
  title: "Chat Completions",
  path: () => "/v1/chat/completions",
  request: ({ route, stream, text, tool: wanted }) => ({
    model: route,
    messages: [{ role: "user", content: text }],
    ...(stream ? { stream } : undefined),
    ...(wanted === true ? { tools: [tool], tool_choice: "required" } : undefined),
  }),
  isError: (body) => isError(parsed<Wire>(body)),
  body: fromBody,
  stream: fromStream,
}
