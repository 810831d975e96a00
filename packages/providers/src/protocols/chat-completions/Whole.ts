/**
 * The body of a plain answer, out of the events of a streamed one: for servers that are asked by stream in any case, since
 * only then do they notice that nobody waits any more.
 */
import * as Predicate from "effect/Predicate"
import type { Fields } from "../Json.ts"
import * as Json from "../Json.ts"
import * as JsonText from "../JsonText.ts"

/** A value under way: objects and arrays of it are its own, and grow. */
type Growing = Record<string, unknown>

/**
 * The JSON of the answer that the events come to, of their data alone. An error among them is the whole answer, as it is in
 * a plain one. Nothing where the stream broke off before its end.
 */
export const whole = (events: ReadonlyArray<string>): string | undefined => {
  const body: Growing = {}
  const choices = new Map<number, Growing>()
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

/** What is no JSON is skipped, as in any stream. */
const parse = (data: string): unknown => {
  const value = Json.parse(data)
  return Predicate.isObject(value) ? JsonText.parse(data) : undefined
}

const add = (choices: Map<number, Growing>, { delta, index, ...rest }: Fields): void => {
  const at = Predicate.isNumber(index) ? index : 0
  let choice = choices.get(at)
  if (choice === undefined) {
    choice = { index: at, message: { role: "assistant", content: null }, logprobs: null, finish_reason: null }
    choices.set(at, choice)
  }
  for (const [key, value] of Object.entries(rest)) {
    if (value === null) continue
    choice[key] = key === "logprobs" ? joined(choice[key], value) : value
  }
  const message = choice["message"] as Growing
  for (const [key, value] of Object.entries(Json.fields(delta))) {
    if (value === null || key === "role") continue
    if (key === "tool_calls") message[key] = called(message[key], Json.list(value))
    else message[key] = joined(message[key], value)
  }
}

/** Texts and lists go on, objects member by member; anything else is what was said last. */
const joined = (before: unknown, value: unknown): unknown => {
  if (Predicate.isString(value)) return Predicate.isString(before) ? before + value : value
  if (Array.isArray(value)) return Array.isArray(before) ? [...before, ...value] : value
  if (!isPlain(value) || !isPlain(before)) return value
  const object: Growing = { ...before }
  for (const [key, each] of Object.entries(value)) if (each !== null) object[key] = joined(object[key], each)
  return object
}

const isPlain = (value: unknown): value is Growing =>
  Predicate.isObject(value) && Object.getPrototypeOf(value) === Object.prototype

/** A call of its own begins at an index that is new, or with another id than the one there. */
const called = (before: unknown, deltas: ReadonlyArray<unknown>): ReadonlyArray<unknown> => {
  const calls: Array<Growing> = Array.isArray(before) ? before : []
  for (const each of deltas) {
    const { index, ...delta } = Json.fields(each)
    const open = calls.findLast((call) => places.get(call) === (index ?? calls.length - 1))
    const other = isSaid(delta["id"]) && isSaid(open?.["id"]) && delta["id"] !== open["id"]
    if (open === undefined || other) {
      const call: Growing = { type: "function", ...delta }
      places.set(call, index ?? calls.length)
      calls.push(call)
      continue
    }
    const { function: more, ...rest } = delta
    for (const [key, value] of Object.entries(rest)) if (value !== null && value !== "") open[key] = value
    const one = Json.fields(open["function"])
    const { arguments: text, name } = Json.fields(more)
    open["function"] = {
      ...one,
      ...(isSaid(name) && !isSaid(one["name"]) ? { name } : undefined),
      ...(text === undefined || text === null ? undefined : { arguments: joined(one["arguments"], text) }),
    }
  }
  return calls
}

const isSaid = (value: unknown): value is string => Predicate.isString(value) && value !== ""

/** The index that each call's deltas came under, which a whole answer does not say. */
const places = new WeakMap<Growing, unknown>()
