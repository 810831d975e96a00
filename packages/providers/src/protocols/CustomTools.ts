/**
 * Custom tools (tools that take text in place of JSON) for a vendor without them. The request has a function with one
 * text argument, `input`; the response has the custom tool's text again.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import * as Json from "./Json.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Request
// ---------------------------------------------------------------------------------------------------------------------

/** The tool as a function. A function is returned unchanged. */
export const lower = (tool: Chat.Tool): Chat.Tool => {
  const { custom, ...rest } = tool
  if (custom === undefined) return tool
  const grammar = custom.format === undefined ? undefined : JSON.stringify(custom.format)
  const description = grammar === undefined ? "The whole text." : `The whole text, in this format: ${grammar}`
  return {
    ...rest,
    parameters: {
      type: "object",
      properties: { input: { type: "string", description } },
      required: ["input"],
      additionalProperties: false,
    },
  }
}

/** A call's arguments as a function's JSON. */
export const argumentsOf = (call: Chat.ToolCall): string =>
  call.custom === true ? JSON.stringify({ input: call.arguments }) : call.arguments

// ---------------------------------------------------------------------------------------------------------------------
// Response
// ---------------------------------------------------------------------------------------------------------------------

/** The response, calls of custom tools with their text. */
export const restore = (request: Chat.Request, response: Chat.Response): Chat.Response => {
  const names = customNames(request)
  return names.size === 0
    ? response
    : {
        ...restoreChoice(response, names),
        ...(response.alternatives === undefined
          ? undefined
          : { alternatives: response.alternatives.map((choice) => restoreChoice(choice, names)) }),
      }
}

/** The frames of a streamed response, calls of custom tools with their text. */
export const restoring = <E, R>(
  request: Chat.Request,
  frames: Stream.Stream<Chat.Frame, E, R>,
): Stream.Stream<Chat.Frame, E, R> => {
  const names = customNames(request)
  if (names.size === 0) return frames
  return Stream.suspend(() => {
    const calls: Calls = new Map()
    return Stream.map(frames, (frame) => ({
      ...frame,
      parts: frame.parts.flatMap((part) => restorePart(part, names, calls)),
    }))
  })
}

const customNames = ({ tools }: Chat.Request): ReadonlySet<string> => {
  if (tools === undefined) return none
  const names = new Set<string>()
  for (const tool of tools) if (tool.custom !== undefined) names.add(tool.name)
  return names
}

const none: ReadonlySet<string> = new Set()

const restoreChoice = <Choice extends Chat.Choice>(choice: Choice, names: ReadonlySet<string>): Choice => ({
  ...choice,
  content: choice.content.map((part) =>
    part.type === "tool-call" && part.custom === undefined && names.has(part.name)
      ? { ...part, custom: true as const, arguments: read(part.arguments) }
      : part,
  ),
})

/** The text in `input`. If a model wrote something else, that is the text. */
const read = (json: string): string => {
  const input = Json.parseObject(json)?.["input"]
  return Predicate.isString(input) ? input : json
}

// ---------------------------------------------------------------------------------------------------------------------
// Stream
// ---------------------------------------------------------------------------------------------------------------------

/** The calls of custom tools in a stream, by choice and index. */
type Calls = Map<string, Reader>

const restorePart = (part: Chat.Part, names: ReadonlySet<string>, calls: Calls): ReadonlyArray<Chat.Part> => {
  switch (part.type) {
    case "tool-call":
      if (part.custom === true || !names.has(part.name)) return [part]
      calls.set(slot(part), reader())
      return [{ ...part, custom: true }]
    case "tool-call-delta": {
      const call = calls.get(slot(part))
      if (call === undefined) return [part]
      const text = call.push(part.arguments)
      return text === "" ? [] : [{ ...part, arguments: text }]
    }
    case "finish": {
      const choice = part.choice ?? 0
      const rest: Array<Chat.Part> = []
      for (const [key, call] of calls) {
        const [of, index] = key.split(":")
        const text = Number(of) === choice ? call.end() : ""
        if (text !== "") {
          const more = { type: "tool-call-delta" as const, index: Number(index), arguments: text }
          rest.push(part.choice === undefined ? more : { ...more, choice })
        }
      }
      return [...rest, part]
    }
    default:
      return [part]
  }
}

const slot = ({ choice = 0, index }: { readonly choice?: number | undefined; readonly index: number }): string =>
  `${choice}:${index}`

/** Reads the text of `input` incrementally. */
interface Reader {
  readonly push: (json: string) => string
  /** The text of a call that does not have the expected JSON. */
  readonly end: () => string
}

const opening = /^\s*\{\s*"input"\s*:\s*"/

const reader = (): Reader => {
  let state: "before" | "within" | "after" = "before"
  let held = ""
  return {
    push: (json) => {
      if (state === "after") return ""
      held += json
      if (state === "before") {
        const begun = opening.exec(held)
        if (begun === null) return ""
        state = "within"
        held = held.slice(begun[0].length)
      }
      const { closed, length } = readable(held)
      const text = unescape(held.slice(0, length))
      held = held.slice(length)
      if (closed) state = "after"
      return text
    },
    end: () => {
      if (state !== "before") return ""
      state = "after"
      return read(held)
    },
  }
}

/** How much of a JSON string's content can be decoded: neither an escape nor a surrogate pair is split. */
const readable = (text: string): { readonly closed: boolean; readonly length: number } => {
  let at = 0
  while (at < text.length) {
    const char = text[at]
    if (char === '"') return { closed: true, length: at }
    if (char !== "\\") {
      at++
      continue
    }
    const length = text[at + 1] === "u" ? (beginsPair(text, at) ? 12 : 6) : 2
    if (at + length > text.length) break
    at += length
  }
  return { closed: false, length: at }
}

const beginsPair = (text: string, at: number): boolean =>
  /^\\u[dD][89abAB]/.test(text.slice(at, at + 4)) && (at + 8 > text.length || text.startsWith("\\u", at + 6))

const unescape = (inside: string): string => {
  if (!inside.includes("\\")) return inside
  const text = Json.parse(`"${inside.replaceAll(/[\n\r\t]/g, (char) => JSON.stringify(char).slice(1, -1))}"`)
  return Predicate.isString(text) ? text : inside
}
