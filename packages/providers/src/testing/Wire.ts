/**
 * What the stand-ins of all vendors have in common: what a request asks, what is said to it, and the stages of an answer
 * at which it can break. A vendor is a `Wire`; this file knows none.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Behavior from "./Behavior.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Reading what may be anything
// ---------------------------------------------------------------------------------------------------------------------

export type Fields = Readonly<Record<string, unknown>>

export const fields = (value: unknown): Fields => (Predicate.isObject(value) ? (value as Fields) : {})
export const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])
export const words = (value: unknown): string => (Predicate.isString(value) ? value : "")

/** Parsed, or `undefined` where that is not JSON. */
export const json = (text: string): unknown =>
  Result.getOrElse(
    Result.try((): unknown => JSON.parse(text)),
    () => undefined,
  )

/** The text of a content: a string, or parts of which those with a `text` are joined. */
export const textOf = (content: unknown): string =>
  Predicate.isString(content)
    ? content
    : list(content)
        .map((part) => words(fields(part)["text"]))
        .join("")

// ---------------------------------------------------------------------------------------------------------------------
// What is asked
// ---------------------------------------------------------------------------------------------------------------------

export interface Tool {
  readonly name: string
  readonly schema: Fields
}

/** A request, as far as an answer to it depends on it. */
export interface Asked {
  readonly model: string
  readonly stream: boolean
  readonly body: Fields
  readonly tools: ReadonlyArray<Tool>
  readonly choice: "auto" | "none" | "required" | { readonly name: string }
  /** What the answer is to be, as a JSON Schema; empty where any text will do. */
  readonly schema: Fields
  readonly last: { readonly role: "user" | "tool" | "other"; readonly text: string }
  /** How many answers are wanted. */
  readonly n: number
  /** The texts to embed, where that is what is asked. */
  readonly embeds?: ReadonlyArray<string> | undefined
  /** Whether only the tokens are to be counted. */
  readonly counts?: boolean | undefined
}

/** What the server knows of an exchange beside the request: its number, the time in milliseconds, the credential sent. */
export interface Exchange {
  readonly serial: number
  readonly now: number
  readonly key: string
}

// ---------------------------------------------------------------------------------------------------------------------
// What is said
// ---------------------------------------------------------------------------------------------------------------------

/** An answer in pieces, each of which a stream sends as one event. Joined, they are the whole. */
export type Reply =
  | { readonly _tag: "Text"; readonly pieces: ReadonlyArray<string>; readonly finish: Behavior.Finish }
  | { readonly _tag: "Call"; readonly name: string; readonly pieces: ReadonlyArray<string> }

/** What a model of that name says when nothing else is scripted. */
export const line = (model: string): string =>
  `The lead is not well tonight, so ${model} goes on instead: every line is known, every mark is hit, and the curtain falls on time.`

const inWords = (text: string): ReadonlyArray<string> => text.match(/\s*\S+\s*$|\s*\S+/g) ?? (text === "" ? [] : [text])
const inSixes = (text: string): ReadonlyArray<string> => text.match(/[^]{1,6}/g) ?? [text]

/** A value of a JSON Schema, the same for the same schema. */
const sample = (schema: Fields): unknown => {
  const choices = list(schema["enum"])
  if (choices.length > 0) return choices[0]
  switch (schema["type"]) {
    case "object":
      return Object.fromEntries(
        Object.entries(fields(schema["properties"])).map(([name, property]) => [name, sample(fields(property))]),
      )
    case "array":
      return [sample(fields(schema["items"]))]
    case "number":
    case "integer":
      return 1
    case "boolean":
      return true
    case "null":
      return null
    default:
      return "Paris"
  }
}

/** Whether a text speaks of a tool: by a word of its name, so that "What is the weather?" asks for `get_weather`. */
const speaksOf = (text: string, tool: Tool): boolean => {
  const heard = text.toLowerCase()
  return (
    /\btools?\b/.test(heard) ||
    tool.name.split(/[^a-zA-Z]+/).some((word) => word.length > 3 && heard.includes(word.toLowerCase()))
  )
}

const wanted = ({ choice, tools, last }: Asked): Tool | undefined => {
  if (choice === "none" || last.role !== "user") return undefined
  if (choice === "required") return tools[0]
  if (choice === "auto") return tools.find((tool) => speaksOf(last.text, tool))
  return tools.find((tool) => tool.name === choice.name)
}

