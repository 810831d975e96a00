/** Random requests and responses with everything that Messages supports, for round trips. */
import type * as Chat from "@understudy/core/Chat"
import * as Citations from "@understudy/providers/internal/protocols/messages/Citations"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"

const optional = Schema.optionalKey
/** Blank text is left out: the API rejects it. */
const Words = Schema.Literals(["Hi", "Zürich\n", '"quoted" <b>', "言葉 🎭"])
const Id = Schema.Literals(["toolu_01", "call-2", "x"])
const cache = optional(Schema.Struct({ ttl: optional(Schema.Literals(["5m", "1h"])) }))
const Url = Schema.Struct({ type: Schema.Literal("url"), url: Schema.Literal("https://a.example/b") })
const FileId = Schema.Struct({ type: Schema.Literal("id"), id: Schema.Literal("file_011") })
const data = <const Types extends ReadonlyArray<string>>(types: Types) =>
  Schema.Struct({
    type: Schema.Literal("base64"),
    data: Schema.Literals(["", "AAAA", "Z28gb24="]),
    mediaType: Schema.Literals(types),
  })
const Seal = Schema.Struct({ issuer: Schema.Literals(["anthropic", "google"]), value: Schema.NonEmptyString })
const OwnSeal = Schema.Struct({ issuer: Schema.Literal("anthropic"), value: Schema.NonEmptyString })

// ---------------------------------------------------------------------------------------------------------------------
// Content
// ---------------------------------------------------------------------------------------------------------------------

const Count = Schema.Literals([0, 1, 7])

const Cited = Schema.Struct({
  source: Schema.Struct({ type: Schema.Literal("document"), index: Count, title: optional(Words) }),
  quote: Words,
  range: Schema.Struct({ unit: Schema.Literals(["character", "page", "block"]), start: Count, end: Count }),
})

/** A citation as decoded, with its original. */
const cited = (citation: Chat.Citation): Chat.Citation => ({
  ...citation,
  vendor: { messages: Citations.encodeForClient(citation) },
})

const Text = Schema.Struct({
  type: Schema.Literal("text"),
  text: Words,
  citations: optional(Schema.NonEmptyArray(Cited)),
})
const Plain = Schema.Struct({ type: Schema.Literal("text"), text: Words, cache })
const Image = Schema.Struct({
  type: Schema.Literal("image"),
  source: Schema.Union([Url, FileId, data(["image/png", "image/webp"])]),
  cache,
})
const File = Schema.Struct({
  type: Schema.Literal("file"),
  source: Schema.Union([Url, FileId, data(["application/pdf", "text/plain"])]),
  name: optional(Words),
  context: optional(Words),
  citable: optional(Schema.Literal(true)),
  cache,
})
const ToolCall = Schema.Struct({
  type: Schema.Literal("tool-call"),
  id: Id,
  name: Words,
  arguments: Schema.Literals(["{}", '{"city":"Zürich"}', '{"a":{"b":["}"]}}']),
})
const ToolResult = Schema.Struct({
  type: Schema.Literal("tool-result"),
  id: Id,
  content: Schema.Array(Schema.Union([Plain, Image, File])),
  isError: optional(Schema.Literal(true)),
  cache,
})

const thought = <S extends Schema.Schema<unknown>>(seal: S) =>
  Schema.Union([
    Schema.Struct({ type: Schema.Literal("reasoning"), text: Schema.Literals(["", "Hm"]), signature: seal }),
    Schema.Struct({ type: Schema.Literal("reasoning"), text: Schema.Literal(""), redacted: seal }),
  ])

const withCitations = <P extends { readonly type: string }>(part: P): P =>
  part.type === "text" && "citations" in part
    ? { ...part, citations: (part.citations as ReadonlyArray<Chat.Citation>).map(cited) }
    : part

// ---------------------------------------------------------------------------------------------------------------------
// Requests
// ---------------------------------------------------------------------------------------------------------------------

/** The user's and system's turns, and the responses. */
const Exchange = Schema.Struct({
  results: Schema.Array(ToolResult),
  shown: Schema.NonEmptyArray(Schema.Union([Plain, Image, File])),
  system: optional(Schema.NonEmptyArray(Plain)),
  said: Schema.NonEmptyArray(Schema.Union([Text, thought(OwnSeal), ToolCall])),
})

const exchanged = ({ results, said, shown, system }: typeof Exchange.Type): ReadonlyArray<Chat.Message> => [
  ...(results.length === 0 ? [] : [{ role: "tool" as const, content: results }]),
  { role: "user", content: shown },
  ...(system === undefined ? [] : [{ role: "system" as const, content: system }]),
  { role: "assistant", content: said.map(withCitations) },
]

