/** Random requests and responses with everything that both `Chat` and the AI SDK support, for round trips. */
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4GenerateResult,
} from "@ai-sdk/provider"
import type * as Chat from "@understudy/core/Chat"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"

const optional = Schema.optionalKey
const Words = Schema.Literals(["", "Hi", "Zürich\n", '"quoted" <b>', "言葉 🎭"])
const Id = Schema.Literals(["call_1", "toolu-2", "x"])
const cache = optional(Schema.Struct({ ttl: optional(Schema.Literals(["5m", "1h"])) }))
const Url = Schema.Struct({ type: Schema.Literal("url"), url: Schema.Literal("https://a.example/b") })
const data = <const Types extends ReadonlyArray<string>>(types: Types) =>
  Schema.Struct({
    type: Schema.Literal("base64"),
    data: Schema.Literals(["", "AAAA", "Z28gb24="]),
    mediaType: Schema.Literals(types),
  })
const Seal = Schema.Struct({ issuer: Schema.Literals(["anthropic", "google@h1"]), value: Schema.NonEmptyString })

// ---------------------------------------------------------------------------------------------------------------------
// Chat: requests
// ---------------------------------------------------------------------------------------------------------------------

const Plain = Schema.Struct({ type: Schema.Literal("text"), text: Words, cache })
const Image = Schema.Struct({
  type: Schema.Literal("image"),
  source: Schema.Union([Url, data(["image/png", "image/webp"])]),
  detail: optional(Schema.Literals(["auto", "low", "high", "original"])),
  cache,
})
const File = Schema.Struct({
  type: Schema.Literal("file"),
  source: Schema.Union([Url, data(["application/pdf", "text/plain"])]),
  name: optional(Words),
  context: optional(Words),
  citable: optional(Schema.Boolean),
  cache,
})
const Audio = Schema.Union([
  Schema.Struct({ type: Schema.Literal("audio"), source: data(["audio/wav"]), format: Schema.Literal("wav") }),
  Schema.Struct({ type: Schema.Literal("audio"), source: data(["audio/mpeg"]), format: Schema.Literal("mp3") }),
])
const ToolCall = Schema.Struct({
  type: Schema.Literal("tool-call"),
  id: Id,
  name: Schema.Literals(["look", "listen"]),
  arguments: Schema.Literals(["{}", '{"city":"Zürich"}', '{"a":{"b":["}"]}}']),
})
const ToolResult = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("tool-result"),
    id: Id,
    content: Schema.NonEmptyArray(Schema.Union([Plain, Image, File])),
    cache,
  }),
  Schema.Struct({
    type: Schema.Literal("tool-result"),
    id: Id,
    content: Schema.Tuple([Schema.Struct({ type: Schema.Literal("text"), text: Words })]),
    isError: Schema.Literal(true),
    cache,
  }),
])

const Message = Schema.Union([
  Schema.Struct({ role: Schema.Literal("system"), content: Schema.Tuple([Plain]) }),
  Schema.Struct({
    role: Schema.Literal("user"),
    content: Schema.Array(Schema.Union([Plain, Image, File, Audio])),
  }),
  Schema.Struct({
    role: Schema.Literal("assistant"),
    content: Schema.NonEmptyArray(
      Schema.Union([Plain, ToolCall, Schema.Struct({ type: Schema.Literal("reasoning"), text: Words })]),
    ),
  }),
  Schema.Struct({ role: Schema.Literal("tool"), content: Schema.NonEmptyArray(ToolResult) }),
])

const strict = { type: "object", properties: { a: { type: "string" } }, required: ["a"], additionalProperties: false }
const loose = { type: "object", properties: { a: { type: "array", items: strict }, b: {} }, required: ["a"] }

const format: Arbitrary.Arbitrary<Pick<Chat.Request, "format">> = Arbitrary.map(
  Arbitrary.schema(
    Schema.Struct({
      kind: Schema.Literals(["none", "json", "strict", "loose"]),
      name: Schema.Literals(["response", "answer"]),
      description: optional(Words),
    }),
  ),
  ({ kind, ...rest }) => {
    switch (kind) {
      case "none":
        return {}
      case "json":
        return { format: { type: "json" } }
      case "strict":
        return { format: { ...rest, type: "json-schema", schema: strict, strict: true } }
      case "loose":
        return { format: { ...rest, type: "json-schema", schema: loose } }
    }
  },
)

