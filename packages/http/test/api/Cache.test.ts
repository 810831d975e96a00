/** Answers that a route keeps, as clients of the gateway get them. */
import { assert, describe, it } from "@effect/vitest"
import { Route } from "@understudy/core"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type OpenAI from "openai"
import * as TestGateway from "../TestGateway.ts"

const hello = { model: "assistant", messages: [{ role: "user" as const, content: "Hello?" }] }

const route = Route.fallback("primary", "backup").pipe(Route.retry({ times: 0 }), Route.cache({ ttl: "1 minute" }))

const shown = ({ headers }: Response) =>
  ["x-understudy-cache", "x-understudy-attempts", "x-understudy-deployment"].map((name) => headers.get(name))

describe("a route that keeps its answers", () => {
  it.live("gives its client the same answer again, byte by byte, and asks nobody", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make({ route })
      for (const body of [hello, { ...hello, stream: true }]) {
        const post = Effect.promise(() => TestGateway.post(url, JSON.stringify(body)))
        const before = yield* upstream.attempts("primary")
        const first = yield* post
        const second = yield* post
        assert.strictEqual(second.text, first.text)
        assert.strictEqual(second.headers.get("content-type"), first.headers.get("content-type"))
        assert.notStrictEqual(second.headers.get("x-request-id"), first.headers.get("x-request-id"))
        assert.strictEqual(first.headers.get("x-understudy-cache"), "miss")
        assert.strictEqual(second.headers.get("x-understudy-cache"), "hit")
        assert.strictEqual(yield* upstream.attempts("primary"), before + 1)
      }
    }),
  )

  it.live("streams its tool calls again", () =>
    Effect.gen(function* () {
      const { client, upstream } = yield* TestGateway.make({ route })
      const asking: OpenAI.ChatCompletionCreateParamsStreaming = {
        ...hello,
        tools: [{ type: "function", function: { name: "weather", parameters: { type: "object" } } }],
        tool_choice: "required",
        stream: true,
      }
      const call = Effect.promise(async () => {
        const { data, response } = await client.chat.completions.create(asking).withResponse()
        let name = ""
        let input = ""
        for await (const { choices } of data) {
          const made = choices[0]?.delta.tool_calls?.[0]?.function
          name += made?.name ?? ""
          input += made?.arguments ?? ""
        }
        return { name, input, shown: shown(response) }
      })
      const first = yield* call
      const second = yield* call
      assert.strictEqual(first.name, "weather")
      assert.isObject(JSON.parse(first.input))
      assert.deepStrictEqual(second, { ...first, shown: ["hit", "0", "primary"] })
      assert.strictEqual(yield* upstream.attempts("primary"), 1)
    }),
  )

  it.live("tells requests apart by fields that it does not know", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make({ route })
      const post = (more: object) =>
        Effect.promise(() => TestGateway.post(url, JSON.stringify({ ...hello, ...more })).then(({ text }) => text))
      const one = yield* post({ future_field: { nested: 1 } })
      const other = yield* post({ future_field: { nested: 2 } })
      assert.include(one, '"nested":1')
      assert.include(other, '"nested":2')
      assert.strictEqual(yield* post({ future_field: { nested: 1 } }), one)
      assert.strictEqual(yield* upstream.attempts("primary"), 2)
    }),
  )

  it.live("keeps no failure, and gives an answer again while everybody is down", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make({ route })
      yield* upstream.script("primary", "500")
      yield* upstream.script("backup", "500")
      const post = Effect.promise(() => TestGateway.post(url, JSON.stringify(hello)))
      assert.strictEqual((yield* post).status, 502)
      yield* upstream.script("primary", "ok")
      const answer = yield* post
      assert.strictEqual(answer.status, 200)
      yield* upstream.script("primary", "500")
      assert.strictEqual((yield* post).text, answer.text)
    }),
  )

  it.live("gives nobody another's, and takes no tokens for what costs none", () =>
    Effect.gen(function* () {
      const keys = ["a", "b"].map((id) => ({ id, key: Redacted.make(`sk-${id}`), limits: { tpm: 1000 } }))
      const { upstream, url } = yield* TestGateway.make({ route, keys })
      const ask = (id: string) =>
        Effect.promise(() =>
          TestGateway.clientOf(url, `sk-${id}`)
            .chat.completions.create({ ...hello, max_tokens: 98 })
            .withResponse()
            .then(({ data, response }) => ({
              used: data.usage?.total_tokens ?? 0,
              cache: response.headers.get("x-understudy-cache"),
              left: Number(response.headers.get("x-ratelimit-remaining-tokens")),
            })),
        )
      const { cache, used } = yield* ask("a")
      assert.strictEqual(cache, "miss")
      assert.isAbove(used, 0)
      assert.strictEqual((yield* ask("b")).cache, "miss")
      assert.strictEqual(yield* upstream.attempts("primary"), 2)
      for (let times = 0; times < 3; times++) assert.deepInclude(yield* ask("a"), { cache: "hit", left: 900 - used })
    }),
  )

  it.live("counts hits and misses", () =>
    Effect.gen(function* () {
      const { client, url } = yield* TestGateway.make({ route })
      for (let times = 0; times < 3; times++) yield* Effect.promise(() => client.chat.completions.create(hello))
      const text = yield* Effect.promise(() => fetch(`${url}/metrics`).then((answer) => answer.text()))
      assert.match(text, /^understudy_cache_requests_total\{.*result="hit".*\} 2$/m)
      assert.match(text, /^understudy_cache_requests_total\{.*result="miss".*\} 1$/m)
      assert.match(text, /^understudy_attempts_total\{deployment="primary".*\} 1$/m)
    }),
  )
})
