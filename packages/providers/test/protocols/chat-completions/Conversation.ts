/** Random requests and responses with everything that Chat Completions supports, for round trips. */
import type * as Chat from "@understudy/core/Chat"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"

const optional = Schema.optionalKey
const Words = Schema.NonEmptyString
const cache = optional(Schema.Struct({ ttl: optional(Schema.Literals(["30m", "12h"])) }))
const Url = Schema.Struct({
  type: Schema.Literal("url"),
  url: Schema.Literals(["https://a.example/b.png", "data:,hi"]),
})
const data = <const Types extends ReadonlyArray<string>>(types: Types) =>
  Schema.Struct({
    type: Schema.Literal("base64"),
    data: Schema.Literals(["", "AAAA", "Z28gb24="]),
    mediaType: Schema.Literals(types),
  })

const Text = Schema.Struct({ type: Schema.Literal("text"), text: Words, cache })
const Image = Schema.Struct({
  type: Schema.Literal("image"),
  source: Schema.Union([Url, data(["image/png", "image/jpeg"])]),
  detail: optional(Schema.Literals(["auto", "low", "high", "original"])),
  cache,
})
const File = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("file"),
    source: data(["application/pdf", "text/plain"]),
    name: Schema.Literals(["a.pdf", "b"]),
    cache,
  }),
  Schema.Struct({
    type: Schema.Literal("file"),
    source: Schema.Struct({ type: Schema.Literal("id"), id: Schema.Literals(["file-1", "file-2"]) }),
    name: optional(Schema.Literal("c.pdf")),
    cache,
  }),
])
const Audio = Schema.Union([
  Schema.Struct({ type: Schema.Literal("audio"), source: data(["audio/wav"]), format: Schema.Literal("wav") }),
  Schema.Struct({ type: Schema.Literal("audio"), source: data(["audio/mpeg"]), format: Schema.Literal("mp3") }),
])
const Refusal = Schema.Struct({ type: Schema.Literal("refusal"), text: Words })
const Recording = Schema.Struct({
  type: Schema.Literal("audio"),
  source: Schema.Struct({ type: Schema.Literal("id"), id: Words }),
})
const Id = Schema.Literals(["call_1", "tooluse:2", "ü"])
const ToolCall = Schema.Struct({
  type: Schema.Literal("tool-call"),
  id: Id,
  name: Words,
  arguments: Schema.Literals(["{}", '{"city":"Zürich"}', "no JSON at all"]),
  custom: optional(Schema.Literal(true)),
})

const texts = Schema.Array(Text)
const name = optional(Words)

/** An assistant message has text, then audio, then calls: the wire has no other order. */
const Said = Schema.Struct({
  role: Schema.Literal("assistant"),
  words: Schema.Array(Schema.Union([Text, Refusal])),
  audio: optional(Recording),
  calls: Schema.Array(ToolCall),
  name,
})

const Turn = Schema.Union([
  Schema.Struct({ role: Schema.Literals(["system", "developer"]), content: texts }),
  Schema.Struct({
    role: Schema.Literal("user"),
    content: Schema.Array(Schema.Union([Text, Image, File, Audio])),
    name,
  }),
  Said,
  Schema.Struct({
    role: Schema.Literal("tool"),
    content: Schema.NonEmptyArray(Schema.Struct({ type: Schema.Literal("tool-result"), id: Id, content: texts })),
  }),
])

const message = (turn: typeof Turn.Type): Chat.Message => {
  if (turn.role !== "assistant") return turn
  const { audio, calls, role, words, ...rest } = turn
  return { role, content: [...words, ...(audio === undefined ? [] : [audio]), ...calls], ...rest }
}

/** Neighbouring results are one message. */
const messages = Arbitrary.map(Arbitrary.schema(Schema.NonEmptyArray(Turn)), (turns) =>
  turns.filter((turn, index) => turn.role !== "tool" || turns[index - 1]?.role !== "tool").map(message),
)

const JsonSchema = Schema.Struct({ type: Schema.Literal("object"), required: optional(Schema.Array(Words)) })

const Tools = Schema.Struct({
  tools: Schema.NonEmptyArray(
    Schema.Union([
      Schema.Struct({
        name: Words,
        description: optional(Schema.String),
        parameters: optional(JsonSchema),
        strict: optional(Schema.Boolean),
      }),
      Schema.Struct({
        name: Words,
        description: optional(Schema.String),
        custom: Schema.Struct({
          format: optional(
            Schema.Struct({
              type: Schema.Literal("grammar"),
              syntax: Schema.Literals(["lark", "regex"]),
              definition: Words,
            }),
          ),
        }),
      }),
    ]),
  ),
  toolChoice: optional(Schema.Union([Schema.Literals(["auto", "none", "required"]), Schema.Struct({ name: Words })])),
  parallelToolCalls: optional(Schema.Boolean),
})

