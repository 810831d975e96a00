/**
 * Builds the body of a complete response from the events of a stream, for servers that only notice a client's
 * disconnect while they stream.
 */
import * as Predicate from "effect/Predicate"
import type { Fields } from "../Json.ts"
import * as Json from "../Json.ts"
import * as JsonText from "../JsonText.ts"

/** An object being assembled; its objects and arrays are mutable. */
type Mutable = Record<string, unknown>

/**
 * The JSON of the complete response, from the data of the events. An error event is the response itself. `undefined` if
 * the stream ended early.
 */
export const toComplete = (events: ReadonlyArray<string>): string | undefined => {
  const body: Mutable = {}
  const choices = new Map<number, Mutable>()
  let ended = false
  for (const data of events) {
    if (data.trim() === "[DONE]") {
      ended = true
      continue
    }
    const chunk = Json.fields(parse(data))
    if (chunk["error"] !== undefined && chunk["error"] !== null) return data
    for (const [key, value] of Object.entries(chunk)) {
      if (key !== "choices" && value !== null) body[key] = value
    }
    for (const choice of Json.list(chunk["choices"])) add(choices, Json.fields(choice))
  }
  const all = [...choices].toSorted(([a], [b]) => a - b).map(([, choice]) => choice)
  const finished = all.length > 0 && all.every(({ finish_reason: reason }) => reason !== undefined && reason !== null)
  if (!finished && !(ended && all.length > 0)) return undefined
  return JSON.stringify({ ...body, object: "chat.completion", choices: all })
}

/** Invalid JSON is skipped, as in any stream. */
const parse = (data: string): unknown => {
  const value = Json.parse(data)
  return Predicate.isObject(value) ? JsonText.parse(data) : undefined
}

const add = (choices: Map<number, Mutable>, { delta, index, ...rest }: Fields): void => {
  const at = Predicate.isNumber(index) ? index : 0
  let choice = choices.get(at)
  if (choice === undefined) {
    choice = { index: at, message: { role: "assistant", content: null }, logprobs: null, finish_reason: null }
    choices.set(at, choice)
  }
  for (const [key, value] of Object.entries(rest)) {
    if (value === null) continue
    choice[key] = key === "logprobs" ? merged(choice[key], value) : value
  }
  const message = choice["message"] as Mutable
  for (const [key, value] of Object.entries(Json.fields(delta))) {
    if (value === null || key === "role") continue
    if (key === "tool_calls") message[key] = withCallDeltas(message[key], Json.list(value))
    else message[key] = merged(message[key], value)
  }
}

/** Strings and lists are concatenated, objects merged; any other value is replaced. */
const merged = (before: unknown, value: unknown): unknown => {
  if (Predicate.isString(value)) return Predicate.isString(before) ? before + value : value
  if (Array.isArray(value)) return Array.isArray(before) ? [...before, ...value] : value
  if (!isPlain(value) || !isPlain(before)) return value
  const object: Mutable = { ...before }
  for (const [key, each] of Object.entries(value)) if (each !== null) object[key] = merged(object[key], each)
  return object
}

const isPlain = (value: unknown): value is Mutable =>
  Predicate.isObject(value) && Object.getPrototypeOf(value) === Object.prototype

/** A call begins at a new index, or with another id than the call at its index. */
const withCallDeltas = (before: unknown, deltas: ReadonlyArray<unknown>): ReadonlyArray<unknown> => {
  const calls: Array<Mutable> = Array.isArray(before) ? before : []
  for (const each of deltas) {
    const { index, ...delta } = Json.fields(each)
    const open = calls.findLast((call) => streamIndex.get(call) === (index ?? calls.length - 1))
    const other =
      Json.isNonEmptyString(delta["id"]) && Json.isNonEmptyString(open?.["id"]) && delta["id"] !== open["id"]
    if (open === undefined || other) {
      const call: Mutable = { type: "function", ...delta }
      streamIndex.set(call, index ?? calls.length)
      calls.push(call)
      continue
    }
    const { function: more, ...rest } = delta
    for (const [key, value] of Object.entries(rest)) if (value !== null && value !== "") open[key] = value
    const one = Json.fields(open["function"])
    const { arguments: text, name } = Json.fields(more)
    open["function"] = {
      ...one,
      ...(Json.isNonEmptyString(name) && !Json.isNonEmptyString(one["name"]) ? { name } : undefined),
      ...(text === undefined || text === null ? undefined : { arguments: merged(one["arguments"], text) }),
    }
  }
  return calls
}

/** The stream index of each call, which a complete response does not have. */
const streamIndex = new WeakMap<Mutable, unknown>()
