/**
 * Vendors' limits over a socket: user ids, image types, cache hints, tools, and reasoning, from clients of every
 * protocol, the vendor's own included.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import type { Provider } from "@understudy/core/Provider"
import * as Anthropic from "@understudy/providers/anthropic"
import * as OpenAi from "@understudy/providers/openai"
import * as Azure from "@understudy/providers/internal/openai/Azure"
import type * as Compatible from "@understudy/providers/internal/openai/Compatible"
import * as Gemini from "@understudy/providers/gemini"
import * as Embeddings from "@understudy/providers/protocols/embeddings"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Upstream from "../anthropic/Upstream.ts"
import { clients, request } from "./Clients.ts"

type Body = Record<string, unknown>

const [chat, messages, responses, gemini] = clients

const environment = Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} })))
const apiKey = Redacted.make("k")

const answers: Record<"messages" | "chat" | "responses" | "gemini" | "embeddings", object> = {
  messages: { content: [{ type: "text", text: "Hi" }], stop_reason: "end_turn" },
  chat: { choices: [{ index: 0, message: { role: "assistant", content: "Hi" }, finish_reason: "stop" }] },
  responses: {
    id: "r",
    status: "completed",
    output: [{ type: "message", role: "assistant", content: [{ type: "output_text", text: "Hi" }] }],
  },
  gemini: { candidates: [{ content: { role: "model", parts: [{ text: "Hi" }] }, finishReason: "STOP" }] },
  embeddings: { data: [{ index: 0, embedding: [1] }] },
}

const vendors = {
  anthropic: (baseUrl: string) => ["messages", Anthropic.make({ baseUrl, apiKey })] as const,
  openai: (baseUrl: string) => ["chat", OpenAi.make({ baseUrl })] as const,
  azure: (endpoint: string) => ["chat", Azure.make({ endpoint, apiKey })] as const,
  responses: (baseUrl: string) => ["responses", OpenAi.make({ baseUrl, api: "responses" })] as const,
  gemini: (baseUrl: string) => ["gemini", Gemini.make({ baseUrl })] as const,
}

const connect = (name: keyof typeof vendors | Compatible.Name) =>
  Effect.gen(function* () {
    const to = (url: string) =>
      name in vendors
        ? vendors[name as keyof typeof vendors](url)
        : (["chat", OpenAi.make({ baseUrl: url, vendor: name as Compatible.Name })] as const)
    const [kind] = to("http://127.0.0.1:1")
    const upstream = yield* Upstream.make({ body: answers[kind] })
    return { provider: yield* to(upstream.url)[1], asked: upstream.asked }
  })

/** The body that the vendor got for a client's body, and the reported parameters. */
const told = (provider: Provider["Service"], asked: ReadonlyArray<Upstream.Asked>, chatRequest: Chat.Request) =>
  Effect.map(provider.chat(chatRequest), ({ droppedParams = [] }) => ({
    body: asked.at(-1)?.body ?? {},
    droppedParams,
  }))

describe("the end user's id", () => {
  const long = (length: number) => "u".repeat(length)
  const bodies = (user: string): ReadonlyArray<Chat.Request> => [
    request(chat!, { model: "m", messages: [{ role: "user", content: "Hi" }], user }),
    request(chat!, { model: "m", messages: [{ role: "user", content: "Hi" }], safety_identifier: user }),
    request(messages!, {
      model: "m",
      max_tokens: 9,
      messages: [{ role: "user", content: "Hi" }],
      metadata: { user_id: user },
    }),
    request(responses!, { model: "m", input: "Hi", safety_identifier: user }),
  ]
  const idIn = ({ metadata, safety_identifier, user }: Body) =>
    (metadata as Body | undefined)?.["user_id"] ?? safety_identifier ?? user

  it.live("is hashed to fit the vendor, deterministically, and reported", () =>
    Effect.gen(function* () {
      const limits = { anthropic: 256, openai: 64, azure: 64, responses: 64, groq: 64, openrouter: 128 } as const
      for (const [name, most] of Object.entries(limits)) {
        const { asked, provider } = yield* connect(name as keyof typeof limits)
        for (const length of [most, most + 1, 600]) {
          const hashes = new Set<unknown>()
          for (const asking of bodies(long(length))) {
            const { body, droppedParams } = yield* told(provider, asked, asking)
            const id = String(idIn(body))
            hashes.add(id)
            assert.isAtMost(id.length, most, name)
            assert.strictEqual(id === long(length), length <= most, name)
            assert.strictEqual(
              droppedParams.some((what) => what.startsWith("the end user's id longer")),
              length > most,
            )
          }
          assert.lengthOf(hashes, 1, name)
        }
      }
    }).pipe(environment, Effect.scoped),
  )

  it.live("is not reported as hashed if it is dropped", () =>
    Effect.gen(function* () {
      const { asked, provider } = yield* connect("mistral")
      for (const asking of bodies(long(600))) {
        const { body, droppedParams } = yield* told(provider, asked, asking)
        assert.isUndefined(idIn(body))
        assert.deepStrictEqual(
          droppedParams.filter((what) => what.startsWith("the end user's id")),
          ["the end user's id"],
        )
      }
    }).pipe(environment, Effect.scoped),
  )

  it.live("is hashed for embeddings too, and so is prompt_cache_key", () =>
    Effect.gen(function* () {
      const upstream = yield* Upstream.make({ body: answers.embeddings })
      const provider = yield* OpenAi.make({ baseUrl: upstream.url })
      const native = Result.getOrThrow(Embeddings.Request.decode({ model: "m", input: "Hi", user: long(186) }))
      const { native: _native, ...plain } = native
      for (const asking of [native, plain]) {
        const { droppedParams = [] } = yield* provider.embed!(asking)
        assert.match(String(upstream.asked.at(-1)?.body["user"]), /^[0-9a-f]{64}$/)
        assert.lengthOf(droppedParams, 1)
      }
      const azure = yield* connect("azure")
      const keyed = request(responses!, { model: "m", input: "Hi", prompt_cache_key: long(100) })
      const { body, droppedParams } = yield* told(azure.provider, azure.asked, keyed)
      assert.match(String(body["prompt_cache_key"]), /^[0-9a-f]{64}$/)
      assert.deepStrictEqual(droppedParams, ["prompt_cache_key longer than 64 characters, sent as a hash"])
    }).pipe(environment, Effect.scoped),
  )
})

