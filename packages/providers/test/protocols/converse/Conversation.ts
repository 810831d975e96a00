/** Random requests with everything that Converse supports for Claude, for round trips. */
import type * as Chat from "@understudy/core/Chat"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"

const optional = Schema.optionalKey
const Words = Schema.Literals(["Hello", "Zürich", " so ", '{"a":1}'])
const Name = Schema.Literals(["look", "wait"])
const cache = optional(Schema.Struct({ ttl: optional(Schema.Literals(["5m", "1h"])) }))
const Bytes = Schema.Literals(["AAAA", "Z28gb24=", ""])

const Text = Schema.Struct({ type: Schema.Literal("text"), text: Words, cache })

const base64 = <const Types extends ReadonlyArray<string>>(types: Types) =>
  Schema.Struct({ type: Schema.Literal("base64"), mediaType: Schema.Literals(types), data: Bytes })

const stored = (url: string) => Schema.Struct({ type: Schema.Literal("url"), url: Schema.Literal(url) })

const Image = Schema.Struct({
  type: Schema.Literal("image"),
  source: Schema.Union([base64(["image/png", "image/jpeg", "image/webp"]), stored("s3://bucket/a.png")]),
  cache,
})

const types = ["application/pdf", "text/csv", "text/plain"] as const

/** Document names must be unique: here, by position. */
const File = Schema.Struct({
  type: Schema.Literal("file"),
  source: Schema.Union([base64(types), stored("s3://bucket/b.pdf")]),
  context: optional(Words),
  citable: optional(Schema.Literal(true)),
  cache,
})

const User = Schema.Struct({ said: Schema.NonEmptyArray(Text), shown: Schema.Array(Schema.Union([Image, File])) })

const Seal = Schema.Struct({ issuer: Schema.Literal("anthropic"), value: Schema.Literals(["c2ln", "AAAA"]) })
const Thought = Schema.Union([
  Schema.Struct({ type: Schema.Literal("reasoning"), text: Words, signature: Seal }),
  Schema.Struct({ type: Schema.Literal("reasoning"), text: Schema.Literal(""), redacted: Seal }),
])
const Call = Schema.Struct({
  name: Name,
  arguments: Schema.Literals(["{}", '{"city":"Zürich","deep":{"n":[1,null]}}']),
  cache,
})

const Outcome = Schema.Struct({
  content: Schema.NonEmptyArray(
    Schema.Union([
      Schema.Struct({ type: Schema.Literal("text"), text: Words }),
      Schema.Struct({ type: Schema.Literal("image"), source: base64(["image/gif"]) }),
    ]),
  ),
  isError: optional(Schema.Literal(true)),
  cache,
})

/** The assistant's turn, and the user's after it: results of its calls, then text. */
const Exchange = Schema.Struct({
  thoughts: Schema.Array(Thought),
  words: Schema.NonEmptyArray(Text),
  calls: Schema.Array(Call),
  outcome: Outcome,
  user: User,
})

const messages = (first: typeof User.Type, exchanges: ReadonlyArray<typeof Exchange.Type>): Array<Chat.Message> => {
  let files = 0
  const user = ({ said, shown }: typeof User.Type): Chat.Message => ({
    role: "user",
    content: [...said, ...shown.map((part) => (part.type === "file" ? { ...part, name: `file ${++files}` } : part))],
  })
  return [
    user(first),
    ...exchanges.flatMap(({ calls, outcome, thoughts, user: next, words }, turn): ReadonlyArray<Chat.Message> => {
      const called = calls.map((call, index) => ({ type: "tool-call" as const, id: `t${turn}-${index}`, ...call }))
      const results = called.map(({ id }) => ({ type: "tool-result" as const, id, ...outcome }))
      return [
        { role: "assistant", content: [...thoughts, ...words, ...called] },
        ...(results.length === 0 ? [] : [{ role: "tool" as const, content: results }]),
        user(next),
      ]
    }),
  ]
}

const JsonSchema = Schema.Struct({ type: Schema.Literal("object"), required: optional(Schema.Array(Words)) })

const Tools = Schema.Struct({
  tools: Schema.NonEmptyArray(
    Schema.Struct({
      name: Name,
      description: optional(Words),
      parameters: JsonSchema,
      strict: optional(Schema.Literal(true)),
      cache,
    }),
  ),
  toolChoice: Schema.Union([Schema.Literals(["auto", "required"]), Schema.Struct({ name: Name })]),
  parallelToolCalls: optional(Schema.Literal(false)),
})

const Rest = Schema.Struct({
  format: optional(
    Schema.Struct({
      type: Schema.Literal("json-schema"),
      name: Words,
      schema: JsonSchema,
      description: optional(Words),
    }),
  ),
  sampling: optional(
    Schema.Struct({
      maxTokens: Schema.Literals([1, 4096]),
      temperature: optional(Schema.Literals([0, 0.5, 1])),
      topK: optional(Schema.Literals([1, 40])),
      stop: optional(Schema.NonEmptyArray(Words)),
    }),
  ),
  metadata: optional(Schema.Struct({ team: Schema.Literals(["a", "b c"]) })),
})

const Thinking = Schema.Struct({
  reasoning: Schema.Union([
    Schema.Struct({ budget: Schema.Literals([1024, 2000]) }),
    Schema.Struct({ effort: Schema.Literal("none") }),
  ]),
  sampling: Schema.Struct({ maxTokens: Schema.Literal(4096) }),
})

const Prompt = Schema.Struct({ role: Schema.Literal("system"), content: Schema.NonEmptyArray(Text) })

const Asked = Schema.Struct({
  system: optional(Prompt),
  first: User,
  exchanges: Schema.Array(Exchange),
  tools: Tools,
  rest: Schema.Union([Rest, Thinking]),
})

const thoughtful = (exchange: typeof Exchange.Type): typeof Exchange.Type =>
  exchange.thoughts.length === 0 ? { ...exchange, calls: [] } : exchange

export const request: Arbitrary.Arbitrary<Chat.Request> = Arbitrary.map(
  Arbitrary.schema(Asked),
  ({ exchanges, first, rest, system, tools }) => ({
    model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    messages: [
      ...(system === undefined ? [] : [system]),
      // With reasoning on, each call follows reasoning.
      ...messages(first, "reasoning" in rest ? exchanges.map(thoughtful) : exchanges),
    ],
    ...tools,
    // And no tool is forced.
    ...("reasoning" in rest ? { toolChoice: "auto" as const } : undefined),
    ...rest,
  }),
)
