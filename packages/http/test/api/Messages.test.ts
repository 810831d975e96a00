/** Anthropic's API through its own SDK, whoever answers. */
import { APIError } from "@anthropic-ai/sdk"
import { ThreadNotFoundError } from "@anthropic-ai/sdk/resources/messages/messages"
import type { Message, MessageCreateParamsNonStreaming, Tool } from "@anthropic-ai/sdk/resources/messages"
import { assert, describe, it } from "@effect/vitest"
import * as Route from "@understudy/core/Route"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { operator } from "../../src/auth/Keyring.ts"
import * as TestGateway from "../TestGateway.ts"

const hello: MessageCreateParamsNonStreaming = {
  model: "assistant",
  max_tokens: 1024,
  system: "Be brief.",
  messages: [{ role: "user", content: "Hello?" }],
}

const weather: Tool = {
  name: "weather",
  input_schema: { type: "object", properties: { city: { type: "string" } } },
}

const textOf = ({ content }: Message): string =>
  content.map((block) => (block.type === "text" ? block.text : "")).join("")

/** What a call of the SDK rejected with. */
const rejected = (call: () => Promise<unknown>) =>
  Effect.promise(() =>
    call().then(
      () => assert.fail("expected the client to see an error"),
      (error: unknown) => {
        assert.instanceOf(error, APIError)
        return error
      },
    ),
  )

/** A bare POST, read whole. */
const post = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  Effect.promise(() =>
    fetch(url, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json", ...headers },
    }).then(async (answer) => ({ status: answer.status, headers: answer.headers, text: await answer.text() })),
  )

const vendors: ReadonlyArray<TestGateway.Vendor> = ["openai", "anthropic", "bedrock"]

for (const vendor of vendors) {
  describe(`answered by ${vendor}`, () => {
    const gateway = TestGateway.make({ vendor })

    it.live("chats", () =>
      Effect.gen(function* () {
        const { anthropic } = yield* gateway
        const { data, request_id, response } = yield* Effect.promise(() =>
          anthropic.messages.create(hello).withResponse(),
        )
        assert.strictEqual(data.type, "message")
        assert.strictEqual(data.stop_reason, "end_turn")
        assert.isNotEmpty(textOf(data))
        assert.isAbove(data.usage.input_tokens, 0)
        assert.isAbove(data.usage.output_tokens, 0)
        assert.strictEqual(response.headers.get("x-understudy-deployment"), "primary")
        assert.isNotEmpty(request_id)
      }),
    )

    it.live("streams", () =>
      Effect.gen(function* () {
        const { anthropic } = yield* gateway
        const pieces: Array<string> = []
        const message = yield* Effect.promise(() =>
          anthropic.messages
            .stream(hello)
            .on("text", (text) => pieces.push(text))
            .finalMessage(),
        )
        assert.isAbove(pieces.length, 3)
        assert.strictEqual(textOf(message), pieces.join(""))
        assert.strictEqual(message.stop_reason, "end_turn")
        assert.isAbove(message.usage.input_tokens, 0)
        assert.isAbove(message.usage.output_tokens, 0)
      }),
    )

    it.live("calls a tool, whole and in pieces, and takes its result", () =>
      Effect.gen(function* () {
        const { anthropic } = yield* gateway
        const asking: MessageCreateParamsNonStreaming = { ...hello, tools: [weather], tool_choice: { type: "any" } }
        const whole = yield* Effect.promise(() => anthropic.messages.create(asking))
        const streamed = yield* Effect.promise(() => anthropic.messages.stream(asking).finalMessage())
        for (const { content, stop_reason } of [whole, streamed]) {
          assert.strictEqual(stop_reason, "tool_use")
          const [call] = content
          assert.isTrue(call?.type === "tool_use" && call.name === "weather")
          assert.isObject(call?.type === "tool_use" ? call.input : undefined)
        }
        const call = streamed.content.find((block) => block.type === "tool_use")
        const told = yield* Effect.promise(() =>
          anthropic.messages.create({
            ...asking,
            tool_choice: { type: "auto" },
            messages: [
              ...hello.messages,
              { role: "assistant", content: streamed.content },
              { role: "user", content: [{ type: "tool_result", tool_use_id: call?.id ?? "", content: "21 °C" }] },
            ],
          }),
        )
        assert.strictEqual(told.stop_reason, "end_turn")
      }),
    )

    it.live("says why an answer is not whole", () =>
      Effect.gen(function* () {
        const { anthropic, upstream } = yield* gateway
        yield* upstream.script("primary", "length")
        assert.strictEqual((yield* Effect.promise(() => anthropic.messages.create(hello))).stop_reason, "max_tokens")
        yield* upstream.script("primary", "content-filter")
        const { stop_reason } = yield* Effect.promise(() => anthropic.messages.stream(hello).finalMessage())
        assert.strictEqual(stop_reason, "refusal")
      }),
    )

    for (const fault of ["503", "reset", "error-event-first", "empty-200"]) {
      it.live(`streams from the second when it fails before its first word: ${fault}`, () =>
        Effect.gen(function* () {
          const { anthropic, upstream } = yield* TestGateway.make({
            vendor,
            backup: vendor === "openai" ? "anthropic" : "openai",
          })
          yield* upstream.script("primary", fault)
          const stream = anthropic.messages.stream(hello)
          const { response } = yield* Effect.promise(() => stream.withResponse())
          assert.strictEqual(response.headers.get("x-understudy-deployment"), "backup")
          const message = yield* Effect.promise(() => stream.finalMessage())
          assert.strictEqual(message.stop_reason, "end_turn")
        }),
      )
    }

    for (const fault of ["cut-2", "cut-2-reset", "error-event-after-2", "eof-no-finish"]) {
      it.live(`ends in an error, and nothing else, after a commit: ${fault}`, () =>
        Effect.gen(function* () {
          const { anthropic, upstream, url } = yield* gateway
          yield* upstream.script("primary", fault)
          const { status, text } = yield* post(`${url}/v1/messages`, { ...hello, stream: true })
          assert.strictEqual(status, 200)
          assert.notInclude(text, "message_stop")
          assert.include(text, "event: message_start")
          const [last] = /event: error\ndata: .*\n\n$/.exec(text) ?? assert.fail(text)
          assert.include(last, '"error_code":"stream_broken"')
          const error = yield* rejected(() => anthropic.messages.stream(hello).finalMessage())
          assert.strictEqual(error.type, "api_error")
          assert.strictEqual(yield* upstream.attempts("backup"), 0)
        }),
      )
    }

    it.live("closes the upstream when the client goes away", () =>
      Effect.gen(function* () {
        const { anthropic, upstream } = yield* gateway
        yield* upstream.script("primary", "stall-2")
        const stream = anthropic.messages.stream(hello)
        const reading = yield* Effect.forkChild(rejected(() => stream.finalMessage()))
        const request = yield* upstream.received("primary")
        yield* Effect.promise(() => stream.withResponse())
        stream.abort()
        assert.strictEqual(yield* upstream.closed(request), "left")
        yield* Fiber.join(reading)
        yield* upstream.idle
      }),
    )
  })
}

