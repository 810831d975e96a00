/**
 * Deployments with several API keys, over the vendors' SDKs: a server on loopback answers each key with a status of its own.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as Router from "@understudy/core/Router"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { createServer } from "node:http"
import type { IncomingMessage } from "node:http"
import * as Config from "../src/Config.ts"

/** A vendor's keys in a configuration, the header that has the key, and a complete response. */
interface Vendor {
  readonly deployment: (url: string) => object
  readonly keyOf: (request: IncomingMessage) => string | undefined
  readonly answer: object
}

const completion = {
  id: "c",
  object: "chat.completion",
  created: 1,
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
}

const bearer = ({ headers }: IncomingMessage) => headers.authorization?.replace("Bearer ", "")

const header = (name: string) => (request: IncomingMessage) => {
  const value = request.headers[name]
  return typeof value === "string" ? value : undefined
}

const vendors: Readonly<Record<string, Vendor>> = {
  openai: {
    deployment: (url) => ({ provider: "openai", model: "m", baseUrl: `${url}/v1` }),
    keyOf: bearer,
    answer: completion,
  },
  groq: {
    deployment: (url) => ({ provider: "groq", model: "m", baseUrl: `${url}/v1` }),
    keyOf: bearer,
    answer: completion,
  },
  azure: {
    deployment: (url) => ({ provider: "azure", model: "m", endpoint: url }),
    keyOf: header("api-key"),
    answer: completion,
  },
  anthropic: {
    deployment: (url) => ({ provider: "anthropic", model: "m", baseUrl: url }),
    keyOf: (request) => header("x-api-key")(request) ?? bearer(request),
    answer: {
      id: "m",
      type: "message",
      role: "assistant",
      model: "m",
      content: [{ type: "text", text: "Hello" }],
      stop_reason: "end_turn",
      stop_sequence: null,
      usage: { input_tokens: 3, output_tokens: 2 },
    },
  },
  gemini: {
    deployment: (url) => ({ provider: "gemini", model: "m", baseUrl: url }),
    keyOf: header("x-goog-api-key"),
    answer: {
      candidates: [{ content: { role: "model", parts: [{ text: "Hello" }] }, finishReason: "STOP", index: 0 }],
      usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 },
    },
  },
}

/** A server that answers each key with its status, or with the vendor's response, and the keys in the order they came. */
const serve = ({ answer, keyOf }: Vendor, statuses: Readonly<Record<string, number>>) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly keys: Array<string>; readonly close: () => void }>((resume) => {
      const keys: Array<string> = []
      const server = createServer((request, response) => {
        request.resume().on("end", () => {
          const key = keyOf(request) ?? "none"
          keys.push(key)
          const status = statuses[key] ?? 200
          response.writeHead(status, {
            "content-type": "application/json",
            ...(status === 429 ? { "retry-after": "30" } : undefined),
          })
          response.end(
            JSON.stringify(status === 200 ? answer : { error: { message: `rejected: ${key}`, code: status } }),
          )
        })
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" ? address?.port : undefined
        const close = () => {
          server.close()
          server.closeAllConnections()
        }
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, keys, close }))
      })
    }),
    ({ close }) => Effect.sync(close),
  )

const keys = ["sk-pool-first-1111", "sk-pool-second-2222", "sk-pool-third-3333"] as const

const router = (vendor: Vendor, url: string) => {
  const settings = Result.getOrThrow(
    Config.decode(
      { deployments: { pool: { ...vendor.deployment(url), apiKeys: keys, retry: { times: 0 } } } },
      () => undefined,
    ),
  )
  return Router.layer(Config.toOptions(settings))
}

const request: Chat.Request = { model: "pool", messages: [Chat.user("Hello?")] }

const call = Effect.flatMap(Router.Router, (router) => router.chat(request))

const reasons = { 401: "Authentication", 402: "QuotaExhausted", 403: "Permission", 429: "RateLimited" } as const

describe("apiKeys", () => {
  for (const [name, vendor] of Object.entries(vendors)) {
    for (const [status, reason] of Object.entries(reasons)) {
      it.live(`of ${name}: after ${status} the next key is tried at once, and no other call tries the first`, () =>
        Effect.gen(function* () {
          const [first, second, third] = keys
          const server = yield* serve(vendor, { [first]: Number(status) })
          yield* Effect.gen(function* () {
            const { receipt, response } = yield* call
            assert.strictEqual(Chat.text(response), "Hello")
            assert.deepStrictEqual(
              receipt.attempts.map(({ account, outcome, reason }) => [account, outcome, reason]),
              [
                [1, "failure", reason],
                [2, "success", undefined],
              ],
            )
            // The message of the vendor quotes the key.
            assert.notInclude(JSON.stringify(receipt), "sk-pool")
            yield* Effect.replicateEffect(call, 3)
            assert.deepStrictEqual(server.keys, [first, second, second, third, second])
          }).pipe(Effect.provide(router(vendor, server.url)))
        }).pipe(Effect.scoped),
      )
    }

    it.live(`of ${name}: a server error is no key's`, () =>
      Effect.gen(function* () {
        const [first] = keys
        const server = yield* serve(vendor, { [first]: 500 })
        yield* Effect.gen(function* () {
          const { chat } = yield* Router.Router
          const error = yield* Effect.flip(chat(request))
          assert.strictEqual(error.kind, "Upstream")
          assert.deepStrictEqual(server.keys, [first])
          assert.notInclude(error.message, "sk-pool")
        }).pipe(Effect.provide(router(vendor, server.url)))
      }).pipe(Effect.scoped),
    )
  }
})
