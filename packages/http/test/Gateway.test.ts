import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { APIError } from "openai"
import * as TestGateway from "./TestGateway.ts"

const hello = { model: "assistant", messages: [{ role: "user" as const, content: "Hello?" }] }

const weather = {
  type: "function" as const,
  function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
}

/** What a call of the SDK rejected with. */
const rejected = (call: () => Promise<unknown>) =>
  Effect.promise(() =>
    call().then(
      () => assert.fail("expected the client to see an error"),
      (error: unknown) => {
        assert.instanceOf(error, APIError)
        return error as APIError
      },
    ),
  )

const collect = async <A>(events: AsyncIterable<A>): Promise<Array<A>> => {
  const all: Array<A> = []
  for await (const event of events) all.push(event)
  return all
}

describe("chat completions, through the openai SDK", () => {
  it.live("answers, and names the deployment", () =>
    Effect.gen(function* () {
      const { client } = yield* TestGateway.make()
      const { data, response } = yield* Effect.promise(() => client.chat.completions.create(hello).withResponse())
      assert.strictEqual(data.choices[0]?.finish_reason, "stop")
      assert.isNotEmpty(data.choices[0]?.message.content)
      assert.strictEqual(response.headers.get("x-understudy-deployment"), "primary")
      assert.strictEqual(response.headers.get("x-understudy-attempts"), "1")
      assert.isNotEmpty(response.headers.get("x-request-id"))
    }),
  )

  it.live("streams, with usage only on request", () =>
    Effect.gen(function* () {
      const { client } = yield* TestGateway.make()
      const stream = (options: object) =>
        Effect.promise(async () =>
          collect(await client.chat.completions.create({ ...hello, stream: true, ...options })),
        )
      const plain = yield* stream({})
      assert.strictEqual(plain[0]?.choices[0]?.delta.role, "assistant")
      assert.strictEqual(plain.at(-1)?.choices[0]?.finish_reason, "stop")
      assert.isAbove(plain.length, 3)
      const counted = yield* stream({ stream_options: { include_usage: true } })
      assert.isAbove(counted.at(-1)?.usage?.completion_tokens ?? 0, 0)
    }),
  )

  it.live("calls a tool, complete and streamed, and accepts its result", () =>
    Effect.gen(function* () {
      const { client } = yield* TestGateway.make()
      const asking = {
        ...hello,
        messages: [{ role: "user" as const, content: "What is the weather in Rome? Use the tool." }],
        tools: [weather],
        tool_choice: "required" as const,
      }
      const answer = yield* Effect.promise(() => client.chat.completions.create(asking))
      const [call] = answer.choices[0]?.message.tool_calls ?? []
      assert.strictEqual(answer.choices[0]?.finish_reason, "tool_calls")
      assert.isTrue(call?.type === "function" && call.function.name === "weather")
      const pieces = yield* Effect.promise(async () =>
        collect(await client.chat.completions.create({ ...asking, stream: true })),
      )
      const written = pieces.map(({ choices }) => choices[0]?.delta.tool_calls?.[0]?.function?.arguments ?? "").join("")
      assert.isObject(JSON.parse(written))
      const told = yield* Effect.promise(() =>
        client.chat.completions.create({
          ...asking,
          tool_choice: "auto",
          messages: [
            ...asking.messages,
            { role: "assistant", tool_calls: answer.choices[0]?.message.tool_calls ?? [] },
            { role: "tool", tool_call_id: call?.id ?? "", content: "21 °C" },
          ],
        }),
      )
      assert.strictEqual(told.choices[0]?.finish_reason, "stop")
    }),
  )

  it.live("passes unknown fields through in both directions", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      const { text } = yield* Effect.promise(() =>
        TestGateway.post(url, JSON.stringify({ ...hello, x_unheard_of: { deep: [1, null] } })),
      )
      const [sent] = yield* upstream.requests
      assert.deepInclude(sent?.body as object, { x_unheard_of: { deep: [1, null] }, model: "primary" })
      assert.include(text, "x_unheard_of")
    }),
  )

  it.live("falls back to the second deployment, visible only in the headers", () =>
    Effect.gen(function* () {
      const { client, upstream } = yield* TestGateway.make()
      yield* upstream.script("primary", "503")
      const { data, response } = yield* Effect.promise(() => client.chat.completions.create(hello).withResponse())
      assert.isNotEmpty(data.choices[0]?.message.content)
      assert.strictEqual(response.headers.get("x-understudy-deployment"), "backup")
      assert.strictEqual(response.headers.get("x-understudy-attempts"), "2")
    }),
  )

  for (const fault of ["503", "reset", "error-event-first", "html-502", "empty-200"]) {
    it.live(`streams from the second deployment when the first fails before its first token: ${fault}`, () =>
      Effect.gen(function* () {
        const { client, upstream } = yield* TestGateway.make()
        yield* upstream.script("primary", fault)
        const { data, response } = yield* Effect.promise(() =>
          client.chat.completions.create({ ...hello, stream: true }).withResponse(),
        )
        assert.strictEqual(response.headers.get("x-understudy-deployment"), "backup")
        const events = yield* Effect.promise(() => collect(data))
        assert.strictEqual(events.at(-1)?.choices[0]?.finish_reason, "stop")
      }),
    )
  }

  for (const fault of ["cut-2", "cut-2-reset", "error-event-after-2", "eof-no-finish"]) {
    it.live(`ends in an error, without [DONE] or another deployment's text, after the first token: ${fault}`, () =>
      Effect.gen(function* () {
        const { upstream, url } = yield* TestGateway.make()
        yield* upstream.script("primary", fault)
        const { status, text } = yield* Effect.promise(() =>
          TestGateway.post(url, JSON.stringify({ ...hello, stream: true })),
        )
        assert.strictEqual(status, 200)
        assert.notInclude(text, "[DONE]")
        assert.include(text.split("\n\n").at(-2) ?? "", '"code":"stream_broken"')
        assert.strictEqual(yield* upstream.attempts("backup"), 0)
      }),
    )
  }

  it.live("returns an error status, not 200, when no deployment can stream", () =>
    Effect.gen(function* () {
      const { client, upstream } = yield* TestGateway.make()
      yield* upstream.script("primary", "503")
      yield* upstream.script("backup", "error-event-first")
      const error = yield* rejected(() => client.chat.completions.create({ ...hello, stream: true }))
      assert.isAtLeast(error.status ?? 0, 500)
    }),
  )

  it.live("closes the upstream when the client disconnects", () =>
    Effect.gen(function* () {
      const { client, upstream } = yield* TestGateway.make()
      yield* upstream.script("primary", "stall-2")
      const abort = new AbortController()
      const stream = yield* Effect.promise(() =>
        client.chat.completions.create({ ...hello, stream: true }, { signal: abort.signal }),
      )
      const reading = yield* Effect.forkChild(Effect.promise(() => collect(stream).catch(() => [])))
      const request = yield* upstream.received("primary")
      abort.abort()
      assert.strictEqual(yield* upstream.closed(request), "left")
      yield* Fiber.join(reading)
      yield* upstream.idle
    }),
  )
})

