/** OpenAI's Responses through the real `openai` client and as Codex calls it, answered by upstreams of every protocol. */
import { assert, describe, it } from "@effect/vitest"
import * as Route from "@understudy/core/Route"
import * as Anthropic from "@understudy/providers/anthropic"
import * as Bedrock from "@understudy/providers/bedrock"
import * as OpenAiProvider from "@understudy/providers/openai"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as Transport from "@understudy/providers/transport"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { APIError } from "openai"
import type OpenAI from "openai"
import * as TestGateway from "../TestGateway.ts"

type Params = Omit<OpenAI.Responses.ResponseCreateParamsNonStreaming, "stream">
type Event = OpenAI.Responses.ResponseStreamEvent

const apiKey = Redacted.make(TestGateway.upstreamKey)

const openai =
  (api: OpenAiProvider.Api): NonNullable<TestGateway.Options["provider"]> =>
  (url) =>
    Layer.provide(OpenAiProvider.layer({ baseUrl: `${url}/v1`, apiKey, api }), Transport.layer)

const upstreams = {
  "chat completions": openai("chat-completions"),
  responses: openai("responses"),
  messages: (url) => Layer.provide(Anthropic.layer({ baseUrl: url, apiKey }), Transport.layer),
  converse: (url) => Bedrock.layer({ endpoint: url, region: "us-east-1", bearerToken: apiKey }),
} satisfies Record<string, TestGateway.Options["provider"]>

const hello: Params = { model: "assistant", input: "Hello?", store: false }

const weather: OpenAI.Responses.FunctionTool = {
  type: "function",
  name: "weather",
  description: "The weather in a city",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
  strict: true,
}

type Gateway = Effect.Success<ReturnType<typeof TestGateway.make>>

/** A whole answer, or what it was rejected with. */
const create = ({ client }: Gateway, params: Params) => Effect.promise(() => client.responses.create(params))

/** A streamed answer as the client read it: its events, and how it ended. */
const stream = ({ client }: Gateway, params: Params) =>
  Effect.promise(async () => {
    const events: Array<Event> = []
    try {
      for await (const event of await client.responses.create({ ...params, stream: true })) events.push(event)
      return { events, error: undefined }
    } catch (error) {
      return { events, error }
    }
  })

/** A bare POST, as Codex makes it: the answer's status, and the events of its body. */
const post = ({ url }: Gateway, body: object) =>
  Effect.promise(async () => {
    const response = await fetch(`${url}/v1/responses`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    })
    const text = await response.text()
    const events = [...text.matchAll(/^data: (.*)$/gm)].map(([, data = ""]) => JSON.parse(data) as Event)
    return { status: response.status, headers: response.headers, text, events }
  })

const rejected = (call: Effect.Effect<unknown>) =>
  Effect.map(Effect.exit(call), (exit) => {
    const [failure] = exit._tag === "Failure" ? exit.cause.reasons : []
    const error = failure?._tag === "Die" ? failure.defect : undefined
    assert.instanceOf(error, APIError)
    return error as APIError
  })

/** What the upstream was last asked, as JSON. */
const asked = ({ upstream }: Gateway) =>
  Effect.map(upstream.requests, (requests) => requests.at(-1)?.body as Record<string, unknown>)

