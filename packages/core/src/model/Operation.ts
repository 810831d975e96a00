/**
 * Operations besides chat, embeddings and token counts, such as moderations, images and audio: a request with the body that the
 * client sent, and a response as the provider sends it. The engine reads neither, but what it needs for limits and budgets.
 *
 * A request is answered by frames of bytes: by one that is all of a complete response, or by those of a stream. Its body can be
 * sent again, for retries and fallbacks.
 */
import type * as Arr from "effect/Array"
import * as Predicate from "effect/Predicate"
import type * as Pull from "effect/Pull"
import type * as Chat from "./Chat.ts"
import { charactersPerToken } from "./Usage.ts"

/** The names of the operations. */
export const names = [
  "completions",
  "moderations",
  "images.generations",
  "images.edits",
  "images.variations",
  "audio.speech",
  "audio.transcriptions",
  "audio.translations",
  "rerank",
  "files",
  "batches",
  "realtime",
] as const

export type Name = (typeof names)[number]

const known: ReadonlySet<string> = new Set(names)

/** Whether it is the name of such an operation. */
export const isName = (name: string): name is Name => known.has(name)

// ---------------------------------------------------------------------------------------------------------------------
// Requests
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A file of a multipart body. `open` reads it from its beginning, as often as the request is sent. `size` is in bytes. `forModel`: the
 * file as it is sent for a model, if it names one in its content, as batches do.
 */
export interface File {
  readonly name: string
  readonly filename: string | undefined
  readonly mediaType: string
  readonly size: number
  readonly open: () => AsyncIterable<Uint8Array>
  readonly forModel?: ((model: string) => Pick<File, "size" | "open">) | undefined
}

/** A field of a multipart body. */
export interface Field {
  readonly name: string
  readonly value: string
}

export type Part = Field | File

/** A message of a session: a text, or bytes. */
export type Message = string | Uint8Array

/**
 * The body of a request. `fields` and `parts` are those of the client, its `model` included. A `session` lasts as long as both ends
 * keep it: `messages` are the client's, as they come. They are read once, by the provider that has begun the session.
 */
export type Body =
  | { readonly type: "json"; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly type: "multipart"; readonly parts: ReadonlyArray<Part> }
  | { readonly type: "none" }
  | { readonly type: "session"; readonly messages: Pull.Pull<Arr.NonEmptyReadonlyArray<Message>> }

/** A deployment, and one of its accounts if it has several: see `ProviderService.account`. */
export interface Holder {
  readonly deployment: string
  readonly account?: string | undefined
}

export interface Request {
  readonly operation: Name
  /** The name of a route or a deployment; in a request to a provider, the vendor's model id. */
  readonly model: string
  readonly body: Body
  /** The HTTP method. Default: `POST`. */
  readonly method?: "GET" | "POST" | "DELETE" | undefined
  /** What follows the path of the operation: `["file-123", "content"]`. */
  readonly path?: ReadonlyArray<string> | undefined
  readonly query?: Readonly<Record<string, string>> | undefined
  /** Where that is held which the request is about: no other deployment is tried. */
  readonly holder?: Holder | undefined
  /** Whether the bytes of the response are to arrive as the provider sends them. Otherwise they are one frame. Default: false. */
  readonly streaming?: boolean | undefined
  /** Labels of this call, for the conditions of routes. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
  readonly user?: string | undefined
  /** Headers and query of the client that are sent with it. */
  readonly native?: Chat.Native | undefined
  readonly unsupportedParams?: Chat.UnsupportedParams | undefined
  /** The deployment's own fields of the body: see `Params`. */
  readonly overrides?: Pick<Chat.Overrides, "extraBody"> | undefined
}

/** A field of the body: a value of its JSON, or the text of a part. */
export const field = ({ body }: Pick<Request, "body">, name: string): unknown => {
  if (body.type === "json") return body.fields[name]
  const part = partsOf(body).find((part) => part.name === name)
  return part !== undefined && "value" in part ? part.value : undefined
}

/** The fields of the body but its model and its files. Those of a multipart body are texts. */
export const fieldsOf = ({ body }: Pick<Request, "body">): Readonly<Record<string, unknown>> => {
  const fields =
    body.type === "json"
      ? Object.entries(body.fields)
      : partsOf(body).flatMap((part) => ("value" in part ? [[part.name, part.value] as const] : []))
  return Object.fromEntries(fields.filter(([name]) => name !== "model"))
}

/** The request with other values of fields that it has. */
export const withFields = (request: Request, fields: Readonly<Record<string, unknown>>): Request => {
  const { body } = request
  if (body.type === "json") {
    const known = Object.entries(fields).filter(([name]) => name in body.fields)
    return { ...request, body: { ...body, fields: { ...body.fields, ...Object.fromEntries(known) } } }
  }
  if (body.type !== "multipart") return request
  const parts = body.parts.map((part) => {
    const value = "value" in part ? fields[part.name] : undefined
    return value === undefined ? part : { name: part.name, value: String(value) }
  })
  return { ...request, body: { ...body, parts } }
}

/** The files of the body. */
export const filesOf = ({ body }: Pick<Request, "body">): ReadonlyArray<File> =>
  partsOf(body).filter((part) => "open" in part)

const partsOf = (body: Body): ReadonlyArray<Part> => (body.type === "multipart" ? body.parts : [])