const Tools = Schema.Union([
  Schema.Struct({}),
  Schema.Struct({
    tools: Schema.NonEmptyArray(
      Schema.Struct({
        name: Schema.Literals(["look", "listen"]),
        description: optional(Words),
        parameters: Schema.Struct({ type: Schema.Literal("object") }),
        strict: optional(Schema.Boolean),
        cache,
      }),
    ),
    toolChoice: optional(
      Schema.Union([
        Schema.Literals(["auto", "none", "required"]),
        Schema.Struct({ name: Schema.Literals(["look", "listen"]) }),
      ]),
    ),
  }),
])

const Rest = Schema.Struct({
  sampling: optional(
    Schema.Struct({
      maxTokens: Schema.Literals([1, 4096]),
      temperature: optional(Schema.Literals([0, 0.5])),
      topP: optional(Schema.Literals([0.1, 0.9])),
      topK: optional(Schema.Literals([1, 40])),
      stop: optional(Schema.Array(Words)),
      seed: optional(Schema.Literals([0, 7])),
      frequencyPenalty: optional(Schema.Literals([-1, 1])),
      presencePenalty: optional(Schema.Literals([-1, 1])),
    }),
  ),
  reasoning: optional(
    Schema.Struct({ effort: Schema.Literals(["none", "minimal", "low", "medium", "high", "xhigh", "max"]) }),
  ),
})

export const request: Arbitrary.Arbitrary<Chat.Request> = Arbitrary.map(
  Arbitrary.all([Arbitrary.schema(Schema.Array(Message)), Arbitrary.schema(Tools), Arbitrary.schema(Rest), format]),
  ([messages, tools, rest, format]) => ({ model: "assistant", messages, ...tools, ...rest, ...format }),
)

// ---------------------------------------------------------------------------------------------------------------------
// Chat: responses
// ---------------------------------------------------------------------------------------------------------------------

const Count = Schema.Literals([0, 1, 7])
const Said = Schema.Literals(["Hi", "Zürich\n", "言葉 🎭"])

const Thought = Schema.Union([
  Schema.Struct({ type: Schema.Literal("reasoning"), text: Said, signature: Seal }),
  Schema.Struct({ type: Schema.Literal("reasoning"), text: Schema.Literal(""), redacted: Seal }),
])

const Answer = Schema.Struct({
  content: Schema.Array(
    Schema.Union([
      Schema.Struct({
        type: Schema.Literal("text"),
        text: Said,
        citations: optional(Schema.Tuple([Schema.Struct({ source: Schema.Struct({ ...Url.fields, title: Words }) })])),
      }),
      Thought,
      ToolCall,
    ]),
  ),
  finishReason: Schema.Literals(["stop", "length", "content-filter"]),
  uncached: Count,
  usage: Schema.Struct({
    outputTokens: Count,
    cachedInputTokens: optional(Count),
    cacheWriteTokens: optional(Count),
    reasoningTokens: optional(Count),
  }),
})

/** Texts that follow each other are one text in a stream, and a response with calls has their finish reason. */
export const response: Arbitrary.Arbitrary<Chat.Response> = Arbitrary.map(
  Arbitrary.schema(Answer),
  ({ content, finishReason, uncached, usage }) => ({
    id: "r_1",
    model: "vendor-model",
    content: content
      .filter((part, index) => part.type !== "text" || content[index - 1]?.type !== "text")
      .map((part, index) => (part.type === "tool-call" ? { ...part, id: `${part.id}${index}` } : part)),
    finishReason:
      finishReason === "stop" && content.some(({ type }) => type === "tool-call") ? "tool-calls" : finishReason,
    usage: { ...usage, inputTokens: uncached + (usage.cachedInputTokens ?? 0) + (usage.cacheWriteTokens ?? 0) },
  }),
)