for (const [name, provider] of Object.entries(upstreams)) {
  describe(`answered in ${name}`, () => {
    const make = (options: TestGateway.Options = {}) => TestGateway.make({ provider, ...options })

    it.live("answers", () =>
      Effect.gen(function* () {
        const gateway = yield* make()
        const response = yield* create(gateway, { ...hello, instructions: "Be brief.", metadata: { team: "a" } })
        assert.include(response.output_text, "primary goes on instead")
        assert.deepInclude(response, {
          object: "response",
          status: "completed",
          error: null,
          instructions: "Be brief.",
        })
        assert.match(response.id, /^resp_/)
        assert.deepStrictEqual(
          response.output.map(({ type }) => type),
          ["message"],
        )
        const { input_tokens, output_tokens, total_tokens } = response.usage ?? {}
        assert.isAbove(output_tokens ?? 0, 0)
        assert.strictEqual(total_tokens, (input_tokens ?? 0) + (output_tokens ?? 0))
        assert.include(JSON.stringify(yield* asked(gateway)), "Be brief.")
      }),
    )

    it.live("streams every event in its order, and the SDK folds them to the whole", () =>
      Effect.gen(function* () {
        const gateway = yield* make()
        const { error, events } = yield* stream(gateway, hello)
        assert.isUndefined(error)
        const types = events.map(({ type }) => type.slice("response.".length))
        assert.deepStrictEqual(types.slice(0, 4), ["created", "in_progress", "output_item.added", "content_part.added"])
        assert.deepStrictEqual([...new Set(types.slice(4, -4))], ["output_text.delta"])
        assert.deepStrictEqual(types.slice(-4), [
          "output_text.done",
          "content_part.done",
          "output_item.done",
          "completed",
        ])
        assert.deepStrictEqual(
          events.map(({ sequence_number }) => sequence_number),
          events.map((_, index) => index),
        )
        const deltas = events.map((event) => (event.type === "response.output_text.delta" ? event.delta : "")).join("")
        const whole = yield* Effect.promise(() => gateway.client.responses.stream(hello).finalResponse())
        assert.strictEqual(whole.output_text, deltas)
        assert.isAbove(whole.usage?.output_tokens ?? 0, 0)
      }),
    )

    it.live("calls a tool, whole and in pieces, and takes its result, thoughts included", () =>
      Effect.gen(function* () {
        const gateway = yield* make()
        const question = { role: "user" as const, content: "What is the weather in Rome? Use the tool." }
        const asking: Params = { ...hello, input: [question], tools: [weather], tool_choice: "required" }
        const answer = yield* create(gateway, asking)
        const [call] = answer.output
        if (call?.type !== "function_call") return assert.fail("no call")
        assert.strictEqual(call.name, "weather")
        const streamed = yield* Effect.promise(() => gateway.client.responses.stream(asking).finalResponse())
        const [again] = streamed.output
        assert.isTrue(again?.type === "function_call" && again.arguments === call.arguments)
        const told = yield* create(gateway, {
          ...asking,
          tool_choice: "auto",
          input: [
            question,
            { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gAAAA" },
            call,
            { type: "function_call_output", call_id: call.call_id, output: "21 °C" },
          ],
        })
        assert.include(told.output_text, "21 °C")
        // OpenAI's thoughts are OpenAI's to read.
        const sent = JSON.stringify(yield* asked(gateway))
        assert.strictEqual(sent.includes("gAAAA"), name === "responses")
      }),
    )

    it.live("carries a schema, an image and a document", () =>
      Effect.gen(function* () {
        const gateway = yield* make()
        const format = { type: "json_schema" as const, name: "city", schema: { ...weather.parameters }, strict: true }
        yield* create(gateway, {
          ...hello,
          text: { format },
          input: [
            {
              role: "user",
              content: [
                { type: "input_text", text: "Who is this?" },
                { type: "input_image", detail: "auto", image_url: "data:image/png;base64,aW1hZ2U=" },
                { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,ZG9jdW1lbnQ=" },
              ],
            },
          ],
        })
        const sent = JSON.stringify(yield* asked(gateway))
        for (const piece of ["aW1hZ2U=", "ZG9jdW1lbnQ=", "additionalProperties"]) assert.include(sent, piece)
      }),
    )

    it.live("answers from the second when the first fails before its first word", () =>
      Effect.gen(function* () {
        for (const fault of ["503", "error-event-first", "cut-0"]) {
          const gateway = yield* make()
          yield* gateway.upstream.script("primary", fault)
          const { error, events } = yield* stream(gateway, hello)
          assert.isUndefined(error)
          assert.strictEqual(events.at(-1)?.type, "response.completed")
          assert.strictEqual(yield* gateway.upstream.attempts("backup"), 1)
        }
      }),
    )

    it.live("gives a status where nobody answers, and no key", () =>
      Effect.gen(function* () {
        const calls: ReadonlyArray<(gateway: Gateway) => Effect.Effect<unknown>> = [
          (gateway) => create(gateway, hello),
          ({ client }) => Effect.promise(() => client.responses.create({ ...hello, stream: true })),
        ]
        for (const call of calls) {
          const gateway = yield* make()
          yield* gateway.upstream.script("primary", "503")
          yield* gateway.upstream.script("backup", "bad-key")
          const error = yield* rejected(call(gateway))
          assert.deepInclude(error, { status: 502, code: "upstream_error" })
          assert.notInclude(JSON.stringify(error), TestGateway.upstreamKey)
        }
      }),
    )

    it.live("fails after its first word: an error, at which the SDK throws, and one last event", () =>
      Effect.gen(function* () {
        for (const fault of ["cut-2", "error-event-after-2", "eof-no-finish"]) {
          const gateway = yield* make()
          yield* gateway.upstream.script("primary", fault)
          const { error } = yield* stream(gateway, hello)
          assert.instanceOf(error, APIError)
          assert.strictEqual((error as APIError).code, "stream_broken")
          const { events, status } = yield* post(gateway, { ...hello, stream: true })
          assert.strictEqual(status, 200)
          const last = events.at(-1)
          assert.strictEqual(last?.type, "response.failed")
          assert.deepInclude(last?.type === "response.failed" ? last.response.error : {}, { code: "stream_broken" })
          const ends = events.filter(({ type }) => /^response\.(completed|incomplete|failed)$/.test(type))
          assert.lengthOf(ends, 1)
          assert.strictEqual(yield* gateway.upstream.attempts("backup"), 0)
        }
      }),
    )

    it.live("closes the upstream when its client leaves", () =>
      Effect.gen(function* () {
        const gateway = yield* make()
        yield* gateway.upstream.script("primary", "stall-2")
        const first = Effect.promise(async () => {
          for await (const event of await gateway.client.responses.create({ ...hello, stream: true })) {
            if (event.type === "response.output_text.delta") return
          }
        })
        yield* first
        assert.strictEqual(yield* gateway.upstream.closed(yield* gateway.upstream.received("primary")), "left")
      }),
    )

    it.live("is gone on with by another, as one response", () =>
      Effect.gen(function* () {
        const route = Route.fallback("primary", "backup").pipe(
          Route.retry({ times: 0 }),
          Route.stream({ protect: "continue" }),
        )
        const gateway = yield* make({ route })
        const words = Array.from({ length: 90 }, (_, index) => `word${index}`)
        const text = words.join(" ")
        const delivered = words.slice(0, 60).join(" ")
        yield* gateway.upstream.script("primary", [Behavior.cut(60, { text })])
        yield* gateway.upstream.script("backup", [Behavior.answer({ text: text.slice(delivered.length - 200).trim() })])
        const whole = yield* Effect.promise(() => gateway.client.responses.stream(hello).finalResponse())
        assert.strictEqual(yield* gateway.upstream.attempts("backup"), 1)
        assert.strictEqual(whole.output_text, text)
        assert.strictEqual(whole.status, "completed")
        assert.lengthOf(whole.output, 1)
      }),
    )
  })
}

describe("Codex", () => {
  /** What Codex sends, as its source has it. */
  const codex = {
    model: "assistant",
    instructions: "You are Codex.",
    input: [
      { type: "message", role: "developer", content: [{ type: "input_text", text: "<permissions>" }] },
      { type: "message", role: "user", content: [{ type: "input_text", text: "Look up the customer Rossi." }] },
      { type: "reasoning", summary: [], content: null, encrypted_content: "gAAAA" },
      { type: "web_search_call", status: "completed", action: { type: "search", query: "Rossi" } },
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "Searching." }] },
      { type: "function_call", name: "lookup", namespace: "mcp__crm", arguments: '{"city":"Rome"}', call_id: "call_0" },
      { type: "function_call_output", call_id: "call_0", output: "Nobody" },
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "There is nobody." }] },
      { type: "message", role: "user", content: [{ type: "input_text", text: "Lookup again." }] },
    ],
    tools: [
      {
        type: "namespace",
        name: "mcp__crm",
        description: "The customers.",
        tools: [
          { type: "function", name: "lookup", description: "Looks up.", strict: false, parameters: weather.parameters },
        ],
      },
      { type: "web_search", external_web_access: true },
    ],
    tool_choice: "auto",
    parallel_tool_calls: false,
    reasoning: { effort: "medium", summary: "auto" },
    store: false,
    stream: true,
    include: ["reasoning.encrypted_content"],
    prompt_cache_key: "5f1c",
  }

  it.live("is answered by Claude, its tools under their own names", () =>
    Effect.gen(function* () {
      const gateway = yield* TestGateway.make({ provider: upstreams.messages })
      const { events, headers, status } = yield* post(gateway, codex)
      assert.strictEqual(status, 200)
      // Codex takes what was said from items that are done, and waits for the response to be.
      const done = events.flatMap((event) => (event.type === "response.output_item.done" ? [event.item] : []))
      assert.lengthOf(done, 1)
      assert.deepInclude(done[0], {
        type: "function_call",
        name: "lookup",
        namespace: "mcp__crm",
        arguments: '{"city":"Paris"}',
      })
      const last = events.at(-1)
      assert.strictEqual(last?.type, "response.completed")
      assert.isAbove(last?.type === "response.completed" ? (last.response.usage?.total_tokens ?? 0) : 0, 0)

      const sent = yield* asked(gateway)
      const [tool] = sent["tools"] as ReadonlyArray<Record<string, unknown>>
      assert.deepInclude(tool, { name: "mcp__crm__lookup", description: "Looks up.\n\nThe customers." })
      assert.include(JSON.stringify(sent["system"]), "You are Codex.")
      assert.include(JSON.stringify(sent["system"]), "<permissions>")
      const whole = JSON.stringify(sent["messages"])
      assert.include(whole, '"name":"mcp__crm__lookup"')
      assert.include(whole, "Nobody")
      assert.notInclude(whole, "gAAAA")
      assert.include(headers.get("x-understudy-dropped-params"), "the tool web_search")
      assert.include(headers.get("x-understudy-dropped-params"), "prompt_cache_key")
    }),
  )

  it.live("is answered by GPT as if it had asked itself", () =>
    Effect.gen(function* () {
      const gateway = yield* TestGateway.make({ provider: upstreams.responses })
      const { events, headers } = yield* post(gateway, codex)
      assert.deepStrictEqual(yield* asked(gateway), { ...codex, model: "primary" })
      assert.isNull(headers.get("x-understudy-dropped-params"))
      assert.strictEqual(events.at(-1)?.type, "response.completed")
    }),
  )

  it.live("goes on with GPT where Claude has answered, and what Claude thought stays Claude's", () =>
    Effect.gen(function* () {
      const gateway = yield* TestGateway.make({ provider: upstreams.responses })
      const thought = {
        type: "reasoning",
        summary: [{ type: "summary_text", text: "Hm" }],
        encrypted_content: "understudy.anthropic.c2ln",
      }
      yield* post(gateway, { ...codex, input: [...codex.input, thought] })
      const sent = yield* asked(gateway)
      assert.deepStrictEqual(sent["input"], codex.input)
    }),
  )
})