// ---------------------------------------------------------------------------------------------------------------------
// Responses
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A part of a response. `data` is sent to the client unchanged. The last frame proves that the response is complete; it has the
 * usage, if the provider reports it.
 *
 * A frame of a session is a message of the provider; its `usage` is that of one response. The last one has no message: it tells how
 * the session ended.
 */
export interface Frame {
  /** In the first frame: the `content-type`. */
  readonly contentType?: string | undefined
  readonly data: string | Uint8Array
  readonly usage?: Chat.Usage | undefined
  readonly isLast?: boolean | undefined
  /** In the last frame of a session: how the provider closed it, or the budget that does not cover another response. */
  readonly end?: SessionEnd | undefined
}

/** How a session ended. `code` is that of a WebSocket's close frame. */
export type SessionEnd =
  | { readonly type: "closed"; readonly code: number; readonly reason: string }
  | { readonly type: "over-budget"; readonly budget: string }

// ---------------------------------------------------------------------------------------------------------------------
// What the engine needs to know
// ---------------------------------------------------------------------------------------------------------------------

const hedged: ReadonlySet<string> = new Set<Name>(["completions", "moderations", "rerank"])

/** Whether a hedge may send it to two providers at once. Images and audio cost too much for that: they fall back instead. */
export const mayHedge = (operation: string): boolean => !known.has(operation) || hedged.has(operation)

/** Roughly what vendors charge for an image of ordinary size. */
const tokensPerImage = 1000

/** The most output tokens of one image, where the model's own limit is not known. */
const outputPerImage = 8192

/** The most output tokens of a response of a session, where the model's own limit is not known. OpenAI's. */
const outputPerRealtimeResponse = 4096

/** The most output tokens of a transcription, where the model's own limit is not known. */
const outputPerTranscription = 4096

/** Audio tokens of a second of speech, or of a text of a few characters: an upper bound. */
const outputPerCharacter = 2

/** The lowest bitrate at which speech is common, in bytes a second: a file is never longer than its size by that. */
const bytesPerSecond = 1000

const prompts = ["prompt", "input", "query", "documents", "instructions"]

/** The input tokens of a request, estimated by the length of its prompts. Audio is not counted. */
export const inputTokens = (request: Request): number => {
  let characters = 0
  for (const name of prompts) characters += lengthOf(field(request, name))
  return Math.ceil(characters / charactersPerToken)
}

/** In characters. A number is a token; an image counts as many tokens as one of ordinary size. */
const lengthOf = (value: unknown): number => {
  if (Predicate.isString(value)) return value.startsWith("data:") ? tokensPerImage * charactersPerToken : value.length
  if (Predicate.isNumber(value)) return charactersPerToken
  if (Array.isArray(value)) return value.reduce<number>((sum, each) => sum + lengthOf(each), 0)
  return Predicate.isObject(value) ? Object.values(value).reduce<number>((sum, each) => sum + lengthOf(each), 0) : 0
}

const numberOf = (value: unknown, fallback: number): number => {
  const number = Number(value ?? fallback)
  return Number.isFinite(number) && number >= 0 ? number : fallback
}

/** Whether what it costs is known only long after it was answered: budgets cannot cover it. */
export const isOpenEnded = ({ body, operation }: Request): boolean => operation === "batches" && body.type === "json"

/** The completions that a request asks for: of each of its prompts, `n`, or the best of more. */
const completionsOf = (request: Request): number => {
  const prompt = field(request, "prompt")
  const count = Array.isArray(prompt) && !Predicate.isNumber(prompt[0]) ? prompt.length : 1
  return count * Math.max(numberOf(field(request, "n"), 1), numberOf(field(request, "best_of"), 1), 1)
}

/** The output tokens that a client asks for; 0 if it sets no maximum. OpenAI's default for completions is 16. */
export const requestedTokens = (request: Request): number =>
  request.operation === "completions" ? numberOf(field(request, "max_tokens"), 16) * completionsOf(request) : 0

/** The most output tokens of a response, with the model's own limit if it is known: of a session, those of one response in it. */
export const maxOutputTokens = (request: Request, maxOutput: number | undefined): number => {
  switch (request.operation) {
    case "completions":
      return requestedTokens(request)
    case "images.generations":
    case "images.edits":
    case "images.variations":
      return imagesOf(request) * (maxOutput ?? outputPerImage)
    case "audio.speech":
      return Math.min(outputPerCharacter * lengthOf(field(request, "input")), maxOutput ?? Infinity)
    case "audio.transcriptions":
    case "audio.translations":
      return maxOutput ?? outputPerTranscription
    case "realtime":
      return maxOutput ?? outputPerRealtimeResponse
    case "moderations":
    case "rerank":
    case "files":
    case "batches":
      return 0
  }
}

const imagesOf = (request: Request): number => Math.max(1, numberOf(field(request, "n"), 1))

/** What a request is charged for besides tokens, where that is known before it is answered; seconds are an upper bound. */
export const maxUnits = (request: Request): Chat.Units | undefined => {
  switch (request.operation) {
    case "images.generations":
    case "images.edits":
    case "images.variations":
      return { images: imagesOf(request) }
    case "audio.speech":
      return { characters: lengthOf(field(request, "input")) }
    case "audio.transcriptions":
    case "audio.translations":
      return { seconds: Math.ceil(bytesOf(request) / bytesPerSecond) }
    default:
      return undefined
  }
}

const bytesOf = (request: Request): number => filesOf(request).reduce((sum, { size }) => sum + size, 0)
