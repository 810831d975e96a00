/**
 * What is asked and answered: one vendor-neutral model of a conversation, complete enough that a protocol's codec loses
 * nothing between a client and a provider.
 *
 * A `Request` goes in, a `Response` (or a stream of `Frame`s, each holding `Part`s) comes out. Everything here is plain
 * data with a schema of the same name; nothing here knows a vendor or a wire format.
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

// ---------------------------------------------------------------------------------------------------------------------
// Content
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A wish that the provider cache the prompt up to and including this part. Never invented by a codec, only carried.
 * `ttl` is a vendor's own word, such as `"5m"` or `"1h"`.
 */
export class CacheHint extends Schema.Opaque<CacheHint>()(Schema.Struct({ ttl: Schema.optional(Schema.String) })) {}

/** Where the bytes of an image, a file or a recording are: a URL, base64 data with its media type, or a vendor's file id. */
export const Source = Schema.Union([
  Schema.Struct({ type: Schema.Literal("url"), url: Schema.String }),
  Schema.Struct({ type: Schema.Literal("base64"), data: Schema.String, mediaType: Schema.String }),
  Schema.Struct({ type: Schema.Literal("id"), id: Schema.String }),
])
export type Source = typeof Source.Type

/**
 * A vendor's own fields, by protocol: what only that protocol can say, kept for when it is spoken again. Tools that the
 * vendor runs itself stand under `tools`.
 */
export const Vendor = Schema.Record(Schema.String, Schema.Record(Schema.String, Schema.Unknown))
export type Vendor = typeof Vendor.Type

/**
 * Proof that only its issuer can check, or words that only it can read. `issuer` is whose, whichever cloud served it:
 * `"anthropic"`, `"google"`, `"openai"`. To anybody else it is worth nothing, and is refused.
 */
export class EncryptedReasoning extends Schema.Opaque<EncryptedReasoning>()(
  Schema.Struct({ issuer: Schema.String, value: Schema.String }),
) {}

/** Where an answer's words come from. */
export class Citation extends Schema.Opaque<Citation>()(
  Schema.Struct({
    /** A page, or one of the request's documents, counted from 0. */
    source: Schema.Union([
      Schema.Struct({ type: Schema.Literal("url"), url: Schema.String, title: Schema.optional(Schema.String) }),
      Schema.Struct({ type: Schema.Literal("document"), index: Schema.Finite, title: Schema.optional(Schema.String) }),
    ]),
    /** The words cited. */
    quote: Schema.optional(Schema.String),
    /** Where in the source they stand: from 0, or from 1 for pages; `end` is the first that does not belong. */
    range: Schema.optional(
      Schema.Struct({
        unit: Schema.Literals(["character", "page", "block"]),
        start: Schema.Finite,
        end: Schema.Finite,
      }),
    ),
    /** Which characters of the text it supports; all of it if not said. */
    supports: Schema.optional(Schema.Struct({ start: Schema.Finite, end: Schema.Finite })),
    /** The citation as its protocol wrote it. */
    vendor: Schema.optional(Vendor),
  }),
) {}

export class Text extends Schema.Opaque<Text>()(
  Schema.Struct({
    type: Schema.Literal("text"),
    text: Schema.String,
    citations: Schema.optional(Schema.Array(Citation)),
    signature: Schema.optional(EncryptedReasoning),
    cache: Schema.optional(CacheHint),
  }),
) {}

export class Image extends Schema.Opaque<Image>()(
  Schema.Struct({
    type: Schema.Literal("image"),
    source: Source,
    detail: Schema.optional(Schema.Literals(["auto", "low", "high", "original"])),
    cache: Schema.optional(CacheHint),
  }),
) {}

/** A document, such as a PDF or a text file. */
export class File extends Schema.Opaque<File>()(
  Schema.Struct({
    type: Schema.Literal("file"),
    source: Source,
    name: Schema.optional(Schema.String),
    /** Words about the document for the model; whether it may be cited. */
    context: Schema.optional(Schema.String),
    citable: Schema.optional(Schema.Boolean),
    cache: Schema.optional(CacheHint),
  }),
) {}