for (const backup of ["anthropic", "bedrock"] as const) {
  describe(`an OpenAI client, answered by ${backup} when OpenAI is down`, () => {
    const broken = TestGateway.make({ backup }).pipe(Effect.tap(({ upstream }) => upstream.script("primary", "503")))

    it.live("chats", () =>
      Effect.gen(function* () {
        const { client } = yield* broken
        const { data, response } = yield* Effect.promise(() => client.chat.completions.create(hello).withResponse())
        assert.strictEqual(response.headers.get("x-understudy-deployment"), "backup")
        assert.strictEqual(data.object, "chat.completion")
        assert.strictEqual(data.choices[0]?.finish_reason, "stop")
        assert.isNotEmpty(data.choices[0]?.message.content)
        assert.isAbove(data.usage?.completion_tokens ?? 0, 0)
      }),
    )

    it.live("streams", () =>
      Effect.gen(function* () {
        const { client } = yield* broken
        const events = yield* Effect.promise(async () =>
          collect(
            await client.chat.completions.create({ ...hello, stream: true, stream_options: { include_usage: true } }),
          ),
        )
        assert.strictEqual(events[0]?.choices[0]?.delta.role, "assistant")
        const finished = events.filter(({ choices }) => (choices[0]?.finish_reason ?? null) !== null)
        assert.deepStrictEqual(
          finished.map(({ choices }) => choices[0]?.finish_reason),
          ["stop"],
        )
        assert.isAbove(events.at(-1)?.usage?.completion_tokens ?? 0, 0)
      }),
    )

    it.live("calls a tool, streamed, and takes its result", () =>
      Effect.gen(function* () {
        const { client } = yield* broken
        const asking = {
          ...hello,
          messages: [{ role: "user" as const, content: "What is the weather in Rome? Use the tool." }],
          tools: [weather],
          tool_choice: "required" as const,
        }
        const pieces = yield* Effect.promise(async () =>
          collect(await client.chat.completions.create({ ...asking, stream: true })),
        )
        const calls = pieces.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? [])
        const id = calls.find(({ id }) => id !== undefined)?.id ?? ""
        const written = calls.map((call) => call.function?.arguments ?? "").join("")
        assert.isObject(JSON.parse(written))
        assert.strictEqual(pieces.at(-1)?.choices[0]?.finish_reason, "tool_calls")
        const told = yield* Effect.promise(() =>
          client.chat.completions.create({
            ...hello,
            tools: [weather],
            messages: [
              ...asking.messages,
              {
                role: "assistant",
                tool_calls: [{ id, type: "function", function: { name: "weather", arguments: written } }],
              },
              { role: "tool", tool_call_id: id, content: "21 °C" },
            ],
          }),
        )
        assert.strictEqual(told.choices[0]?.finish_reason, "stop")
      }),
    )
  })
}