// ---------------------------------------------------------------------------------------------------------------------
// The AI SDK's own
// ---------------------------------------------------------------------------------------------------------------------

const metadata = { providerMetadata: { vendor: { item: "i_1", sealed: "s" } } }

/** Content of every kind that the AI SDK has. */
const contents: ReadonlyArray<LanguageModelV4Content> = [
  { type: "text", text: "Hi", ...metadata },
  { type: "text", text: "言葉" },
  { type: "reasoning", text: "Hm", ...metadata },
  { type: "reasoning", text: "", ...metadata },
  { type: "tool-call", toolCallId: "c1", toolName: "look", input: '{"where":"up"}', ...metadata },
  { type: "tool-call", toolCallId: "c2", toolName: "search", input: "{}", providerExecuted: true, dynamic: true },
  { type: "tool-result", toolCallId: "c2", toolName: "search", result: { hits: [1] }, ...metadata },
  { type: "tool-approval-request", approvalId: "a1", toolCallId: "c2" },
  { type: "source", sourceType: "url", id: "s1", url: "https://a.example", title: "A", ...metadata },
  { type: "source", sourceType: "document", id: "s2", mediaType: "application/pdf", title: "B" },
  { type: "file", mediaType: "image/png", data: { type: "data", data: "AAAA" }, ...metadata },
  { type: "file", mediaType: "image/png", data: { type: "url", url: new URL("https://a.example/b.png") } },
  { type: "reasoning-file", mediaType: "image/png", data: { type: "data", data: "AAAA" } },
  { type: "custom", kind: "vendor.thing", ...metadata },
]

const at = (length: number) => Schema.Literals([...Array(length).keys()])

export const result: Arbitrary.Arbitrary<LanguageModelV4GenerateResult> = Arbitrary.map(
  Arbitrary.schema(Schema.NonEmptyArray(at(contents.length))),
  (indexes) => ({
    content: indexes.flatMap((index) => contents[index] ?? []),
    finishReason: { unified: "stop", raw: "end_turn" },
    usage: {
      inputTokens: { total: 3, noCache: 1, cacheRead: 1, cacheWrite: 1 },
      outputTokens: { total: 2, text: 1, reasoning: 1 },
      raw: { in: 3 },
    },
    warnings: [{ type: "other", message: "Mind the gap" }],
    response: { id: "r1", modelId: "m1", timestamp: new Date(0), headers: { "x-a": "b" } },
    providerMetadata: { vendor: { tier: "fast" } },
  }),
)

/** Options that only a model of the AI SDK reads. */
export const options: LanguageModelV4CallOptions = {
  prompt: [
    { role: "system", content: "Be brief.", providerOptions: { vendor: { cached: true } } },
    {
      role: "user",
      content: [
        { type: "text", text: "Hi" },
        { type: "file", mediaType: "image/png", data: { type: "data", data: "AAAA" }, filename: "a.png" },
        { type: "file", mediaType: "application/pdf", data: { type: "reference", reference: { vendor: "f1" } } },
      ],
    },
    {
      role: "assistant",
      content: [
        { type: "reasoning", text: "Hm", providerOptions: { vendor: { sealed: "s" } } },
        { type: "custom", kind: "vendor.thing" },
        { type: "tool-call", toolCallId: "c1", toolName: "look", input: { where: "up" } },
        { type: "file", mediaType: "image/png", data: { type: "data", data: "AAAA" } },
      ],
    },
    {
      role: "tool",
      content: [
        {
          type: "tool-result",
          toolCallId: "c1",
          toolName: "look",
          output: {
            type: "content",
            value: [{ type: "file", mediaType: "image/png", data: { type: "data", data: "AAAA" } }],
          },
        },
        { type: "tool-approval-response", approvalId: "a1", approved: true },
      ],
    },
  ],
  tools: [
    { type: "function", name: "look", inputSchema: { type: "object" }, inputExamples: [{ input: { where: "up" } }] },
    { type: "provider", id: "vendor.search", name: "search", args: { max: 3 } },
  ],
  toolChoice: { type: "auto" },
  providerOptions: { vendor: { tier: "fast" } },
  maxOutputTokens: 10,
  includeRawChunks: true,
}
