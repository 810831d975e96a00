/**
 * The schema of a client's Chat Completions request. Fields not listed here are not validated.
 *
 * Nearly every optional field may be null, which means the same as leaving it out.
 */
import * as Schema from "effect/Schema"
import * as ExactNumber from "../ExactNumber.ts"
import * as Json from "../Json.ts"
import { modelName, optional, stringOrParts } from "../WireSchema.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Content
// ---------------------------------------------------------------------------------------------------------------------

/** The end of a cached prefix, in OpenAI's or Anthropic's field; many clients send the latter. */
const cache = {
  prompt_cache_breakpoint: optional(Schema.Struct({ ttl: optional(Schema.String) })),
  cache_control: optional(Schema.Struct({ ttl: optional(Schema.String) })),
}

const Text = Schema.Struct({ type: Schema.Literal("text"), text: Schema.String, ...cache })
export type Text = typeof Text.Type

const Image = Schema.Struct({
  type: Schema.Literal("image_url"),
  image_url: Schema.Struct({
    url: Schema.String,
    detail: optional(Schema.Literals(["auto", "low", "high", "original"])),
  }),
  ...cache,
})
export type Image = typeof Image.Type

const Audio = Schema.Struct({
  type: Schema.Literal("input_audio"),
  input_audio: Schema.Struct({ data: Schema.String, format: Schema.String }),
})

const File = Schema.Struct({
  type: Schema.Literal("file"),
  file: Schema.Struct({
    file_data: optional(Schema.String),
    file_id: optional(Schema.String),
    filename: optional(Schema.String),
  }),
  ...cache,
})
export type File = typeof File.Type

const Refusal = Schema.Struct({ type: Schema.Literal("refusal"), refusal: Schema.String })

const UserPart = Schema.Union([Text, Image, Audio, File])
export type UserPart = typeof UserPart.Type

/** Parts of a tool result: text only for OpenAI, also media for other servers. */
const ResultPart = Schema.Union([Text, Image, File])
export type ResultPart = typeof ResultPart.Type

const AssistantPart = Schema.Union([Text, Refusal])
export type AssistantPart = typeof AssistantPart.Type

// ---------------------------------------------------------------------------------------------------------------------
// Messages
// ---------------------------------------------------------------------------------------------------------------------

/** A call of a function, or of a `custom` tool, which takes text in place of JSON. */
const ToolCall = Schema.Union([
  Schema.Struct({
    id: Schema.String,
    type: Schema.Literal("function"),
    function: Schema.Struct({ name: Schema.String, arguments: Schema.String }),
    /** The signature of a call on Google's server. */
    extra_content: Schema.optional(Schema.Unknown),
  }),
  Schema.Struct({
    id: Schema.String,
    type: Schema.Literal("custom"),
    custom: Schema.Struct({ name: Schema.String, input: Schema.String }),
  }),
])
export type ToolCall = typeof ToolCall.Type

const System = Schema.Struct({ role: Schema.Literal("system"), content: stringOrParts(Schema.Array(Text)) })
const Developer = Schema.Struct({ role: Schema.Literal("developer"), content: stringOrParts(Schema.Array(Text)) })
const User = Schema.Struct({
  role: Schema.Literal("user"),
  content: stringOrParts(Schema.Array(UserPart)),
  name: optional(Schema.String),
})
const Assistant = Schema.Struct({
  role: Schema.Literal("assistant"),
  content: optional(stringOrParts(Schema.Array(AssistantPart))),
  refusal: optional(Schema.String),
  tool_calls: optional(Schema.Array(ToolCall)),
  function_call: optional(Schema.Struct({ name: Schema.String, arguments: Schema.String })),
  audio: optional(Schema.Struct({ id: Schema.String })),
  name: optional(Schema.String),
  /** Reasoning fields of compatible servers. */
  reasoning_content: Schema.optional(Schema.Unknown),
  reasoning: Schema.optional(Schema.Unknown),
  reasoning_details: Schema.optional(Schema.Unknown),
})
export type Assistant = typeof Assistant.Type
const Tool = Schema.Struct({
  role: Schema.Literal("tool"),
  tool_call_id: Schema.String,
  content: stringOrParts(Schema.Array(ResultPart)),
})
/** The result of a `function_call`. */
const Function = Schema.Struct({
  role: Schema.Literal("function"),
  name: Schema.String,
  content: Schema.NullOr(Schema.String),
})

const Message = Schema.Union([System, Developer, User, Assistant, Tool, Function])
export type Message = typeof Message.Type

