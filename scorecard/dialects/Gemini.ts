/** Google's Gemini, as its callers ask and read it. */
import type { Dialect, Heard } from "./Dialect.ts"
import { parsed } from "../Json.ts"
import * as Sse from "../Sse.ts"

const tool = {
  functionDeclarations: [{ name: "note", parameters: { type: "OBJECT", properties: { text: { type: "STRING" } } } }],
}

/** As much of its bodies and events as is judged: a stream's are bodies too. */
interface Wire {
  readonly error?: { readonly code?: unknown; readonly message?: unknown; readonly status?: unknown }
  readonly responseId?: string
  readonly candidates?: ReadonlyArray<{
    readonly index?: number
    readonly content?: {
      readonly parts?: ReadonlyArray<{ readonly text?: string; readonly functionCall?: { readonly args?: unknown } }>
    }
    readonly finishReason?: string
  }>
}

const isError = (body: Wire | undefined): boolean =>
  typeof body?.error?.code === "number" &&
  typeof body.error.message === "string" &&
  typeof body.error.status === "string"

const finishes: Readonly<Record<string, string>> = { MAX_TOKENS: "length", SAFETY: "content_filter" }

/** The content of bodies in order. A tool call has no finish reason of its own. */
const heard = (bodies: ReadonlyArray<Wire>): Omit<Heard, "failed"> | string => {
  const candidates = bodies.flatMap((body) => body.candidates ?? [])
  const parts = candidates.flatMap(({ content }) => content?.parts ?? [])
  const [called, ...others] = parts.flatMap(({ functionCall }) => functionCall ?? [])
  const [reason, ...reasons] = candidates.flatMap(({ finishReason }) => finishReason ?? [])
  if (others.length > 0) return "a call more than was made"
  if (reasons.length > 0) return "ends twice"
  if (reason !== undefined && candidates.at(-1)?.finishReason === undefined) return "goes on after its end"
  if (candidates.some(({ index = 0 }) => index !== 0)) return "more than one candidate"
  return {
    text: parts.map((part) => part.text ?? "").join(""),
    arguments: called === undefined ? "" : JSON.stringify(called.args),
    finish: reason === "STOP" ? (called === undefined ? "stop" : "tool_calls") : (finishes[reason ?? ""] ?? reason),
  }
}

const fromBody = (text: string): Heard | string => {
  const body = parsed<Wire>(text)
  if (body === undefined) return "a body that is not JSON"
  if (body.error !== undefined) return "200 with an error inside"
  const answer = heard([body])
  return typeof answer === "string" ? answer : { ...answer, failed: false }
}

/** Combines a stream's events. One has the finish reason, and none after it has content; or the last is an error. */
const fromStream = (text: string): Heard | string => {
  const bodies: Array<Wire> = []
  for (const { data, name } of Sse.events(text)) {
    const body = parsed<Wire>(data)
    if (body === undefined) return "an event that is not JSON"
    if (name !== undefined) return `an event with a name: ${name}`
    bodies.push(body)
  }
  const failed = bodies.findIndex(({ error }) => error !== undefined)
  if (failed !== -1 && failed !== bodies.length - 1) return "goes on after its error"
  if (failed !== -1 && !isError(bodies[failed])) return "an error event without an error's shape"
  if (new Set(bodies.flatMap(({ responseId }) => responseId ?? [])).size > 1) return "more than one id"
  const answer = heard(bodies)
  if (typeof answer === "string") return answer
  if (failed !== -1 && answer.finish !== undefined) return "an error after its reason to stop"
  if (failed === -1 && answer.finish === undefined) return "ends with neither a reason nor an error"
  return { ...answer, failed: failed !== -1 }
}

export const gemini: Dialect = {
  title: "Gemini",
  path: ({ route, stream }) =>
    `/v1beta/models/${encodeURIComponent(route)}:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
  request: ({ text, tool: wanted }) => ({
    contents: [{ role: "user", parts: [{ text }] }],
    ...(wanted === true ? { tools: [tool], toolConfig: { functionCallingConfig: { mode: "ANY" } } } : undefined),
  }),
  isError: (body) => isError(parsed<Wire>(body)),
  body: fromBody,
  stream: fromStream,
}
