/**
 * The schema of a client's Responses request. Fields not listed here are not validated, nor are items and tools that
 * only OpenAI supports.
 *
 * Nearly every optional field may be null, which means the same as leaving it out.
 */
import * as Schema from "effect/Schema"
import * as Json from "../Json.ts"
import { modelName, optional, stringOrParts } from "../WireSchema.ts"
import { customFields, Effort, functionFields, jsonSchemaFields } from "../chat-completions/Wire.ts"

/** An object of any other type. */
const otherThan = (types: ReadonlyArray<string>, expected: string) =>
  Schema.Struct({
    type: Schema.String.annotate({ expected }).check(Schema.makeFilter((type) => !types.includes(type), { expected })),
  })

/** Requires one of these fields. */
const has = <const Name extends string>(names: ReadonlyArray<Name>) =>
  Schema.makeFilter((part: { readonly [K in Name]?: string | null | undefined }) => names.some((name) => part[name]), {
    expected: `one of ${names.join(", ")}`,
  })

// ---------------------------------------------------------------------------------------------------------------------
// Content
// ---------------------------------------------------------------------------------------------------------------------

/** The end of a cached prefix, on any input part. */
const cache = { prompt_cache_breakpoint: optional(Schema.Struct({ ttl: optional(Schema.String) })) }

const InputText = Schema.Struct({ type: Schema.Literal("input_text"), text: Schema.String, ...cache })
export type InputText = typeof InputText.Type

const InputImage = Schema.Struct({
  type: Schema.Literal("input_image"),
  image_url: optional(Schema.String),
  file_id: optional(Schema.String),
  detail: optional(Schema.Literals(["auto", "low", "high", "original"])),
  ...cache,
}).check(has(["image_url", "file_id"]))

const InputFile = Schema.Struct({
  type: Schema.Literal("input_file"),
  file_data: optional(Schema.String),
  file_id: optional(Schema.String),
  file_url: optional(Schema.String),
  filename: optional(Schema.String),
  ...cache,
}).check(has(["file_data", "file_id", "file_url"]))

const InputAudio = Schema.Struct({
  type: Schema.Literal("input_audio"),
  input_audio: Schema.Struct({ data: Schema.String, format: Schema.String }),
})

const OutputText = Schema.Struct({
  type: Schema.Literal("output_text"),
  text: Schema.String,
  annotations: optional(Schema.Array(Schema.Unknown)),
})

const Refusal = Schema.Struct({ type: Schema.Literal("refusal"), refusal: Schema.String })

const UserPart = Schema.Union([InputText, InputImage, InputFile, InputAudio])
export type UserPart = typeof UserPart.Type

const AssistantPart = Schema.Union([OutputText, Refusal, InputText])
export type AssistantPart = typeof AssistantPart.Type

const ResultPart = Schema.Union([InputText, InputImage, InputFile])
export type ResultPart = typeof ResultPart.Type

// ---------------------------------------------------------------------------------------------------------------------
// Items
// ---------------------------------------------------------------------------------------------------------------------

/** The type of a message is optional. */
const message = { type: optional(Schema.Literal("message")) }

const System = Schema.Struct({
  ...message,
  role: Schema.Literal("system"),
  content: stringOrParts(Schema.Array(InputText)),
})
const Developer = Schema.Struct({
  ...message,
  role: Schema.Literal("developer"),
  content: stringOrParts(Schema.Array(InputText)),
})
const User = Schema.Struct({ ...message, role: Schema.Literal("user"), content: stringOrParts(Schema.Array(UserPart)) })
const Assistant = Schema.Struct({
  ...message,
  role: Schema.Literal("assistant"),
  content: stringOrParts(Schema.Array(AssistantPart)),
})

const Thought = Schema.Struct({ text: Schema.String })

const Reasoning = Schema.Struct({
  type: Schema.Literal("reasoning"),
  summary: optional(Schema.Array(Thought)),
  content: optional(Schema.Array(Thought)),
  encrypted_content: optional(Schema.String),
})
export type Reasoning = typeof Reasoning.Type

/** A call, possibly in a namespace. */
const called = { call_id: Schema.String, name: Schema.String, namespace: optional(Schema.String) }

const FunctionCall = Schema.Struct({
  type: Schema.Literal("function_call"),
  ...called,
  arguments: Schema.String,
})
const CustomToolCall = Schema.Struct({ type: Schema.Literal("custom_tool_call"), ...called, input: Schema.String })

const output = { call_id: Schema.String, output: stringOrParts(Schema.Array(ResultPart)) }

const FunctionCallOutput = Schema.Struct({ type: Schema.Literal("function_call_output"), ...output })
const CustomToolCallOutput = Schema.Struct({ type: Schema.Literal("custom_tool_call_output"), ...output })

