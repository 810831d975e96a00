/** OpenAI's responses, as their callers ask and read them. */
import type { Dialect, Heard } from "./Dialect.ts"
import { parsed } from "../Json.ts"
import * as Sse from "../Sse.ts"

const tool = {
  type: "function",
  name: "note",
  parameters: { type: "object", properties: { text: { type: "string" } } },
}

interface Failure {
  readonly message?: unknown
  readonly type?: unknown
  readonly code?: unknown
}

/** As much of a response as is judged. */
interface Response {
  readonly object?: string
  readonly id?: string
  readonly status?: string
  readonly error?: Failure | null
  readonly incomplete_details?: { readonly reason?: string } | null
  readonly output?: ReadonlyArray<Item>
}

interface Item {
  readonly id?: string
  readonly type?: string
  readonly content?: ReadonlyArray<Part>
  readonly arguments?: string
}

interface Part {
  readonly text?: string
}

/** As much of an event. */
interface Event {
  readonly type?: string
  readonly sequence_number?: number
  readonly error?: Failure
  readonly response?: Response
  readonly output_index?: number
  readonly content_index?: number
  readonly item_id?: string
  readonly item?: Item
  readonly part?: Part
  readonly delta?: string
  readonly text?: string
  readonly arguments?: string
}

const isError = (error: Failure | null | undefined): boolean =>
  typeof error?.message === "string" && typeof error.type === "string" && typeof error.code === "string"

const reasons: Readonly<Record<string, string>> = { max_output_tokens: "length", content_filter: "content_filter" }

/** A complete response. A tool call has no finish reason of its own. */
const heard = ({ incomplete_details: details, output = [], status }: Response): Heard => ({
  text: output.flatMap(({ content }) => content?.map(({ text }) => text ?? "") ?? []).join(""),
  arguments: output.map((item) => item.arguments ?? "").join(""),
  finish:
    status === "completed"
      ? output.some(({ type }) => type === "function_call")
        ? "tool_calls"
        : "stop"
      : (reasons[details?.reason ?? ""] ?? status),
  failed: false,
})

const fromBody = (text: string): Heard | string => {
  const body = parsed<Response>(text)
  if (body === undefined) return "a body that is not JSON"
  if (body.error !== null) return "200 with an error inside"
  return body.object === "response" ? heard(body) : "a body that is no response"
}

const terminals: ReadonlySet<string | undefined> = new Set([
  "response.completed",
  "response.incomplete",
  "response.failed",
])

/**
 * Folds a stream's events as SDKs do, and holds them to each other: numbered from 0; a response of one id; items counted
 * from 0, each added and done once, and so are their parts; and one terminal event, which says all of it again, or of a
 * failure an `error` event, and then `response.failed`.
 */
const fromStream = (body: string): Heard | string => {
  const items: Array<Open> = []
  const ids = new Set<string>()
  let number = 0
  let text = ""
  let failed = false
  let terminal: Event | undefined
  for (const { data, name } of Sse.events(body)) {
    const event = parsed<Event>(data)
    if (event === undefined) return "an event that is not JSON"
    if (event.type !== name) return `an event named ${name} that is a ${event.type}`
    if (terminal !== undefined) return `${name} after its end`
    if (event.sequence_number !== number) return `event ${event.sequence_number} where ${number} comes`
    if ((name === "response.created") !== (number === 0)) return `${name} as event ${number}`
    if (failed && name !== "response.failed") return `${name} after its error`
    number++
    if (event.response?.id !== undefined) ids.add(event.response.id)
    if (name === "error") {
      if (!isError(event.error)) return "an error event without an error's shape"
      failed = true
    }
    if (name === "response.output_text.delta") text += event.delta ?? ""
    if (terminals.has(name)) terminal = event
    const against = grow(items, event)
    if (against !== undefined) return `${name}: ${against}`
  }
  const response = terminal?.response
  if (response === undefined) return "ends with no terminal event"
  if (ids.size > 1) return "more than one id"
  if (terminal?.type !== `response.${response.status}`) return `${terminal?.type} of one that is ${response.status}`
  if (failed !== (response.status === "failed")) return "an end that does not fit its error"
  if (failed) return { text, arguments: "", finish: undefined, failed }
  if (items.some(({ done }) => done === undefined)) return "an item that is never done"
  return sameJson(
    items.map(({ done }) => done),
    response.output,
  )
    ? heard(response)
    : "an end that says otherwise than what came before it"
}

const sameJson = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** An item so far: its parts that are done, the one that is being written, a call's arguments; and itself, once done. */
interface Open {
  readonly id: string | undefined
  readonly parts: Array<Part>
  part: string | undefined
  written: string
  done: Item | undefined
}

/** Takes an event into the item it is of, and says what is against it. */
const grow = (items: Array<Open>, event: Event): string | undefined => {
  const { output_index: index } = event
  if (index === undefined) return undefined
  if (event.type === "response.output_item.added") {
    if (index !== items.length) return `item ${index} where ${items.length} comes`
    items.push({ id: event.item?.id, parts: [], part: undefined, written: "", done: undefined })
    return undefined
  }
  const open = items[index]
  if (open === undefined || open.done !== undefined) return `of item ${index}, which is not open`
  if ((event.item_id ?? event.item?.id) !== open.id) return `of another item than ${index} is`
  if ("content_index" in event && event.content_index !== open.parts.length) return "of a part out of turn"
  switch (event.type) {
    case "response.content_part.added":
      if (open.part !== undefined) return "a part within a part"
      open.part = event.part?.text ?? ""
      return undefined
    case "response.output_text.delta":
      if (open.part === undefined) return "words of no part"
      open.part += event.delta ?? ""
      return undefined
    case "response.output_text.done":
      return event.text === open.part ? undefined : "other words than were said"
    case "response.content_part.done":
      if (event.part === undefined || event.part.text !== open.part) return "other words than were said"
      open.parts.push(event.part)
      open.part = undefined
      return undefined
    case "response.function_call_arguments.delta":
      open.written += event.delta ?? ""
      return undefined
    case "response.function_call_arguments.done":
      return event.arguments === open.written ? undefined : "other arguments than were said"
    case "response.output_item.done":
      open.done = event.item
      return open.part === undefined &&
        sameJson(event.item?.content ?? [], open.parts) &&
        (event.item?.arguments ?? "") === open.written
        ? undefined
        : "otherwise than it was said"
    default:
      return "an event of an unknown kind"
  }
}

export const responses: Dialect = {
  title: "Responses",
  path: () => "/v1/responses",
  request: ({ route, stream, text, tool: wanted }) => ({
    model: route,
    input: text,
    store: false,
    ...(stream ? { stream } : undefined),
    ...(wanted === true ? { tools: [tool], tool_choice: "required" } : undefined),
  }),
  isError: (body) => isError(parsed<{ readonly error?: Failure }>(body)?.error),
  body: fromBody,
  stream: fromStream,
}
