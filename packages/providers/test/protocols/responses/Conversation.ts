/** Random requests and responses with everything that Responses supports, for round trips. */
import type * as Chat from "@understudy/core/Chat"
import * as Sealed from "@understudy/providers/internal/protocols/responses/Reasoning"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"

const optional = Schema.optionalKey
const Words = Schema.NonEmptyString
const cache = optional(Schema.Struct({ ttl: optional(Schema.Literals(["30m", "12h"])) }))
const data = <const Types extends ReadonlyArray<string>>(types: Types) =>
  Schema.Struct({
    type: Schema.Literal("base64"),
    data: Schema.Literals(["", "AAAA", "Z28gb24="]),
    mediaType: Schema.Literals(types),
  })
const Url = Schema.Struct({
  type: Schema.Literal("url"),
  url: Schema.Literals(["https://a.example/b.png", "data:,hi"]),
})
const Id = Schema.Struct({ type: Schema.Literal("id"), id: Schema.Literals(["file-1", "file-2"]) })

const Text = Schema.Struct({ type: Schema.Literal("text"), text: Words, cache })
const Image = Schema.Struct({
  type: Schema.Literal("image"),
  source: Schema.Union([Url, Id, data(["image/png", "image/jpeg"])]),
  detail: Schema.Literals(["auto", "low", "high", "original"]),
  cache,
})
const File = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("file"),
    source: data(["application/pdf", "text/plain"]),
    name: Schema.Literals(["a.pdf", "b"]),
    cache,
  }),
  Schema.Struct({ type: Schema.Literal("file"), source: Schema.Union([Url, Id]), cache }),
])

const Count = Schema.Literals([0, 1, 4096])
const Cited = Schema.Struct({
  source: Schema.Struct({ type: Schema.Literal("url"), url: Words, title: Words }),
  supports: Schema.Struct({ start: Count, end: Count }),
})
const Said = Schema.Struct({
  type: Schema.Literal("text"),
  text: Words,
  citations: optional(Schema.NonEmptyArray(Cited)),
})
const Refusal = Schema.Struct({ type: Schema.Literal("refusal"), text: Words })

const seal = <const Issuers extends ReadonlyArray<string>>(issuers: Issuers) =>
  Schema.Struct({ issuer: Schema.Literals(issuers), value: Schema.Literals(["c2VhbA==", "gAAAA.b"]) })
const sealed = Schema.Struct({ type: Schema.Literal("reasoning"), text: Words, signature: seal(["openai"]) })
const hidden = Schema.Struct({
  type: Schema.Literal("reasoning"),
  text: Schema.Literal(""),
  redacted: seal(["openai"]),
})

const called = {
  type: Schema.Literal("tool-call"),
  id: Schema.Literals(["call_1", "call_2", "toolu_3"]),
  name: Words,
}
const Called = Schema.Union([
  Schema.Struct({ ...called, arguments: Schema.Literals(["{}", '{"city":"Zürich"}', "no JSON at all"]) }),
  Schema.Struct({ ...called, arguments: Schema.Literals(["", "*** Begin"]), custom: Schema.Literal(true) }),
])

const texts = Schema.Array(Text)

const Turn = Schema.Union([
  Schema.Struct({ role: Schema.Literals(["system", "developer"]), content: texts }),
  Schema.Struct({ role: Schema.Literal("user"), content: Schema.Array(Schema.Union([Text, Image, File])) }),
  Schema.Struct({
    role: Schema.Literal("assistant"),
    content: Schema.NonEmptyArray(Schema.Union([Said, Refusal, sealed, hidden, Called])),
  }),
  Schema.Struct({
    role: Schema.Literal("tool"),
    content: Schema.NonEmptyArray(
      Schema.Struct({
        type: Schema.Literal("tool-result"),
        id: called.id,
        content: Schema.Array(Schema.Union([Text, Image, File])),
      }),
    ),
  }),
])

/** Neighbouring messages of the assistant, or of tools, are one. */
const messages = Arbitrary.map(Arbitrary.schema(Schema.NonEmptyArray(Turn)), (turns) =>
  turns.filter(({ role }, index) => (role !== "tool" && role !== "assistant") || turns[index - 1]?.role !== role),
)

const JsonSchema = Schema.Struct({ type: Schema.Literal("object"), required: optional(Schema.Array(Words)) })