describe("a stream that another goes on with", () => {
  const text = `Once upon a time ${"there was a lamp, and beside it a keeper, and ".repeat(8)}they were not lonely.`

  for (const [vendor, backup] of [
    ["anthropic", "openai"],
    ["openai", "anthropic"],
    ["anthropic", "anthropic"],
  ] as const) {
    it.live(`is one message: ${vendor}, then ${backup}`, () =>
      Effect.gen(function* () {
        const { anthropic, upstream } = yield* TestGateway.make({
          vendor,
          backup,
          route: Route.fallback("primary", "backup").pipe(
            Route.retry({ times: 0 }),
            Route.stream({ protect: "continue" }),
          ),
        })
        yield* upstream.script("primary", [Behavior.cut(20, { text })])
        yield* upstream.script("backup", [Behavior.answer({ text })])
        const stream = anthropic.messages.stream(hello)
        const events: Array<string> = []
        stream.on("streamEvent", ({ type }) => {
          if (events.at(-1) !== type && (type as string) !== "ping") events.push(type)
        })
        const message = yield* Effect.promise(() => stream.finalMessage())
        assert.strictEqual(textOf(message), text)
        assert.strictEqual(message.content.length, 1)
        assert.deepStrictEqual(events, [
          "message_start",
          "content_block_start",
          "content_block_delta",
          "content_block_stop",
          "message_delta",
          "message_stop",
        ])
        assert.strictEqual(yield* upstream.attempts("backup"), 1)
      }),
    )
  }
})

