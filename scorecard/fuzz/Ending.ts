/**
 * How streams end: with the dialect's last event or with its error, once, and nothing after it. What stands before that is
 * the vendor's own, where it speaks the caller's dialect: a changed event reaches the caller as it came.
 */
import type { Name } from "../Dialect.ts"
import { parsed } from "../Json.ts"
import * as Sse from "../Sse.ts"

interface Data {
  readonly type?: unknown
  readonly error?: unknown
  readonly candidates?: ReadonlyArray<{ readonly finishReason?: unknown } | null> | null
}

/** What the gateway writes last, by its data; `undefined` for an event in the middle. */
type Last = (event: Sse.Event, data: Data | undefined) => "end" | "error" | undefined

const isError = ({ error }: Data = {}): boolean =>
  typeof error === "object" && error !== null && "message" in error && typeof error.message === "string"

const lasts: Readonly<Record<Name, Last>> = {
  chatCompletions: (event, data) => (event.data === "[DONE]" ? "end" : isError(data) ? "error" : undefined),
  // An error comes before `response.failed`, which is its end.
  responses: (_, data) =>
    ["response.completed", "response.incomplete", "response.failed"].includes(String(data?.type)) ? "end" : undefined,
  messages: (_, data) => (data?.type === "error" ? "error" : data?.type === "message_stop" ? "end" : undefined),
  // It has no last event: its answers end with a reason, which a vendor may tell before the last words.
  gemini: (_, data) => (isError(data) ? "error" : undefined),
}

/** What there is against the end of a stream. */
export const against = (dialect: Name, text: string): string | undefined => {
  const events = Sse.events(text)
  const ends = events.map((event) => lasts[dialect](event, parsed<Data | null>(event.data) ?? undefined))
  if (events.some(({ data }) => data !== "[DONE]" && parsed(data) === undefined))
    return "a stream with an event that is not JSON"
  const first = ends.findIndex((end) => end !== undefined)
  if (first !== -1 && first !== ends.length - 1)
    return `a stream that goes on after its ${ends[first]}: ${ends.slice(first).join()}`
  if (first === -1 && (dialect !== "gemini" || !/"finishReason"/.test(text))) return "a stream without an end"
  return undefined
}
