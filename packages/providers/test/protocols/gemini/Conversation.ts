/** Random requests and responses with everything that Gemini supports, for round trips. */
import type * as Chat from "@understudy/core/Chat"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"

const optional = Schema.optionalKey
const Words = Schema.NonEmptyString
const Own = Schema.Struct({ issuer: Schema.Literal("google"), value: Schema.Literals(["c2ln", "bmF0dXJl"]) })
const Foreign = Schema.Struct({
  issuer: Schema.Literals(["anthropic", "openai"]),
  value: Schema.Literals(["EqQB+/=", "gAAA.b-_"]),
})
const Seal = Schema.Union([Own, Foreign])

const data = <const Types extends ReadonlyArray<string>>(types: Types) =>
  Schema.Struct({
    type: Schema.Literal("base64"),
    data: Schema.Literals(["AAAA", "Z28gb24="]),
    mediaType: Schema.Literals(types),
  })
const url = <const Urls extends ReadonlyArray<string>>(urls: Urls) =>
  Schema.Struct({ type: Schema.Literal("url"), url: Schema.Literals(urls) })

const Text = Schema.Struct({ type: Schema.Literal("text"), text: Words })
const Image = Schema.Struct({
  type: Schema.Literal("image"),
  source: Schema.Union([
    data(["image/png", "image/jpeg"]),
    url(["https://a.example/b.png?c=d", "https://a.example/picture"]),
  ]),
})
const File = Schema.Struct({
  type: Schema.Literal("file"),
  source: Schema.Union([
    data(["application/pdf", "text/plain", "video/mp4"]),
    url(["https://a.example/b.pdf", "https://a.example/paper"]),
    Schema.Struct({
      type: Schema.Literal("id"),
      id: Schema.Literals(["https://generativelanguage.googleapis.com/v1beta/files/a", "https://youtu.be/b"]),
    }),
  ]),
})
const Audio = Schema.Union([
  Schema.Struct({ type: Schema.Literal("audio"), source: data(["audio/ogg"]) }),
  Schema.Struct({ type: Schema.Literal("audio"), source: data(["audio/wav"]), format: Schema.Literal("wav") }),
])

const call = (id: string, signature: typeof Seal | typeof Own) =>
  Schema.Struct({
    type: Schema.Literal("tool-call"),
    id: Schema.Literal(id),
    name: Schema.Literals(["look", "listen"]),
    arguments: Schema.Literals(["{}", '{"city":"Zürich"}']),
    signature: optional(signature),
  })

const spoken = <S extends typeof Seal | typeof Own>(signature: S) => ({
  reasoning: optional(
    Schema.Struct({ type: Schema.Literal("reasoning"), text: Words, signature: optional(signature) }),
  ),
  text: optional(Schema.Struct({ type: Schema.Literal("text"), text: Words, signature: optional(signature) })),
  calls: Schema.Union([
    Schema.Tuple([]),
    Schema.Tuple([call("call_a", signature)]),
    Schema.Tuple([call("call_a", signature), call("call_b", signature)]),
  ]),
})

interface Spoken {
  readonly reasoning?: Chat.Reasoning
  readonly text?: Chat.Text
  readonly calls: ReadonlyArray<Chat.ToolCall>
}

const content = ({ calls, reasoning, text }: Spoken): ReadonlyArray<Chat.AssistantContent> => [
  ...[reasoning, text].filter((part) => part !== undefined),
  ...calls,
]

// ---------------------------------------------------------------------------------------------------------------------
// Requests
// ---------------------------------------------------------------------------------------------------------------------

const Result = Schema.Struct({
  content: Schema.Union([
    Schema.Tuple([]),
    Schema.Tuple([Text]),
    Schema.Tuple([
      Text,
      Schema.Struct({ type: Schema.Literal("image"), source: data(["image/png"]) }),
      Schema.Struct({ type: Schema.Literal("file"), source: data(["application/pdf"]) }),
    ]),
  ]),
  isError: optional(Schema.Literal(true)),
})

const Exchange = Schema.Struct({
  user: Schema.NonEmptyArray(Schema.Union([Text, Image, File, Audio])),
  model: Schema.Struct(spoken(Own)),
  results: Schema.Tuple([Result, Result]),
})

/** The user's message, the model's, and the results of its calls, in turn. */
const messages = ({ model, results, user }: typeof Exchange.Type): ReadonlyArray<Chat.Message> => {
  const said = content(model as Spoken)
  const answers = model.calls.map(({ id }, index) => ({ type: "tool-result" as const, id, ...results[index]! }))
  return [
    { role: "user", content: user },
    ...(said.length === 0 ? [] : [{ role: "assistant" as const, content: said }]),
    ...(answers.length === 0 ? [] : [{ role: "tool" as const, content: answers as ReadonlyArray<Chat.ToolResult> }]),
  ]
}