describe("an image type", () => {
  const data = "aGk="
  const shown: ReadonlyArray<Chat.Request> = ["image/jpg", "IMAGE/JPG", "image/pjpeg"].flatMap((type) => [
    request(chat!, {
      model: "m",
      messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: `data:${type};base64,${data}` } }] }],
    }),
    request(messages!, {
      model: "m",
      max_tokens: 9,
      messages: [
        { role: "user", content: [{ type: "image", source: { type: "base64", media_type: type, data } }] },
        { role: "assistant", content: [{ type: "tool_use", id: "t", name: "look", input: { media_type: type } }] },
        {
          role: "user",
          content: [
            {
              type: "tool_result",
              tool_use_id: "t",
              content: [{ type: "image", source: { type: "base64", media_type: type, data } }],
            },
          ],
        },
      ],
      tools: [{ name: "look", input_schema: { type: "object" } }],
    }),
    request(responses!, {
      model: "m",
      input: [{ role: "user", content: [{ type: "input_image", image_url: `data:${type};base64,${data}` }] }],
    }),
    request(gemini!, { contents: [{ role: "user", parts: [{ inlineData: { mimeType: type, data } }] }] }),
    request(gemini!, { contents: [{ role: "user", parts: [{ inline_data: { mime_type: type, data } }] }] }),
  ])

  it.live("is sent by its registered name, a tool's own data unchanged", () =>
    Effect.gen(function* () {
      for (const name of ["anthropic", "openai", "azure", "mistral", "responses", "gemini"] as const) {
        const { asked, provider } = yield* connect(name)
        for (const asking of shown) {
          const { body } = yield* told(provider, asked, asking)
          const text = JSON.stringify(body).replaceAll(/\{\\?"media_type\\?":\\?"[^"\\]*\\?"\}/g, "")
          assert.include(text, "image/jpeg", `${name} by ${asking.native?.protocol}`)
          assert.notMatch(text, /image\/p?jpg|image\/pjpeg/i, `${name} by ${asking.native?.protocol}`)
          if (asking.native?.protocol === "messages") {
            assert.match(JSON.stringify(body), /media_type\\?":\\?"(?:image\/p?jpe?g|IMAGE\/JPG)\\?"\}/)
          }
        }
      }
    }).pipe(environment, Effect.scoped),
  )
})

describe("a cache hint with a TTL of one hour", () => {
  const cache_control = { type: "ephemeral", ttl: "1h" }
  const asking = (model: string): ReadonlyArray<Chat.Request> => [
    request(
      messages!,
      {
        model,
        max_tokens: 9,
        system: [{ type: "text", text: "Be brief.", cache_control }],
        messages: [{ role: "user", content: "Hi" }],
        tools: [{ name: "look", input_schema: { type: "object" }, cache_control }],
      },
      model,
    ),
    request(
      chat!,
      {
        model,
        messages: [{ role: "user", content: [{ type: "text", text: "Hi", cache_control }] }],
      },
      model,
    ),
  ]

  it.live("is only sent to models that support it", () =>
    Effect.gen(function* () {
      const models = { "claude-sonnet-4-5": true, "anthropic/claude-opus-4.5": true, "glm-4.6": false, "gpt-4o": false }
      for (const name of ["anthropic", "openrouter"] as const) {
        const { asked, provider } = yield* connect(name)
        for (const [model, takes] of Object.entries(models)) {
          for (const each of asking(model)) {
            const { body, droppedParams } = yield* told(provider, asked, each)
            assert.strictEqual(JSON.stringify(body).includes('"1h"'), takes, `${name} ${model}`)
            assert.include(JSON.stringify(body), '"ephemeral"')
            assert.strictEqual(droppedParams.includes("a cache TTL of 1h, which this model does not support"), !takes)
          }
        }
      }
    }).pipe(environment, Effect.scoped),
  )
})