describe("native, where Anthropic answers", () => {
  it.live("carries what it does not know, both ways, and what a client says beside the body", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make({ vendor: "anthropic" })
      const unheard = {
        x_unheard_of: { deep: [1, null] },
        tools: [{ type: "web_search_20260318", name: "web_search" }],
      }
      const { headers, text } = yield* post(
        `${url}/v1/messages?beta=true`,
        { ...hello, ...unheard },
        { "anthropic-beta": "context-1m-2025-08-07", "anthropic-version": "2023-06-01", "x-api-key": "theirs" },
      )
      const sent = yield* upstream.received("primary")
      assert.strictEqual(sent.path, "/v1/messages?beta=true")
      assert.deepStrictEqual(sent.body, { ...hello, ...unheard, model: "primary" })
      assert.strictEqual(sent.headers["anthropic-beta"], "context-1m-2025-08-07")
      assert.notInclude(JSON.stringify(sent.headers), "theirs")
      assert.include(text, "x_unheard_of")
      assert.isNull(headers.get("x-understudy-dropped-params"))
    }),
  )

  it.live("goes on with a conversation that another vendor began", () =>
    Effect.gen(function* () {
      const { anthropic, upstream } = yield* TestGateway.make({ backup: "anthropic" })
      const asking: MessageCreateParamsNonStreaming = { ...hello, tools: [weather], tool_choice: { type: "any" } }
      const begun = yield* Effect.promise(() => anthropic.messages.create(asking))
      const call = begun.content.find((block) => block.type === "tool_use")
      yield* upstream.script("primary", "503")
      yield* Effect.promise(() =>
        anthropic.messages.create({
          ...asking,
          tool_choice: { type: "auto" },
          messages: [
            ...hello.messages,
            // As the gateway gives them to a client: thoughts that nobody has sealed, and some that another has.
            {
              role: "assistant",
              content: [
                { type: "thinking", thinking: "Hm", signature: "" },
                { type: "thinking", thinking: "Hm", signature: "understudy.google.sig" },
                ...begun.content,
              ],
            },
            { role: "user", content: [{ type: "tool_result", tool_use_id: call?.id ?? "", content: "21 °C" }] },
          ],
        }),
      )
      const { body } = yield* upstream.received("backup")
      const [, turn] = (body as { readonly messages: ReadonlyArray<{ readonly content: unknown }> }).messages
      assert.deepStrictEqual(turn?.content, begun.content)
    }),
  )
})

describe("what another vendor cannot do", () => {
  const search = { type: "web_search_20260318", name: "web_search" }

  it.live("is named where it is left out", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make()
      const { headers, status } = yield* post(`${url}/v1/messages`, {
        ...hello,
        tools: [search, weather],
        context_management: { edits: [] },
        top_k: 5,
      })
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(headers.get("x-understudy-dropped-params")?.split("; ").sort(), [
        "context_management",
        "tools",
        "top_k",
      ])
    }),
  )

  it.live("is rejected where dropping it would change the answer", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      const { status, text } = yield* post(`${url}/v1/messages`, { ...hello, tools: [search] })
      assert.strictEqual(status, 400)
      assert.include(text, "tools that run on the vendor's side")
      assert.strictEqual((yield* upstream.requests).length, 0)
    }),
  )
})

describe("errors, in Anthropic's shape", () => {
  it.live("are typed by the SDK, with the status and the id of the call", () =>
    Effect.gen(function* () {
      const { anthropic, upstream } = yield* TestGateway.make()
      const unknown = yield* rejected(() => anthropic.messages.create({ ...hello, model: "nobody" }))
      assert.deepStrictEqual(
        [unknown.status, unknown.type, unknown.errorCode],
        [404, "not_found_error", "model_not_found"],
      )
      const wrong = yield* rejected(() => anthropic.messages.create({ ...hello, messages: [] }))
      assert.deepStrictEqual([wrong.status, wrong.type], [400, "invalid_request_error"])
      assert.include(wrong.apiMessage, "messages")

      yield* upstream.script("primary", "429-retry-after-30")
      yield* upstream.script("backup", "429-retry-after-20")
      const limited = yield* rejected(() => anthropic.messages.create(hello))
      assert.deepStrictEqual([limited.status, limited.type], [429, "rate_limit_error"])
      assert.strictEqual(limited.headers?.get("retry-after"), "20")
      assert.isNotEmpty(limited.requestID)
    }),
  )

  it.live("never pass on a provider's own", () =>
    Effect.gen(function* () {
      const { anthropic, upstream } = yield* TestGateway.make({ vendor: "anthropic" })
      yield* upstream.script("primary", "bad-key")
      yield* upstream.script("backup", "bad-key")
      const error = yield* rejected(() => anthropic.messages.create(hello))
      assert.deepStrictEqual([error.status, error.type], [502, "api_error"])
      assert.notInclude(JSON.stringify(error.error), TestGateway.upstreamKey)
      assert.deepInclude(error.error, { request_id: error.requestID })
      const { attempts } = error.error as { readonly attempts: ReadonlyArray<{ readonly reason: string }> }
      assert.deepStrictEqual(
        attempts.map(({ reason }) => reason),
        ["authentication", "authentication"],
      )
    }),
  )

  it.live("say overloaded, and that a prompt is too long, as Anthropic does", () =>
    Effect.gen(function* () {
      const { anthropic, upstream } = yield* TestGateway.make()
      yield* upstream.script("primary", "context-length")
      yield* upstream.script("backup", "context-length")
      const long = yield* rejected(() => anthropic.messages.create(hello))
      assert.strictEqual(long.status, 400)
      assert.match(long.apiMessage ?? "", /^prompt is too long: /)
      yield* upstream.script("primary", "503")
      yield* upstream.script("backup", "503")
      const overloaded = yield* rejected(() => anthropic.messages.create(hello))
      assert.deepStrictEqual([overloaded.status, overloaded.type], [503, "overloaded_error"])
    }),
  )

  it.live("tell a client with one /v1 too many", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make()
      const { status, text } = yield* post(`${url}/v1/v1/messages`, hello)
      assert.strictEqual(status, 404)
      assert.include(text, "remove it from the base URL")
    }),
  )

  it.live("come in it from the gate too", () =>
    Effect.gen(function* () {
      const { anthropic, url } = yield* TestGateway.make({ auth: { keys: [operator(Redacted.make("open-sesame"))] } })
      const error = yield* rejected(() => anthropic.messages.create(hello))
      assert.deepStrictEqual([error.status, error.type], [401, "authentication_error"])
      for (const headers of [{ "x-api-key": "open-sesame" }, { authorization: "Bearer open-sesame" }]) {
        const { status } = yield* post(`${url}/v1/messages`, hello, headers as Record<string, string>)
        assert.strictEqual(status, 200)
      }
    }),
  )
})