const conversation = Arbitrary.map(
  Arbitrary.schema(
    Schema.Struct({
      system: Schema.Array(Text),
      exchanges: Schema.NonEmptyArray(Exchange),
    }),
  ),
  ({ exchanges, system }): ReadonlyArray<Chat.Message> => [
    ...(system.length === 0 ? [] : [{ role: "system" as const, content: system }]),
    ...exchanges.flatMap(messages),
  ],
)

const JsonSchema = Schema.Struct({ type: Schema.Literal("object"), required: optional(Schema.Array(Words)) })

const Tools = Schema.Struct({
  tools: Schema.NonEmptyArray(
    Schema.Struct({ name: Words, description: optional(Schema.String), parameters: optional(JsonSchema) }),
  ),
  toolChoice: optional(Schema.Union([Schema.Literals(["auto", "none", "required"]), Schema.Struct({ name: Words })])),
})

const Rest = Schema.Struct({
  format: optional(
    Schema.Union([
      Schema.Struct({ type: Schema.Literals(["text", "json"]) }),
      Schema.Struct({ type: Schema.Literal("json-schema"), name: Schema.Literal("response"), schema: JsonSchema }),
    ]),
  ),
  sampling: optional(
    Schema.Struct({
      maxTokens: Schema.Literals([1, 65_536]),
      temperature: optional(Schema.Literals([0, 2])),
      topP: optional(Schema.Literals([0.1, 1])),
      topK: optional(Schema.Literals([1, 40])),
      stop: optional(Schema.Tuple([Schema.String, Schema.String])),
      seed: optional(Schema.Literals([0, -7])),
      frequencyPenalty: optional(Schema.Literals([-2, 0.5])),
      presencePenalty: optional(Schema.Literals([-2, 0.5])),
      n: optional(Schema.Literals([1, 3])),
      logprobs: optional(Schema.Literal(true)),
    }),
  ),
  reasoning: optional(
    Schema.Union([
      Schema.Struct({ effort: Schema.Literals(["minimal", "low", "medium", "high"]) }),
      Schema.Struct({ budget: Schema.Literals([128, 8192]) }),
    ]),
  ),
  vendor: optional(
    Schema.Struct({
      gemini: Schema.Struct({
        safetySettings: Schema.Array(Schema.String),
        generationConfig: Schema.Struct({ mediaResolution: Words }),
      }),
    }),
  ),
})

const maybe = <A>(schema: Schema.Schema<A>) => Arbitrary.schema(Schema.Union([schema, Schema.Struct({})]))

/** For a model with every reasoning level. */
export const request: Arbitrary.Arbitrary<Chat.Request> = Arbitrary.map(
  Arbitrary.all([conversation, maybe(Tools), Arbitrary.schema(Rest)]),
  ([messages, tools, rest]) => ({ model: "gemini-3-flash", messages, ...tools, ...rest }) as Chat.Request,
)

// ---------------------------------------------------------------------------------------------------------------------
// Answers
// ---------------------------------------------------------------------------------------------------------------------

const Count = Schema.Literals([0, 1, 4096])

const Choice = Schema.Struct({
  ...spoken(Seal),
  redacted: optional(Foreign),
  cited: Schema.Array(Schema.Literals(["https://a.example", "https://b.example"])),
  finish: Schema.Literals(["length", "content-filter", "other"]),
  logprobs: optional(Schema.Literals([-0.5, -1])),
})

const choice = ({ cited, finish, logprobs, redacted, ...spoken }: typeof Choice.Type): Chat.Choice => {
  const said = content(spoken as Spoken).map((part) =>
    part.type === "text" && cited.length > 0
      ? { ...part, citations: [...new Set(cited)].map((url) => cite(url, part.text)) }
      : part,
  )
  const whole = redacted === undefined ? said : [{ type: "reasoning" as const, text: "", redacted }, ...said]
  return {
    content: whole,
    finishReason: finish !== "other" ? finish : spoken.calls.length > 0 ? "tool-calls" : "stop",
    ...(logprobs === undefined || spoken.text === undefined ? undefined : { logprobs: { content: [token(logprobs)] } }),
  }
}

/** From the first character to the last: no surrogate pair is split. */
const cite = (url: string, text: string): Chat.Citation => ({
  source: { type: "url", url, title: "A page" },
  supports: { start: 0, end: text.isWellFormed() ? text.length : 0 },
})

const token = (logprob: number) => ({
  token: "Zü",
  logprob,
  bytes: null,
  top_logprobs: [{ token: "a", logprob, bytes: null }],
})

const Answer = Schema.Struct({
  choices: Schema.NonEmptyArray(Choice),
  usage: Schema.Struct({
    inputTokens: Count,
    outputTokens: Schema.Literals([17, 4096]),
    cachedInputTokens: optional(Count),
    reasoningTokens: optional(Schema.Literals([0, 17])),
  }),
})