describe("a free-form tool", () => {
  const patch = '*** Begin "Patch"\n+é'
  const tool = {
    type: "custom" as const,
    name: "apply_patch",
    format: { type: "grammar" as const, syntax: "lark" as const, definition: "start: x" },
  }
  const asking: Params = { ...hello, input: "Patch it.", tools: [tool] }

  for (const name of ["chat completions", "messages", "converse"] as const) {
    it.live(`is a function of one text in ${name}, and its client never sees it`, () =>
      Effect.gen(function* () {
        const gateway = yield* TestGateway.make({ provider: upstreams[name] })
        yield* gateway.upstream.script("primary", [Behavior.answer({ arguments: JSON.stringify({ input: patch }) })])
        const plain = yield* create(gateway, asking)
        const streamed = yield* Effect.promise(() => gateway.client.responses.stream(asking).finalResponse())
        for (const { output } of [plain, streamed]) {
          assert.deepInclude(output[0], { type: "custom_tool_call", name: "apply_patch", input: patch })
        }
        const [call] = plain.output
        if (call?.type !== "custom_tool_call") return assert.fail("no call")
        const done = { type: "custom_tool_call_output" as const, call_id: call.call_id, output: "Done" }
        yield* create(gateway, { ...asking, input: [{ role: "user", content: "Patch it." }, call, done] })
        assert.include(JSON.stringify(yield* asked(gateway)).replaceAll("\\", ""), "*** Begin")
      }),
    )
  }
})

