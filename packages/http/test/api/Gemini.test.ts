import { ApiError, GoogleGenAI } from "@google/genai"
import type { Content, GenerateContentConfig, GenerateContentResponse } from "@google/genai"
import Anthropic from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import * as Route from "@understudy/core/Route"
import * as AnthropicProvider from "@understudy/providers/anthropic"
import * as Bedrock from "@understudy/providers/bedrock"
import * as GeminiProvider from "@understudy/providers/gemini"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as TestGateway from "../TestGateway.ts"

const apiKey = Redacted.make(TestGateway.upstreamKey)

const providers = {
  openai: undefined,
  anthropic: (url: string) => AnthropicProvider.layer({ baseUrl: url, apiKey }),
  bedrock: (url: string) => Bedrock.layer({ endpoint: url, region: "us-east-1", bearerToken: apiKey }),
  gemini: (url: string) => GeminiProvider.layer({ baseUrl: url, apiKey }),
}

type Vendor = keyof typeof providers

/** A gateway over deployments of that vendor's, and Google's SDK pointed at it. */
const make = (vendor: Vendor, options: TestGateway.Options = {}) => {
  const provider = providers[vendor]
  return Effect.map(TestGateway.make({ ...(provider && { provider }), ...options }), (gateway) => ({
    ...gateway,
    models: new GoogleGenAI({ vertexai: false, apiKey: "anything", httpOptions: { baseUrl: gateway.url } }).models,
  }))
}

const ask = { model: "assistant", contents: "Hello?" }

const collect = async (chunks: AsyncIterable<GenerateContentResponse>) => {
  const all: Array<GenerateContentResponse> = []
  for await (const chunk of chunks) all.push(chunk)
  return all
}

/** What a call of the SDK rejected with, and the body it shows. */
const rejected = (call: () => Promise<unknown>) =>
  Effect.promise(() =>
    call().then(
      () => assert.fail("expected the client to see an error"),
      (error: unknown) => {
        assert.instanceOf(error, ApiError)
        const { message, status } = error as ApiError
        return { status, body: JSON.parse(message.slice(message.indexOf("{"))).error }
      },
    ),
  )

const reasons = (chunks: ReadonlyArray<GenerateContentResponse>) =>
  chunks.flatMap(({ candidates }) => candidates?.[0]?.finishReason ?? [])

const config: GenerateContentConfig = {
  tools: [
    {
      functionDeclarations: [
        { name: "weather", parametersJsonSchema: { type: "object", properties: { city: { type: "string" } } } },
      ],
    },
  ],
}
const question: Content = { role: "user", parts: [{ text: "What is the weather in Rome?" }] }

