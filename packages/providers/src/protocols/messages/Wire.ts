/**
 * The schema of a client's Messages request. Fields not listed here are not validated. Blocks and tools of other types
 * are Anthropic's own, or of a later API.
 *
 * Nearly every optional field may be null, which means the same as leaving it out.
 */
import * as Schema from "effect/Schema"
import * as Json from "../Json.ts"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { modelName, optional, stringOrBlocks } from "../WireSchema.ts"

/** A block of any other type: only its type is read. */
const otherThan = (...types: ReadonlyArray<string>) =>
  Schema.Struct({
    type: Schema.String.check(
      Schema.makeFilter((type: string) => !types.includes(type), { expected: "a type of content that may stand here" }),
    ),
  }).pipe(
    Schema.decodeTo(
      Schema.Struct({ type: Schema.Literal("other"), name: Schema.String }),
      SchemaTransformation.transform({
        decode: ({ type }) => ({ type: "other" as const, name: type }),
        encode: ({ name }) => ({ type: name }),
      }),
    ),
  )

// ---------------------------------------------------------------------------------------------------------------------
// Content
// ---------------------------------------------------------------------------------------------------------------------

const CacheControl = optional(Schema.Struct({ ttl: optional(Schema.String) }))
export type CacheControl = typeof CacheControl.Type

const cache = { cache_control: CacheControl }

const Text = Schema.Struct({
  type: Schema.Literal("text"),
  text: Schema.String,
  citations: optional(Schema.Array(Schema.Unknown)),
  ...cache,
})
export type Text = typeof Text.Type

const Base64 = Schema.Struct({ type: Schema.Literal("base64"), media_type: Schema.String, data: Schema.String })
const Url = Schema.Struct({ type: Schema.Literal("url"), url: Schema.String })
const FileId = Schema.Struct({ type: Schema.Literal("file"), file_id: Schema.String })

const Image = Schema.Struct({ type: Schema.Literal("image"), source: Schema.Union([Base64, Url, FileId]), ...cache })
export type Image = typeof Image.Type

const Citable = optional(Schema.Struct({ enabled: optional(Schema.Boolean) }))

const Document = Schema.Struct({
  type: Schema.Literal("document"),
  source: Schema.Union([
    Base64,
    Schema.Struct({ type: Schema.Literal("text"), data: Schema.String }),
    Schema.Struct({
      type: Schema.Literal("content"),
      content: stringOrBlocks(Schema.Array(Schema.Union([Text, Image]))),
    }),
    Url,
    FileId,
  ]),
  title: optional(Schema.String),
  context: optional(Schema.String),
  citations: Citable,
  ...cache,
})
export type Document = typeof Document.Type

/** A result of the client's own search, which can be cited. */
const SearchResult = Schema.Struct({
  type: Schema.Literal("search_result"),
  source: Schema.String,
  title: Schema.String,
  content: Schema.Array(Text),
  citations: Citable,
  ...cache,
})
export type SearchResult = typeof SearchResult.Type

const Thinking = Schema.Struct({
  type: Schema.Literal("thinking"),
  thinking: Schema.String,
  signature: optional(Schema.String),
})

const RedactedThinking = Schema.Struct({ type: Schema.Literal("redacted_thinking"), data: Schema.String })

const ToolUse = Schema.Struct({
  type: Schema.Literal("tool_use"),
  id: Schema.String,
  name: Schema.String,
  input: Schema.Unknown,
  ...cache,
})
export type ToolUse = typeof ToolUse.Type

const mediaBlocks = [Text, Image, Document, SearchResult] as const
const mediaTypes = ["text", "image", "document", "search_result"]

const MediaBlock = Schema.Union([...mediaBlocks, otherThan(...mediaTypes, "tool_result")])
export type MediaBlock = typeof MediaBlock.Type

const ToolResult = Schema.Struct({
  type: Schema.Literal("tool_result"),
  tool_use_id: Schema.String,
  content: optional(stringOrBlocks(Schema.Array(MediaBlock))),
  is_error: optional(Schema.Boolean),
  ...cache,
})
export type ToolResult = typeof ToolResult.Type

const assistantTypes = ["thinking", "redacted_thinking", "tool_use"]