const unscripted = ({ last, model, schema }: Asked): string => {
  if (Object.keys(schema).length > 0) return JSON.stringify(sample(schema))
  return last.role === "tool" ? `${model} has heard from the tool: ${last.text}` : line(model)
}

/** The answer to a request: as its speech says, else a tool call if the user asks for one, else text, or JSON by a schema. */
export const reply = (asked: Asked, speech: Behavior.GeneratedAnswer): Reply => {
  const meant = speech.tool === undefined ? asked.tools[0] : asked.tools.find(({ name }) => name === speech.tool)
  const scripted = speech.arguments === undefined ? undefined : meant
  const tool = speech.text === undefined ? (scripted ?? wanted(asked)) : undefined
  if (tool !== undefined) {
    const text = speech.arguments ?? JSON.stringify(sample({ type: "object", ...tool.schema }))
    return { _tag: "Call", name: tool.name, pieces: inSixes(text) }
  }
  return { _tag: "Text", pieces: inWords(speech.text ?? unscripted(asked)), finish: speech.finish ?? "stop" }
}

/** Tokens read and written, made up but plausible: a quarter of the request's characters, one for each piece. */
export const usage = (asked: Asked, reply: Reply): { readonly input: number; readonly output: number } => ({
  input: Math.ceil(JSON.stringify(asked.body).length / 4),
  output: reply.pieces.length,
})

/**
 * A text as so many numbers, made up: the same for the same text, another for another, and each what a 32-bit float
 * holds, so that it is the same in every form.
 */
export const vector = (text: string, dimensions: number): ReadonlyArray<number> => {
  let state = 17
  for (let at = 0; at < text.length; at++) state = (Math.imul(state, 31) + text.charCodeAt(at)) | 0
  return Array.from({ length: dimensions }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0
    return Math.fround(state / 2 ** 31)
  })
}

/** A quarter of all characters. */
export const tokensOf = (texts: ReadonlyArray<string>): number =>
  texts.reduce((tokens, text) => tokens + Math.ceil(text.length / 4), 0)

/** What of a request its vendor does not know, as a field for the answer: none if there is nothing. */
export const echo = (body: Fields, known: ReadonlySet<string>): Fields => {
  const unknown = Object.entries(body).filter(([name]) => !known.has(name))
  return unknown.length === 0 ? {} : { echo: Object.fromEntries(unknown) }
}

// ---------------------------------------------------------------------------------------------------------------------
// How a vendor says it
// ---------------------------------------------------------------------------------------------------------------------

export type Bytes = string | Uint8Array
export type Headers = Readonly<Record<string, string>>

/** A stream's events, apart in the stages at which it can break. Each `output` is one piece of real output. */
export interface Events {
  readonly preamble: ReadonlyArray<Bytes>
  readonly output: ReadonlyArray<Bytes>
  readonly finish: ReadonlyArray<Bytes>
  readonly done: ReadonlyArray<Bytes>
}

export interface ErrorAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: unknown
}

/** One vendor's wire (OpenAI has two): how a request is read, and what answers, streams and errors look like. */
export interface Wire {
  readonly vendor: "openai" | "responses" | "anthropic" | "bedrock" | "gemini"
  /** The request at this path (without query); `undefined` if the path is not this vendor's. */
  readonly read: (path: string, body: Fields) => Asked | undefined
  /** Headers of every answer of the vendor's. */
  readonly headers: (exchange: Exchange, asked: Asked) => Headers
  readonly streamType: string
  readonly plain: (asked: Asked, exchange: Exchange, reply: Reply) => unknown
  readonly stream: (asked: Asked, exchange: Exchange, reply: Reply) => Events
  /** `reset` is for vendors that say in the body when their limit is free again: so many milliseconds from now. */
  readonly error: (asked: Asked, exchange: Exchange, fault: Behavior.Fault, reset?: number) => ErrorAnswer
  /** The vendor's own header for the same. */
  readonly resetHeaders: (exchange: Exchange, millis: number) => Headers
  readonly errorEvent: (asked: Asked, exchange: Exchange, fault: Behavior.Fault) => Bytes
  readonly malformedEvent: Bytes
  /** What keeps a silent stream's connection alive, where the vendor has such a thing. */
  readonly ping: Bytes | undefined
}
