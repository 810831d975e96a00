import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as OpenAi from "../../src/openai/OpenAi.ts"
import * as Transport from "../../src/transport/Transport.ts"

interface Asked {
  readonly body: Record<string, unknown>
  readonly closed: Promise<void>
}

/** A self-hosted server with scripted responses. */
const serve = (answer: (response: Http.ServerResponse, body: Record<string, unknown>) => void) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const asked: Array<Asked> = []
      const server = Http.createServer((request, response) => {
        let text = ""
        request.on("data", (chunk) => (text += chunk))
        request.on("end", () => {
          const body = JSON.parse(text)
          asked.push({ body, closed: new Promise((resolve) => response.on("close", () => resolve())) })
          answer(response, body)
        })
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      return { asked, server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` }
    }),
    ({ server }) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      }),
  )

const provider = (options: OpenAi.Options) =>
  Effect.flatMap(Layer.build(Transport.layer), (context) => Effect.provideContext(OpenAi.make(options), context))

const ask: Chat.Request = { model: "m", messages: [Chat.user("Hello")] }

const stream = (...chunks: ReadonlyArray<object>) =>
  chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join("")

const said = stream(
  { id: "x", model: "m", choices: [{ index: 0, delta: { role: "assistant", content: "Hi" } }] },
  { id: "x", model: "m", choices: [{ index: 0, delta: { content: " there" }, finish_reason: "stop" }] },
  { id: "x", model: "m", choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 }, timings: { n: 1 } },
)

const streams = (response: Http.ServerResponse, text: string) => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  response.end(text)
}

describe("a non-streaming call to a self-hosted server", () => {
  it.live("is sent as a stream, and returns a complete response", () =>
    Effect.gen(function* () {
      const { asked, url } = yield* serve((response) => streams(response, `${said}data: [DONE]\n\n`))
      const native = { protocol: "chat-completions", body: { model: "m", messages: [], keep_alive: "5m" } }
      for (const vendor of ["ollama", "vllm"] as const) {
        const { chat } = yield* provider({ vendor, baseUrl: url })
        const answer = yield* chat({ ...ask, native })
        assert.strictEqual(Chat.text(answer), "Hi there")
        assert.deepStrictEqual([answer.usage?.inputTokens, answer.usage?.outputTokens], [3, 2])
        assert.deepInclude(answer.native?.body, { id: "x", object: "chat.completion", timings: { n: 1 } })
        assert.deepInclude(asked.at(-1)?.body, { stream: true, keep_alive: "5m" })
      }
    }),
  )

  it.live("ends upstream at once when cancelled", () =>
    Effect.gen(function* () {
      const { asked, url } = yield* serve((response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.write(said.slice(0, said.indexOf("\n\n") + 2))
      })
      const { chat } = yield* provider({ vendor: "vllm", baseUrl: url })
      const calling = yield* Effect.forkChild(chat(ask))
      while (asked.length === 0) yield* Effect.sleep("5 millis")
      yield* Fiber.interrupt(calling)
      yield* Effect.promise(() => asked[0]!.closed)
    }),
  )

  it.live("accepts a response without a stream, and fails like other calls", () =>
    Effect.gen(function* () {
      const answers: Record<string, (response: Http.ServerResponse) => void> = {
        plain: (response) => {
          response.writeHead(200, { "content-type": "application/json" })
          response.end(`{"id":"x","choices":[{"message":{"content":"Plain"},"finish_reason":"stop"}]}`)
        },
        cut: (response) => streams(response, said.slice(0, said.indexOf("\n\n") + 2)),
        empty: (response) => streams(response, ""),
        error: (response) => streams(response, stream({ error: { message: "out of memory", type: "server_error" } })),
        refused: (response) => {
          response.writeHead(503, { "content-type": "application/json" })
          response.end(`{"error":{"message":"Loading model","type":"unavailable_error"}}`)
        },
      }
      const { url } = yield* serve((response, { model }) => answers[String(model)]?.(response))
      const { chat } = yield* provider({ baseUrl: url, plainByStream: true })
      const call = (model: string) => chat({ ...ask, model })
      assert.strictEqual(Chat.text(yield* call("plain")), "Plain")
      const reason = (model: string) => Effect.map(Effect.flip(call(model)), (error) => error.reason._tag)
      assert.deepStrictEqual(
        [yield* reason("cut"), yield* reason("empty"), yield* reason("error"), yield* reason("refused")],
        ["Malformed", "Malformed", "ServerError", "Overloaded"],
      )
    }),
  )

  it.live("is not sent as a stream to other vendors or the Responses API", () =>
    Effect.gen(function* () {
      const { asked, url } = yield* serve((response) => {
        response.writeHead(200, { "content-type": "application/json" })
        response.end("{}")
      })
      yield* Effect.exit((yield* provider({ baseUrl: url })).chat(ask))
      yield* Effect.exit((yield* provider({ baseUrl: url, api: "responses", plainByStream: true })).chat(ask))
      assert.deepStrictEqual(
        asked.map(({ body }) => body["stream"]),
        [undefined, undefined],
      )
    }),
  )
})
