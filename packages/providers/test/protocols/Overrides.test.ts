/** What a deployment sets, in bodies that clients of each protocol wrote themselves. */
import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import * as Lowering from "@understudy/providers/internal/protocols/Lowering"
import * as Json from "@understudy/providers/internal/protocols/Json"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Converse from "@understudy/providers/protocols/converse"
import * as Gemini from "@understudy/providers/protocols/gemini"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Responses from "@understudy/providers/protocols/responses"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

type Body = Record<string, unknown>

interface Client {
  readonly codec: {
    readonly protocol: string
    readonly Request: Lowering.RequestEncoder<Body> & {
      readonly decode: (body: Body, address: { readonly model: string }) => Result.Result<Chat.Request, unknown>
    }
  }
  readonly model: string
  /** A conversation, with a field that only this protocol has. */
  readonly body: Body
  /** What it has no parameter for. */
  readonly lacks: ReadonlyArray<keyof Chat.Sampling>
}

const messages = [{ role: "user", content: "Hi" }]

const chatCompletions: Client["codec"] = {
  protocol: ChatCompletions.protocol,
  Request: {
    native: (request) => ChatCompletions.Request.native(request),
    override: (body, request, overrides, change, warn) =>
      ChatCompletions.Request.override(body, request, overrides, change, warn),
    encode: (request) => ChatCompletions.Request.encode(request),
    decode: (body) => ChatCompletions.Request.decode(body),
  },
}

const clients: Readonly<Record<string, Client>> = {
  "chat-completions": { codec: chatCompletions, model: "gpt-4o", body: { messages, logit_bias: {} }, lacks: ["topK"] },
  responses: {
    codec: Responses,
    model: "gpt-4o",
    body: { input: "Hi", text: { verbosity: "low" } },
    lacks: ["topK", "seed", "stop", "frequencyPenalty", "presencePenalty"],
  },
  messages: {
    codec: Messages,
    model: "claude-3-5-haiku-20241022",
    body: { messages, service_tier: "auto" },
    lacks: ["seed", "frequencyPenalty", "presencePenalty"],
  },
  gemini: {
    codec: Gemini,
    model: "gemini-2.0-flash",
    body: { contents: [{ role: "user", parts: [{ text: "Hi" }] }], safetySettings: [] },
    lacks: [],
  },
  converse: {
    codec: Converse,
    model: "anthropic.claude-3-5-haiku-20241022-v1:0",
    body: { messages: [{ role: "user", content: [{ text: "Hi" }] }], performanceConfig: { latency: "optimized" } },
    lacks: ["seed", "frequencyPenalty", "presencePenalty"],
  },
}

/** The body that a vendor gets of a client's, whose deployment sets `overrides`, and the parameters dropped. */
const lowered = ({ codec, model }: Client, body: Body, overrides: Chat.Overrides | undefined) => {
  const decoded = Result.getOrThrow(codec.Request.decode({ model, ...body }, { model }))
  const { reasoning = decoded.reasoning, sampling } = overrides ?? {}
  const request: Chat.Request = {
    ...decoded,
    model,
    ...(reasoning === undefined ? undefined : { reasoning }),
    ...(sampling === undefined ? undefined : { sampling: { ...decoded.sampling, ...sampling } }),
    ...(overrides === undefined ? undefined : { overrides }),
  }
  return Lowering.make("vendor", codec.protocol, codec.Request)(request)
}

const sampling = Schema.Struct({
  maxTokens: Schema.optionalKey(Schema.Literals([16, 100, 1000])),
  temperature: Schema.optionalKey(Schema.Literals([0, 0.5, 1])),
  topP: Schema.optionalKey(Schema.Literals([0.1, 0.5])),
  topK: Schema.optionalKey(Schema.Literals([1, 40])),
  stop: Schema.optionalKey(
    Schema.Literals(["END", "STOP"]).pipe(Schema.Array, Schema.check(Schema.isMinLength(1), Schema.isMaxLength(2))),
  ),
  seed: Schema.optionalKey(Schema.Literals([1, 2])),
  frequencyPenalty: Schema.optionalKey(Schema.Literals([0.5, 1])),
  presencePenalty: Schema.optionalKey(Schema.Literals([0.5, 1])),
})

const without = <A extends object>(from: A, names: ReadonlyArray<string>): Partial<A> =>
  Object.fromEntries(Object.entries(from).filter(([name]) => !names.includes(name))) as Partial<A>

const decodedSampling = ({ codec, model }: Client, body: Body) =>
  Result.getOrThrow(codec.Request.decode({ model, ...body }, { model })).sampling ?? {}

const hello: Chat.UserMessage = { role: "user", content: [{ type: "text", text: "Hi" }] }

/** The body of a client with these parameters. */
const written = ({ body, codec, model }: Client, sampling: Chat.Sampling): Body => {
  const encoded = Result.getOrThrow(codec.Request.encode({ model, messages: [hello], sampling })).body
  return { ...without(encoded, ["modelId", "store", "additionalModelResponseFieldPaths"]), ...body }
}