// ---------------------------------------------------------------------------------------------------------------------
// Request
// ---------------------------------------------------------------------------------------------------------------------

/** The fields of a function, shared with Responses. */
export const functionFields = {
  name: Schema.String,
  description: optional(Schema.String),
  parameters: optional(Json.Anything),
  strict: optional(Schema.Boolean),
}

/** The fields of a custom tool, shared with Responses. */
export const customFields = {
  name: Schema.String,
  description: optional(Schema.String),
  format: Schema.optional(Schema.Unknown),
}

const Declared = Schema.Struct(functionFields)
export type Declared = typeof Declared.Type

const FunctionTool = Schema.Struct({
  type: Schema.Literal("function"),
  function: Declared,
  cache_control: cache.cache_control,
})
export type FunctionTool = typeof FunctionTool.Type

const CustomTool = Schema.Struct({
  type: Schema.Literal("custom"),
  custom: Schema.Struct(customFields),
})
export type CustomTool = typeof CustomTool.Type

const Named = Schema.Struct({ name: Schema.String })

const ToolChoice = Schema.Union([
  Schema.Literals(["auto", "none", "required"]),
  Schema.Struct({ type: Schema.Literal("function"), function: Schema.Struct({ name: Schema.String }) }),
  Schema.Struct({ type: Schema.Literal("custom"), custom: Schema.Struct({ name: Schema.String }) }),
  Schema.Struct({
    type: Schema.Literal("allowed_tools"),
    allowed_tools: Schema.Struct({
      mode: Schema.Literals(["auto", "required"]),
      tools: Schema.Array(Schema.Struct({ function: optional(Named), custom: optional(Named) })),
    }),
  }),
]).annotate({ expected: '"auto", "none", "required" or an object that names a tool' })
export type ToolChoice = typeof ToolChoice.Type

/** The fields of a JSON schema format but the schema, shared with Responses. */
export const jsonSchemaFields = {
  name: Schema.String,
  description: optional(Schema.String),
  strict: optional(Schema.Boolean),
}

const Format = Schema.Union([
  Schema.Struct({ type: Schema.Literal("text") }),
  Schema.Struct({ type: Schema.Literal("json_object") }),
  Schema.Struct({
    type: Schema.Literal("json_schema"),
    json_schema: Schema.Struct({ ...jsonSchemaFields, schema: optional(Json.Anything) }),
  }),
])
export type Format = typeof Format.Type

export const Effort = Schema.Literals(["none", "minimal", "low", "medium", "high", "xhigh", "max"])

export const Request = Schema.Struct({
  model: modelName,
  messages: Schema.Array(Message).check(Schema.isNonEmpty({ expected: "at least one message" })),
  tools: optional(Schema.Array(Schema.Union([FunctionTool, CustomTool]))),
  tool_choice: optional(ToolChoice),
  parallel_tool_calls: optional(Schema.Boolean),
  /** The former names of `tools` and `tool_choice`. */
  functions: optional(Schema.Array(Declared)),
  function_call: optional(
    Schema.Union([Schema.Literals(["auto", "none"]), Named]).annotate({
      expected: '"auto", "none" or an object that names a function',
    }),
  ),
  response_format: optional(Format),
  max_tokens: optional(Schema.Int),
  max_completion_tokens: optional(Schema.Int),
  temperature: optional(Schema.Finite),
  top_p: optional(Schema.Finite),
  stop: optional(
    Schema.Union([Schema.String, Schema.Array(Schema.String)]).annotate({
      expected: "a string or an array of strings",
    }),
  ),
  seed: optional(ExactNumber.Integer),
  frequency_penalty: optional(Schema.Finite),
  presence_penalty: optional(Schema.Finite),
  n: optional(Schema.Int.check(Schema.isGreaterThanOrEqualTo(1, { expected: "at least 1" }))),
  logprobs: optional(Schema.Boolean),
  top_logprobs: optional(Schema.Int),
  reasoning_effort: optional(Effort),
  /** Fields of other servers: OpenRouter's and Anthropic's reasoning, and top_k. */
  reasoning: Schema.optional(Schema.Unknown),
  thinking: Schema.optional(Schema.Unknown),
  top_k: Schema.optional(Schema.Unknown),
  metadata: optional(Json.Labels),
  user: optional(Schema.String),
  /** The newer name of `user`. */
  safety_identifier: optional(Schema.String),
  stream: optional(Schema.Boolean),
  stream_options: optional(Schema.Struct({ include_usage: optional(Schema.Boolean) })),
})
export type Request = typeof Request.Type
