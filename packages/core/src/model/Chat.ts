/**
 * Chat requests and responses: one vendor-neutral model of a conversation, complete enough that protocol codecs lose
 * nothing between a client and a provider.
 *
 * A `Request` is answered by a `Response`, or by a stream of `Frame`s, which hold `Part`s. Values are plain objects: a class
 * here is a schema and the name of its type, and is never instantiated. Nothing here depends on a vendor or a wire format.
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

// ---------------------------------------------------------------------------------------------------------------------
// Content
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A cache breakpoint: the provider should cache the prompt up to and including this part. Codecs carry it and never add
 * one. `ttl` is in the vendor's notation, such as `"5m"` or `"1h"`.
 */
export class CacheHint extends Schema.Opaque<CacheHint>()(Schema.Struct({ ttl: Schema.optional(Schema.String) })) {}

/** The source of an image, a file or audio: a URL, base64 data with its media type, or a vendor's file id. */
export const Source = Schema.Union([
  Schema.Struct({ type: Schema.Literal("url"), url: Schema.String }),
  Schema.Struct({ type: Schema.Literal("base64"), data: Schema.String, mediaType: Schema.String }),
  Schema.Struct({ type: Schema.Literal("id"), id: Schema.String }),
])
export type Source =
  | { readonly type: "url"; readonly url: string }
  | { readonly type: "base64"; readonly data: string; readonly mediaType: string }
  | { readonly type: "id"; readonly id: string }

/**
 * Vendor-specific fields, by protocol. They are sent only to a provider of that protocol. Tools that the vendor runs itself
 * are under `tools`.
 */
export const Vendor = Schema.Record(Schema.String, Schema.Record(Schema.String, Schema.Unknown))
export type Vendor = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/**
 * Encrypted reasoning, or the signature of reasoning. Only its `issuer` can read or verify it, whichever cloud serves the
 * model: `"anthropic"`, `"google"`, `"openai"`. It is sent to that issuer's models only.
 */
export class EncryptedReasoning extends Schema.Opaque<EncryptedReasoning>()(
  Schema.Struct({ issuer: Schema.String, value: Schema.String }),
) {}