for (const vendor of ["openai", "anthropic", "bedrock", "gemini"] as const) {
  describe(`Google's SDK, answered by ${vendor}`, () => {
    it.live("has content, and streams it, with usage and one finish reason", () =>
      Effect.gen(function* () {
        const { models } = yield* make(vendor)
        const answer = yield* Effect.promise(() => models.generateContent(ask))
        assert.include(answer.text ?? "", "The lead is not well tonight")
        assert.deepStrictEqual(reasons([answer]), ["STOP"])
        assert.isAbove(answer.usageMetadata?.candidatesTokenCount ?? 0, 0)
        assert.isNotEmpty(answer.responseId)
        const chunks = yield* Effect.promise(async () => collect(await models.generateContentStream(ask)))
        assert.isAbove(chunks.length, 3)
        assert.strictEqual(chunks.map(({ text }) => text ?? "").join(""), answer.text)
        assert.deepStrictEqual(reasons(chunks), ["STOP"])
        assert.isAbove(chunks.at(-1)?.usageMetadata?.candidatesTokenCount ?? 0, 0)
      }),
    )

    it.live("calls a function, streamed, and goes on from its response in the SDK's own history", () =>
      Effect.gen(function* () {
        const { models } = yield* make(vendor)
        const chunks = yield* Effect.promise(async () =>
          collect(await models.generateContentStream({ ...ask, contents: [question], config })),
        )
        const calls = chunks.flatMap(({ functionCalls }) => functionCalls ?? [])
        assert.deepStrictEqual(
          calls.map(({ args, name }) => ({ args, name })),
          [{ args: { city: "Paris" }, name: "weather" }],
        )
        assert.deepStrictEqual(reasons(chunks), ["STOP"])
        const said = chunks.flatMap(({ candidates }) => candidates?.[0]?.content?.parts ?? [])
        const response = { name: "weather", response: { output: "21 °C" }, ...(calls[0]?.id && { id: calls[0].id }) }
        const told = yield* Effect.promise(() =>
          models.generateContent({
            ...ask,
            config,
            contents: [
              question,
              { role: "model", parts: said },
              { role: "user", parts: [{ functionResponse: response }] },
            ],
          }),
        )
        assert.include(told.text ?? "", "21 °C")
      }),
    )

    it.live("is answered by the second where the first fails before its first word", () =>
      Effect.gen(function* () {
        const { models, upstream } = yield* make(vendor)
        yield* upstream.script("primary", "503")
        const answer = yield* Effect.promise(() => models.generateContent(ask))
        assert.include(answer.text ?? "", "backup goes on instead")
        assert.strictEqual(answer.sdkHttpResponse?.headers?.["x-understudy-deployment"], "backup")
        const chunks = yield* Effect.promise(async () => collect(await models.generateContentStream(ask)))
        assert.include(chunks.map(({ text }) => text ?? "").join(""), "backup goes on instead")
      }),
    )

    it.live("sees a stream that breaks after its first word end in an error", () =>
      Effect.gen(function* () {
        const { models, upstream } = yield* make(vendor)
        yield* upstream.script("primary", "error-event-after-2")
        const heard: Array<string> = []
        const { body, status } = yield* rejected(async () => {
          for await (const { text } of await models.generateContentStream(ask)) heard.push(text ?? "")
        })
        assert.strictEqual(heard.join(""), "The lead")
        assert.strictEqual(status, 502)
        assert.deepInclude(body, { code: 502, status: "INTERNAL" })
      }),
    )

    it.live("closes the upstream when it goes away", () =>
      Effect.gen(function* () {
        const { models, upstream } = yield* make(vendor)
        yield* upstream.script("primary", "stall-2")
        yield* Effect.scoped(
          Effect.flatMap(Effect.abortSignal, (abortSignal) =>
            Effect.promise(async () => {
              const stream = await models.generateContentStream({ ...ask, config: { abortSignal } })
              await stream.next()
            }),
          ),
        )
        const request = yield* upstream.received("primary")
        assert.strictEqual(yield* upstream.closed(request), "left")
        yield* upstream.idle
      }),
    )
  })
}