describe("errors, in OpenAI's shape", () => {
  it.live("lists the attempts and redacts a key that the provider echoed", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      yield* upstream.script("primary", "bad-key")
      yield* upstream.script("backup", "bad-key")
      const { status, text } = yield* Effect.promise(() => TestGateway.post(url, JSON.stringify(hello)))
      assert.strictEqual(status, 502)
      assert.notInclude(text, TestGateway.upstreamKey)
      const { error } = JSON.parse(text)
      assert.deepStrictEqual(
        error.attempts.map((attempt: Record<string, unknown>) => [
          attempt["deployment"],
          attempt["reason"],
          attempt["status"],
        ]),
        [
          ["primary", "authentication", 401],
          ["backup", "authentication", 401],
        ],
      )
    }),
  )

  it.live("returns 429 with Retry-After when all deployments are rate limited", () =>
    Effect.gen(function* () {
      const { client, upstream } = yield* TestGateway.make()
      yield* upstream.script("primary", "429-retry-after-30")
      yield* upstream.script("backup", "429-retry-after-20")
      const error = yield* rejected(() => client.chat.completions.create(hello))
      assert.strictEqual(error.status, 429)
      assert.strictEqual(error.headers?.get("retry-after"), "20")
    }),
  )

  const wrong: ReadonlyArray<readonly [what: string, body: string, status: number, says: RegExp]> = [
    ["JSON that does not parse", '{"model": "assistant", ', 400, /not valid JSON/],
    ["an array", "[]", 400, /JSON object/],
    ["no model", '{"messages": []}', 400, /model/],
    [
      "a wrong type, deep inside",
      '{"model":"assistant","messages":[{"role":"user","content":7}]}',
      400,
      /messages\[0\]\.content/,
    ],
    ["a wrong role", '{"model":"assistant","messages":[{"role":"wizard","content":""}]}', 400, /messages\[0\]/],
    [
      "a wrong temperature",
      '{"model":"assistant","messages":[{"role":"user","content":""}],"temperature":"hot"}',
      400,
      /temperature/,
    ],
    [
      "an unknown model",
      '{"model":"asistant","messages":[{"role":"user","content":""}]}',
      404,
      /assistant, primary, backup/,
    ],
  ]
  for (const [what, body, status, says] of wrong) {
    it.live(`rejects ${what}`, () =>
      Effect.gen(function* () {
        const { upstream, url } = yield* TestGateway.make()
        const answer = yield* Effect.promise(() => TestGateway.post(url, body))
        assert.strictEqual(answer.status, status)
        assert.match(JSON.parse(answer.text).error.message, says)
        assert.strictEqual((yield* upstream.requests).length, 0)
      }),
    )
  }

  it.live("rejects a body over the limit, and one that is not JSON", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make({ maxBody: 1000 })
      const large = yield* Effect.promise(() =>
        TestGateway.post(url, JSON.stringify({ ...hello, user: "x".repeat(2000) })),
      )
      assert.strictEqual(large.status, 413)
      assert.include(large.text, "server.maxBody")
      const form = yield* Effect.promise(() => TestGateway.post(url, "model=assistant", {}))
      assert.strictEqual(form.status, 415)
    }),
  )

  it.live("explains an unknown path", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make()
      const answer = yield* Effect.promise(() => fetch(`${url}/chat/completions`, { method: "POST" }))
      assert.strictEqual(answer.status, 404)
      assert.include(yield* Effect.promise(() => answer.text()), "/v1")
    }),
  )
})