const UserBlock = Schema.Union([...mediaBlocks, ToolResult, otherThan(...mediaTypes, "tool_result", ...assistantTypes)])
export type UserBlock = typeof UserBlock.Type

const AssistantBlock = Schema.Union([
  Text,
  Thinking,
  RedactedThinking,
  ToolUse,
  otherThan("text", "image", "document", "tool_result", ...assistantTypes),
])
export type AssistantBlock = typeof AssistantBlock.Type

const SystemBlock = Schema.Union([Text, otherThan(...mediaTypes, "tool_result", ...assistantTypes)])
export type SystemBlock = typeof SystemBlock.Type

// ---------------------------------------------------------------------------------------------------------------------
// Messages
// ---------------------------------------------------------------------------------------------------------------------

const Message = Schema.Union([
  Schema.Struct({ role: Schema.Literal("user"), content: stringOrBlocks(Schema.Array(UserBlock)) }),
  Schema.Struct({ role: Schema.Literal("assistant"), content: stringOrBlocks(Schema.Array(AssistantBlock)) }),
  Schema.Struct({ role: Schema.Literal("system"), content: stringOrBlocks(Schema.Array(SystemBlock)) }),
])
export type Message = typeof Message.Type

// ---------------------------------------------------------------------------------------------------------------------
// Request
// ---------------------------------------------------------------------------------------------------------------------

export const CustomTool = Schema.Struct({
  type: optional(Schema.Literal("custom")),
  name: Schema.String,
  description: optional(Schema.String),
  input_schema: Json.Anything,
  strict: optional(Schema.Boolean),
  ...cache,
})
export type CustomTool = typeof CustomTool.Type

/** Anthropic's own tools, run by Anthropic or by the client: search, shell, editor, tool sets. */
const OwnTool = otherThan("custom")
export type OwnTool = typeof OwnTool.Type

const Tool = Schema.Union([CustomTool, OwnTool])
export type Tool = typeof Tool.Type

const parallel = { disable_parallel_tool_use: optional(Schema.Boolean) }

const ToolChoice = Schema.Union([
  Schema.Struct({ type: Schema.Literal("auto"), ...parallel }),
  Schema.Struct({ type: Schema.Literal("any"), ...parallel }),
  Schema.Struct({ type: Schema.Literal("tool"), name: Schema.String, ...parallel }),
  Schema.Struct({ type: Schema.Literal("none") }),
])
export type ToolChoice = typeof ToolChoice.Type

const ThinkingConfig = Schema.Union([
  Schema.Struct({ type: Schema.Literal("enabled"), budget_tokens: Schema.Int }),
  Schema.Struct({ type: Schema.Literal("adaptive") }),
  Schema.Struct({ type: Schema.Literal("disabled") }),
  Schema.Struct({ type: Schema.Literal("between_tools") }),
])
export type ThinkingConfig = typeof ThinkingConfig.Type

const Format = optional(Schema.Struct({ type: Schema.Literal("json_schema"), schema: Json.Anything }))
export type Format = typeof Format.Type

export const OutputConfig = Schema.Struct({
  effort: optional(Schema.Literals(["low", "medium", "high", "xhigh", "max"])),
  format: Format,
})

/** `max_tokens` is required for responses, and checked by the endpoint that makes them: counting does without it. */
export const Request = Schema.Struct({
  model: modelName,
  messages: Schema.Array(Message).check(Schema.isNonEmpty({ expected: "at least one message" })),
  system: optional(stringOrBlocks(Schema.Array(Text))),
  max_tokens: optional(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0, { expected: "0 or more" }))),
  tools: optional(Schema.Array(Tool)),
  tool_choice: optional(ToolChoice),
  thinking: optional(ThinkingConfig),
  output_config: optional(OutputConfig),
  /** The former name of `output_config.format`. */
  output_format: Format,
  temperature: optional(Schema.Finite),
  top_p: optional(Schema.Finite),
  top_k: optional(Schema.Int),
  stop_sequences: optional(Schema.Array(Schema.String)),
  metadata: optional(Schema.Struct({ user_id: optional(Schema.String) })),
  stream: optional(Schema.Boolean),
  ...cache,
})
export type Request = typeof Request.Type