describe("a request that cannot be answered", () => {
  it.live("is refused by the name of its field, in OpenAI's words", () =>
    Effect.gen(function* () {
      const gateway = yield* TestGateway.make()
      const refused = (params: object) => rejected(create(gateway, { ...hello, ...params }))
      const stored = yield* refused({ previous_response_id: "resp_1" })
      assert.deepInclude(stored, { status: 400, param: "previous_response_id", type: "invalid_request_error" })
      assert.include(stored.message, "send the whole conversation")
      const reference = yield* refused({ input: [{ type: "item_reference", id: "msg_1" }] })
      assert.deepInclude(reference, { status: 400, param: "input[0]" })
      const wrong = yield* refused({ input: [{ role: "user", content: [{ type: "text", text: "Hi" }] }] })
      assert.deepInclude(wrong, { status: 400, param: "input[0].content[0].type" })
      assert.deepInclude(yield* refused({ model: "nobody" }), { status: 404, code: "model_not_found" })
      assert.lengthOf(yield* gateway.upstream.requests, 0)
    }),
  )

  it.live("is not answered without what only OpenAI has", () =>
    Effect.gen(function* () {
      const gateway = yield* TestGateway.make({ provider: upstreams.messages })
      const error = yield* rejected(create(gateway, { ...hello, tools: [{ type: "web_search" }] }))
      assert.strictEqual(error.status, 400)
      assert.include(error.message, "the tool web_search")
      assert.lengthOf(yield* gateway.upstream.requests, 0)
    }),
  )
})

