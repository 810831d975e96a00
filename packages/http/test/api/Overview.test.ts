/** `GET /api/overview` and `GET /api/calls` of a gateway whose primary fails. */
import { assert, describe, it } from "@effect/vitest"
import * as Route from "@understudy/core/Route"
import * as FaultServer from "@understudy/providers/testing"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Keyring from "../../src/auth/Keyring.ts"
import type { ConfiguredKey } from "../../src/auth/VirtualKey.ts"
import * as TestGateway from "../TestGateway.ts"

const get = (url: string, key?: string) =>
  Effect.promise(async () => {
    const response = await fetch(url, key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } })
    // oxlint-disable-next-line typescript/no-explicit-any
    return { status: response.status, body: (await response.json()) as any }
  })

const ask = (url: string, body: object = {}) =>
  Effect.promise(() =>
    TestGateway.post(
      url,
      JSON.stringify({ model: "assistant", messages: [{ role: "user", content: "a secret prompt" }], ...body }),
    ),
  )

const sum = (buckets: ReadonlyArray<Record<string, number>>, name: string) =>
  buckets.reduce((total, bucket) => total + (bucket[name] ?? 0), 0)

describe("GET /api/overview", () => {
  it.live("has traffic by route and deployment, the last failure in words, and the changes of states", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      yield* upstream.script("primary", "429-retry-after-30")
      yield* ask(url)
      yield* ask(url, { stream: true })
      const { body } = yield* get(`${url}/api/overview`)
      assert.hasAllKeys(body.gateway, ["host", "pid", "started_at"])
      const [route] = body.routes
      assert.strictEqual(route.name, "assistant")
      assert.strictEqual(sum(route.buckets, "success"), 2)
      assert.strictEqual(sum(route.buckets, "failure"), 0)
      assert.strictEqual(route.buckets.flatMap(({ first_token_ms }: never) => first_token_ms).length, 1)
      const [primary, backup] = body.deployments
      assert.deepInclude(primary, { name: "primary", state: "cooling_down", health: "cooling_down" })
      assert.deepInclude(primary.last_failure, { route: "assistant", reason: "rate_limited", status: 429 })
      assert.isNotEmpty(primary.last_failure.message)
      assert.strictEqual(sum(primary.buckets, "failure"), 1)
      assert.deepStrictEqual(primary.buckets.at(-1).skipped, { cooling_down: 1 })
      assert.deepInclude(backup, { name: "backup", state: "available", health: "healthy", last_failure: null })
      assert.strictEqual(sum(backup.buckets, "success"), 2)
      const [change, ...rest] = body.changes
      assert.deepInclude(change, {
        deployment: "primary",
        state: "cooling_down",
        cause: { reason: "rate_limited", status: 429 },
      })
      assert.isAbove(change.retry_after_ms, 0)
      assert.deepStrictEqual(rest, [])

      // What is new since then: the bucket that still counts.
      const { body: later } = yield* get(`${url}/api/overview?since=${body.at + 1}`)
      assert.deepStrictEqual(later.changes, [])
      assert.isAtMost(later.routes[0].buckets.length, 1)
      assert.notInclude(JSON.stringify(body), "a secret prompt")
      assert.notInclude(JSON.stringify(body), FaultServer.line("backup"))
      assert.notInclude(JSON.stringify(body), TestGateway.upstreamKey)
    }),
  )

  it.live("rejects a time that is none", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make()
      const { body, status } = yield* get(`${url}/api/overview?since=yesterday`)
      assert.strictEqual(status, 400)
      assert.strictEqual(body.error.message, 'since must be a Unix time in milliseconds, not "yesterday"')
    }),
  )
})