const Compaction = Schema.Struct({ type: Schema.Literal("compaction"), encrypted_content: optional(Schema.String) })
const CompactionTrigger = Schema.Struct({ type: Schema.Literal("compaction_trigger") })

const KnownItem = Schema.Union([
  System,
  Developer,
  User,
  Assistant,
  Reasoning,
  Compaction,
  CompactionTrigger,
  FunctionCall,
  FunctionCallOutput,
  CustomToolCall,
  CustomToolCallOutput,
])
export type KnownItem = typeof KnownItem.Type

const itemTypes = [
  "message",
  "compaction",
  "compaction_trigger",
  "reasoning",
  "function_call",
  "function_call_output",
  "custom_tool_call",
  "custom_tool_call_output",
]

const Item = Schema.Union([
  ...KnownItem.members,
  otherThan(itemTypes, 'a "role" ("user", "assistant", "system" or "developer") or the type of an item'),
])
export type Item = typeof Item.Type

// ---------------------------------------------------------------------------------------------------------------------
// Tools
// ---------------------------------------------------------------------------------------------------------------------

const FunctionTool = Schema.Struct({
  type: Schema.Literal("function"),
  ...functionFields,
})
export type FunctionTool = typeof FunctionTool.Type

/** A tool that takes text in place of JSON. */
const CustomTool = Schema.Struct({
  type: Schema.Literal("custom"),
  ...customFields,
})
export type CustomTool = typeof CustomTool.Type

const NamespaceTool = Schema.Struct({
  type: Schema.Literal("namespace"),
  name: Schema.String,
  description: optional(Schema.String),
  tools: Schema.Array(Schema.Union([FunctionTool, CustomTool])),
})
export type NamespaceTool = typeof NamespaceTool.Type

const KnownTool = Schema.Union([FunctionTool, CustomTool, NamespaceTool])
export type KnownTool = typeof KnownTool.Type

const Tool = Schema.Union([...KnownTool.members, otherThan(["function", "custom", "namespace"], "the type of a tool")])
export type Tool = typeof Tool.Type

/** A tool in a tool choice. */
const Named = Schema.Struct({ type: Schema.String, name: optional(Schema.String), namespace: optional(Schema.String) })
export type Named = typeof Named.Type

const AllowedTools = Schema.Struct({
  type: Schema.Literal("allowed_tools"),
  mode: Schema.Literals(["auto", "required"]),
  tools: Schema.Array(Named),
})
export type AllowedTools = typeof AllowedTools.Type

const ToolChoice = Schema.Union([
  Schema.Literals(["auto", "none", "required"]),
  AllowedTools,
  Schema.Struct({ ...Named.fields, type: Schema.Literals(["function", "custom"]), name: Schema.String }),
  otherThan(["function", "custom", "allowed_tools"], "the type of a tool"),
]).annotate({ expected: '"auto", "none", "required" or an object that names a tool' })
export type ToolChoice = typeof ToolChoice.Type

// ---------------------------------------------------------------------------------------------------------------------
// Request
// ---------------------------------------------------------------------------------------------------------------------

const Format = Schema.Union([
  Schema.Struct({ type: Schema.Literal("text") }),
  Schema.Struct({ type: Schema.Literal("json_object") }),
  Schema.Struct({
    type: Schema.Literal("json_schema"),
    ...jsonSchemaFields,
    schema: Json.Anything,
  }),
])
export type Format = typeof Format.Type

export const Request = Schema.Struct({
  model: modelName,
  input: Schema.Union([
    Schema.String,
    Schema.Array(Item).check(Schema.isNonEmpty({ expected: "at least one item" })),
  ]).annotate({ expected: "a string or an array of items" }),
  instructions: optional(Schema.String),
  tools: optional(Schema.Array(Tool)),
  tool_choice: optional(ToolChoice),
  parallel_tool_calls: optional(Schema.Boolean),
  text: optional(Schema.Struct({ format: optional(Format), verbosity: optional(Schema.String) })),
  reasoning: optional(
    Schema.Struct({
      effort: optional(Effort),
    }),
  ),
  include: optional(Schema.Array(Schema.String)),
  max_output_tokens: optional(Schema.Int),
  temperature: optional(Schema.Finite),
  top_p: optional(Schema.Finite),
  presence_penalty: optional(Schema.Finite),
  frequency_penalty: optional(Schema.Finite),
  top_logprobs: optional(Schema.Int),
  metadata: optional(Json.Labels),
  safety_identifier: optional(Schema.String),
  user: optional(Schema.String),
  store: optional(Schema.Boolean),
  truncation: optional(Schema.Literals(["auto", "disabled"])),
  stream: optional(Schema.Boolean),
  stream_options: optional(Json.Anything),
})
export type Request = typeof Request.Type
