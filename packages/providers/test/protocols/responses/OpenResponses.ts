/**
 * The required fields of a response and of each stream event in the schema of Open Responses
 * (https://www.openresponses.org, as of 2026-04-24).
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaParser from "effect/SchemaParser"

const { Boolean, Int, String } = Schema
const orNull = <S extends Schema.Constraint>(schema: S) => Schema.NullOr(schema)
const is = <const Type extends string>(type: Type) => Schema.Literal(type)

// ---------------------------------------------------------------------------------------------------------------------
// Items
// ---------------------------------------------------------------------------------------------------------------------

const probable = { token: String, logprob: Schema.Finite, bytes: Schema.Array(Int) }
const Logprob = Schema.Struct({ ...probable, top_logprobs: Schema.Array(Schema.Struct(probable)) })
const logprobs = Schema.optionalKey(Schema.Array(Logprob))

const Annotation = Schema.Struct({
  type: is("url_citation"),
  url: String,
  start_index: Int,
  end_index: Int,
  title: String,
})

const OutputText = Schema.Struct({
  type: is("output_text"),
  text: String,
  annotations: Schema.Array(Annotation),
  logprobs,
})
const Refusal = Schema.Struct({ type: is("refusal"), refusal: String })
const Summary = Schema.Struct({ type: is("summary_text"), text: String })
const ReasoningText = Schema.Struct({ type: is("reasoning_text"), text: String })

const Status = Schema.Literals(["in_progress", "completed", "incomplete"])

const Message = Schema.Struct({
  type: is("message"),
  id: String,
  status: Status,
  role: is("assistant"),
  content: Schema.Array(Schema.Union([OutputText, Refusal])),
})

const FunctionCall = Schema.Struct({
  type: is("function_call"),
  id: String,
  call_id: String,
  name: String,
  arguments: String,
  status: Status,
})

const Reasoning = Schema.Struct({
  type: is("reasoning"),
  id: String,
  summary: Schema.Array(Summary),
  content: Schema.optionalKey(Schema.Array(ReasoningText)),
  encrypted_content: Schema.optionalKey(String),
})

/** OpenAI's own fields, which that schema does not have. */
const CustomToolCall = Schema.Struct({
  type: is("custom_tool_call"),
  id: String,
  call_id: String,
  name: String,
  input: String,
})

const Item = Schema.Union([Message, FunctionCall, Reasoning, CustomToolCall])

// ---------------------------------------------------------------------------------------------------------------------
// The response
// ---------------------------------------------------------------------------------------------------------------------

const Tool = Schema.Union([
  Schema.Struct({
    type: is("function"),
    name: String,
    description: orNull(String),
    parameters: orNull(Schema.Record(String, Schema.Unknown)),
    strict: Boolean,
  }),
  Schema.Struct({ type: Schema.Literals(["custom", "namespace", "web_search"]) }),
])

const ToolChoice = Schema.Union([
  Schema.Literals(["none", "auto", "required"]),
  Schema.Struct({ type: Schema.Literals(["function", "custom"]), name: String }),
  Schema.Struct({ type: is("allowed_tools"), mode: String, tools: Schema.Array(Schema.Unknown) }),
])

const Format = Schema.Union([
  Schema.Struct({ type: Schema.Literals(["text", "json_object"]) }),
  Schema.Struct({
    type: is("json_schema"),
    name: String,
    description: orNull(String),
    schema: Schema.Unknown,
    strict: Boolean,
  }),
])

const Usage = Schema.Struct({
  input_tokens: Int,
  input_tokens_details: Schema.Struct({ cached_tokens: Int }),
  output_tokens: Int,
  output_tokens_details: Schema.Struct({ reasoning_tokens: Int }),
  total_tokens: Int,
})

