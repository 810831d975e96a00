/**
 * The shared parts of the fault server's vendors: the parsed request, the reply, and the stages of a response at which it
 * can break. Each vendor implements `Wire`.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Behavior from "./Behavior.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Reading unknown JSON
// ---------------------------------------------------------------------------------------------------------------------

export type Fields = Readonly<Record<string, unknown>>

export const fields = (value: unknown): Fields => (Predicate.isObject(value) ? (value as Fields) : {})
export const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])
export const stringOf = (value: unknown): string => (Predicate.isString(value) ? value : "")

/** The parsed JSON; `undefined` if it is invalid. */
export const json = (text: string): unknown =>
  Result.getOrElse(
    Result.try((): unknown => JSON.parse(text)),
    () => undefined,
  )

/** The text of a content: a string, or the joined `text` of its parts. */
export const textOf = (content: unknown): string =>
  Predicate.isString(content)
    ? content
    : list(content)
        .map((part) => stringOf(fields(part)["text"]))
        .join("")

// ---------------------------------------------------------------------------------------------------------------------
// Request
// ---------------------------------------------------------------------------------------------------------------------

export interface Tool {
  readonly name: string
  readonly schema: Fields
}

/** The fields of a request that its response depends on. */
export interface WireRequest {
  readonly model: string
  readonly stream: boolean
  readonly body: Fields
  readonly tools: ReadonlyArray<Tool>
  readonly choice: "auto" | "none" | "required" | { readonly name: string }
  /** The JSON Schema of the response; empty for plain text. */
  readonly schema: Fields
  readonly last: { readonly role: "user" | "tool" | "other"; readonly text: string }
  /** The number of choices. */
  readonly n: number
  /** The texts of an embeddings request. */
  readonly embeds?: ReadonlyArray<string> | undefined
  /** The operation, of a request that is neither for chat nor for embeddings. */
  readonly operation?: string | undefined
  /** Whether the request only counts tokens. */
  readonly counts?: boolean | undefined
}

/** The context of a request: its number, the time in milliseconds, the credential. */
export interface Exchange {
  readonly serial: number
  readonly now: number
  readonly key: string
}

// ---------------------------------------------------------------------------------------------------------------------
// Reply
// ---------------------------------------------------------------------------------------------------------------------

/** A reply in pieces. A stream sends each as one event. */
export type Reply =
  | { readonly _tag: "Text"; readonly pieces: ReadonlyArray<string>; readonly finish: Behavior.Finish }
  | { readonly _tag: "Call"; readonly name: string; readonly pieces: ReadonlyArray<string> }

/** The default text of a model. */
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

/** Whether a text contains a word of a tool's name: "What is the weather?" matches `get_weather`. */
const mentions = (text: string, tool: Tool): boolean => {
  const lower = text.toLowerCase()
  return (
    /\btools?\b/.test(lower) ||
    tool.name.split(/[^a-zA-Z]+/).some((word) => word.length > 3 && lower.includes(word.toLowerCase()))
  )
}

const wanted = ({ choice, tools, last }: WireRequest): Tool | undefined => {
  if (choice === "none" || last.role !== "user") return undefined
  if (choice === "required") return tools[0]
  if (choice === "auto") return tools.find((tool) => mentions(last.text, tool))
  return tools.find((tool) => tool.name === choice.name)
}

const unscripted = ({ last, model, schema }: WireRequest): string => {
  if (Object.keys(schema).length > 0) return JSON.stringify(sample(schema))
  return last.role === "tool" ? `${model} has heard from the tool: ${last.text}` : line(model)
}

/** The reply to a request: as scripted, else a tool call if the user mentions a tool, else text, or JSON by a schema. */
export const reply = (request: WireRequest, scripted: Behavior.GeneratedAnswer): Reply => {
  const named =
    scripted.tool === undefined ? request.tools[0] : request.tools.find(({ name }) => name === scripted.tool)
  const forced = scripted.arguments === undefined ? undefined : named
  const tool = scripted.text === undefined ? (forced ?? wanted(request)) : undefined
  if (tool !== undefined) {
    const text = scripted.arguments ?? JSON.stringify(sample({ type: "object", ...tool.schema }))
    return { _tag: "Call", name: tool.name, pieces: inSixes(text) }
  }
  return { _tag: "Text", pieces: inWords(scripted.text ?? unscripted(request)), finish: scripted.finish ?? "stop" }
}

/** Made-up usage: an input token for four characters of the request, an output token for each piece. */
export const usage = (request: WireRequest, reply: Reply): { readonly input: number; readonly output: number } => ({
  input: Math.ceil(JSON.stringify(request.body).length / 4),
  output: reply.pieces.length,
})

/** A deterministic made-up vector of a text. Each number is a 32-bit float, so that all encodings are equal. */
export const vector = (text: string, dimensions: number): ReadonlyArray<number> => {
  let state = 17
  for (let at = 0; at < text.length; at++) state = (Math.imul(state, 31) + text.charCodeAt(at)) | 0
  return Array.from({ length: dimensions }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0
    return Math.fround(state / 2 ** 31)
  })
}

/** A token for four characters. */
export const tokensOf = (texts: ReadonlyArray<string>): number =>
  texts.reduce((tokens, text) => tokens + Math.ceil(text.length / 4), 0)

/** The unknown fields of a request, as the field `echo`; no field if there are none. */
export const echo = (body: Fields, known: ReadonlySet<string>): Fields => {
  const unknown = Object.entries(body).filter(([name]) => !known.has(name))
  return unknown.length === 0 ? {} : { echo: Object.fromEntries(unknown) }
}

// ---------------------------------------------------------------------------------------------------------------------
// Wire
// ---------------------------------------------------------------------------------------------------------------------

export type Bytes = string | Uint8Array
export type Headers = Readonly<Record<string, string>>

/** A stream's events, by stage. Each event of `output` has one piece of the reply. */
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

/** An API of a vendor (OpenAI has two): it reads requests, and writes responses, streams and errors. */
export interface Wire {
  readonly vendor: "openai" | "responses" | "anthropic" | "bedrock" | "gemini" | "vertex"
  /** The request at this path (without query); `undefined` if the path is not this vendor's. */
  readonly read: (path: string, body: Fields) => WireRequest | undefined
  /** Headers of every response. */
  readonly headers: (exchange: Exchange, request: WireRequest) => Headers
  readonly streamType: string
  /** The type of a stream where it depends on the request. */
  readonly streamTypeOf?: (request: WireRequest) => string
  readonly plain: (request: WireRequest, exchange: Exchange, reply: Reply) => unknown
  readonly stream: (request: WireRequest, exchange: Exchange, reply: Reply) => Events
  /** `reset`: milliseconds until a limit resets, for vendors that send it in the body. */
  readonly error: (request: WireRequest, exchange: Exchange, fault: Behavior.Fault, reset?: number) => ErrorAnswer
  /** The vendor's headers for the time until a limit resets, in milliseconds. */
  readonly resetHeaders: (exchange: Exchange, millis: number) => Headers
  readonly errorEvent: (request: WireRequest, exchange: Exchange, fault: Behavior.Fault) => Bytes
  readonly malformedEvent: Bytes
  /** The vendor's keep-alive event, if it has one. */
  readonly ping: Bytes | undefined
}