/** A client of another vendor's that calls the tool and answers it: what Google is then told of the call. */
describe("another vendor's client, answered by Google, brings the signature of a call back", () => {
  const rome = "What is the weather in Rome?"
  const parameters = { type: "object" as const, properties: { city: { type: "string" } } }

  /** The call as Google made it, and as it was given back. */
  const told = (gateway: Effect.Success<ReturnType<typeof make>>) =>
    Effect.map(gateway.upstream.received("primary", 2), ({ body }) => {
      const { contents } = body as { readonly contents: ReadonlyArray<Content> }
      const [, said, response] = contents
      assert.deepStrictEqual(response?.parts, [
        { functionResponse: { name: "weather", response: { output: "21 °C" } } },
      ])
      return said?.parts
    })

  const asGoogleMadeIt = [
    {
      functionCall: { name: "weather", args: { city: "Paris" } },
      thoughtSignature: Buffer.from("thought 1").toString("base64"),
    },
  ]

  for (const stream of [false, true]) {
    it.live(`openai, ${stream ? "streamed" : "plain"}`, () =>
      Effect.gen(function* () {
        const gateway = yield* make("gemini")
        const { completions } = gateway.client.chat
        const user = { role: "user" as const, content: rome }
        const tools = [{ type: "function" as const, function: { name: "weather", parameters } }]
        const asked = { model: "assistant", messages: [user], tools }
        const answer = yield* Effect.promise(() =>
          stream ? completions.stream(asked).finalChatCompletion() : completions.create(asked),
        )
        assert.strictEqual(answer.choices[0]?.finish_reason, "tool_calls")
        const { content = null, tool_calls: calls = [] } = answer.choices[0]?.message ?? {}
        yield* Effect.promise(() =>
          completions.create({
            ...asked,
            messages: [
              user,
              { role: "assistant", content, tool_calls: calls },
              { role: "tool", tool_call_id: calls[0]?.id ?? "", content: "21 °C" },
            ],
          }),
        )
        assert.deepStrictEqual(yield* told(gateway), asGoogleMadeIt)
      }),
    )

    it.live(`anthropic, ${stream ? "streamed" : "plain"}`, () =>
      Effect.gen(function* () {
        const gateway = yield* make("gemini")
        const { messages } = new Anthropic({ baseURL: gateway.url, apiKey: "anything", maxRetries: 0, logLevel: "off" })
        const user = { role: "user" as const, content: rome }
        const tools = [{ name: "weather", input_schema: parameters }]
        const asked = { model: "assistant", max_tokens: 100, messages: [user], tools }
        const { content, stop_reason } = yield* Effect.promise(() =>
          stream ? messages.stream(asked).finalMessage() : messages.create(asked),
        )
        assert.strictEqual(stop_reason, "tool_use")
        const [call] = content.filter((block) => block.type === "tool_use")
        yield* Effect.promise(() =>
          messages.create({
            ...asked,
            messages: [
              user,
              { role: "assistant", content },
              { role: "user", content: [{ type: "tool_result", tool_use_id: call?.id ?? "", content: "21 °C" }] },
            ],
          }),
        )
        assert.deepStrictEqual(yield* told(gateway), asGoogleMadeIt)
      }),
    )
  }
})

describe("errors, in Google's shape", () => {
  it.live("tell the attempts, and when to come back", () =>
    Effect.gen(function* () {
      const { models, upstream } = yield* make("gemini")
      yield* upstream.script("primary", "429-retry-after-30")
      yield* upstream.script("backup", "429-retry-after-reset-20000")
      const { body, status } = yield* rejected(() => models.generateContent(ask))
      assert.strictEqual(status, 429)
      assert.deepInclude(body, { code: 429, status: "RESOURCE_EXHAUSTED" })
      const details = JSON.stringify(body.details)
      assert.include(details, '"retryDelay":"20s"')
      assert.include(details, '"deployment":"primary"')
    }),
  )

  it.live("never show the key that the provider echoed", () =>
    Effect.gen(function* () {
      const { models, upstream } = yield* make("gemini")
      yield* upstream.script("primary", "bad-key")
      yield* upstream.script("backup", "bad-key")
      const { body, status } = yield* rejected(() => models.generateContent(ask))
      assert.strictEqual(status, 502)
      assert.notInclude(JSON.stringify(body), TestGateway.upstreamKey)
    }),
  )

  const wrong: ReadonlyArray<readonly [what: string, call: object, status: number, says: RegExp]> = [
    ["a wrong field", { contents: [{ role: "wizard", parts: [] }] }, 400, /contents\[0\]\.role/],
    ["an unknown model", { ...ask, model: "asistant" }, 404, /assistant, primary, backup/],
  ]
  for (const [what, call, code, says] of wrong) {
    it.live(`name ${what}`, () =>
      Effect.gen(function* () {
        const { models, upstream } = yield* make("gemini")
        const { body, status } = yield* rejected(() => models.generateContent({ ...ask, ...call }))
        assert.strictEqual(status, code)
        assert.match(body.message, says)
        assert.lengthOf(yield* upstream.requests, 0)
      }),
    )
  }

  it.live("come from the gate too, and from methods that there are not", () =>
    Effect.gen(function* () {
      const { url } = yield* make("gemini")
      const answer = (path: string, headers: Record<string, string> = {}) =>
        Effect.promise(() =>
          fetch(`${url}${path}`, {
            method: "POST",
            body: "{}",
            headers: { "content-type": "application/json", ...headers },
          }).then(async (response) => {
            const { error } = (await response.json()) as { readonly error: { readonly status: string } }
            return [response.status, error.status]
          }),
        )
      assert.deepStrictEqual(yield* answer("/v1beta/models/assistant:predict"), [404, "NOT_FOUND"])
      const foreign = { origin: "https://evil.example" }
      for (const path of ["/v1beta/models/assistant:generateContent", "/v1/models/assistant:generateContent?alt=sse"]) {
        assert.deepStrictEqual(yield* answer(path, foreign), [403, "PERMISSION_DENIED"])
      }
    }),
  )
})

