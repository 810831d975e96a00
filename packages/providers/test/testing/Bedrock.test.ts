import type { BedrockRuntimeServiceException, Message, ToolConfiguration } from "@aws-sdk/client-bedrock-runtime"
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand } from "@aws-sdk/client-bedrock-runtime"
import { assert, describe, it } from "@effect/vitest"
import { NodeHttpHandler } from "@smithy/node-http-handler"
import * as Effect from "effect/Effect"
import * as FaultServer from "../../src/testing/FaultServer.ts"
import { collected, rejection } from "./raw.ts"

const connected = Effect.gen(function* () {
  const server = yield* FaultServer.make()
  const client = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        new BedrockRuntimeClient({
          region: "eu-central-1",
          endpoint: server.url,
          credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" },
          maxAttempts: 1,
          requestHandler: new NodeHttpHandler(),
        }),
    ),
    (client) => Effect.sync(() => client.destroy()),
  )
  return { server, client }
})

const modelId = "us.anthropic.claude-v1:0"
const user = (text: string): Message => ({ role: "user", content: [{ text }] })
const question = user("What is the weather in Paris?")
const toolConfig: ToolConfiguration = {
  tools: [
    {
      toolSpec: {
        name: "get_weather",
        inputSchema: { json: { type: "object", properties: { city: { type: "string" } } } },
      },
    },
  ],
}

const events = async (
  client: BedrockRuntimeClient,
  model: string,
  messages: Array<Message>,
  tools?: ToolConfiguration,
) => {
  const asked = { modelId: model, messages, ...(tools === undefined ? {} : { toolConfig: tools }) }
  const answer = await client.send(new ConverseStreamCommand(asked))
  return answer.stream === undefined ? [] : collected(answer.stream)
}

describe("Bedrock's wire, by its SDK", () => {
  it.live("converse", () =>
    Effect.gen(function* () {
      const { client, server } = yield* connected
      const answer = yield* Effect.promise(() => client.send(new ConverseCommand({ modelId, messages: [user("Hi")] })))
      assert.deepStrictEqual(answer.output?.message, {
        role: "assistant",
        content: [{ text: FaultServer.line(modelId) }],
      })
      assert.strictEqual(answer.stopReason, "end_turn")
      assert.strictEqual(answer.usage?.outputTokens, 25)
      assert.match(answer.$metadata.requestId ?? "", /-000000000001$/)
      const [request] = yield* server.requests
      assert.deepStrictEqual([request?.vendor, request?.model], ["bedrock", modelId])
    }),
  )

  it.live("converse-stream", () =>
    Effect.gen(function* () {
      const { client } = yield* connected
      const seen = yield* Effect.promise(() => events(client, modelId, [user("Hi")]))
      assert.strictEqual(
        seen.map((event) => event.contentBlockDelta?.delta?.text ?? "").join(""),
        FaultServer.line(modelId),
      )
      assert.deepStrictEqual(seen[0]?.messageStart, { role: "assistant" })
      assert.deepStrictEqual(seen.at(-2)?.messageStop, { stopReason: "end_turn" })
      assert.strictEqual(seen.at(-1)?.metadata?.usage?.outputTokens, 25)
    }),
  )

  it.live("a tool call, plain and in pieces, then the answer to its result", () =>
    Effect.gen(function* () {
      const { client } = yield* connected
      const plain = yield* Effect.promise(() =>
        client.send(new ConverseCommand({ modelId, messages: [question], toolConfig })),
      )
      const call = plain.output?.message?.content?.[0]?.toolUse
      assert.strictEqual(plain.stopReason, "tool_use")
      assert.deepStrictEqual([call?.name, call?.input], ["get_weather", { city: "Paris" }])

      const seen = yield* Effect.promise(() => events(client, modelId, [question], toolConfig))
      const opened = seen.find((event) => event.contentBlockStart !== undefined)
      assert.strictEqual(opened?.contentBlockStart?.start?.toolUse?.name, "get_weather")
      const pieces = seen.map((event) => event.contentBlockDelta?.delta?.toolUse?.input ?? "")
      assert.strictEqual(pieces.join(""), '{"city":"Paris"}')
      assert.isAbove(pieces.filter((piece) => piece !== "").length, 1)

      const result: Message = {
        role: "user",
        content: [{ toolResult: { toolUseId: call?.toolUseId, content: [{ text: "21 °C" }] } }],
      }
      const messages = [question, { role: "assistant" as const, content: plain.output?.message?.content }, result]
      const told = yield* Effect.promise(() => client.send(new ConverseCommand({ modelId, messages, toolConfig })))
      assert.include(told.output?.message?.content?.[0]?.text, "21 °C")
    }),
  )

  it.live("errors by name, and exception frames", () =>
    Effect.gen(function* () {
      const { client } = yield* connected
      const failure = (model: string) =>
        rejection<BedrockRuntimeServiceException>(() => events(client, model, [question]))
      const limited = yield* failure("429")
      assert.deepStrictEqual([limited.name, limited.$metadata?.httpStatusCode], ["ThrottlingException", 429])
      assert.strictEqual((yield* failure("context-length")).name, "ValidationException")
      const key = yield* failure("bad-key")
      assert.deepStrictEqual(
        [key.name, key.message.includes("AKIDEXAMPLE"), key.message.includes("secret")],
        ["UnrecognizedClientException", true, false],
      )
      assert.strictEqual((yield* failure("error-event-first")).name, "ServiceUnavailableException")
      assert.strictEqual((yield* failure("error-event-after-2-rate-limit")).name, "ThrottlingException")
      assert.strictEqual((yield* failure("error-event-after-2-timeout")).name, "ModelStreamErrorException")
    }),
  )
})