describe("GET /api/calls", () => {
  it.live("has the attempts of each call in time, with failures and skips", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      yield* upstream.script("primary", "429-retry-after-30")
      yield* ask(url)
      yield* ask(url)
      const { body } = yield* get(`${url}/api/calls`)
      const [second, first] = body.calls
      assert.deepInclude(first, {
        route: "assistant",
        outcome: "success",
        deployment: "backup",
        protocol: "chat-completions",
        streaming: false,
      })
      const [failed, answered] = first.steps
      assert.deepInclude(failed, {
        type: "attempt",
        deployment: "primary",
        outcome: "failure",
        reason: "rate_limited",
        status: 429,
      })
      assert.deepInclude(answered, { type: "attempt", deployment: "backup", outcome: "success", hedge: false })
      assert.isAtLeast(answered.start_ms, failed.start_ms + failed.duration_ms)
      assert.deepInclude(second.steps[0], { type: "skip", deployment: "primary", reason: "cooling_down" })
      assert.match(second.steps[0].text, /^cooling down for \d/)
      const { body: fallbacks } = yield* get(`${url}/api/calls?filter=fallback`)
      assert.deepStrictEqual(
        fallbacks.calls.map(({ id }: Record<string, unknown>) => id),
        [first.id],
      )
      assert.deepStrictEqual((yield* get(`${url}/api/calls?filter=failed`)).body.calls, [])
      assert.notInclude(JSON.stringify(body), "a secret prompt")
      assert.notInclude(JSON.stringify(body), FaultServer.line("backup"))
    }),
  )

  it.live("has a hedge beside the attempt that it hedges, and calls that run", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make({
        route: Route.hedge({ after: "10 millis", across: ["primary", "backup"] }).pipe(Route.retry({ times: 0 })),
      })
      yield* upstream.script("primary", "silent")
      yield* upstream.script("backup", "ok")
      yield* ask(url)
      const { body } = yield* get(`${url}/api/calls`)
      const [primary, backup] = body.calls[0].steps
      assert.deepInclude(primary, { deployment: "primary", outcome: "cancelled", hedge: false })
      assert.deepInclude(backup, { deployment: "backup", outcome: "success", hedge: true })
      assert.isBelow(backup.start_ms, primary.start_ms + primary.duration_ms)

      yield* upstream.script("backup", "silent")
      const stop = new AbortController()
      yield* Effect.addFinalizer(() => Effect.sync(() => stop.abort()))
      void fetch(`${url}/v1/chat/completions`, {
        method: "POST",
        signal: stop.signal,
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "assistant", messages: [{ role: "user", content: "Hello?" }] }),
      }).catch(() => undefined)
      const running = yield* Effect.repeat(
        Effect.map(get(`${url}/api/calls?filter=running`), ({ body }) => body.calls),
        { until: ([call]) => call?.steps.length === 2, schedule: Schedule.spaced("20 millis") },
      )
      assert.deepInclude(running[0], { outcome: "running", duration_ms: null })
      assert.deepInclude(running[0].steps[0], { deployment: "primary", outcome: "running", duration_ms: null })
    }),
  )

  it.live("keeps calls that used several attempts beyond the others", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      yield* upstream.script("primary", "invalid-request")
      yield* ask(url)
      yield* upstream.script("primary", "ok")
      for (let call = 0; call < 400; call++) yield* ask(url)
      const { body } = yield* get(`${url}/api/calls?filter=failed`)
      assert.deepInclude(body.calls[0], { outcome: "failure" })
      assert.deepInclude(body.calls[0].steps[0], { deployment: "primary", status: 400 })
      const { body: all } = yield* get(`${url}/api/calls?limit=200`)
      assert.strictEqual(all.calls.length, 200)
    }),
  )

  it.live("is for the operator and viewers, as is the overview", () =>
    Effect.gen(function* () {
      const team: ConfiguredKey = { id: "team", key: Redacted.make("sk-team") }
      const viewer: ConfiguredKey = { id: "viewer", key: Redacted.make("sk-viewer"), role: "viewer" }
      const keys = [team, viewer]
      const { url } = yield* TestGateway.make({
        keys,
        auth: { keys: [Keyring.operator(Redacted.make("sk-operator")), ...keys.map(Keyring.configured)] },
      })
      for (const path of ["/api/calls", "/api/overview"]) {
        assert.strictEqual((yield* get(`${url}${path}`)).status, 401, path)
        assert.strictEqual((yield* get(`${url}${path}`, "sk-team")).status, 403, path)
        assert.strictEqual((yield* get(`${url}${path}`, "sk-viewer")).status, 200, path)
        assert.strictEqual((yield* get(`${url}${path}`, "sk-operator")).status, 200, path)
      }
      const { body, status } = yield* get(`${url}/api/calls?filter=slow`, "sk-operator")
      assert.strictEqual(status, 400)
      assert.strictEqual(body.error.message, 'filter must be one of all, running, failed, fallback, not "slow"')
    }),
  )
})