const messages = Arbitrary.map(
  Arbitrary.all([Arbitrary.schema(Schema.Array(Plain)), Arbitrary.schema(Schema.NonEmptyArray(Exchange))]),
  ([system, exchanges]): ReadonlyArray<Chat.Message> => [
    ...(system.length === 0 ? [] : [{ role: "system" as const, content: system }]),
    ...exchanges.flatMap(exchanged),
  ],
)

const JsonSchema = Schema.Struct({ type: Schema.Literal("object"), required: optional(Schema.Array(Words)) })

const tools = Schema.NonEmptyArray(
  Schema.Struct({
    name: Words,
    description: optional(Schema.String),
    parameters: JsonSchema,
    strict: optional(Schema.Literal(true)),
    cache,
  }),
)

const Tools = Schema.Union([
  Schema.Struct({}),
  Schema.Struct({ tools, toolChoice: optional(Schema.Literals(["auto", "none"])) }),
  Schema.Struct({ tools, toolChoice: Schema.Literal("auto"), parallelToolCalls: Schema.Literal(false) }),
])

const Forced = Schema.Struct({
  tools,
  toolChoice: Schema.Union([Schema.Literal("required"), Schema.Struct({ name: Words })]),
  parallelToolCalls: optional(Schema.Literal(false)),
})

const Rest = Schema.Struct({
  format: optional(
    Schema.Struct({ type: Schema.Literal("json-schema"), name: Schema.Literal("answer"), schema: JsonSchema }),
  ),
  user: optional(Words),
})

const limits = {
  maxTokens: Schema.Literals([1, 4096]),
  stop: optional(Schema.NonEmptyArray(Words)),
}

/** A model with reasoning has reasoning parameters; a model with sampling has sampling parameters. */
const Manner = Schema.Union([
  Schema.Struct({
    model: Schema.Literal("claude-opus-4-8"),
    tools: Tools,
    sampling: Schema.Struct(limits),
    reasoning: optional(
      Schema.Struct({ effort: optional(Schema.Literals(["none", "low", "medium", "high", "xhigh", "max"])) }),
    ),
  }),
  Schema.Struct({
    model: Schema.Literal("claude-3-haiku-20240307"),
    tools: Schema.Union([Tools, Forced]),
    sampling: Schema.Struct({
      ...limits,
      temperature: optional(Schema.Literals([0, 0.5, 1])),
      topP: optional(Schema.Literals([0.1, 0.9])),
      topK: optional(Schema.Literals([1, 40])),
    }),
  }),
])

/** An older model has no JSON schema output. */
const formed = (model: string, { format, ...rest }: typeof Rest.Type) =>
  format === undefined || model !== "claude-opus-4-8" ? rest : { ...rest, format }

/** An older model has no system turns inside the conversation. */
const placed = (model: string, messages: ReadonlyArray<Chat.Message>): ReadonlyArray<Chat.Message> =>
  model === "claude-opus-4-8" ? messages : messages.filter(({ role }, index) => role !== "system" || index === 0)

export const request: Arbitrary.Arbitrary<Chat.Request> = Arbitrary.map(
  Arbitrary.all([messages, Arbitrary.schema(Manner), Arbitrary.schema(Rest)]),
  ([messages, { tools, ...manner }, rest]) => ({
    ...manner,
    ...tools,
    ...formed(manner.model, rest),
    messages: placed(manner.model, messages),
  }),
)

// ---------------------------------------------------------------------------------------------------------------------
// Answers
// ---------------------------------------------------------------------------------------------------------------------

const Answer = Schema.Struct({
  content: Schema.Array(Schema.Union([Text, thought(Seal), ToolCall])),
  finishReason: Schema.Literals(["stop", "length", "tool-calls", "refusal", "pause"]),
  stopSequence: optional(Words),
  uncached: Count,
  usage: Schema.Struct({
    outputTokens: Count,
    cachedInputTokens: optional(Count),
    cacheWriteTokens: optional(Count),
    reasoningTokens: optional(Count),
  }),
})

/** A response with calls, or one ended by a stop sequence, has that finish reason. */
export const response: Arbitrary.Arbitrary<Chat.Response> = Arbitrary.map(
  Arbitrary.schema(Answer),
  ({ content, finishReason, stopSequence, uncached, usage }) => {
    const calls = content.some(({ type }) => type === "tool-call")
    const ended =
      finishReason === "stop" || finishReason === "tool-calls" ? (calls ? "tool-calls" : "stop") : finishReason
    return {
      id: "msg_1",
      model: "claude-opus-5",
      content: content.map((part, index) =>
        part.type === "tool-call" ? { ...part, id: `${part.id}${index}` } : withCitations(part),
      ),
      finishReason: ended,
      ...(ended === "stop" && stopSequence !== undefined ? { stopSequence } : undefined),
      usage: {
        ...usage,
        inputTokens: uncached + (usage.cachedInputTokens ?? 0) + (usage.cacheWriteTokens ?? 0),
      },
    }
  },
)
