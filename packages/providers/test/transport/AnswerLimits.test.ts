import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import { text } from "@understudy/core/Chat"
import type * as Operation from "@understudy/core/Operation"
import type { Provider } from "@understudy/core/Provider"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Anthropic from "@understudy/providers/anthropic"
import * as Bedrock from "@understudy/providers/bedrock"
import * as Gemini from "@understudy/providers/gemini"
import * as OpenAi from "@understudy/providers/openai"
import { AnswerLimits, defaults, longestEvent } from "@understudy/providers/internal/transport/AnswerLimits"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type { IncomingMessage, ServerResponse } from "node:http"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import * as Zlib from "node:zlib"

const limits = { answer: 300_000, error: 50_000 }

const request: Chat.Request = { model: "m", messages: [{ role: "user", content: [{ type: "text", text: "hi" }] }] }

const key = Redacted.make("sk-of-nobody")

const vendors = {
  openai: (url: string) => OpenAi.make({ baseUrl: `${url}/v1`, apiKey: key }),
  responses: (url: string) => OpenAi.make({ baseUrl: `${url}/v1`, apiKey: key, api: "responses" }),
  anthropic: (url: string) => Anthropic.make({ baseUrl: url, apiKey: key }),
  gemini: (url: string) => Gemini.make({ baseUrl: url, apiKey: key }),
  bedrock: (url: string) => Bedrock.make({ endpoint: url, region: "us-east-1", bearerToken: key }),
}
const names = Object.keys(vendors) as ReadonlyArray<keyof typeof vendors>

type Answering = (response: ServerResponse, request: IncomingMessage) => void

/** A server with a fixed response, which reports how its connection ended. */
const serve = (answer: Answering) =>
  Effect.gen(function* () {
    const closed = yield* Deferred.make<void>()
    const server = createServer((request, response) => {
      request.resume()
      request.socket.on("error", () => {})
      request.socket.once("close", () => Deferred.doneUnsafe(closed, Effect.void))
      answer(response, request)
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        }),
    )
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, closed: Deferred.await(closed) }
  })

/** Writes until the other side stops reading. */
const endless = (response: ServerResponse, piece: Buffer | string): void => {
  const write = () => {
    while (!response.destroyed && response.write(piece));
  }
  response.on("drain", write)
  write()
}

const provider = (name: keyof typeof vendors, url: string, own = limits) =>
  Effect.provideService(vendors[name](url), AnswerLimits, own)

const asked = {
  chat: (it: Provider["Service"]) => Effect.asVoid(it.chat(request)),
  stream: (it: Provider["Service"]) => Stream.runDrain(it.stream(request)),
}
const ways = ["chat", "stream"] as const

const kilobytes = Buffer.alloc(64 * 1024, " ")

describe.each(names)("%s", (name) => {
  for (const way of ways) {
    it.live(`a response over the limit is cut off and its connection closed (${way})`, () =>
      Effect.gen(function* () {
        const { closed, url } = yield* serve((response) => {
          response.writeHead(200, { "content-type": way === "chat" ? "application/json" : "text/event-stream" })
          endless(response, way === "chat" ? kilobytes : `: nothing\n\n`.repeat(1000))
        })
        const failure = yield* Effect.flip(asked[way](yield* provider(name, url)))
        assert.strictEqual(failure.reason._tag, "Malformed")
        // A Bedrock frame is decoded as a whole.
        if (name !== "bedrock" || way === "chat") {
          assert.include(failure.message, "larger than 300000 bytes")
          assert.propertyVal(failure.reason, "overLimit", true)
        }
        yield* closed
      }),
    )

    for (const status of [400, 401, 429, 500]) {
      it.live(`an error ${status} over the limit is cut off (${way})`, () =>
        Effect.gen(function* () {
          const { closed, url } = yield* serve((response) => {
            response.writeHead(status, { "content-type": "application/json" })
            endless(response, kilobytes)
          })
          const failure = yield* Effect.flip(asked[way](yield* provider(name, url)))
          assert.strictEqual(failure.reason._tag, "Malformed")
          assert.strictEqual(failure.status, status)
          assert.include(failure.message, "larger than 50000 bytes")
          yield* closed
        }),
      )
    }

    it.live(`a response with too many headers names the reason (${way})`, () =>
      Effect.gen(function* () {
        const { url } = yield* serve((response) => {
          response.writeHead(200, { "x-much": "x".repeat(100_000) })
          response.end("{}")
        })
        const failure = yield* Effect.flip(asked[way](yield* provider(name, url)))
        assert.strictEqual(failure.reason._tag, "Malformed")
        assert.match(failure.message, /HEADERS?_OVERFLOW/)
      }),
    )

    it.live(`a refused connection names its error code (${way})`, () =>
      Effect.gen(function* () {
        const url = yield* Effect.scoped(
          Effect.map(
            serve(() => {}),
            ({ url }) => url,
          ),
        )
        const failure = yield* Effect.flip(asked[way](yield* provider(name, url)))
        assert.strictEqual(failure.reason._tag, "Network")
        assert.include(failure.message, "ECONNREFUSED")
      }),
    )
  }

  it.live("a response up to the limit is accepted", () =>
    Effect.gen(function* () {
      const { url } = yield* serve((response) => {
        response.writeHead(200, { "content-type": "application/json" })
        response.end(Buffer.alloc(limits.answer, " "))
      })
      const failure = yield* Effect.flip(asked.chat(yield* provider(name, url)))
      assert.notInclude(failure.message, "larger than")
    }),
  )
})