const Rest = Schema.Struct({
  format: optional(
    Schema.Union([
      Schema.Struct({ type: Schema.Literals(["text", "json"]) }),
      Schema.Struct({
        type: Schema.Literal("json-schema"),
        name: Words,
        schema: JsonSchema,
        description: optional(Schema.String),
        strict: optional(Schema.Boolean),
      }),
    ]),
  ),
  sampling: optional(
    Schema.Struct({
      maxTokens: Schema.Literals([1, 4096]),
      temperature: optional(Schema.Literals([0, 0.5, 2])),
      topP: optional(Schema.Literals([0.1, 1])),
      stop: optional(
        Schema.Union([Schema.Tuple([Schema.String]), Schema.Tuple([Schema.String, Schema.String, Schema.String])]),
      ),
      seed: optional(Schema.Literals([0, -7])),
      frequencyPenalty: optional(Schema.Literals([-2, 0.5])),
      presencePenalty: optional(Schema.Literals([-2, 0.5])),
      n: optional(Schema.Literals([1, 3])),
      logprobs: optional(Schema.Boolean),
    }),
  ),
  reasoning: optional(
    Schema.Struct({ effort: Schema.Literals(["none", "minimal", "low", "medium", "high", "xhigh", "max"]) }),
  ),
  user: optional(Words),
})

const Stored = Schema.Struct({
  metadata: Schema.Struct({ team: Words }),
  vendor: Schema.Struct({
    "chat-completions": Schema.Struct({
      store: Schema.Literal(true),
      logit_bias: Schema.Struct({ 50256: Schema.Literals([-100, 0, 100]) }),
    }),
  }),
})

const maybe = <A>(schema: Schema.Schema<A>) => Arbitrary.schema(Schema.Union([schema, Schema.Struct({})]))

export const request: Arbitrary.Arbitrary<Chat.Request> = Arbitrary.map(
  Arbitrary.all([messages, maybe(Tools), Arbitrary.schema(Rest), maybe(Stored)]),
  ([messages, tools, rest, stored]) =>
    ({
      model: "gpt-5.6",
      // OpenAI requires a mention of JSON for JSON output.
      messages: "format" in rest && rest.format?.type === "json" ? [...messages, asksForJson] : messages,
      ...tools,
      ...rest,
      ...stored,
    }) as Chat.Request,
)

const asksForJson: Chat.Message = { role: "user", content: [{ type: "text", text: "In JSON, please" }] }

// ---------------------------------------------------------------------------------------------------------------------
// Answers
// ---------------------------------------------------------------------------------------------------------------------

const Count = Schema.Literals([0, 1, 4096])

const Cited = Schema.Struct({
  source: Schema.Struct({ type: Schema.Literal("url"), url: Words, title: Words }),
  supports: Schema.Struct({ start: Count, end: Count }),
})

const Seal = Schema.Struct({
  issuer: Schema.Literals(["anthropic", "openai", "google", "acme"]),
  value: Schema.Literals(["c2ln", "=/+"]),
})

const Reasoning = Schema.Union([
  Schema.Struct({ type: Schema.Literal("reasoning"), text: Words, signature: optional(Seal) }),
  Schema.Struct({ type: Schema.Literal("reasoning"), text: Schema.Literal(""), redacted: Seal }),
])

/** In a response, ids may have any length, and arguments that are not JSON belong to custom tools. */
const signed = { id: Schema.Union([Id, Schema.Literal(`toolu_${"x".repeat(70)}`)]), signature: optional(Seal) }
const Signed = Schema.Union([
  Schema.Struct({ ...ToolCall.fields, ...signed, custom: Schema.Literal(true) }),
  Schema.Struct({
    type: Schema.Literal("tool-call"),
    name: Words,
    ...signed,
    arguments: Schema.Literals(["{}", '{"city":"Zürich"}']),
  }),
])

const Choice = Schema.Struct({
  reasoning: Schema.Array(Reasoning),
  text: optional(
    Schema.Struct({
      type: Schema.Literal("text"),
      text: Words,
      citations: optional(Schema.NonEmptyArray(Cited)),
    }),
  ),
  refusal: optional(Refusal),
  audio: optional(Recording),
  calls: Schema.Array(Signed),
  finish: Schema.Literals(["stop", "length", "tool-calls", "content-filter"]),
  logprobs: optional(Schema.Struct({ content: Schema.Array(Schema.String) })),
})

const choice = ({ audio, calls, finish, reasoning, refusal, text, ...rest }: typeof Choice.Type): Chat.Choice => ({
  content: [
    ...reasoning,
    ...[text, refusal, audio].filter((part) => part !== undefined),
    ...calls.map((call, index) => ({ ...call, id: `${call.id}${index}` })),
  ],
  // A response with calls has the finish reason for calls, and no other has.
  finishReason: finish === "stop" || finish === "tool-calls" ? (calls.length > 0 ? "tool-calls" : "stop") : finish,
  ...rest,
})

const Answer = Schema.Struct({
  choices: Schema.NonEmptyArray(Choice),
  usage: optional(
    Schema.Struct({
      inputTokens: Count,
      outputTokens: Count,
      cachedInputTokens: optional(Count),
      cacheWriteTokens: optional(Count),
      reasoningTokens: optional(Count),
    }),
  ),
})

export const response: Arbitrary.Arbitrary<Chat.Response> = Arbitrary.map(
  Arbitrary.schema(Answer),
  ({ choices: [first, ...others], ...rest }) => ({
    id: "chatcmpl-1",
    model: "gpt-5.6",
    ...choice(first),
    ...(others.length === 0 ? undefined : { alternatives: others.map(choice) }),
    ...rest,
  }),
)
