/**
 * A route with `sse.keepAlive`, in every dialect: while no deployment produces output its callers get headers and
 * keep-alives that their clients take for nothing; what comes later comes in the stream, an error too.
 */
import Anthropic from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import type { GenerateContentResponse } from "@google/genai"
import { GoogleGenAI } from "@google/genai"
import { Route } from "@understudy/core"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import OpenAI from "openai"
import * as TestGateway from "../TestGateway.ts"

const hello = { role: "user" as const, content: "Hello?" }

interface Asking {
  readonly path: string
  readonly body: object
  /** What keeps its clients waiting. */
  readonly sign: string
  /** The whole text, by the SDK of the dialect. */
  readonly read: (url: string) => Promise<string>
}

const openai = (url: string) => new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0, logLevel: "off" })

const comment = ": keep-alive\n\n"

const dialects: Readonly<Record<string, Asking>> = {
  chat: {
    path: "/v1/chat/completions",
    body: { model: "assistant", messages: [hello], stream: true },
    sign: comment,
    read: async (url) => {
      let text = ""
      const stream = await openai(url).chat.completions.create({ model: "assistant", messages: [hello], stream: true })
      for await (const { choices } of stream) {
        text += choices[0]?.delta.content ?? ""
      }
      return text
    },
  },
  messages: {
    path: "/v1/messages",
    body: { model: "assistant", messages: [hello], max_tokens: 16, stream: true },
    sign: 'event: ping\ndata: {"type": "ping"}\n\n',
    read: (url) => {
      const stream = new Anthropic({ baseURL: url, apiKey: "any", maxRetries: 0, logLevel: "off" }).messages.stream({
        model: "assistant",
        messages: [hello],
        max_tokens: 16,
      })
      return stream.finalText()
    },
  },
  responses: {
    path: "/v1/responses",
    body: { model: "assistant", input: "Hello?", stream: true },
    sign: comment,
    read: (url) =>
      openai(url)
        .responses.stream({ model: "assistant", input: "Hello?" })
        .finalResponse()
        .then(({ output_text }) => output_text),
  },
  gemini: {
    path: "/v1beta/models/assistant:streamGenerateContent?alt=sse",
    body: { contents: [{ role: "user", parts: [{ text: "Hello?" }] }] },
    sign: "data: {}\n\n",
    read: async (url) => {
      const client = new GoogleGenAI({ httpOptions: { baseUrl: url }, apiKey: "any" })
      let text = ""
      const stream = await client.models.generateContentStream({ model: "assistant", contents: "Hello?" })
      for await (const chunk of stream) text += chunk.text ?? ""
      return text
    },
  },
  "gemini, one array": {
    path: "/v1beta/models/assistant:streamGenerateContent",
    body: { contents: [{ role: "user", parts: [{ text: "Hello?" }] }] },
    sign: "\n",
    read: (url) =>
      fetch(`${url}/v1beta/models/assistant:streamGenerateContent`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ contents: [{ role: "user", parts: [{ text: "Hello?" }] }] }),
      })
        .then((answer) => answer.json() as Promise<ReadonlyArray<GenerateContentResponse>>)
        .then((chunks) => chunks.map(({ candidates }) => candidates?.[0]?.content?.parts?.[0]?.text ?? "").join("")),
  },
}

const waiting = (keepAlive: Duration.Input, firstToken: Duration.Input) => ({
  route: Route.fallback("primary", "backup").pipe(Route.retry({ times: 0 }), Route.sse({ keepAlive })),
  primary: { timeout: { firstToken } },
})

const silent = waiting("20 millis", "80 millis")

const post = (url: string, { body, path }: Asking) =>
  Effect.promise(async () => {
    const answer = await fetch(`${url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    })
    return { status: answer.status, headers: answer.headers, text: await answer.text() }
  })

describe.concurrent("sse.keepAlive", () => {
  for (const [name, dialect] of Object.entries(dialects)) {
    it.live(`${name}: headers and keep-alives, then the answer`, () =>
      Effect.gen(function* () {
        const { upstream, url } = yield* TestGateway.make(silent)
        yield* upstream.script("primary", "silent")
        const { headers, status, text } = yield* post(url, dialect)
        assert.strictEqual(status, 200)
        assert.isTrue(text.startsWith(dialect.sign), text)
        assert.isNotEmpty(headers.get("x-request-id"))
        assert.isNull(headers.get("x-understudy-deployment"))
      }),
    )

    it.live(`${name}: which its client reads whole`, () =>
      Effect.gen(function* () {
        const { upstream, url } = yield* TestGateway.make(silent)
        yield* upstream.script("primary", "silent")
        assert.isAbove((yield* Effect.promise(() => dialect.read(url))).length, 20)
      }),
    )

    it.live(`${name}: an error is in the stream, and its client throws`, () =>
      Effect.gen(function* () {
        const { upstream, url } = yield* TestGateway.make(silent)
        yield* upstream.script("primary", "silent")
        yield* upstream.script("backup", "503")
        const { headers, status, text } = yield* post(url, dialect)
        assert.strictEqual(status, 200)
        assert.isNull(headers.get("retry-after"))
        const id = headers.get("x-request-id") ?? assert.fail("no id")
        assert.include(text.replaceAll(dialect.sign, ""), id)
        assert.include(text, "All deployments of route")
        if (name === "gemini, one array") return
        assert.include(
          yield* Effect.promise(() => dialect.read(url).then(() => "read whole", String)),
          "All deployments of route",
        )
      }),
    )

    it.live(`${name}: an error before is a status still, and an answer is what it was`, () =>
      Effect.gen(function* () {
        const { upstream, url } = yield* TestGateway.make(waiting("1 minute", "1 minute"))
        const answered = yield* post(url, dialect)
        assert.strictEqual(answered.headers.get("x-understudy-deployment"), "primary")
        if (name !== "gemini, one array") assert.notInclude(answered.text, dialect.sign)
        yield* upstream.script("primary", "503")
        yield* upstream.script("backup", "503")
        const failed = yield* post(url, dialect)
        assert.deepStrictEqual([failed.status, failed.headers.get("retry-after")], [503, "2"])
      }),
    )
  }

  it.live("a client that leaves while nothing has come closes the upstream", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make(waiting("20 millis", "1 minute"))
      yield* upstream.script("primary", "silent")
      yield* Effect.promise(async () => {
        const leaving = new AbortController()
        const answer = await fetch(`${url}/v1/chat/completions`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(dialects["chat"]?.body),
          signal: leaving.signal,
        })
        assert.strictEqual(answer.status, 200)
        leaving.abort()
      })
      yield* upstream.closed(yield* upstream.received("primary"))
    }),
  )
})
