/** Virtual keys through the gateway, by the clients that hold them. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { APIError } from "openai"
import type { ConfiguredKey } from "../../src/auth/VirtualKey.ts"
import * as Keyring from "../../src/auth/Keyring.ts"
import * as TestGateway from "../TestGateway.ts"

const hello = { model: "assistant", messages: [{ role: "user" as const, content: "Hello?" }] }

const key = (id: string, rest: Partial<ConfiguredKey> = {}): ConfiguredKey => ({
  id,
  key: Redacted.make(`sk-${id}`),
  ...rest,
})

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

describe("virtual keys", () => {
  it.live("limit one consumer to three of five calls without affecting another", () =>
    Effect.gen(function* () {
      const keys = [key("a", { limits: { rpm: 3 } }), key("b", { limits: { rpm: 10 } })]
      const { upstream, url } = yield* TestGateway.make({ keys })
      const fiveBy = (id: string) => {
        const client = TestGateway.clientOf(url, `sk-${id}`)
        return Array.from({ length: 5 }, () => client.chat.completions.create(hello).withResponse())
      }
      const [a, b] = yield* Effect.promise(() =>
        Promise.all([Promise.allSettled(fiveBy("a")), Promise.allSettled(fiveBy("b"))]),
      )
      assert.strictEqual(b.filter(({ status }) => status === "fulfilled").length, 5)
      const refused = a.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as APIError] : []))
      assert.strictEqual(refused.length, 2)
      for (const { code, headers, message, status } of refused) {
        assert.strictEqual(status, 429)
        assert.strictEqual(code, "rate_limit_exceeded")
        assert.match(message, /Key "a" exceeds its limit of 3 requests a minute/)
        assert.strictEqual(headers?.get("retry-after"), "60")
        assert.strictEqual(headers?.get("x-ratelimit-remaining-requests"), "0")
      }
      const left = a.flatMap((outcome) =>
        outcome.status === "fulfilled" ? [outcome.value.response.headers.get("x-ratelimit-remaining-requests")] : [],
      )
      assert.deepStrictEqual(left.toSorted(), ["0", "1", "2"])
      assert.strictEqual(yield* upstream.attempts("primary"), 8)
    }),
  )

  it.live("report the remaining limits on every response, streamed or not", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make({ keys: [key("a", { limits: { rpm: 3, tpm: 1000 } })] })
      const client = TestGateway.clientOf(url, "sk-a")
      const request = { ...hello, max_tokens: 98 }
      const stream = yield* Effect.promise(() =>
        client.chat.completions
          .create({ ...request, stream: true, stream_options: { include_usage: true } })
          .withResponse(),
      )
      const shown = (headers: Headers, what: string) =>
        ["limit", "remaining", "reset"].map((which) => headers.get(`x-ratelimit-${which}-${what}`))
      assert.deepStrictEqual(shown(stream.response.headers, "requests"), ["3", "2", "20s"])
      assert.deepStrictEqual(shown(stream.response.headers, "tokens"), ["1000", "900", "6s"])
      let used = 0
      yield* Effect.promise(async () => {
        for await (const { usage } of stream.data) used = usage?.total_tokens ?? used
      })
      assert.isAbove(used, 0)
      const { response } = yield* Effect.promise(() => client.chat.completions.create(request).withResponse())
      assert.strictEqual(response.headers.get("x-ratelimit-remaining-tokens"), String(1000 - used - 100))
    }),
  )

  it.live("are accepted from every place that clients use, and unknown keys are rejected", () =>
    Effect.gen(function* () {
      const operator = Keyring.operator(Redacted.make("sk-operator"))
      const a = key("a")
      const { url } = yield* TestGateway.make({ keys: [a], auth: { keys: [operator, Keyring.configured(a)] } })
      const status = (headers: Record<string, string>, query = "") =>
        Effect.promise(() =>
          fetch(`${url}/v1/models${query}`, { headers }).then(async (answer) => {
            await answer.arrayBuffer()
            return answer.status
          }),
        )
      for (const sent of ["sk-a", "sk-operator"]) {
        assert.strictEqual(yield* status({ authorization: `Bearer ${sent}` }), 200)
        assert.strictEqual(yield* status({ "x-api-key": sent }), 200)
        assert.strictEqual(yield* status({ "x-goog-api-key": sent }), 200)
        assert.strictEqual(yield* status({}, `?alt=sse&key=${sent}`), 200)
        assert.strictEqual(yield* status({ authorization: "Bearer sk-vendor", "x-api-key": sent }), 200)
      }
      for (const headers of [
        {},
        { authorization: "Bearer sk-" },
        { "x-api-key": "a" },
        { authorization: "Basic sk-a" },
      ])
        assert.strictEqual(yield* status(headers), 401)
      assert.strictEqual(yield* status({}, "?key=sk-b"), 401)
    }),
  )

  it.live("list and call only their own models", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make({ keys: [key("a", { routes: ["assistant"] }), key("b")] })
      const a = TestGateway.clientOf(url, "sk-a")
      const listed = (client: typeof a) =>
        Effect.promise(() => client.models.list().then(({ data }) => data.map(({ id }) => id)))
      assert.deepStrictEqual(yield* listed(a), ["assistant"])
      assert.deepStrictEqual(yield* listed(TestGateway.clientOf(url, "sk-b")), ["assistant", "primary", "backup"])
      assert.strictEqual((yield* rejected(() => a.models.retrieve("backup"))).status, 404)
      for (const model of ["primary", "nobody"]) {
        const error = yield* rejected(() => a.chat.completions.create({ ...hello, model }))
        assert.strictEqual(error.status, 403)
        assert.strictEqual(error.code, "model_not_found")
        assert.strictEqual(error.param, "model")
        assert.match(error.message, new RegExp(`Key "a" may not call "${model}". It may call: assistant.$`))
      }
      assert.strictEqual((yield* upstream.requests).length, 0)
    }),
  )

  it.live("release their permit when a client disconnects", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make({ keys: [key("a", { limits: { concurrency: 1 } })] })
      const client = TestGateway.clientOf(url, "sk-a")
      yield* upstream.script("primary", "stall-2")
      const abort = yield* Effect.sync(() => new AbortController())
      const stream = yield* Effect.promise(() =>
        client.chat.completions.create({ ...hello, stream: true }, { signal: abort.signal }),
      )
      const reading = yield* Effect.forkChild(
        Effect.promise(async () => {
          for await (const _ of stream) continue
        }).pipe(Effect.exit),
      )
      const request = yield* upstream.received("primary")
      const busy = yield* rejected(() => client.chat.completions.create(hello))
      assert.strictEqual(busy.status, 429)
      assert.strictEqual(busy.headers?.get("retry-after"), "1")
      abort.abort()
      yield* upstream.closed(request)
      yield* Fiber.join(reading)
      yield* upstream.script("primary", "ok")
      const answered = Effect.tryPromise(() => client.chat.completions.create(hello))
      assert.strictEqual((yield* Effect.retry(answered, { times: 50 })).choices[0]?.finish_reason, "stop")
    }),
  )

  it.live("are counted by id in metrics for the operator", () =>
    Effect.gen(function* () {
      const a = key("a", { limits: { rpm: 1 }, routes: ["assistant"] })
      const operator = Keyring.operator(Redacted.make("sk-operator"))
      const { url } = yield* TestGateway.make({ keys: [a], auth: { keys: [operator, Keyring.configured(a)] } })
      const client = TestGateway.clientOf(url, "sk-a")
      yield* Effect.promise(() => client.chat.completions.create(hello))
      yield* rejected(() => client.chat.completions.create(hello))
      yield* rejected(() => client.chat.completions.create({ ...hello, model: "primary" }))
      const metrics = (sent: string) =>
        Effect.promise(() =>
          fetch(`${url}/metrics`, { headers: { "x-api-key": sent } }).then(async (answer) => ({
            status: answer.status,
            text: await answer.text(),
          })),
        )
      const theirs = yield* metrics("sk-a")
      assert.strictEqual(theirs.status, 403)
      assert.include(theirs.text, "UNDERSTUDY_API_KEY")
      const { text } = yield* metrics("sk-operator")
      for (const outcome of ["success", "rate_limited", "forbidden"])
        assert.match(text, new RegExp(`understudy_key_requests_total\\{.*key="a".*outcome="${outcome}".*\\} 1`))
      assert.match(text, /understudy_key_tokens_total\{.*key="a".*type="output".*\} [1-9]/)
      assert.notInclude(text, "sk-a")
    }),
  )
})