describe("the rest of Google's API", () => {
  it.live("streams as one array to who does not ask for events, whole or broken", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* make("openai")
      const read = () =>
        fetch(`${url}/v1/models/assistant:streamGenerateContent?key=anything`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ contents: [question] }),
        }).then(async (response) => ({ type: response.headers.get("content-type"), body: await response.json() }))
      const whole = yield* Effect.promise(read)
      assert.match(whole.type ?? "", /^application\/json/)
      const chunks = whole.body as ReadonlyArray<GenerateContentResponse>
      assert.deepStrictEqual(reasons(chunks), ["STOP"])
      yield* upstream.script("primary", "cut-2")
      const broken = (yield* Effect.promise(read)).body as ReadonlyArray<{ readonly error?: { readonly code: number } }>
      assert.strictEqual(broken.at(-1)?.error?.code, 502)
    }),
  )

  /** The body of a stream of events, as text. */
  const events = (url: string) =>
    Effect.promise(() =>
      fetch(`${url}/v1beta/models/assistant:streamGenerateContent?alt=sse`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ contents: [question] }),
      }).then((response) => response.text()),
    )

  /** As `google-genai` for Python reads a stream: data line by line, and JSON that is none until its braces balance. */
  const readByLines = (text: string): ReadonlyArray<unknown> => {
    const chunks: Array<unknown> = []
    let [held, balance] = ["", 0]
    for (const line of text.split(/\r?\n/)) {
      if (line === "") continue
      if (line.startsWith("data:")) {
        chunks.push(JSON.parse(line.slice("data:".length)))
        continue
      }
      for (const char of line) balance += char === "{" ? 1 : char === "}" ? -1 : 0
      held += line
      if (balance !== 0) continue
      chunks.push(JSON.parse(held))
      held = ""
    }
    assert.strictEqual(held, "")
    return chunks
  }

  it.live("says an error in a stream twice: as an event, and bare, at which older SDKs fail", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* make("openai")
      yield* upstream.script("primary", "cut-2")
      const text = yield* events(url)
      const [event, bare] = readByLines(text).slice(-2)
      assert.deepInclude((event as { readonly error: object }).error, { code: 502, status: "INTERNAL" })
      assert.deepStrictEqual(bare, event)
      // `@google/genai` 1.x drops what its pattern matches, and throws at what is left over.
      let rest = text
      for (let match; (match = /^data: (.*)(?:\n\n|\r\r|\r\n\r\n)/.exec(rest)) !== null;)
        rest = rest.slice(match[0].length)
      assert.isNotEmpty(rest.trim())
    }),
  )

  it.live("keeps who asked for an array waiting, while an answer is held back", () =>
    Effect.gen(function* () {
      const route = Route.fallback("primary", "backup").pipe(Route.stream({ protect: "full" }))
      const { upstream, url } = yield* make("openai", { route })
      yield* upstream.script("primary", [Behavior.cut(2)])
      const text = yield* Effect.promise(() =>
        fetch(`${url}/v1beta/models/assistant:streamGenerateContent`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ contents: [question] }),
        }).then((response) => response.text()),
      )
      assert.deepStrictEqual(reasons(JSON.parse(text)), ["STOP"])
    }),
  )

  for (const vendor of ["openai", "gemini"] as const) {
    it.live(`embeds, by ${vendor}, one and several`, () =>
      Effect.gen(function* () {
        const { models, url } = yield* make(vendor)
        const { embeddings } = yield* Effect.promise(() =>
          models.embedContent({ model: "assistant", contents: ["one", "two"], config: { outputDimensionality: 4 } }),
        )
        assert.deepStrictEqual(
          embeddings?.map(({ values }) => values?.length),
          [4, 4],
        )
        const one = yield* Effect.promise(() =>
          fetch(`${url}/v1beta/models/assistant:embedContent`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ content: { parts: [{ text: "one" }] }, outputDimensionality: 4 }),
          }).then((answer) => answer.json()),
        )
        const { embedding } = one as { readonly embedding: unknown }
        assert.deepStrictEqual(embedding, { values: embeddings?.[0]?.values })
      }),
    )
  }

  it.live("counts tokens, and lists what can be called", () =>
    Effect.gen(function* () {
      const { models, upstream, url } = yield* make("gemini")
      const { totalTokens } = yield* Effect.promise(() => models.countTokens(ask))
      assert.isAbove(totalTokens ?? 0, 0)
      const { status } = yield* rejected(() => models.countTokens({ ...ask, model: "nobody" }))
      assert.strictEqual(status, 404)
      const headers = { "x-request-timeout-ms": "soon" }
      const hurried = yield* rejected(() => models.countTokens({ ...ask, config: { httpOptions: { headers } } }))
      assert.strictEqual(hurried.status, 400)
      assert.include(hurried.body.message, "x-request-timeout-ms")
      const listed = yield* Effect.promise(async () => {
        const names: Array<string | undefined> = []
        for await (const { name } of await models.list()) names.push(name)
        return names
      })
      assert.deepStrictEqual(listed, ["models/assistant", "models/primary", "models/backup"])
      const one = yield* Effect.promise(() => models.get({ model: "assistant" }))
      assert.strictEqual(one.displayName, "assistant")
      assert.strictEqual((yield* rejected(() => models.get({ model: "nobody" }))).status, 404)
      const bare = yield* Effect.promise(() => fetch(`${url}/v1beta/models`).then((answer) => answer.json()))
      assert.lengthOf((bare as { readonly models: ReadonlyArray<unknown> }).models, 3)
      const openAi = yield* Effect.promise(() => fetch(`${url}/v1/models/assistant`).then((answer) => answer.json()))
      assert.propertyVal(openAi as object, "object", "model")
      // Google was asked to count, and nothing else.
      assert.deepStrictEqual(
        (yield* upstream.requests).map(({ path }) => path),
        ["/v1beta/models/primary:countTokens"],
      )
    }),
  )

  it.live("carries what it does not know to Google, and back, under either spelling", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* make("gemini")
      const body = { contents: [question], generation_config: { temperature: 0 }, a_later_field: [1, null] }
      const answer = yield* Effect.promise(() =>
        fetch(`${url}/v1beta/models/assistant:generateContent?key=anything`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        }).then((response) => response.text()),
      )
      const [request] = yield* upstream.requests
      assert.deepStrictEqual(request?.body, body)
      assert.strictEqual(request?.path, "/v1beta/models/primary:generateContent")
      assert.include(answer, "a_later_field")
    }),
  )
})
