import { assert, describe, it } from "@effect/vitest"
import { Route } from "@understudy/core"
import * as FaultServer from "@understudy/providers/testing"
import * as Effect from "effect/Effect"
import * as TestGateway from "../TestGateway.ts"

const post = (url: string, body: unknown) =>
  Effect.promise(() =>
    fetch(`${url}/api/generate`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }).then(async (answer) => ({ status: answer.status, text: await answer.text() })),
  )

const events = (text: string): ReadonlyArray<Record<string, unknown>> =>
  text
    .split("\n\n")
    .filter((block) => block.startsWith("data: "))
    .map((block) => JSON.parse(block.slice("data: ".length)))

describe("POST /api/generate", () => {
  it.live("answers a prompt with the deployment and the activity log", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      yield* upstream.script("primary", "503")
      const { status, text } = yield* post(url, { prompt: "Who is Virat Kohli?" })
      assert.strictEqual(status, 200)
      const { activity_log: log, usage, ...answer } = JSON.parse(text)
      assert.hasAllKeys(usage, ["input_tokens", "output_tokens"])
      assert.deepStrictEqual(answer, { response: FaultServer.line("backup"), provider: "backup", model: "backup" })
      assert.match(
        log.join("\n"),
        /^Attempting primary \(primary\)\.\.\.\nprimary failed after \d+ ms: Overloaded, status 503: .+\nAttempting backup \(backup\)\.\.\.\nUsing backup \(backup\)$/,
      )
    }),
  )

  it.live("names the deployment of a cached response", () =>
    Effect.gen(function* () {
      const route = Route.fallback("primary", "backup").pipe(Route.cache({ ttl: "1 minute" }))
      const { url } = yield* TestGateway.make({ route })
      const hello = { prompt: "Who is Virat Kohli?" }
      const { activity_log: _, usage: __, ...first } = JSON.parse((yield* post(url, hello)).text)
      const again = ["Cache hit (primary, primary)"]
      assert.deepStrictEqual(JSON.parse((yield* post(url, hello)).text), { ...first, activity_log: again })
      yield* post(url, { ...hello, stream: true })
      const told = events((yield* post(url, { ...hello, stream: true })).text)
      assert.strictEqual(told.map((event) => event["text"] ?? "").join(""), first.response)
      assert.deepInclude(told.at(-1), { done: true, provider: "primary", activity_log: again })
    }),
  )

  it.live("reports a deployment that is cooling down", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      yield* upstream.script("primary", "429-retry-after-30")
      yield* post(url, { prompt: "Hello?" })
      const { text } = yield* post(url, { prompt: "Hello?" })
      assert.match(JSON.parse(text).activity_log[0], /^primary skipped: cooling down for (?:30|29)(?:\.\d)? s$/)
    }),
  )

  it.live("sends the turns before the prompt", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      const messages = [
        { role: "user", content: "Who is on tonight?" },
        { role: "assistant", content: "Virat Kohli." },
      ]
      yield* post(url, { prompt: "And tomorrow?", messages })
      const [sent] = yield* upstream.requests
      assert.deepNestedInclude(sent?.body, {
        "messages[0].role": "user",
        "messages[0].content": "Who is on tonight?",
        "messages[1].role": "assistant",
        "messages[1].content": "Virat Kohli.",
        "messages[2].content": "And tomorrow?",
      })
      const { status, text } = yield* post(url, { prompt: "Hello?", messages: [{ role: "system", content: "x" }] })
      assert.strictEqual(status, 400)
      assert.include(text, "messages[0].role")
    }),
  )

  it.live("streams, with the activity log at the end", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      yield* upstream.script("primary", "error-event-first")
      const { text } = yield* post(url, { prompt: "Hello?", system: "Be brief.", stream: true })
      const told = events(text)
      assert.strictEqual(told.map((event) => event["text"] ?? "").join(""), FaultServer.line("backup"))
      const { activity_log: log, usage, ...last } = told.at(-1) ?? {}
      assert.hasAllKeys(usage, ["input_tokens", "output_tokens"])
      assert.deepStrictEqual(last, { done: true, provider: "backup", model: "backup" })
      assert.deepInclude(told[0], { provider: "backup", model: "backup", activity_log: log })
      assert.deepStrictEqual(Object.keys(told[1] ?? {}), ["text"])
      assert.include(log, "Using backup (backup)")
      const [sent] = yield* upstream.requests
      assert.deepNestedInclude(sent?.body, { "messages[0].content": "Be brief." })
    }),
  )

  it.live("ends an interrupted stream with an error and the activity log", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      yield* upstream.script("primary", "cut-3")
      const { text } = yield* post(url, { prompt: "Hello?", stream: true })
      const last = events(text).at(-1)
      assert.match(String(last?.["error"]), /broke off/)
      assert.isUndefined(last?.["done"])
    }),
  )

  it.live("fails with the status and the activity log", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      yield* upstream.script("primary", "503")
      yield* upstream.script("backup", "503")
      const { status, text } = yield* post(url, { prompt: "Hello?" })
      assert.strictEqual(status, 503)
      const { activity_log: log, error } = JSON.parse(text)
      assert.match(error, /All deployments of route "assistant" failed/)
      assert.strictEqual(log.at(-1), "All attempts failed")
    }),
  )

  it.live("names the invalid field", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make()
      const { status, text } = yield* post(url, { prompt: "" })
      assert.strictEqual(status, 400)
      assert.deepInclude(JSON.parse(text), { code: "invalid_request", param: "prompt" })
    }),
  )
})

describe("activity and provider status", () => {
  it.live("streams activity as it happens, and ends when the gateway drains", () =>
    Effect.gen(function* () {
      const { drain, url } = yield* TestGateway.make()
      const told = yield* Effect.promise(() => fetch(`${url}/api/activity`))
      yield* post(url, { prompt: "Hello?" })
      const reader = told.body!.pipeThrough(new TextDecoderStream()).getReader()
      const text = yield* Effect.promise(async () => {
        let text = ""
        while (!text.includes("Using")) text += (await reader.read()).value ?? ""
        return text
      })
      assert.deepStrictEqual(
        events(text).map(({ text }) => text),
        ["Attempting primary (primary)...", "Using primary (primary)"],
      )
      yield* drain.begin
      yield* Effect.promise(async () => {
        while (!(await reader.read()).done);
      })
    }),
  )

  it.live("shows the status of each deployment", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make()
      yield* upstream.script("primary", "429-retry-after-30")
      yield* post(url, { prompt: "Hello?" })
      const [primary, backup] = yield* Effect.promise(() =>
        fetch(`${url}/api/providers`).then(
          (answer) => answer.json() as Promise<ReadonlyArray<Record<string, unknown>>>,
        ),
      )
      assert.deepInclude(primary, { name: "primary", state: "cooling_down", in_flight: 0 })
      assert.isAbove(Number(primary?.["retry_after_ms"]), 25_000)
      assert.deepInclude(backup, { name: "backup", state: "available", retry_after_ms: 0 })
    }),
  )
})