const Response = Schema.Struct({
  id: String,
  object: is("response"),
  created_at: Int,
  completed_at: orNull(Int),
  status: Schema.Literals(["queued", "in_progress", "completed", "incomplete", "failed"]),
  incomplete_details: orNull(Schema.Struct({ reason: String })),
  model: String,
  previous_response_id: orNull(String),
  instructions: orNull(String),
  output: Schema.Array(Item),
  error: orNull(Schema.Struct({ code: String, message: String })),
  tools: Schema.Array(Tool),
  tool_choice: ToolChoice,
  truncation: Schema.Literals(["auto", "disabled"]),
  parallel_tool_calls: Boolean,
  text: Schema.Struct({ format: Format, verbosity: Schema.optionalKey(Schema.Literals(["low", "medium", "high"])) }),
  top_p: Schema.Finite,
  presence_penalty: Schema.Finite,
  frequency_penalty: Schema.Finite,
  top_logprobs: Int,
  temperature: Schema.Finite,
  reasoning: orNull(Schema.Struct({ effort: orNull(String), summary: orNull(String) })),
  usage: orNull(Usage),
  max_output_tokens: orNull(Int),
  max_tool_calls: orNull(Int),
  store: Boolean,
  background: Boolean,
  service_tier: String,
  metadata: Schema.Record(String, String),
  safety_identifier: orNull(String),
  prompt_cache_key: orNull(String),
})

// ---------------------------------------------------------------------------------------------------------------------
// Events
// ---------------------------------------------------------------------------------------------------------------------

const event = <const Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.Struct({ type: String, sequence_number: Int, ...fields })

const ofResponse = event({ response: Response })
const ofItem = event({ output_index: Int, item: Item })

const within = { item_id: String, output_index: Int }
const inContent = { ...within, content_index: Int }
const inSummary = { ...within, summary_index: Int }
const ofPart = event({ ...inContent, part: Schema.Union([OutputText, Refusal]) })
const ofSummary = event({ ...inSummary, part: Summary })

const said = { code: orNull(String), message: String, param: orNull(String) }

/** By type; events without an entry are not in the schema. */
const events: Readonly<Record<string, Schema.ConstraintDecoder<unknown>>> = {
  "response.created": ofResponse,
  "response.queued": ofResponse,
  "response.in_progress": ofResponse,
  "response.completed": ofResponse,
  "response.incomplete": ofResponse,
  "response.failed": ofResponse,
  "response.output_item.added": ofItem,
  "response.output_item.done": ofItem,
  "response.content_part.added": ofPart,
  "response.content_part.done": ofPart,
  "response.output_text.delta": event({ ...inContent, delta: String, logprobs }),
  "response.output_text.done": event({ ...inContent, text: String, logprobs }),
  "response.output_text.annotation.added": event({ ...inContent, annotation_index: Int, annotation: Annotation }),
  "response.refusal.delta": event({ ...inContent, delta: String }),
  "response.refusal.done": event({ ...inContent, refusal: String }),
  "response.reasoning_summary_part.added": ofSummary,
  "response.reasoning_summary_part.done": ofSummary,
  "response.reasoning_summary_text.delta": event({ ...inSummary, delta: String }),
  "response.reasoning_summary_text.done": event({ ...inSummary, text: String }),
  "response.function_call_arguments.delta": event({ ...within, delta: String }),
  "response.function_call_arguments.done": event({ ...within, name: String, arguments: String }),
  "response.custom_tool_call_input.delta": event({ ...within, delta: String }),
  "response.custom_tool_call_input.done": event({ ...within, input: String }),
  error: event({ ...said, error: Schema.Struct({ ...said, type: String }) }),
}

const faults = (schema: Schema.ConstraintDecoder<unknown>, value: unknown): string | undefined => {
  const result = SchemaParser.decodeUnknownResult(schema)(value)
  return Result.isFailure(result) ? `${result.failure}` : undefined
}

/** The missing fields of a response; `undefined` if it is complete. */
export const responseFaults = (response: unknown): string | undefined => faults(Response, response)

/** The missing fields of an event; `undefined` if it is complete. */
export const eventFaults = (event: { readonly type: string }): string | undefined => {
  const schema = events[event.type]
  return schema === undefined ? `There is no event ${event.type}` : faults(schema, event)
}