describe("beside messages", () => {
  it.live("counts tokens", () =>
    Effect.gen(function* () {
      const { anthropic } = yield* TestGateway.make()
      const { max_tokens: _, ...asked } = hello
      const count = (content: string) =>
        Effect.promise(() => anthropic.messages.countTokens({ ...asked, messages: [{ role: "user", content }] }))
      const short = yield* count("Hello?")
      assert.isAbove(short.input_tokens, 0)
      assert.isAbove((yield* count("Hello? ".repeat(100))).input_tokens, short.input_tokens + 100)
      const error = yield* rejected(() => anthropic.messages.countTokens({ ...asked, model: "nobody" }))
      assert.deepStrictEqual([error.status, error.type], [404, "not_found_error"])
      const wrong = yield* rejected(() => anthropic.messages.countTokens({ ...asked, messages: [] }))
      assert.strictEqual(wrong.status, 400)
    }),
  )

  it.live("has them counted by a vendor that can, who is sent the client's own request", () =>
    Effect.gen(function* () {
      const { anthropic, upstream } = yield* TestGateway.make({ backup: "anthropic" })
      const { max_tokens: _, ...asked } = hello
      const { input_tokens } = yield* Effect.promise(() => anthropic.messages.countTokens(asked))
      const { body, path } = yield* upstream.received("backup")
      assert.strictEqual(path, "/v1/messages/count_tokens")
      assert.deepStrictEqual(body, { ...asked, model: "backup" })
      assert.strictEqual(input_tokens, Math.ceil(JSON.stringify(body).length / 4))
      yield* upstream.script("backup", "529")
      const estimated = yield* Effect.promise(() => anthropic.messages.countTokens(asked))
      assert.isBelow(estimated.input_tokens, input_tokens)
    }),
  )

  it.live("keeps no thread, so that the SDK sends all of it again, whoever answers next", () =>
    Effect.gen(function* () {
      const { anthropic, upstream } = yield* TestGateway.make({ vendor: "anthropic", backup: "openai" })
      const thread = anthropic.beta.messages.thread({ model: "assistant", max_tokens: 1024 })
      yield* Effect.promise(() => thread.send({ role: "user", content: "Who is Yorick?" }))
      yield* upstream.script("primary", "503")
      yield* Effect.promise(() => thread.send({ role: "user", content: "And who knew him?" }))
      const { body } = yield* upstream.received("backup")
      assert.include(JSON.stringify(body), "Who is Yorick?")
      const gone = yield* rejected(() =>
        anthropic.beta.messages.create({ ...hello, thread: { type: "continue", previous_message_id: "msg_1" } }),
      )
      assert.instanceOf(gone, ThreadNotFoundError)
      assert.strictEqual(gone.status, 404)
    }),
  )

  it.live("lists models in Anthropic's shape, and tells one", () =>
    Effect.gen(function* () {
      const { anthropic } = yield* TestGateway.make()
      const page = yield* Effect.promise(() => anthropic.models.list())
      assert.deepStrictEqual(
        page.data.map(({ id, type }) => [type, id]),
        [
          ["model", "assistant"],
          ["model", "primary"],
          ["model", "backup"],
        ],
      )
      assert.isFalse(page.hasNextPage())
      const { created_at, display_name } = yield* Effect.promise(() => anthropic.models.retrieve("backup"))
      assert.strictEqual(display_name, "backup")
      assert.isFalse(Number.isNaN(Date.parse(created_at)))
      const error = yield* rejected(() => anthropic.models.retrieve("nobody"))
      assert.deepStrictEqual([error.status, error.type], [404, "not_found_error"])
    }),
  )
})