describe("models", () => {
  it.live("lists routes and deployments, and returns one by id", () =>
    Effect.gen(function* () {
      const { client } = yield* TestGateway.make()
      const { data } = yield* Effect.promise(() => client.models.list())
      assert.deepStrictEqual(
        data.map(({ id }) => id),
        ["assistant", "primary", "backup"],
      )
      assert.strictEqual((yield* Effect.promise(() => client.models.retrieve("backup"))).id, "backup")
      assert.strictEqual((yield* rejected(() => client.models.retrieve("nobody"))).status, 404)
    }),
  )
})

describe("authentication", () => {
  const send = (url: string, headers: Record<string, string>) =>
    Effect.promise(() =>
      TestGateway.post(url, JSON.stringify(hello), { "content-type": "application/json", ...headers }),
    )

  it.live("rejects pages of other origins, and accepts allowed ones", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make({ auth: { origins: ["https://mine.example"] } })
      assert.strictEqual((yield* send(url, { origin: "https://evil.example" })).status, 403)
      assert.strictEqual((yield* send(url, { origin: "https://mine.example" })).status, 200)
      assert.strictEqual((yield* send(url, { origin: "http://localhost:3000" })).status, 200)
    }),
  )

  it.live("requires the key when one is configured", () =>
    Effect.gen(function* () {
      const { operator } = yield* Effect.promise(() => import("../src/auth/Keyring.ts"))
      const { Redacted } = yield* Effect.promise(() => import("effect"))
      const { url } = yield* TestGateway.make({ auth: { keys: [operator(Redacted.make("open-sesame"))] } })
      assert.strictEqual((yield* send(url, {})).status, 401)
      assert.strictEqual((yield* send(url, { authorization: "Bearer wrong" })).status, 401)
      assert.strictEqual((yield* send(url, { authorization: "Bearer open-sesame" })).status, 200)
      assert.strictEqual((yield* send(url, { "x-api-key": "open-sesame" })).status, 200)
      assert.strictEqual((yield* Effect.promise(() => fetch(`${url}/health`))).status, 200)
      assert.strictEqual((yield* Effect.promise(() => fetch(`${url}/metrics`))).status, 401)
    }),
  )
})

describe("operations", () => {
  it.live("drains: running calls finish, new ones are rejected, and /ready replies 503", () =>
    Effect.gen(function* () {
      const { client, drain, upstream, url } = yield* TestGateway.make()
      yield* upstream.script("primary", "slow-first-token")
      const running = yield* Effect.forkChild(Effect.promise(() => client.chat.completions.create(hello)))
      yield* upstream.received("primary")
      assert.strictEqual((yield* Effect.promise(() => fetch(`${url}/ready`))).status, 200)
      yield* drain.begin
      assert.strictEqual((yield* Effect.promise(() => fetch(`${url}/ready`))).status, 503)
      assert.strictEqual((yield* rejected(() => client.chat.completions.create(hello))).status, 503)
      assert.strictEqual((yield* Fiber.join(running)).choices[0]?.finish_reason, "stop")
    }),
  )

  it.live("counts attempts, failovers and tokens", () =>
    Effect.gen(function* () {
      const { client, upstream, url } = yield* TestGateway.make()
      yield* upstream.script("primary", "503")
      yield* Effect.promise(() => client.chat.completions.create(hello))
      yield* Effect.yieldNow
      const text = yield* Effect.promise(() => fetch(`${url}/metrics`).then((answer) => answer.text()))
      assert.match(text, /understudy_failovers_total\{.*from="primary".*to="backup".*reason="overloaded".*\} 1/)
      assert.match(text, /understudy_attempts_total\{.*deployment="backup".*outcome="success".*\} 1/)
      assert.match(text, /understudy_tokens_total\{.*type="output".*\} [1-9]/)
      assert.match(text, /understudy_circuit_state\{deployment="primary"\} 0/)
    }),
  )
})
