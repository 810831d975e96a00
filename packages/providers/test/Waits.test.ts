/**
 * How long an upstream asks to wait, from its answer over the wire to the reason: where no header says so, the error's own
 * field or its words do.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Anthropic from "@understudy/providers/anthropic"
import * as Gemini from "@understudy/providers/gemini"
import * as OpenAi from "@understudy/providers/openai"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Transport from "@understudy/providers/transport"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { ask } from "./Asking.ts"
import { apiKey } from "./Contract.ts"

interface Answer {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body: string
}

/** A server that gives everybody the same answer. */
const serve = ({ body, headers, status }: Answer) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<Http.Server>((resolve) => {
          const server = Http.createServer((request, response) => {
            request.resume().on("end", () => response.writeHead(status, headers).end(body))
          })
          server.listen(0, "127.0.0.1", () => resolve(server))
        }),
    ),
    (server) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      }),
  ).pipe(Effect.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`))

const providers = {
  openai: (url: string) => OpenAi.make({ apiKey, baseUrl: `${url}/v1` }),
  responses: (url: string) => OpenAi.make({ apiKey, baseUrl: `${url}/v1`, api: "responses" }),
  anthropic: (url: string) => Anthropic.make({ apiKey, baseUrl: url }),
  gemini: (url: string) => Gemini.make({ apiKey, baseUrl: url }),
}

/** The milliseconds that each vendor's provider takes from an answer, asked plainly and for a stream. */
const waits = (vendor: keyof typeof providers, answer: Answer) =>
  Effect.gen(function* () {
    const provider = yield* providers[vendor](yield* serve(answer))
    const errors = [
      yield* Effect.flip(provider.chat(ask("x"))),
      yield* Effect.flip(Stream.runDrain(provider.stream(ask("x")))),
    ]
    return errors.map(({ retryAfter }) => retryAfter && Duration.toMillis(retryAfter))
  }).pipe(Effect.scoped, Effect.provide(Transport.layer))

const words = "Rate limit reached. Please try again in 1m3.5s."

describe("waits", () => {
  for (const vendor of ["openai", "responses", "anthropic", "gemini"] as const) {
    const error =
      vendor === "gemini" ? { code: 429, status: "RESOURCE_EXHAUSTED" } : { type: "rate_limit_error", code: null }
    const body = JSON.stringify({ type: "error", error: { ...error, message: words } })

    it.live(`${vendor}: words, where nothing else says it`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* waits(vendor, { status: 429, body }), [63_500, 63_500])
        assert.deepStrictEqual(yield* waits(vendor, { status: 429, body: words }), [63_500, 63_500])
        const headers = { "retry-after": "2" }
        assert.deepStrictEqual(yield* waits(vendor, { status: 429, headers, body }), [2000, 2000])
        const useless = { "retry-after": "NaN" }
        assert.deepStrictEqual(yield* waits(vendor, { status: 429, headers: useless, body }), [63_500, 63_500])
      }),
    )

    it.live(`${vendor}: the words of an error in a 200's stream`, () =>
      Effect.gen(function* () {
        const headers = { "content-type": "text/event-stream" }
        const event = vendor === "anthropic" || vendor === "responses" ? "event: error\n" : ""
        const answer = { status: 200, headers, body: `${event}data: ${body}\n\n` }
        assert.strictEqual((yield* waits(vendor, answer))[1], 63_500)
      }),
    )
  }

  it.live("a field of the body, where its vendor has none of its own", () =>
    Effect.gen(function* () {
      for (const [vendor, body, expected] of [
        ["openai", { error: { message: words, retry_after: 4 } }, 4000],
        ["openai", { message: "No", retry_after: "2.5" }, 2500],
        [
          "anthropic",
          { type: "error", error: { type: "rate_limit_error", message: words, retry_after: "1m" } },
          60_000,
        ],
        [
          "anthropic",
          { type: "error", error: { type: "rate_limit_error", message: words, retry_after: "soon" } },
          63_500,
        ],
      ] as const) {
        const answer = { status: 429, body: JSON.stringify(body) }
        assert.deepStrictEqual(yield* waits(vendor, answer), [expected, expected])
      }
    }),
  )

  it.live("the headers of an upstream behind the one that answered", () =>
    Effect.gen(function* () {
      const headers = { "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4102444800000" }
      const body = JSON.stringify({ error: { code: 429, message: "Rate limit exceeded", metadata: { headers } } })
      assert.deepStrictEqual(yield* waits("openai", { status: 429, body }), [86_400_000, 86_400_000])
    }),
  )

  it.live("words in a body of no known shape", () =>
    Effect.gen(function* () {
      for (const vendor of ["openai", "anthropic", "gemini"] as const) {
        const body = JSON.stringify({ problem: { why: words } })
        assert.deepStrictEqual(yield* waits(vendor, { status: 429, body }), [63_500, 63_500])
        const page = `<html>${words}</html>`
        assert.deepStrictEqual(yield* waits(vendor, { status: 429, body: page }), [undefined, undefined])
      }
    }),
  )

  it.live("gemini: a delay in the body", () =>
    Effect.gen(function* () {
      const type = "type.googleapis.com/google.rpc.RetryInfo"
      const body = (retryDelay: unknown) =>
        JSON.stringify({
          error: { code: 429, status: "RESOURCE_EXHAUSTED", message: words, details: [{ "@type": type, retryDelay }] },
        })
      const wait = (retryDelay: unknown) =>
        Effect.map(waits("gemini", { status: 429, body: body(retryDelay) }), ([plain]) => plain)
      assert.strictEqual(yield* wait("37.25s"), 37_250)
      assert.strictEqual(yield* wait({ seconds: "3", nanos: 500_000_000 }), 3500)
      assert.strictEqual(yield* wait(4), 4000)
      assert.strictEqual(yield* wait("999999999s"), 86_400_000)
      assert.strictEqual(yield* wait("soon"), 63_500)
      assert.strictEqual(yield* wait({ seconds: "soon" }), 63_500)
    }),
  )
})
