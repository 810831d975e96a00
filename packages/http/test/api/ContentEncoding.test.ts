/** Bodies as clients compress them, in every dialect: what is asked upstream is what was meant. */
import { assert, describe, it } from "@effect/vitest"
import * as ByteSize from "effect/ByteSize"
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

  it.live("makes no body many times larger than was sent of it", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make({ maxBody: 20_000_000 })
      const bomb = (megabytes: number) =>
        Buffer.from(`${JSON.stringify(bodies["/v1/chat/completions"])}${" ".repeat(megabytes * 1e6)}`)
      for (const [encoding, encoded] of Object.entries(encode)) {
        if (encoding === "identity") continue
        const header = encoding.replace(", bare", "")
        const { status, told } = yield* post(`${url}/v1/chat/completions`, header, encoded(bomb(15)))
        assert.deepStrictEqual([status, told.error?.code], [413, "request_too_large"], encoding)
        assert.include(told.error?.message, "more than 100 times its compressed size")
        assert.include(told.error?.message, "server.limits.expansion")
      }
      assert.deepStrictEqual(yield* upstream.requests, [])
      const { status } = yield* post(`${url}/v1/chat/completions`, "br", Zlib.brotliCompressSync(bomb(0.9)))
      assert.strictEqual(status, 200)
    }),
  )

  it.live("is undone of no more bodies at once than there is room for", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make({
        maxBody: 2_000_000,
        limits: { unfinishedBodies: ByteSize.megabytes(1), expansion: 1_000_000 },
      })
      const large = Buffer.from(`${JSON.stringify(bodies["/v1/chat/completions"])}${" ".repeat(1_500_000)}`)
      for (const encoding of ["gzip", "br", "deflate", "zstd"]) {
        const encoded = encode[encoding]?.(large) ?? assert.fail(encoding)
        const { status, told } = yield* post(`${url}/v1/chat/completions`, encoding, encoded)
        assert.deepStrictEqual([status, told.error?.code], [503, "overloaded"], encoding)
        // What it held is given back.
        const next = yield* post(`${url}/v1/chat/completions`, encoding, encode[encoding]?.(small) ?? small)
        assert.strictEqual(next.status, 200, encoding)
      }
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