describe("an operation whose response is passed on as it arrives", () => {
  const speech = (contentType: string, piece: Buffer | string) =>
    Effect.gen(function* () {
      const { closed, url } = yield* serve((response) => {
        response.writeHead(200, { "content-type": contentType })
        endless(response, piece)
      })
      const { operations } = yield* provider("openai", url)
      const frames = operations!.send({
        operation: "audio.speech",
        model: "m",
        body: { type: "json", fields: { model: "m", input: "hi" } },
        streaming: true,
      })
      return { closed, frames }
    })

  /** Takes far more than the limit. */
  const sizeOf = (frames: Stream.Stream<Operation.Frame, ProviderError>) =>
    frames.pipe(
      Stream.scan(
        () => 0,
        (size, { data }) => size + data.length,
      ),
      Stream.takeUntil((size) => size > 10 * limits.answer),
      Stream.runLast,
    )

  it.live("has no limit on its bytes, and its connection is closed with the call", () =>
    Effect.gen(function* () {
      const { closed, frames } = yield* speech("audio/mpeg", kilobytes)
      assert.isAbove(Option.getOrThrow(yield* sizeOf(frames)), 10 * limits.answer)
      yield* closed
    }),
  )

  it.live("has no limit on all of its events", () =>
    Effect.gen(function* () {
      const event = `data: {"type":"speech.audio.delta","audio":"${"A".repeat(1000)}"}\n\n`
      const { closed, frames } = yield* speech("text/event-stream", event)
      assert.isAbove(Option.getOrThrow(yield* sizeOf(frames)), 10 * limits.answer)
      yield* closed
    }),
  )

  it.live("is cut off above the limit if it is a text, which is read as a whole", () =>
    Effect.gen(function* () {
      const { closed, frames } = yield* speech("application/json", kilobytes)
      const failure = yield* Effect.flip(Stream.runDrain(frames))
      assert.deepStrictEqual(failure.reason, { _tag: "Malformed", overLimit: true })
      assert.include(failure.message, "larger than 300000 bytes: raise server.limits.answer")
      assert.isTrue(failure.contentFree)
      yield* closed
    }),
  )
})

const encoders = {
  gzip: Zlib.gzipSync,
  "x-gzip": Zlib.gzipSync,
  br: Zlib.brotliCompressSync,
  deflate: Zlib.deflateSync,
  "Deflate ": Zlib.deflateRawSync,
  zstd: Zlib.zstdCompressSync,
  "gzip, br": (bytes: Buffer) => Zlib.brotliCompressSync(Zlib.gzipSync(bytes)),
  identity: (bytes: Buffer) => bytes,
}

const chatAnswer = Buffer.from(
  JSON.stringify({ choices: [{ index: 0, message: { role: "assistant", content: "Grüße" }, finish_reason: "stop" }] }),
)
const converseAnswer = Buffer.from(
  JSON.stringify({
    output: { message: { role: "assistant", content: [{ text: "Grüße" }] } },
    stopReason: "end_turn",
    usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 },
  }),
)
const refusal = Buffer.from(
  JSON.stringify({ error: { message: "Slow down", type: "rate_limit_error" }, message: "Slow down" }),
)
const events = Buffer.from(
  [
    { choices: [{ index: 0, delta: { role: "assistant", content: "Grüße" }, finish_reason: null }] },
    { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] },
  ]
    .map((event) => `data: ${JSON.stringify(event)}\n\n`)
    .concat("data: [DONE]\n\n")
    .join(""),
)

/** Sends the bytes in pieces, so that no read contains a complete encoding. */
const inPieces = (response: ServerResponse, bytes: Buffer): void => {
  const size = Math.max(1, Math.ceil(bytes.length / 5))
  for (let at = 0; at < bytes.length; at += size) response.write(bytes.subarray(at, at + size))
  response.end()
}

const words = (frames: ReadonlyArray<Chat.Frame>): string =>
  frames.flatMap(({ parts }) => parts.flatMap((part) => (part.type === "text" ? [part.text] : []))).join("")