for (const [name, client] of Object.entries(clients)) {
  describe(`a client's own body of ${name}`, () => {
    it.effect.prop(
      "has the parameters of the deployment in place of its own, and is otherwise as the client wrote it",
      [sampling, sampling],
      ([its, given]) =>
        Effect.gen(function* () {
          const own = written(client, without(its, client.lacks))
          const overrides = without(given, client.lacks)
          const { body, isNative } = yield* lowered(client, own, { sampling: overrides })
          assert.isTrue(isNative)
          assert.deepStrictEqual(decodedSampling(client, body), { ...decodedSampling(client, own), ...overrides })
          for (const key of Object.keys(client.body)) assert.strictEqual(body[key], own[key])
        }),
    )

    it.effect("is the client's own where the deployment sets nothing", () =>
      Effect.gen(function* () {
        const own = written(client, {})
        const plain = yield* lowered(client, own, undefined)
        assert.deepStrictEqual(yield* lowered(client, own, { sampling: {} }), plain)
      }),
    )

    it.effect("gets the fields of the vendor that it lacks, and all that are forced", () =>
      Effect.gen(function* () {
        const extraBody = {
          params: { tier: "flex", nested: { a: 1, b: 1 } },
          force: { safety: { level: 3 }, mode: "strict" },
        }
        const body = {
          ...written(client, {}),
          nested: { a: 0 },
          safety: { level: 0, kept: true },
          mode: { loose: true },
        }
        const { body: sent } = yield* lowered(client, body, { extraBody })
        assert.deepInclude(sent, {
          tier: "flex",
          nested: { a: 0, b: 1 },
          safety: { level: 3, kept: true },
          mode: "strict",
        })
      }),
    )
  })
}

describe("what a deployment sets", () => {
  const of = (name: keyof typeof clients) => (clients as Record<string, Client>)[name]!
  const claude = { ...of("messages"), model: "claude-sonnet-4-5" }

  it.effect("replaces all names that servers have for a parameter", () =>
    Effect.gen(function* () {
      const { body } = yield* lowered(
        of("chat-completions"),
        { messages, max_tokens: 5, reasoning_effort: "high" },
        { sampling: { maxTokens: 9 } },
      )
      assert.deepStrictEqual(Json.fields(body), {
        model: "gpt-4o",
        messages,
        reasoning_effort: "high",
        max_completion_tokens: 9,
      })
    }),
  )

  it.effect("leaves the client's other fields of reasoning", () =>
    Effect.gen(function* () {
      const gpt = { ...of("responses"), model: "gpt-5" }
      const { body } = yield* lowered(
        gpt,
        { input: "Hi", reasoning: { effort: "high", summary: "auto" }, include: ["message.input_image.image_url"] },
        { reasoning: { effort: "low" } },
      )
      assert.deepStrictEqual(body["reasoning"], { effort: "low", summary: "auto" })
      assert.deepStrictEqual(body["include"], ["message.input_image.image_url", "reasoning.encrypted_content"])
      const flash = { ...of("gemini"), model: "gemini-2.5-flash" }
      const own = { generation_config: { thinking_config: { thinking_budget: 9, include_thoughts: true } } }
      const gemini = yield* lowered(flash, { ...flash.body, ...own }, { reasoning: { effort: "none" } })
      assert.deepStrictEqual(gemini.body["generation_config"], {
        thinkingConfig: { thinkingBudget: 0, includeThoughts: true },
      })
    }),
  )

  it.effect("fits a budget for reasoning into max_tokens, and takes away the sampling that reasoning excludes", () =>
    Effect.gen(function* () {
      const thinking = { type: "enabled", budget_tokens: 6000 }
      const cut = yield* lowered(claude, { messages, max_tokens: 9000, thinking }, { sampling: { maxTokens: 3000 } })
      assert.deepInclude(cut.body, { max_tokens: 3000, thinking: { type: "enabled", budget_tokens: 2999 } })
      const reasons = yield* lowered(
        claude,
        { messages, max_tokens: 9000, temperature: 0.3, stop_sequences: ["x"] },
        { reasoning: { effort: "low" } },
      )
      assert.deepStrictEqual(without(reasons.body, ["messages", "model"]), {
        max_tokens: 9000,
        stop_sequences: ["x"],
        thinking: { type: "enabled", budget_tokens: 2048 },
      })
      assert.deepStrictEqual(reasons.droppedParams, ["temperature while the model reasons"])
      const off = yield* lowered(claude, { messages, max_tokens: 9000, thinking }, { reasoning: { effort: "none" } })
      assert.deepInclude(off.body, { max_tokens: 9000, thinking: { type: "disabled" } })
    }),
  )

  it.effect("is written where Converse has it", () =>
    Effect.gen(function* () {
      const sonnet = { ...of("converse"), model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0" }
      const inferenceConfig = { maxTokens: 9000, temperature: 0.3 }
      const { body } = yield* lowered(sonnet, { ...sonnet.body, inferenceConfig }, { reasoning: { effort: "low" } })
      assert.deepStrictEqual(body["inferenceConfig"], { maxTokens: 9000 })
      assert.deepStrictEqual(body["additionalModelRequestFields"], {
        thinking: { type: "enabled", budget_tokens: 2048 },
      })
    }),
  )

  it.effect("is dropped by name, or skips the deployment, where the model does not support it", () =>
    Effect.gen(function* () {
      const { droppedParams } = yield* lowered(of("messages"), { messages, max_tokens: 5 }, { sampling: { seed: 1 } })
      assert.deepStrictEqual(droppedParams, ["seed"])
      const stopped = yield* Effect.flip(lowered(of("responses"), { input: "Hi" }, { sampling: { stop: ["x"] } }))
      assert.deepStrictEqual(stopped.reason, { _tag: "Unsupported", feature: "stop sequences" })
    }),
  )
})
