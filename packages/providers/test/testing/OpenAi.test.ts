import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import OpenAI from "openai"
import * as Behavior from "../../src/testing/Behavior.ts"
import * as FaultServer from "../../src/testing/FaultServer.ts"
import { collected, rejection } from "./raw.ts"

const connected = Effect.map(
  FaultServer.make(),
  ({ url }) => new OpenAI({ baseURL: `${url}/v1`, apiKey: "sk-secret", maxRetries: 0 }),
)

const weather: OpenAI.ChatCompletionFunctionTool = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: { type: "object", properties: { city: { type: "string" }, days: { type: "integer" } } },
  },
}
const question: OpenAI.ChatCompletionMessageParam = { role: "user", content: "What is the weather in Paris?" }

describe("OpenAI's wire, by its SDK", () => {
  it.live("chat", () =>
    Effect.gen(function* () {
      const client = yield* connected
      const answer = yield* Effect.promise((signal) =>
        client.chat.completions.create(
          { model: "gpt-4o", messages: [{ role: "user", content: "Hi" }], n: 2 },
          { signal },
        ),
      )
      assert.deepStrictEqual(
        answer.choices.map(({ index, message, finish_reason }) => [index, message.content, finish_reason]),
        [
          [0, FaultServer.line("gpt-4o"), "stop"],
          [1, FaultServer.line("gpt-4o"), "stop"],
        ],
      )
      assert.strictEqual(answer.usage?.total_tokens, answer.usage!.prompt_tokens + answer.usage!.completion_tokens)
      assert.match(answer._request_id ?? "", /^req_/)
    }),
  )

  it.live("stream, with usage only if asked for", () =>
    Effect.gen(function* () {
      const client = yield* connected
      for (const counted of [true, false]) {
        const chunks = yield* Effect.promise(async () =>
          collected(
            await client.chat.completions.create({
              model: "gpt-4o",
              messages: [{ role: "user", content: "Hi" }],
              stream: true,
              ...(counted ? { stream_options: { include_usage: true } } : {}),
            }),
          ),
        )
        const deltas = chunks.map(({ choices: [choice] }) => choice?.delta.content ?? "")
        assert.strictEqual(deltas.join(""), FaultServer.line("gpt-4o"))
        assert.isAbove(deltas.filter((delta) => delta !== "").length, 5)
        assert.strictEqual(chunks[0]?.choices[0]?.delta.role, "assistant")
        assert.strictEqual(chunks.filter(({ choices: [choice] }) => choice?.finish_reason === "stop").length, 1)
        assert.strictEqual(chunks.at(-1)?.choices.length, counted ? 0 : 1)
        assert.strictEqual(typeof chunks.at(-1)?.usage, counted ? "object" : "undefined")
      }
    }),
  )

  it.live("a tool call, plain and in pieces, then the answer to its result", () =>
    Effect.gen(function* () {
      const client = yield* connected
      const asked = { model: "gpt-4o", messages: [question], tools: [weather] }
      const plain = yield* Effect.promise(() => client.chat.completions.create(asked))
      const [choice] = plain.choices
      const call = choice?.message.tool_calls?.[0]
      assert.strictEqual(choice?.finish_reason, "tool_calls")
      assert(choice !== undefined && call?.type === "function")
      assert.deepStrictEqual(call.function, { name: "get_weather", arguments: '{"city":"Paris","days":1}' })

      const stream = client.chat.completions.stream(asked)
      const streamed = yield* Effect.promise(() => stream.finalChatCompletion())
      const again = streamed.choices[0]?.message.tool_calls?.[0]
      assert(again?.type === "function")
      assert.strictEqual(again.function.arguments, call.function.arguments)

      const told = yield* Effect.promise(() =>
        client.chat.completions.create({
          ...asked,
          messages: [question, choice.message, { role: "tool", tool_call_id: call.id, content: "21 °C" }],
        }),
      )
      assert.include(told.choices[0]?.message.content, "21 °C")
    }),
  )

  it.live("no tool where none is asked for, and any where one must be", () =>
    Effect.gen(function* () {
      const client = yield* connected
      const finish = (content: string, tool_choice: "none" | "auto" | "required") =>
        Effect.promise(() =>
          client.chat.completions.create({
            model: "m",
            messages: [{ role: "user", content }],
            tools: [weather],
            tool_choice,
          }),
        ).pipe(Effect.map(({ choices: [choice] }) => choice?.finish_reason))
      assert.strictEqual(yield* finish("Hello", "auto"), "stop")
      assert.strictEqual(yield* finish("Use a tool", "auto"), "tool_calls")
      assert.strictEqual(yield* finish("Use a tool", "none"), "stop")
      assert.strictEqual(yield* finish("Hello", "required"), "tool_calls")
    }),
  )

  it.live("JSON by the schema that is asked for", () =>
    Effect.gen(function* () {
      const client = yield* connected
      const answer = yield* Effect.promise(() =>
        client.chat.completions.create({
          model: "gpt-4o",
          messages: [{ role: "user", content: "Where?" }],
          response_format: {
            type: "json_schema",
            json_schema: { name: "place", schema: weather.function.parameters! },
          },
        }),
      )
      assert.deepStrictEqual(JSON.parse(answer.choices[0]?.message.content ?? ""), { city: "Paris", days: 1 })
    }),
  )

  it.live("a call of the tool that the script names, where it is offered", () =>
    Effect.gen(function* () {
      const server = yield* FaultServer.make()
      yield* server.script("gpt-4o", [Behavior.answer({ tool: "get_weather", arguments: '{"city":"Oslo"}' })])
      const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "sk-secret", maxRetries: 0 })
      const ask = (...tools: ReadonlyArray<OpenAI.ChatCompletionFunctionTool>) =>
        Effect.map(
          Effect.promise(() =>
            client.chat.completions.create({
              model: "gpt-4o",
              messages: [{ role: "user", content: "Hi" }],
              tools: [...tools],
            }),
          ),
          ({ choices: [choice] }) => choice?.message.tool_calls?.map((call) => "function" in call && call.function),
        )
      const other: OpenAI.ChatCompletionFunctionTool = { type: "function", function: { name: "send_mail" } }
      assert.deepStrictEqual(yield* ask(other, weather), [{ name: "get_weather", arguments: '{"city":"Oslo"}' }])
      assert.strictEqual(yield* ask(other), undefined)
    }),
  )

  it.live("[DONE] in a tool's argument does not end the stream", () =>
    Effect.gen(function* () {
      const client = yield* connected
      const stream = client.chat.completions.stream({ model: "tool-done", messages: [question], tools: [weather] })
      const streamed = yield* Effect.promise(() => stream.finalChatCompletion())
      const call = streamed.choices[0]?.message.tool_calls?.[0]
      assert(call?.type === "function")
      assert.deepStrictEqual(JSON.parse(call.function.arguments), { text: "\n\ndata: [DONE]\n\n" })
    }),
  )

  it.live("errors and error events", () =>
    Effect.gen(function* () {
      const client = yield* connected
      const ask = (model: string, stream: boolean) =>
        rejection<InstanceType<typeof OpenAI.APIError>>(async () => {
          const answer = await client.chat.completions.create({ model, messages: [question], stream })
          if (Symbol.asyncIterator in answer) await collected(answer)
        })
      const limited = yield* ask("429-retry-after-1", false)
      assert.deepStrictEqual([limited.status, limited.code], [429, "rate_limit_exceeded"])
      assert.strictEqual(limited.headers?.get("retry-after"), "1")
      assert.strictEqual((yield* ask("context-length", true)).code, "context_length_exceeded")
      assert.strictEqual((yield* ask("error-event-after-2", true)).code, "server_is_overloaded")
    }),
  )
})