describe.each(Object.entries(encoders))("content-encoding: %s", (encoding, encode) => {
  for (const name of ["openai", "bedrock"] as const) {
    const answer = name === "openai" ? chatAnswer : converseAnswer
    it.live(`a response is decoded (${name})`, () =>
      Effect.gen(function* () {
        const { url } = yield* serve((response) => {
          response.writeHead(200, { "content-type": "application/json", "content-encoding": encoding })
          inPieces(response, encode(answer))
        })
        const answered = yield* (yield* provider(name, url)).chat(request)
        assert.strictEqual(text(answered), "Grüße")
      }),
    )

    it.live(`an error body is decoded (${name})`, () =>
      Effect.gen(function* () {
        const { url } = yield* serve((response) => {
          response.writeHead(429, { "content-type": "application/json", "content-encoding": encoding })
          inPieces(response, encode(refusal))
        })
        for (const way of ways) {
          const failure = yield* Effect.flip(asked[way](yield* provider(name, url)))
          assert.strictEqual(failure.reason._tag, "RateLimited")
          assert.include(failure.message, "Slow down")
        }
      }),
    )

    if (encoding !== "identity") {
      it.live(`a decoded response is bounded by the limit (${name})`, () =>
        Effect.gen(function* () {
          const bomb = encode(Buffer.alloc(limits.answer * 4, " "))
          const { closed, url } = yield* serve((response) => {
            response.writeHead(200, { "content-type": "application/json", "content-encoding": encoding })
            // The response never ends: only a reader that stops closes it.
            response.write(bomb)
          })
          const failure = yield* Effect.flip(asked.chat(yield* provider(name, url)))
          assert.strictEqual(failure.reason._tag, "Malformed")
          assert.include(failure.message, "larger than 300000 bytes")
          yield* closed
        }),
      )

      it.live(`a body that does not match its encoding is reported (${name})`, () =>
        Effect.gen(function* () {
          const { url } = yield* serve((response) => {
            response.writeHead(200, { "content-type": "application/json", "content-encoding": encoding })
            response.end("this is not what it says")
          })
          const failure = yield* Effect.flip(asked.chat(yield* provider(name, url)))
          assert.strictEqual(failure.reason._tag, "Malformed")
          assert.include(failure.message, "content-encoding")
        }),
      )
    }
  }

  it.live("a stream is decoded as it arrives", () =>
    Effect.gen(function* () {
      const { url } = yield* serve((response) => {
        response.writeHead(200, { "content-type": "text/event-stream", "content-encoding": encoding })
        inPieces(response, encode(events))
      })
      const frames = yield* Stream.runCollect((yield* provider("openai", url)).stream(request))
      assert.strictEqual(words(frames), "Grüße")
    }),
  )
})

it.live("an unknown content-encoding is named", () =>
  Effect.gen(function* () {
    const { url } = yield* serve((response) => {
      response.writeHead(200, { "content-encoding": 'rot13"' })
      response.end("{}")
    })
    for (const name of ["openai", "bedrock"] as const) {
      const failure = yield* Effect.flip(asked.chat(yield* provider(name, url)))
      assert.strictEqual(failure.reason._tag, "Malformed")
      assert.include(failure.message, String.raw`"rot13\""`)
    }
  }),
)

it.live("a compressed event is passed on before the next one arrives", () =>
  Effect.gen(function* () {
    const [first = ""] = String(events).split(/(?<=\n\n)/)
    const zip = Zlib.createGzip()
    const { url } = yield* serve((response) => {
      response.writeHead(200, { "content-type": "text/event-stream", "content-encoding": "gzip" })
      zip.pipe(response)
      zip.write(first)
      zip.flush()
    })
    const seen = yield* (yield* provider("openai", url)).stream(request).pipe(
      Stream.filter(({ parts }) => parts.some(({ type }) => type === "text")),
      Stream.take(1),
      Stream.runCollect,
    )
    assert.strictEqual(words(seen), "Grüße")
  }),
)

it.live("a response whose content-length is over the limit is not read", () =>
  Effect.gen(function* () {
    const { closed, url } = yield* serve((response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": "600000000" })
      response.flushHeaders()
    })
    for (const way of ways) {
      const failure = yield* Effect.flip(asked[way](yield* provider("openai", url)))
      assert.include(failure.message, "larger than 300000 bytes")
    }
    yield* closed
  }),
)

it.live("an event without an end is cut off", () =>
  Effect.gen(function* () {
    const { closed, url } = yield* serve((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.write("data: ")
      endless(response, Buffer.alloc(1024 * 1024, "x"))
    })
    const failure = yield* Effect.flip(asked.stream(yield* provider("openai", url, defaults)))
    assert.strictEqual(failure.reason._tag, "Malformed")
    assert.include(failure.message, `larger than ${longestEvent} bytes`)
    yield* closed
  }),
)