const Tools = Schema.Struct({
  tools: Schema.NonEmptyArray(
    Schema.Union([
      Schema.Struct({
        name: Words,
        description: optional(Words),
        parameters: optional(JsonSchema),
        strict: Schema.Boolean,
      }),
      Schema.Struct({
        name: Words,
        description: optional(Words),
        custom: Schema.Struct({ format: optional(Schema.Struct({ type: Schema.Literal("text") })) }),
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
    Schema.Union([
      Schema.Struct({
        maxTokens: Schema.Literals([16, 4096]),
        temperature: optional(Schema.Literals([0, 0.5, 2])),
        topP: optional(Schema.Literals([0.1, 1])),
      }),
      Schema.Struct({ logprobs: Schema.Literal(true), topLogprobs: optional(Schema.Literals([1, 20])) }),
    ]),
  ),
  reasoning: optional(
    Schema.Struct({ effort: Schema.Literals(["none", "minimal", "low", "medium", "high", "xhigh", "max"]) }),
  ),
  user: optional(Words),
})

const Stored = Schema.Struct({
  metadata: Schema.Struct({ team: Words }),
  vendor: Schema.Struct({
    responses: Schema.Struct({
      store: Schema.Literal(true),
      truncation: optional(Schema.Literal("auto")),
      include: optional(Schema.Tuple([Schema.Literal("web_search_call.action.sources")])),
      "text.verbosity": optional(Schema.Literals(["low", "high"])),
      "reasoning.context": optional(Schema.Literal("all_turns")),
      service_tier: optional(Schema.Literal("flex")),
    }),
  }),
})

/** The API requires a mention of JSON for JSON output. */
const asJson: Chat.Message = { role: "user", content: [{ type: "text", text: "As JSON." }] }

const maybe = <A>(schema: Schema.Schema<A>) => Arbitrary.schema(Schema.Union([schema, Schema.Struct({})]))

export const request: Arbitrary.Arbitrary<Chat.Request> = Arbitrary.map(
  Arbitrary.all([messages, maybe(Tools), Arbitrary.schema(Rest), maybe(Stored)]),
  ([messages, tools, rest, stored]) =>
    ({
      model: "gpt-5.6",
      messages: rest.format?.type === "json" ? [...messages, asJson] : messages,
      ...tools,
      ...rest,
      ...stored,
    }) as Chat.Request,
)

// ---------------------------------------------------------------------------------------------------------------------
// Answers
// ---------------------------------------------------------------------------------------------------------------------

/** Other vendors' reasoning too: its client returns it. */
const Reasoning = Schema.Union([
  sealed,
  hidden,
  Schema.Struct({ type: Schema.Literal("reasoning"), text: Words }),
  Schema.Struct({
    type: Schema.Literal("reasoning"),
    text: Schema.String,
    signature: seal(["anthropic", "google"]),
  }),
  Schema.Struct({ type: Schema.Literal("reasoning"), text: Schema.Literal(""), redacted: seal(["anthropic"]) }),
])

const call = { type: called.type, name: called.name, signature: optional(seal(["google"])) }
const json = ["{}", '{"city":"Zürich"}'] as const
const Call = Schema.Union([
  Schema.Struct({ ...call, arguments: Schema.Literals(json) }),
  Schema.Struct({
    ...call,
    arguments: Schema.Literals([...json, "no JSON at all"]),
    custom: Schema.Literal(true),
  }),
])

const Usage = Schema.Struct({
  inputTokens: Count,
  outputTokens: Count,
  cachedInputTokens: Count,
  cacheWriteTokens: Count,
  reasoningTokens: Count,
})

const Answer = Schema.Struct({
  thoughts: Schema.Array(Reasoning),
  text: optional(Said),
  refusal: optional(Refusal),
  calls: Schema.Array(Call),
  after: optional(Said),
  cut: optional(Schema.Literals(["length", "content-filter"])),
  usage: optional(Usage),
})

/** The finish reason of a complete response depends on its content. */
export const response: Arbitrary.Arbitrary<Chat.Response> = Arbitrary.map(
  Arbitrary.schema(Answer),
  ({ after, calls, cut, refusal, text, thoughts, usage }): Chat.Response => ({
    id: "resp_1",
    model: "gpt-5.6",
    content: [
      ...thoughts.filter((thought, index) => isClosed(thought) || isClosed(thoughts[index + 1] ?? thought)),
      ...[text, refusal].filter((part) => part !== undefined),
      ...calls.map((call, index) => ({ ...call, id: `call_${index}` })),
      ...(after === undefined || calls.length === 0 ? [] : [after]),
    ],
    finishReason: cut ?? (calls.length > 0 ? "tool-calls" : refusal === undefined ? "stop" : "refusal"),
    ...(usage === undefined ? undefined : { usage }),
  }),
)

/** Reasoning without an encrypted value has no visible boundaries. */
const isClosed = (thought: Chat.Reasoning): boolean => thought.signature !== undefined || thought.redacted !== undefined

/** Reasoning with its encrypted value and issuer, as decoded from a client. */
export const brought = <Part extends Chat.Part | Chat.AssistantContent>(part: Part): Part => {
  if (part.type !== "reasoning") return part
  const { redacted, signature, ...rest } = part
  const seal = redacted ?? signature
  return { ...rest, ...Sealed.read(seal?.value, redacted === undefined ? "words" : "") } as Part
}