/** A citation: the source of a part of the response. */
export class Citation extends Schema.Opaque<Citation>()(
  Schema.Struct({
    /** A web page, or one of the request's documents, counted from 0. */
    source: Schema.Union([
      Schema.Struct({ type: Schema.Literal("url"), url: Schema.String, title: Schema.optional(Schema.String) }),
      Schema.Struct({ type: Schema.Literal("document"), index: Schema.Finite, title: Schema.optional(Schema.String) }),
    ]),
    /** The cited text. */
    quote: Schema.optional(Schema.String),
    /** The cited range of the source, counted from 0, or from 1 for pages; `end` is exclusive. */
    range: Schema.optional(
      Schema.Struct({
        unit: Schema.Literals(["character", "page", "block"]),
        start: Schema.Finite,
        end: Schema.Finite,
      }),
    ),
    /** The characters of the response's text that it supports. Default: all. */
    supports: Schema.optional(Schema.Struct({ start: Schema.Finite, end: Schema.Finite })),
    /** The citation in its protocol's format. */
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
    /** A description of the document for the model. */
    context: Schema.optional(Schema.String),
    /** Whether the response may cite it. */
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
 * A tool call. `arguments` is the JSON text that the model wrote, which may be invalid; for a `custom` tool it is free
 * text.
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

/** The result of the tool call with that `id`. */
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
 * Reasoning of the model. `signature` lets the vendor verify the text. `redacted` is reasoning that the vendor encrypted;
 * `text` is then empty.
 */
export class Reasoning extends Schema.Opaque<Reasoning>()(
  Schema.Struct({
    type: Schema.Literal("reasoning"),
    text: Schema.String,
    signature: Schema.optional(EncryptedReasoning),
    redacted: Schema.optional(EncryptedReasoning),
  }),
) {}

/** The model's explanation of why it refuses to answer. */
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
export const UserContent = Schema.Union([Text, Image, File, Audio])
export type UserContent = Text | Image | File | Audio
export class UserMessage extends Schema.Opaque<UserMessage>()(
  Schema.Struct({
    role: Schema.Literal("user"),
    content: Schema.Array(UserContent),
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
/** The results of one or several tool calls. Results of parallel calls stay in one message. */
export class ToolMessage extends Schema.Opaque<ToolMessage>()(
  Schema.Struct({ role: Schema.Literal("tool"), content: Schema.Array(ToolResult) }),
) {}

export const Message = Schema.Union([SystemMessage, DeveloperMessage, UserMessage, AssistantMessage, ToolMessage])
export type Message = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage

// ---------------------------------------------------------------------------------------------------------------------
// Request
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A tool that the model may call. `parameters` is a JSON Schema. A `custom` tool takes text instead of JSON; its `format`
 * is a grammar in the vendor's notation.
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
export type ToolChoice = "auto" | "none" | "required" | { readonly name: string }

/** The format of the response: text, JSON, or JSON that matches a JSON Schema. */
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
export type Format =
  | { readonly type: "text" }
  | { readonly type: "json" }
  | {
      readonly type: "json-schema"
      readonly name: string
      readonly schema: Readonly<Record<string, unknown>>
      readonly description?: string | undefined
      readonly strict?: boolean | undefined
    }

/** Sampling parameters. A codec reports those that its protocol does not support: see `UnsupportedParams`. */
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
    /** The number of choices. Default: 1. */
    n: Schema.optional(Schema.Finite),
    logprobs: Schema.optional(Schema.Boolean),
    topLogprobs: Schema.optional(Schema.Finite),
  }),
) {}

/** An effort of reasoning, from none to the most. Models that know fewer get the nearest. */
export const ReasoningEffort = Schema.Literals(["none", "minimal", "low", "medium", "high", "xhigh", "max"])
export type ReasoningEffort = typeof ReasoningEffort.Type

/**
 * How much the model reasons: an effort, a budget in tokens, or not at all (`effort: "none"`). With neither, the model
 * decides.
 */
export class ReasoningOptions extends Schema.Opaque<ReasoningOptions>()(
  Schema.Struct({
    effort: Schema.optional(ReasoningEffort),
    budget: Schema.optional(Schema.Finite),
  }),
) {}

/**
 * The client's request in its own protocol. A provider of that protocol sends `body` unchanged, except for the model's name
 * and the fields that the engine adds. `headers` are in lower case, from an allow-list. In a `body` that the gateway parsed,
 * a number that JavaScript would print differently (`1.0`, `1e400`, beyond 2^53) is a `JSON.rawJSON`. `stored`: the gateway stores
 * the response for later calls, so that the provider need not, and is asked for what a later call sends back.
 */
export class Native extends Schema.Opaque<Native>()(
  Schema.Struct({
    protocol: Schema.String,
    body: Schema.Record(Schema.String, Schema.Unknown),
    headers: Schema.optional(Schema.Record(Schema.String, Schema.String)),
    query: Schema.optional(Schema.Record(Schema.String, Schema.String)),
    stored: Schema.optional(Schema.Boolean),
  }),
) {}

/**
 * What to do with a parameter that the deployment's protocol does not support, such as `seed` on Anthropic: skip the
 * deployment (`skip`), drop the parameter and report it in `droppedParams` (`warn`), or drop it without a report (`drop`).
 * Features that change the response (tools, images) are never dropped: the deployment is skipped, whatever this setting.
 */
export const UnsupportedParams = Schema.Literals(["skip", "warn", "drop"])
export type UnsupportedParams = "skip" | "warn" | "drop"

/**
 * What the deployment sets in a request: see `Params`. `sampling` and `reasoning` repeat those of the request that it set, for
 * providers that send `native`. `extraBody` are fields of the vendor's body: `params` where the body has none, `force` in any case.
 */
export class Overrides extends Schema.Opaque<Overrides>()(
  Schema.Struct({
    sampling: Schema.optional(Sampling),
    reasoning: Schema.optional(ReasoningOptions),
    extraBody: Schema.optional(
      Schema.Struct({
        params: Schema.optional(Schema.Record(Schema.String, Schema.Unknown)),
        force: Schema.optional(Schema.Record(Schema.String, Schema.Unknown)),
      }),
    ),
  }),
) {}

export class Request extends Schema.Opaque<Request>()(
  Schema.Struct({
    /** The name of a route or a deployment; in a request to a provider, the vendor's model id. */
    model: Schema.String,
    messages: Schema.Array(Message),
    tools: Schema.optional(Schema.Array(Tool)),
    toolChoice: Schema.optional(ToolChoice),
    parallelToolCalls: Schema.optional(Schema.Boolean),
    format: Schema.optional(Format),
    sampling: Schema.optional(Sampling),
    reasoning: Schema.optional(ReasoningOptions),
    /** Labels of this call, for the conditions of routes. Sent to vendors that accept metadata. */
    metadata: Schema.optional(Schema.Record(Schema.String, Schema.String)),
    /** An opaque id of the end user, for the abuse detection of vendors. */
    user: Schema.optional(Schema.String),
    vendor: Schema.optional(Vendor),
    native: Schema.optional(Native),
    /** Default: `warn`. The engine sets it from the policies of the deployment. */
    unsupportedParams: Schema.optional(UnsupportedParams),
    /** The engine sets it from the parameters of the deployment. */
    overrides: Schema.optional(Overrides),
    /** Parameters of the client that this model has no field for, each a noun phrase. Only `native` holds them. */
    droppedParams: Schema.optional(Schema.Array(Schema.String)),
    /** As `droppedParams`, but required: a deployment that does not send `native` is skipped. */
    requiredUnsupported: Schema.optional(Schema.Array(Schema.String)),
  }),
) {}

/** The noun phrase for a tool that its vendor runs, in `droppedParams` and `requiredUnsupported`. */
export const hostedTool = (type: string): string => `${hosted}${type}`

export const isHostedTool = (param: string): boolean => param.startsWith(hosted)

const hosted = "the tool "

// ---------------------------------------------------------------------------------------------------------------------
// Response
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Why the model stopped. Codecs map a reason that they do not know to `other`, never to `stop`.
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
 * What some operations are charged for besides text tokens: seconds of audio, characters, images; and of `inputTokens` and
 * `outputTokens`, those of audio and images.
 */
export class Units extends Schema.Opaque<Units>()(
  Schema.Struct({
    seconds: Schema.optional(Schema.Finite),
    characters: Schema.optional(Schema.Finite),
    images: Schema.optional(Schema.Finite),
    audioInputTokens: Schema.optional(Schema.Finite),
    cachedAudioInputTokens: Schema.optional(Schema.Finite),
    audioOutputTokens: Schema.optional(Schema.Finite),
    imageInputTokens: Schema.optional(Schema.Finite),
    imageOutputTokens: Schema.optional(Schema.Finite),
  }),
) {}

/**
 * Token usage, normalised over vendors. `inputTokens` includes `cachedInputTokens` and `cacheWriteTokens`; `outputTokens`
 * includes `reasoningTokens`. Both are 0 where only `units` are reported.
 */
export class Usage extends Schema.Opaque<Usage>()(
  Schema.Struct({
    inputTokens: Schema.Finite,
    outputTokens: Schema.Finite,
    cachedInputTokens: Schema.optional(Schema.Finite),
    cacheWriteTokens: Schema.optional(Schema.Finite),
    reasoningTokens: Schema.optional(Schema.Finite),
    units: Schema.optional(Units),
  }),
) {}

/** One choice of a response. There are several if `sampling.n` is greater than 1. */
export class Choice extends Schema.Opaque<Choice>()(
  Schema.Struct({
    content: Schema.Array(AssistantContent),
    finishReason: FinishReason,
    stopSequence: Schema.optional(Schema.String),
    logprobs: Schema.optional(Schema.Unknown),
  }),
) {}

/**
 * A complete response in its protocol. `body` is the provider's JSON, parsed. `text` is what the client gets: the provider's
 * text, with the fields added that clients rely on and the provider left out.
 */
export interface NativeResponse {
  readonly protocol: string
  readonly text: string
  readonly body: unknown
}

export interface Response extends Choice {
  /** The provider's id of the response. */
  readonly id?: string | undefined
  /** The model that the provider reports. */
  readonly model?: string | undefined
  readonly usage?: Usage | undefined
  /** The second and further choices. */
  readonly alternatives?: ReadonlyArray<Choice> | undefined
  readonly vendor?: Vendor | undefined
  readonly native?: NativeResponse | undefined
  /** Parameters that were not sent to the provider, each a noun phrase: see `UnsupportedParams`. */
  readonly droppedParams?: ReadonlyArray<string> | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Stream
// ---------------------------------------------------------------------------------------------------------------------

/**
 * A part of a streamed response.
 *
 * - `start` precedes the output. Another deployment can still answer after it.
 * - `text`, `reasoning`, `refusal`, `tool-call` and `tool-call-delta` are output. `tool-call` starts the call at `index`,
 *   and `tool-call-delta` appends JSON text to it; calls at different indexes may interleave. No part ends a block: the next
 *   part of another type does.
 * - `citation` belongs to the text before it.
 * - `usage` is cumulative: a later one replaces an earlier one.
 * - `finish` proves that the response is complete. A stream that ends without it has failed.
 *
 * `choice` is the index of the choice. Default: 0.
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
      readonly type: "tool-call-delta"
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

/** One event in its protocol: `event` is the name of the SSE event, if any, `data` its text. */
export interface NativeEvent {
  readonly protocol: string
  readonly event?: string | undefined
  readonly data: string
}

/**
 * A chunk of a stream: the parts that the engine decodes from one event of the provider, and the event itself if the client
 * and the provider use one protocol.
 */
export interface Frame {
  readonly parts: ReadonlyArray<Part>
  readonly native?: NativeEvent | undefined
  /** As in `Response`: reported once, before the first output. */
  readonly droppedParams?: ReadonlyArray<string> | undefined
}

/** Whether the part is output that a client sees. From the first output on, no other deployment answers. */
export const isOutput = (part: Part): boolean => {
  switch (part.type) {
    case "text":
    case "reasoning":
    case "refusal":
      return part.text !== "" || (part.type === "reasoning" && part.redacted !== undefined)
    case "tool-call":
    case "tool-call-delta":
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

const asContent = (content: string | ReadonlyArray<UserContent>) =>
  Predicate.isString(content) ? [{ type: "text" as const, text: content }] : content

/** `Chat.system("Be brief.")` */
export const system = (text: string): SystemMessage => ({ role: "system", content: [{ type: "text", text }] })

/** `Chat.user("Hello")`, or with parts: text, images, files, audio. */
export const user = (content: string | ReadonlyArray<UserContent>): UserMessage => ({
  role: "user",
  content: asContent(content),
})

/** `Chat.assistant("Hello!")`, or with parts, such as tool calls. */
export const assistant = (content: string | ReadonlyArray<AssistantContent>): AssistantMessage => ({
  role: "assistant",
  content: Predicate.isString(content) ? [{ type: "text", text: content }] : content,
})

/** `Chat.toolResult(call.id, "21 °C")` */
export const toolResult = (id: string, text: string, options?: { readonly isError?: boolean }): ToolMessage => ({
  role: "tool",
  content: [{ type: "tool-result", id, content: [{ type: "text", text }], isError: options?.isError }],
})

/** The text of a choice: its text parts, joined. Reasoning is not included. */
export const text = (choice: Pick<Choice, "content">): string => {
  let out = ""
  for (const part of choice.content) if (part.type === "text") out += part.text
  return out
}

/** The tool calls of a choice. */
export const toolCalls = (choice: Pick<Choice, "content">): ReadonlyArray<ToolCall> =>
  choice.content.filter((part) => part.type === "tool-call")