describe("more tools than a vendor supports", () => {
  const tools = (count: number) => Array.from({ length: count }, (_, index) => ({ name: `tool_${index}` }))

  it.live("skip the deployment", () =>
    Effect.gen(function* () {
      for (const name of ["azure", "groq", "deepseek", "xai"] as const) {
        const { asked, provider } = yield* connect(name)
        yield* provider.chat({ model: "m", messages: [Chat.user("Hi")], tools: tools(128) })
        const native = {
          ...clients[0]!.first("x"),
          tools: tools(150).map((tool) => ({ type: "function", function: tool })),
          tool_choice: "auto",
        }
        for (const asking of [
          { model: "m", messages: [Chat.user("Hi")], tools: tools(150) },
          request(chat!, native),
        ] satisfies ReadonlyArray<Chat.Request>) {
          const error = yield* Effect.flip(provider.chat(asking))
          assert.deepStrictEqual(error.reason, { _tag: "Unsupported", feature: "more than 128 tools" }, name)
        }
        assert.lengthOf(asked, 1)
      }
      const { provider } = yield* connect("vllm")
      yield* provider.chat({ model: "m", messages: [Chat.user("Hi")], tools: tools(150) })
    }).pipe(environment, Effect.scoped),
  )
})

describe("adaptive thinking", () => {
  const asking = (model: string, more: Body = {}) =>
    request(
      messages!,
      {
        model,
        max_tokens: 20_000,
        messages: [{ role: "user", content: "Hi" }],
        thinking: { type: "adaptive" },
        output_config: { effort: "high", task_budget: { type: "tokens", total: 9 } },
        ...more,
      },
      model,
    )

  it.live("becomes a budget for a model with budgets, and is left out for one without", () =>
    Effect.gen(function* () {
      const { asked, provider } = yield* connect("anthropic")
      const old = yield* told(provider, asked, asking("claude-sonnet-4-5"))
      assert.deepStrictEqual(old.body["thinking"], { type: "enabled", budget_tokens: 16_384 })
      assert.deepStrictEqual(old.body["output_config"], { task_budget: { type: "tokens", total: 9 } })
      assert.deepStrictEqual(old.droppedParams, [
        "adaptive thinking, which this model does not support, sent as a budget of 16384 tokens",
      ])
      const older = yield* told(provider, asked, asking("claude-3-5-haiku-20241022", { max_tokens: 100 }))
      assert.notProperty(older.body, "thinking")
      assert.deepStrictEqual(older.droppedParams, ["adaptive thinking, which this model does not support, left out"])
      const now = yield* told(provider, asked, asking("claude-opus-4-8"))
      assert.deepStrictEqual(now.body["thinking"], { type: "adaptive" })
      assert.deepStrictEqual(now.droppedParams, [])
      const few = yield* told(provider, asked, asking("claude-opus-4-5", { max_tokens: 1_000_000 }))
      assert.deepStrictEqual(few.droppedParams.slice(-1), ["max_tokens above the model's maximum, reduced to 64000"])
    }).pipe(environment, Effect.scoped),
  )

  it.live("is encoded for other vendors, or reported", () =>
    Effect.gen(function* () {
      const plain = (model: string) => asking(model, { output_config: null, max_tokens: 9000 })
      const router = yield* connect("openrouter")
      assert.deepStrictEqual((yield* told(router.provider, router.asked, plain("x/y"))).body["reasoning"], {
        enabled: true,
      })
      const deepseek = yield* connect("deepseek")
      assert.deepStrictEqual(
        (yield* told(deepseek.provider, deepseek.asked, plain("deepseek-chat"))).body["thinking"],
        {
          type: "enabled",
        },
      )
      for (const name of ["openai", "responses", "azure"] as const) {
        const { asked, provider } = yield* connect(name)
        assert.deepStrictEqual((yield* told(provider, asked, plain("gpt-5.1"))).droppedParams, [
          "reasoning without an effort, left to the model's default",
        ])
        assert.deepStrictEqual((yield* told(provider, asked, plain("gpt-4o"))).droppedParams, [
          "reasoning, which this model does not support",
        ])
        const { body, droppedParams } = yield* told(provider, asked, asking("gpt-5.1"))
        assert.include(JSON.stringify(body), '"high"')
        assert.deepStrictEqual(droppedParams, ["output_config.task_budget"])
      }
    }).pipe(environment, Effect.scoped),
  )
})
