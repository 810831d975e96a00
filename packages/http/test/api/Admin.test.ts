import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Keyring from "../../src/auth/Keyring.ts"
import * as TestGateway from "../TestGateway.ts"

const hello = { model: "primary", messages: [{ role: "user" as const, content: "Hello?" }] }

const post = (url: string, name: string, headers: Record<string, string> = {}) =>
  Effect.promise(() =>
    fetch(`${url}/admin/deployments/${name}`, { method: "POST", headers }).then(async (answer) => ({
      status: answer.status,
      body: (await answer.json()) as Record<string, unknown> & { readonly error: Record<string, string> },
    })),
  )

describe("POST /admin/deployments/{name}/reset", () => {
  it.live("closes a circuit opened by invalid credentials, and returns the status", () =>
    Effect.gen(function* () {
      const { client, upstream, url } = yield* TestGateway.make()
      yield* upstream.script("primary", "bad-key")
      yield* Effect.promise(() => client.chat.completions.create({ ...hello, model: "assistant" }))
      const standing = Effect.promise(() =>
        fetch(`${url}/api/providers`).then(async (answer) => ((await answer.json()) as Array<object>)[0]),
      )
      assert.deepInclude(yield* standing, { name: "primary", state: "circuit_open" })
      const { body, status } = yield* post(url, "primary/reset")
      assert.strictEqual(status, 200)
      assert.deepInclude(body, { name: "primary", state: "available", retry_after_ms: 0 })
      assert.deepInclude(yield* standing, { name: "primary", state: "available" })
      yield* upstream.script("primary", "ok")
      const { response } = yield* Effect.promise(() =>
        client.chat.completions.create({ ...hello, model: "assistant" }).withResponse(),
      )
      assert.strictEqual(response.headers.get("x-understudy-deployment"), "primary")
    }),
  )

  it.live("rejects unknown deployments and unknown actions", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make()
      const unknown = yield* post(url, "primry/reset")
      assert.strictEqual(unknown.status, 404)
      assert.include(unknown.body.error["message"], "primary")
      assert.strictEqual((yield* post(url, "primary")).status, 404)
      assert.strictEqual((yield* post(url, "primary/stop")).status, 404)
      assert.strictEqual((yield* post(url, "%70rimary/reset")).status, 200)
    }),
  )

  it.live("requires the operator key", () =>
    Effect.gen(function* () {
      const team = { id: "team", key: Redacted.make("sk-team"), limits: undefined, routes: undefined }
      const keys = [Keyring.operator(Redacted.make("sk-operator")), Keyring.configured(team)]
      const { url } = yield* TestGateway.make({ auth: { keys }, keys: [team] })
      const by = (key: string) =>
        Effect.map(post(url, "primary/reset", { authorization: `Bearer ${key}` }), ({ status }) => status)
      assert.strictEqual(yield* by("sk-operator"), 200)
      assert.strictEqual(yield* by("sk-team"), 403)
      assert.strictEqual(yield* by("sk-wrong"), 401)
      const foreign = yield* post(url, "primary/reset", { origin: "https://evil.example" })
      assert.strictEqual(foreign.status, 403)
    }),
  )
})