describe("a response that has not ended where its body does", () => {
  /** A server that answers every request with this text. */
  const serve = (text: string, contentType: string) =>
    Effect.acquireRelease(
      Effect.callback<Http.Server>((resume) => {
        const server = Http.createServer((_, response) => {
          response.writeHead(200, { "content-type": contentType }).end(text)
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => server.close()),
    )

  const from = (server: Http.Server) =>
    openai("responses")(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)

  const unended: ReadonlyArray<Record<string, unknown>> = [
    ...["queued", "in_progress", "cancelled", "failed"].map((status) => ({ status })),
    { status: "incomplete", incomplete_details: null },
  ]

  it.live("is answered by the next", () =>
    Effect.gen(function* () {
      for (const more of unended) {
        const response = { id: "resp_1", object: "response", model: "m", output: [], ...more }
        const events = ["created", "completed"].map((type) => ({ type: `response.${type}`, response }))
        const sse = events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
        const plain = yield* serve(JSON.stringify(response), "application/json")
        const whole = yield* TestGateway.make({ provider: () => from(plain), backup: "anthropic" })
        assert.include((yield* create(whole, hello)).output_text, "goes on instead")
        for (const text of [sse.join(""), sse[0]!]) {
          const streaming = yield* serve(text, "text/event-stream")
          const gateway = yield* TestGateway.make({ provider: () => from(streaming), backup: "anthropic" })
          const { error, events } = yield* stream(gateway, hello)
          assert.isUndefined(error)
          assert.strictEqual(events.at(-1)?.type, "response.completed")
          assert.strictEqual(yield* gateway.upstream.attempts("backup"), 1)
        }
      }
    }),
  )

  it.live("is an error once it has been heard", () =>
    Effect.gen(function* () {
      const response = { id: "resp_1", object: "response", status: "in_progress" }
      const events = [
        { type: "response.created", response },
        { type: "response.output_text.delta", item_id: "msg_1", output_index: 0, content_index: 0, delta: "Hi" },
        { type: "response.completed", response },
      ]
      const server = yield* serve(
        events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(""),
        "text/event-stream",
      )
      const gateway = yield* TestGateway.make({ provider: () => from(server), backup: "anthropic" })
      const { events: read } = yield* post(gateway, { ...hello, stream: true })
      assert.deepStrictEqual(
        read.map(({ type }) => type),
        ["response.created", "response.output_text.delta", "error", "response.failed"],
      )
    }),
  )
})

describe("beside the answers", () => {
  it.live("a request's tokens are counted", () =>
    Effect.gen(function* () {
      const { client } = yield* TestGateway.make()
      const count = (params: OpenAI.Responses.InputTokenCountParams) =>
        Effect.promise(() => client.responses.inputTokens.count({ model: "assistant", ...params }))
      const short = yield* count({ input: "Hello?" })
      assert.strictEqual(short.object, "response.input_tokens")
      assert.isAbove(short.input_tokens, 0)
      const long = yield* count({
        input: [{ role: "user", content: "Hello? ".repeat(100) }],
        instructions: "Be brief.",
      })
      assert.isAbove(long.input_tokens, short.input_tokens + 50)
      assert.isAbove((yield* count({ tools: [weather] })).input_tokens, 0)
      const error = yield* rejected(count({ input: "Hi", previous_response_id: "resp_1" }))
      assert.deepInclude(error, { status: 400, param: "previous_response_id" })
      assert.deepInclude(yield* rejected(count({ model: "nobody", input: "Hi" })), { status: 404 })
    }),
  )

  it.live("nothing is found by its id", () =>
    Effect.gen(function* () {
      const { client } = yield* TestGateway.make()
      const calls = [
        () => client.responses.retrieve("resp_1"),
        () => client.responses.cancel("resp_1"),
        () => client.responses.delete("resp_1"),
        () => client.responses.inputItems.list("resp_1"),
      ]
      for (const call of calls) {
        const error = yield* rejected(Effect.promise<unknown>(call))
        assert.deepInclude(error, { status: 404, code: "not_found" })
        assert.include(error.message, "Responses are not stored")
      }
    }),
  )

  it.live("an offer of another protocol takes nothing from a call", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      yield* upstream.script("primary", "ok")
      const headers = {
        connection: "Upgrade, HTTP2-Settings",
        upgrade: "h2c",
        "http2-settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
        "content-type": "application/json",
      }
      const answer = yield* Effect.callback<number | undefined>((resume) => {
        const request = Http.request(`${url}/v1/responses`, { method: "POST", headers }, (response) => {
          response.resume()
          resume(Effect.succeed(response.statusCode))
        })
        request.end(JSON.stringify({ model: "assistant", input: "Hello?" }))
      })
      assert.strictEqual(answer, 200)
    }),
  )
})
