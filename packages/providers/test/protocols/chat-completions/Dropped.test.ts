/**
 * A client's own body for a vendor of its protocol that lacks a feature: a required feature is rejected before sending,
 * a hint is dropped and reported, the rest is sent as written.
 */
import { assert, describe, it } from "@effect/vitest"
import { vendors } from "@understudy/providers/internal/openai/Compatible"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import type * as Chat from "@understudy/core/Chat"
import * as Lowering from "@understudy/providers/internal/protocols/Lowering"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"

type Body = Record<string, unknown>

const base: Body = { model: "assistant", messages: [{ role: "user", content: "Hello?" }] }
const tools = [{ type: "function", function: { name: "look", parameters: { type: "object", properties: {} } } }]
const schema = { type: "json_schema", json_schema: { name: "x", schema: { type: "object" } } }
const image = (url: string) => [{ role: "user", content: [{ type: "image_url", image_url: { url } }] }]
const file = (data: string) => [
  { role: "user", content: [{ type: "file", file: { filename: "a.txt", file_data: data } }] },
]

/** The body that a vendor's provider sends for a client's body. */
const lower = (vendor: keyof typeof vendors | "compatible" | "openai", fields: Body, policy?: "skip" | "drop") => {
  const dialect =
    vendor === "openai"
      ? ChatCompletions.Compatibility.openAi
      : vendor === "compatible"
        ? ChatCompletions.Compatibility.compatible
        : vendors[vendor].dialect
  const decoded = ChatCompletions.Request.decode({ ...base, ...fields })
  const request = Result.getOrThrow(decoded)
  const make = Lowering.make(vendor, ChatCompletions.protocol, {
    native: (request: Chat.Request, endpoint, _change, warn) =>
      ChatCompletions.Request.native(request, dialect, endpoint, warn),
    missingFeature: (request) => ChatCompletions.Request.missingFeature(request, dialect),
    encode: (request) => ChatCompletions.Request.encode(request, dialect),
  })
  return Effect.result(make({ ...request, model: "m", ...(policy && { unsupportedParams: policy }) }))
}

const refused: ReadonlyArray<readonly [keyof typeof vendors, Body, feature: string]> = [
  ["ollama", { n: 2 }, "more than one choice (n)"],
  ["ollama", { tools, tool_choice: "required" }, "forced tool calls"],
  ["ollama", { tools, tool_choice: { type: "function", function: { name: "look" } } }, "forced tool calls"],
  ["ollama", { messages: image("https://example.com/a.png") }, "images by URL"],
  ["ollama", { messages: file("data:application/pdf;base64,JVBERi0=") }, "documents of type application/pdf"],
  ["groq", { n: 2 }, "more than one choice (n)"],
  ["groq", { logprobs: true }, "logprobs"],
  ["groq", { top_logprobs: 2 }, "logprobs"],
  ["mistral", { logprobs: true }, "logprobs"],
  ["deepseek", { response_format: schema }, "JSON schema output"],
  ["deepseek", { n: 3 }, "more than one choice (n)"],
  ["openrouter", { n: 2 }, "more than one choice (n)"],
]

const dropped: ReadonlyArray<readonly [keyof typeof vendors, Body, named: ReadonlyArray<string>, left: Body]> = [
  ["ollama", { user: "u", safety_identifier: "s" }, ["the end user's id"], {}],
  ["ollama", { top_k: 5, seed: 7 }, ["top_k"], { seed: 7 }],
  [
    "ollama",
    { logit_bias: { 1: 2 }, parallel_tool_calls: false, tools },
    ["logit_bias", "parallel_tool_calls"],
    { tools },
  ],
  ["ollama", { prompt_cache_key: "k" }, ["prompt_cache_key"], {}],
  ["groq", { top_k: 5 }, ["top_k"], {}],
  ["deepseek", { user: "u", user_id: 1 }, ["the end user's id"], { user_id: 1 }],
  [
    "groq",
    { messages: [{ role: "user", name: "Ada", content: "Hello?" }] },
    ["message author names"],
    { messages: [{ role: "user", content: "Hello?" }] },
  ],
]

const kept: ReadonlyArray<readonly [keyof typeof vendors | "compatible" | "openai", Body, left?: Body]> = [
  ["ollama", { n: 1, tools, tool_choice: "auto", response_format: schema, logprobs: true, top_logprobs: 2 }],
  ["ollama", { messages: image("data:image/png;base64,aGk=") }],
  ["ollama", { max_completion_tokens: 5 }, { max_tokens: 5 }],
  ["ollama", { tools, tool_choice: "none" }, {}],
  ["vllm", { n: 2, logprobs: true, top_k: 3, user: "u", tools, tool_choice: "required", response_format: schema }],
  // The missing features of an unknown server are unknown.
  ["compatible", { n: 2, top_k: 5, user: "u", logprobs: true, prompt_cache_key: "k", tools, tool_choice: "required" }],
  ["openai", { n: 2, top_k: 5, user: "u", logprobs: true, prompt_cache_key: "k", tools, tool_choice: "required" }],
  ["compatible", { messages: file("data:application/pdf;base64,JVBERi0=") }],
]

describe("a client's own body", () => {
  for (const [vendor, fields, feature] of refused) {
    it.effect(`skips ${vendor} with ${JSON.stringify(fields)}`, () =>
      Effect.gen(function* () {
        const result = yield* lower(vendor, fields)
        assert.isTrue(Result.isFailure(result))
        assert.deepStrictEqual(Result.isFailure(result) && result.failure.reason, { _tag: "Unsupported", feature })
      }),
    )
  }

  for (const [vendor, fields, named, left] of dropped) {
    it.effect(`reaches ${vendor} without the hints in ${JSON.stringify(fields)}`, () =>
      Effect.gen(function* () {
        const { body, droppedParams } = Result.getOrThrow(yield* lower(vendor, fields))
        assert.deepStrictEqual(body, { ...base, ...left, model: "m" })
        assert.deepStrictEqual(droppedParams, named)
        const silent = Result.getOrThrow(yield* lower(vendor, fields, "drop"))
        assert.deepStrictEqual([silent.body, silent.droppedParams], [body, undefined])
        assert.isTrue(Result.isFailure(yield* lower(vendor, fields, "skip")))
      }),
    )
  }

  for (const [vendor, fields, left = fields] of kept) {
    it.effect(`reaches ${vendor} with ${JSON.stringify(fields)}`, () =>
      Effect.gen(function* () {
        const { body, droppedParams } = Result.getOrThrow(yield* lower(vendor, fields))
        assert.deepStrictEqual(body, { ...base, ...left, model: "m" })
        assert.isUndefined(droppedParams)
      }),
    )
  }

  it.effect("has text documents in the prompt for a server without document support", () =>
    Effect.gen(function* () {
      const data = `data:text/plain;base64,${btoa("Once upon a time")}`
      const { body } = Result.getOrThrow(yield* lower("ollama", { messages: file(data), mirostat: 1 }))
      assert.include(JSON.stringify(body["messages"]), "Once upon a time")
      assert.strictEqual(body["mirostat"], 1)
    }),
  )
})