export const response: Arbitrary.Arbitrary<Chat.Response> = Arbitrary.map(
  Arbitrary.schema(Answer),
  ({ choices: [first, ...others], ...rest }) => ({
    id: "1",
    model: "gemini-3-flash",
    ...choice(first),
    ...(others.length === 0 ? undefined : { alternatives: others.map(choice) }),
    ...rest,
  }),
)

// ---------------------------------------------------------------------------------------------------------------------
// Streams
// ---------------------------------------------------------------------------------------------------------------------

/** The response as a stream has it: in pieces. */
export const parts = ({ alternatives = [], ...first }: Chat.Response): ReadonlyArray<Chat.Part> => [
  { type: "start", id: first.id, model: first.model },
  ...[first, ...alternatives].flatMap(partsOf),
  ...(first.usage === undefined ? [] : [{ type: "usage" as const, usage: first.usage }]),
]

const partsOf = ({ content, finishReason, logprobs }: Chat.Choice, index: number): ReadonlyArray<Chat.Part> => {
  const at = index === 0 ? {} : { choice: index }
  let calls = 0
  let told = logprobs
  return [
    ...content.flatMap((part): ReadonlyArray<Chat.Part> => {
      switch (part.type) {
        case "text": {
          const { citations = [], signature, text } = part
          const probable = told === undefined ? {} : { logprobs: told }
          told = undefined
          return [
            { type: "text", text: text.slice(0, 1), ...at, ...probable },
            { type: "text", text: text.slice(1), ...(signature === undefined ? {} : { signature }), ...at },
            ...citations.map((citation) => ({ type: "citation" as const, citation, ...at })),
          ]
        }
        case "reasoning": {
          const { text, ...seal } = part
          return [
            ...(text === "" ? [] : [{ type: "reasoning" as const, text, ...at }]),
            ...("signature" in seal || "redacted" in seal ? [{ ...seal, text: "", ...at }] : []),
          ]
        }
        case "tool-call": {
          const { arguments: json, ...call } = part
          const index = calls++
          return [
            { ...call, index, ...at },
            { type: "tool-call-delta", index, arguments: json.slice(0, 3), ...at },
            { type: "tool-call-delta", index, arguments: json.slice(3), ...at },
          ]
        }
        default:
          return []
      }
    }),
    { type: "finish", reason: finishReason, ...at },
  ]
}

/** The response that a stream's parts amount to. */
export const fold = (parts: ReadonlyArray<Chat.Part>): Chat.Response => {
  const choices: Array<
    { -readonly [K in keyof Chat.Choice]: Chat.Choice[K] } & { content: Array<Chat.AssistantContent> }
  > = []
  let rest: Pick<Chat.Response, "id" | "model" | "usage"> = {}
  for (const part of parts) {
    if (part.type === "start") {
      rest = { ...rest, id: part.id, model: part.model }
      continue
    }
    if (part.type === "usage") {
      rest = { ...rest, usage: part.usage }
      continue
    }
    const choice = (choices[part.choice ?? 0] ??= { content: [], finishReason: "other" })
    const last = choice.content.at(-1)
    switch (part.type) {
      case "text":
      case "reasoning": {
        const { choice: _, ...said } = part
        if ("logprobs" in said) choice.logprobs = said.logprobs
        const { logprobs: __, ...own } = said as typeof said & { readonly logprobs?: unknown }
        const open =
          last?.type === part.type && last.signature === undefined && !("redacted" in last) && !("redacted" in own)
        if (open) choice.content[choice.content.length - 1] = { ...last, ...own, text: last.text + own.text } as never
        else choice.content.push(own as never)
        break
      }
      case "citation": {
        const at = choice.content.findLastIndex(({ type }) => type === "text")
        const text = choice.content[at] as Chat.Text
        choice.content[at] = { ...text, citations: [...(text.citations ?? []), part.citation] }
        break
      }
      case "tool-call": {
        const { choice: _, index: __, ...call } = part
        choice.content.push({ ...call, arguments: "" } as never)
        break
      }
      case "tool-call-delta": {
        const calls = choice.content.flatMap((each, at) => (each.type === "tool-call" ? [at] : []))
        const at = calls[part.index] ?? 0
        const call = choice.content[at] as Chat.ToolCall
        choice.content[at] = { ...call, arguments: call.arguments + part.arguments }
        break
      }
      case "finish":
        choice.finishReason = part.reason
        break
      case "refusal":
        choice.content.push({ type: "refusal", text: part.text })
    }
  }
  const [first = { content: [], finishReason: "other" as const }, ...others] = choices
  return { ...rest, ...first, ...(others.length === 0 ? undefined : { alternatives: others }) }
}
