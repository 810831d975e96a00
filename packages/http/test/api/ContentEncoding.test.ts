/** Bodies as clients compress them, in every dialect: what is asked upstream is what was meant. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Zlib from "node:zlib"
import * as TestGateway from "../TestGateway.ts"

const encode: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: Zlib.gzipSync,
  "x-gzip": Zlib.gzipSync,
  GZIP: Zlib.gzipSync,
  br: Zlib.brotliCompressSync,
  deflate: Zlib.deflateSync,
  "deflate, bare": Zlib.deflateRawSync,
  zstd: Zlib.zstdCompressSync,
  "gzip, zstd": (bytes) => Zlib.zstdCompressSync(Zlib.gzipSync(bytes)),
  identity: (bytes) => bytes,
}

const words = "Hello? ".repeat(40)

const bodies: Readonly<Record<string, object>> = {
  "/v1/chat/completions": { model: "assistant", messages: [{ role: "user", content: words }] },
  "/v1/messages": { model: "assistant", max_tokens: 16, messages: [{ role: "user", content: words }] },
  "/v1/responses": { model: "assistant", input: words },
  "/v1beta/models/assistant:generateContent": { contents: [{ role: "user", parts: [{ text: words }] }] },
}

const post = (url: string, encoding: string, body: Buffer) =>
  Effect.promise(async () => {
    const answer = await fetch(url, {
      method: "POST",
      body: new Uint8Array(body),
      headers: { "content-type": "application/json", "content-encoding": encoding },
    })
    return {
      status: answer.status,
      told: (await answer.json()) as { readonly error?: { readonly code: string; message: string } },
    }
  })

const small = Buffer.from(JSON.stringify(bodies["/v1/chat/completions"]))

describe("content-encoding", () => {
  for (const [path, body] of Object.entries(bodies)) {
    it.live(`is undone for ${path}`, () =>
      Effect.gen(function* () {
        const { upstream, url } = yield* TestGateway.make()
        for (const [encoding, encoded] of Object.entries(encode)) {
          const header = encoding.replace(", bare", "")
          const { status } = yield* post(`${url}${path}`, header, encoded(Buffer.from(JSON.stringify(body))))
          assert.strictEqual(status, 200, encoding)
        }
        const asked = yield* upstream.requests
        assert.strictEqual(asked.length, Object.keys(encode).length)
        for (const request of asked) assert.include(JSON.stringify(request.body), words)
      }),
    )
  }

  it.live("that is unknown is refused by its name, and too many are", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      for (const [encoding, name] of [
        ["compress", '"compress"'],
        ["gzip, snappy", '"snappy"'],
        ["gzip, gzip, gzip, gzip", "at most 3"],
      ] as const) {
        const { status, told } = yield* post(`${url}/v1/chat/completions`, encoding, Zlib.gzipSync(small))
        assert.deepStrictEqual([status, told.error?.code], [415, "unsupported_content_encoding"])
        assert.include(told.error?.message, name)
      }
      assert.deepStrictEqual(yield* upstream.requests, [])
    }),
  )

  it.live("does not lift the limit on a body, whatever it grows to", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make({ maxBody: 10_000 })
      const large = Buffer.from(JSON.stringify({ model: "assistant", messages: [], pad: " ".repeat(100_000) }))
      for (const [encoding, encoded] of Object.entries(encode)) {
        const header = encoding.replace(", bare", "")
        const { status, told } = yield* post(`${url}/v1/chat/completions`, header, encoded(large))
        assert.deepStrictEqual([status, told.error?.code], [413, "request_too_large"], encoding)
      }
      const noise = Buffer.from(Array.from({ length: 20_000 }, (_, at) => (at * 7919) % 251))
      const { status } = yield* post(`${url}/v1/chat/completions`, "gzip", noise)
      assert.strictEqual(status, 413)
    }),
  )

  it.live("that the body does not have, or not to its end, is the caller's mistake", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make()
      for (const encoding of ["gzip", "br", "deflate", "zstd"]) {
        const whole = encode[encoding]?.(small) ?? assert.fail(encoding)
        for (const body of [small, whole.subarray(0, whole.length - 5), Buffer.alloc(0)]) {
          const { status, told } = yield* post(`${url}/v1/chat/completions`, encoding, body)
          assert.deepStrictEqual([status, told.error?.code], [400, "invalid_content_encoding"], encoding)
        }
      }
    }),
  )
})