export class Audio extends Schema.Opaque<Audio>()(
  Schema.Struct({
    type: Schema.Literal("audio"),
    source: Source,
    /** `"wav"`, `"mp3"` and the like. */
    format: Schema.optional(Schema.String),
  }),
) {}

/**
 * The model asks for a tool. `arguments` is JSON text, as the model wrote it: it may not parse. To a `customTool` tool it
 * is whatever text the tool takes.
 */
export class ToolCall extends Schema.Opaque<ToolCall>()(
  Schema.Struct({
    type: Schema.Literal("tool-call"),
    id: Schema.String,
    name: Schema.String,
    arguments: Schema.String,
    custom: Schema.optional(Schema.Literal(true)),
    signature: Schema.optional(EncryptedReasoning),
    cache: Schema.optional(CacheHint),
  }),
) {}

/** What a tool answered to the call of that `id`. */
export class ToolResult extends Schema.Opaque<ToolResult>()(
  Schema.Struct({
    type: Schema.Literal("tool-result"),
    id: Schema.String,
    content: Schema.Array(Schema.Union([Text, Image, File])),
    isError: Schema.optional(Schema.Boolean),
    cache: Schema.optional(CacheHint),
  }),
) {}

/**
 * What the model thought. `signature` proves to the vendor that the words are its own; `redacted` holds thoughts that
 * the vendor encrypted, in which case `text` is empty.
 */
export class Reasoning extends Schema.Opaque<Reasoning>()(
  Schema.Struct({
    type: Schema.Literal("reasoning"),
    text: Schema.String,
    signature: Schema.optional(EncryptedReasoning),
    redacted: Schema.optional(EncryptedReasoning),
  }),
) {}

/** The model's words for why it will not answer. */
export class Refusal extends Schema.Opaque<Refusal>()(
  Schema.Struct({ type: Schema.Literal("refusal"), text: Schema.String }),
) {}

// ---------------------------------------------------------------------------------------------------------------------
// Messages
// ---------------------------------------------------------------------------------------------------------------------

export class SystemMessage extends Schema.Opaque<SystemMessage>()(
  Schema.Struct({ role: Schema.Literal("system"), content: Schema.Array(Text) }),
) {}
export class DeveloperMessage extends Schema.Opaque<DeveloperMessage>()(
  Schema.Struct({ role: Schema.Literal("developer"), content: Schema.Array(Text) }),
) {}
export class UserMessage extends Schema.Opaque<UserMessage>()(
  Schema.Struct({
    role: Schema.Literal("user"),
    content: Schema.Array(Schema.Union([Text, Image, File, Audio])),
    name: Schema.optional(Schema.String),
  }),
) {}
export const AssistantContent = Schema.Union([Text, Reasoning, ToolCall, Refusal, Audio])
export type AssistantContent = Text | Reasoning | ToolCall | Refusal | Audio
export class AssistantMessage extends Schema.Opaque<AssistantMessage>()(
  Schema.Struct({
    role: Schema.Literal("assistant"),
    content: Schema.Array(AssistantContent),
    name: Schema.optional(Schema.String),
  }),
) {}
/** The results of one or several tool calls: parallel calls answered together stay together. */
export class ToolMessage extends Schema.Opaque<ToolMessage>()(
  Schema.Struct({ role: Schema.Literal("tool"), content: Schema.Array(ToolResult) }),
) {}

export const Message = Schema.Union([SystemMessage, DeveloperMessage, UserMessage, AssistantMessage, ToolMessage])
export type Message = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage

// ---------------------------------------------------------------------------------------------------------------------
// Request
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A function the model may ask for. `parameters` is a JSON Schema. A `customTool` tool takes text in place of JSON, in the
 * `format` (a grammar, in its vendor's own words) that it names.
 */
export class Tool extends Schema.Opaque<Tool>()(
  Schema.Struct({
    name: Schema.String,
    description: Schema.optional(Schema.String),
    parameters: Schema.optional(Schema.Record(Schema.String, Schema.Unknown)),
    strict: Schema.optional(Schema.Boolean),
    custom: Schema.optional(Schema.Struct({ format: Schema.optional(Schema.Unknown) })),
    cache: Schema.optional(CacheHint),
  }),
) {}

export const ToolChoice = Schema.Union([
  Schema.Literals(["auto", "none", "required"]),
  Schema.Struct({ name: Schema.String }),
])
export type ToolChoice = typeof ToolChoice.Type

/** The form the answer must have. */
export const Format = Schema.Union([
  Schema.Struct({ type: Schema.Literal("text") }),
  Schema.Struct({ type: Schema.Literal("json") }),
  Schema.Struct({
    type: Schema.Literal("json-schema"),
    name: Schema.String,
    schema: Schema.Record(Schema.String, Schema.Unknown),
    description: Schema.optional(Schema.String),
    strict: Schema.optional(Schema.Boolean),
  }),
])
export type Format = typeof Format.Type

/** How the next token is chosen. What a protocol cannot say is reported by its codec, never dropped in silence. */
export class Sampling extends Schema.Opaque<Sampling>()(
  Schema.Struct({
    maxTokens: Schema.optional(Schema.Finite),
    temperature: Schema.optional(Schema.Finite),
    topP: Schema.optional(Schema.Finite),
    topK: Schema.optional(Schema.Finite),
    stop: Schema.optional(Schema.Array(Schema.String)),
    seed: Schema.optional(Schema.Finite),
    frequencyPenalty: Schema.optional(Schema.Finite),
    presencePenalty: Schema.optional(Schema.Finite),
    /** How many answers are wanted; 1 if not said. */
    n: Schema.optional(Schema.Finite),
    logprobs: Schema.optional(Schema.Boolean),
    topLogprobs: Schema.optional(Schema.Finite),
  }),
) {}

/**
 * How much the model may think: as an effort, as a budget in tokens, or not at all (`effort: "none"`). With neither, it
 * is to think as much as it sees fit.
 */
export class ReasoningOptions extends Schema.Opaque<ReasoningOptions>()(
  Schema.Struct({
    effort: Schema.optional(Schema.Literals(["none", "minimal", "low", "medium", "high", "xhigh", "max"])),
    budget: Schema.optional(Schema.Finite),
  }),
) {}

/**
 * What the client sent, in its own protocol, for a provider that speaks the same one: it then sends `body` as it came,
 * but for the model's name and what the engine must add. `headers` are lower-case, by an allow-list. In a `body` that the
 * gateway has read, a number that JavaScript would write otherwise (`1.0`, `1e400`, beyond 2^53) is a `JSON.rawJSON`.
 */
export class Native extends Schema.Opaque<Native>()(
  Schema.Struct({
    protocol: Schema.String,
    body: Schema.Record(Schema.String, Schema.Unknown),
    headers: Schema.optional(Schema.Record(Schema.String, Schema.String)),
    query: Schema.optional(Schema.Record(Schema.String, Schema.String)),
  }),
) {}

/**
 * What becomes of a wish that the answering protocol cannot say, such as a penalty: the deployment is passed over
 * (`refuse`), it is named to the caller (`warn`), or left out in silence (`drop`). What the answer would be another
 * without, such as tools or images, is refused whatever this says.
 */
export const UnsupportedParams = Schema.Literals(["skip", "warn", "drop"])
export type UnsupportedParams = typeof UnsupportedParams.Type

export class Request extends Schema.Opaque<Request>()(
  Schema.Struct({
    /** A route's or a deployment's name; towards a provider, the vendor's own model id. */
    model: Schema.String,
    messages: Schema.Array(Message),
    tools: Schema.optional(Schema.Array(Tool)),
    toolChoice: Schema.optional(ToolChoice),
    parallelToolCalls: Schema.optional(Schema.Boolean),
    format: Schema.optional(Format),
    sampling: Schema.optional(Sampling),
    reasoning: Schema.optional(ReasoningOptions),
    /** The caller's own labels for this call. Routes may condition on them; they reach vendors that take them. */
    metadata: Schema.optional(Schema.Record(Schema.String, Schema.String)),
    /** An opaque id of the caller's end user, for vendors that watch for abuse. */
    user: Schema.optional(Schema.String),
    vendor: Schema.optional(Vendor),
    native: Schema.optional(Native),
    /** `warn` if not said. The engine sets it by the policies that hold for the deployment asked. */
    unsupportedParams: Schema.optional(UnsupportedParams),
    /** What its client said that there are no words for here, each as a noun phrase: only `native` still says it. */
    droppedParams: Schema.optional(Schema.Array(Schema.String)),
    /** As `droppedParams`, but the answer would be another without: whoever does not send `native` refuses. */
    requiredUnsupported: Schema.optional(Schema.Array(Schema.String)),
  }),
) {}

/** The words for a tool that only its vendor runs, in `droppedParams` and `requiredUnsupported`. */
export const hostedTool = (type: string): string => `${hosted}${type}`

export const isHostedTool = (wish: string): boolean => wish.startsWith(hosted)

const hosted = "the tool "

// ---------------------------------------------------------------------------------------------------------------------
// Response
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Why the model stopped. Never softened: `length`, `content-filter`, `refusal` and `pause` stay what they are, and
 * `other` keeps a vendor's unknown word out of `stop`.
 */
export const FinishReason = Schema.Literals([
  "stop",
  "length",
  "tool-calls",
  "content-filter",
  "refusal",
  "pause",
  "other",
])
export type FinishReason = typeof FinishReason.Type

/**
 * Tokens, normalised: `inputTokens` counts everything read, cached or not; `outputTokens` everything written, thoughts
 * included. `cachedInputTokens`, `cacheWriteTokens` and `reasoningTokens` say how much of these was of that kind.
 */
export class Usage extends Schema.Opaque<Usage>()(
  Schema.Struct({
    inputTokens: Schema.Finite,
    outputTokens: Schema.Finite,
    cachedInputTokens: Schema.optional(Schema.Finite),
    cacheWriteTokens: Schema.optional(Schema.Finite),
    reasoningTokens: Schema.optional(Schema.Finite),
  }),
) {}

/** One answer of several, when `sampling.n` asked for more than one. */
export class Choice extends Schema.Opaque<Choice>()(
  Schema.Struct({
    content: Schema.Array(AssistantContent),
    finishReason: FinishReason,
    stopSequence: Schema.optional(Schema.String),
    logprobs: Schema.optional(Schema.Unknown),
  }),
) {}

/**
 * A whole answer as its protocol wrote it: `body` is the JSON as it came, parsed, and `text` what goes out, which is the
 * same to the letter, but for what its clients rely on and its server left out.
 */
export interface NativeResponse {
  readonly protocol: string
  readonly text: string
  readonly body: unknown
}

export interface Response extends Choice {
  /** The provider's id for this answer and the model it says it used, where it says so. */
  readonly id?: string | undefined
  readonly model?: string | undefined
  readonly usage?: Usage | undefined
  /** The second and later answers, when `sampling.n` asked for several. */
  readonly alternatives?: ReadonlyArray<Choice> | undefined
  readonly vendor?: Vendor | undefined
  readonly native?: NativeResponse | undefined
  /** What was wished for and not said to the provider, each as a noun phrase: see `Unsupported`. */
  readonly droppedParams?: ReadonlyArray<string> | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Stream
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A piece of a streamed answer.
 *
 * - `start` is preamble: it commits nothing.
 * - `text`, `reasoning`, `refusal`, `tool-call` and `tool-arguments` are real output. `tool-call` opens the call at
 *   `index`, `tool-arguments` adds JSON text to it; calls at different indexes may interleave. Content is closed by what
 *   follows it, never by a part of its own.
 * - `citation` belongs to the text before it.
 * - `usage` is cumulative: a later one replaces an earlier one.
 * - `finish` is the proof that the answer is whole. A stream that ends without one has failed.
 *
 * `choice` is 0 if not said.
 */
export type Part =
  | { readonly type: "start"; readonly id?: string | undefined; readonly model?: string | undefined }
  | {
      readonly type: "text"
      readonly text: string
      readonly signature?: EncryptedReasoning | undefined
      readonly choice?: number | undefined
      readonly logprobs?: unknown
    }
  | { readonly type: "citation"; readonly citation: Citation; readonly choice?: number | undefined }
  | {
      readonly type: "reasoning"
      readonly text: string
      readonly signature?: EncryptedReasoning | undefined
      readonly redacted?: EncryptedReasoning | undefined
      readonly choice?: number | undefined
    }
  | { readonly type: "refusal"; readonly text: string; readonly choice?: number | undefined }
  | {
      readonly type: "tool-call"
      readonly index: number
      readonly id: string
      readonly name: string
      readonly custom?: true | undefined
      readonly signature?: EncryptedReasoning | undefined
      readonly choice?: number | undefined
    }
  | {
      readonly type: "tool-arguments"
      readonly index: number
      readonly arguments: string
      readonly choice?: number | undefined
    }
  | { readonly type: "usage"; readonly usage: Usage }
  | {
      readonly type: "finish"
      readonly reason: FinishReason
      readonly stopSequence?: string | undefined
      readonly choice?: number | undefined
    }

/** One event as its protocol wrote it: `event` is the SSE event's name, if it has one, `data` its text. */
export interface NativeEvent {
  readonly protocol: string
  readonly event?: string | undefined
  readonly data: string
}

/** One event of a provider's stream: what the engine understands of it, and the event itself where the protocols match. */
export interface Frame {
  readonly parts: ReadonlyArray<Part>
  readonly native?: NativeEvent | undefined
  /** As in `Response`: told once, before the first output. */
  readonly droppedParams?: ReadonlyArray<string> | undefined
}

/** Whether this part is something a caller could have seen: from the first such part on, an answer is committed. */
export const isOutput = (part: Part): boolean => {
  switch (part.type) {
    case "text":
    case "reasoning":
    case "refusal":
      return part.text !== "" || (part.type === "reasoning" && part.redacted !== undefined)
    case "tool-call":
    case "tool-arguments":
      return true
    case "start":
    case "citation":
    case "usage":
    case "finish":
      return false
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Shorthands
// ---------------------------------------------------------------------------------------------------------------------

const asContent = (content: string | ReadonlyArray<UserMessage["content"][number]>) =>
  Predicate.isString(content) ? [{ type: "text" as const, text: content }] : content

/** `Chat.system("Be brief.")` */
export const system = (text: string): SystemMessage => ({ role: "system", content: [{ type: "text", text }] })

/** `Chat.user("Hello")`, or with parts: text, images, files, audio. */
export const user = (content: string | ReadonlyArray<UserMessage["content"][number]>): UserMessage => ({
  role: "user",
  content: asContent(content),
})

/** `Chat.assistant("Hello!")`, or with parts, such as the tool calls it made. */
export const assistant = (content: string | ReadonlyArray<AssistantContent>): AssistantMessage => ({
  role: "assistant",
  content: Predicate.isString(content) ? [{ type: "text", text: content }] : content,
})

/** `Chat.toolResult(call.id, "21 °C")` */
export const toolResult = (id: string, text: string, options?: { readonly isError?: boolean }): ToolMessage => ({
  role: "tool",
  content: [{ type: "tool-result", id, content: [{ type: "text", text }], isError: options?.isError }],
})

/** The answer's words, without its thoughts: every text part, joined. */
export const text = (choice: Pick<Choice, "content">): string => {
  let out = ""
  for (const part of choice.content) if (part.type === "text") out += part.text
  return out
}

/** The tools the answer asks for. */
export const toolCalls = (choice: Pick<Choice, "content">): ReadonlyArray<ToolCall> =>
  choice.content.filter((part) => part.type === "tool-call")
