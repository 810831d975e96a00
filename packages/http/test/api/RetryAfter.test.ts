/**
 * `Retry-After` in every form that a provider sends it in, from its headers to the caller: waited for where it fits the
 * patience, else the next candidate at once; the deployment rests until then, and the caller hears of it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Route } from "@understudy/core"
import * as AnthropicProvider from "@understudy/providers/anthropic"
import * as BedrockProvider from "@understudy/providers/bedrock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as TestGateway from "../TestGateway.ts"

const key = Redacted.make("sk-upstream-secret")

const vendors: Readonly<Record<string, TestGateway.Options["provider"]>> = {
  openai: undefined,
  anthropic: (url) => AnthropicProvider.layer({ baseUrl: url, apiKey: key }),
  bedrock: (url) => BedrockProvider.layer({ region: "eu-west-1", endpoint: url, bearerToken: key }),
}

/** The name of a script by its form and its milliseconds. Bedrock has no reset header of its own. */
const forms: Readonly<Record<string, (millis: number) => string>> = {
  seconds: (millis) => `429-retry-after-${millis / 1000}`,
  date: (millis) => `429-retry-after-date-${Math.floor(millis / 1000)}`,
  millis: (millis) => `429-retry-after-ms-${millis}`,
  reset: (millis) => `429-retry-after-reset-${millis}`,
}

/** The least that is left of a wait when it is looked at by a machine that has much else to do. */
const slow = (wait: number): number => wait / 2

const body = (stream: boolean) =>
  JSON.stringify({ model: "assistant", messages: [{ role: "user", content: "Hello?" }], max_tokens: 16, stream })

const cases = Object.keys(vendors).flatMap((vendor) =>
  Object.keys(forms).flatMap((form) =>
    vendor === "bedrock" && form === "reset" ? [] : [false, true].map((stream) => ({ vendor, form, stream })),
  ),
)

describe.concurrent("Retry-After", () => {
  for (const { form, stream, vendor } of cases) {
    const title = `${vendor}, ${form}, ${stream ? "streamed" : "plain"}`
    const provider = vendors[vendor]
    const script = (millis: number) => forms[form]?.(millis) ?? assert.fail(form)

    it.live(`${title}: falls back at once when the wait is too long, and cools the deployment down`, () =>
      Effect.gen(function* () {
        const route = Route.fallback("primary", "backup").pipe(Route.retry({ times: 3, base: "10 seconds" }))
        const { router, upstream, url } = yield* TestGateway.make({ route, ...(provider && { provider }) })
        yield* upstream.script("primary", script(30_000))
        const first = yield* Effect.promise(() => TestGateway.post(url, body(stream)))
        assert.deepStrictEqual([first.status, first.headers.get("x-understudy-deployment")], [200, "backup"])
        const resting = (yield* router.status).find(({ deployment }) => deployment === "primary")?.retryAfter ?? 0
        // A date is a whole second, rounded up here as a careful server does.
        assert.isAbove(resting, slow(30_000))
        assert.isAtMost(resting, form === "date" ? 31_000 : 30_000)
        const second = yield* Effect.promise(() => TestGateway.post(url, body(stream)))
        assert.strictEqual(second.headers.get("x-understudy-deployment"), "backup")
        assert.strictEqual(yield* upstream.attempts("primary"), 1)
      }),
    )

    it.live(`${title}: passes the wait to the caller when no deployment is left`, () =>
      Effect.gen(function* () {
        const route = Route.fallback("primary").pipe(Route.retry({ times: 3, base: "10 seconds" }))
        const { upstream, url } = yield* TestGateway.make({ route, ...(provider && { provider }) })
        yield* upstream.script("primary", script(30_000))
        for (const asked of ["the provider", "nobody"]) {
          const { headers, status } = yield* Effect.promise(() => TestGateway.post(url, body(stream)))
          assert.strictEqual(status, 429, asked)
          const wait = Number(headers.get("retry-after"))
          assert.isAtLeast(wait, slow(30))
          assert.isAtMost(wait, 31)
        }
        assert.strictEqual(yield* upstream.attempts("primary"), 1)
      }),
    )

    it.live(`${title}: waits for it when it is short, without backoff or fallback`, () =>
      Effect.gen(function* () {
        const route = Route.fallback("primary", "backup").pipe(Route.retry({ times: 1, base: "1 hour", max: "1 hour" }))
        const { upstream, url } = yield* TestGateway.make({ route, ...(provider && { provider }) })
        yield* upstream.script("primary", `${script(60)}-once`)
        const { headers, status } = yield* Effect.promise(() => TestGateway.post(url, body(stream)))
        assert.deepStrictEqual([status, headers.get("x-understudy-deployment")], [200, "primary"])
        assert.strictEqual(headers.get("x-understudy-attempts"), "2")
        const [refused, answered] = yield* upstream.requests
        const waited = (answered?.arrived ?? 0) - (refused?.arrived ?? 0)
        // A date of less than a second says only that it is soon.
        if (form !== "date") assert.isAtLeast(waited, 58)
        assert.strictEqual(yield* upstream.attempts("backup"), 0)
      }),
    )
  }
})
