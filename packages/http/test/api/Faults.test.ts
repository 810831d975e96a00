/** `/admin/faults` of a gateway, with OpenAI's own client before it, and an upstream behind it that counts what it is sent. */
import { assert, describe, it } from "@effect/vitest"
import { Route } from "@understudy/core"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { APIError } from "openai"
import * as Keyring from "../../src/auth/Keyring.ts"
import * as TestGateway from "../TestGateway.ts"

const hello = { model: "assistant", messages: [{ role: "user" as const, content: "Hello?" }] }

interface Listed {
  readonly detail?: string
  readonly faults: ReadonlyArray<{
    readonly target: string
    readonly kind: string
    readonly faults: ReadonlyArray<object>
    readonly active: { readonly faults: ReadonlyArray<string>; readonly until: string } | null
  }>
}

const send = (url: string, method: string, body?: object, query = "", headers: Record<string, string> = {}) =>
  Effect.promise(() =>
    fetch(`${url}/admin/faults${query}`, {
      method,
      headers: { "content-type": "application/json", ...headers },
      ...(body === undefined ? undefined : { body: JSON.stringify(body) }),
    }).then(async (response) => ({ status: response.status, body: (await response.json()) as Listed })),
  )

const faults = [
  { name: "overloaded", share: 0.5, status: 503 },
  { name: "quota", share: 0.5, status: 429 },
]

const gateway = TestGateway.make({
  primary: { faults, circuit: { failures: 1000 }, cooldown: { max: "1 millis" } },
  route: Route.fallback("primary", "backup").pipe(
    Route.retry({ times: 0 }),
    Route.faults([{ name: "cut", share: 1, disconnectAfterTokens: 1 }]),
  ),
})

describe("/admin/faults", () => {
  it.live("injects what is switched on into calls, which never reach the upstream, until it is switched off", () =>
    Effect.gen(function* () {
      const { client, upstream, url } = yield* gateway
      const deploymentOf = Effect.map(
        Effect.promise(() => client.chat.completions.create(hello).withResponse()),
        ({ response }) => response.headers.get("x-understudy-deployment"),
      )
      const { body: listed } = yield* send(url, "GET")
      assert.deepStrictEqual(listed.faults, [
        { target: "primary", kind: "deployment", faults, active: null },
        {
          target: "assistant",
          kind: "route",
          faults: [{ name: "cut", share: 1, disconnectAfterTokens: 1 }],
          active: null,
        },
      ])
      assert.strictEqual(yield* deploymentOf, "primary")
      assert.strictEqual(yield* upstream.attempts("primary"), 1)

      const started = yield* send(url, "POST", { target: "primary", for: "10m" })
      assert.strictEqual(started.status, 200)
      assert.deepStrictEqual(started.body.faults[0]?.active?.faults, ["overloaded", "quota"])
      const until = started.body.faults[0]?.active?.until ?? ""
      assert.approximately(Date.parse(until) - Date.now(), 600_000, 60_000)
      for (let call = 0; call < 5; call++) assert.strictEqual(yield* deploymentOf, "backup")
      assert.strictEqual(yield* upstream.attempts("primary"), 1, "an aborted attempt is not sent")
      assert.strictEqual(yield* upstream.attempts("backup"), 5)
      const ready = yield* Effect.promise(() => fetch(`${url}/ready`).then((response) => response.json()))
      assert.deepStrictEqual(ready, { status: "ready", fault_injection_until: until })
      const metrics = yield* Effect.promise(() => fetch(`${url}/metrics`).then((response) => response.text()))
      assert.match(
        metrics,
        /understudy_injected_faults_total\{deployment="primary",fault="(overloaded|quota)"\} [1-5]\n/,
      )
      assert.include(metrics, `understudy_fault_end_timestamp_seconds{target="primary"} ${Date.parse(until) / 1000}`)
      const { calls } = (yield* Effect.promise(() =>
        fetch(`${url}/api/calls?filter=fallback`).then((response) => response.json()),
      )) as { readonly calls: ReadonlyArray<{ readonly steps: ReadonlyArray<{ readonly injected: unknown }> }> }
      assert.lengthOf(calls, 5)
      for (const { steps } of calls) {
        assert.include(["overloaded", "quota"], steps[0]?.injected)
        assert.isNull(steps[1]?.injected)
      }

      const stopped = yield* send(url, "DELETE", undefined, "?target=primary")
      assert.deepStrictEqual(stopped.body.faults, [{ target: "primary", kind: "deployment", faults, active: null }])
      yield* Effect.promise(() => fetch(`${url}/admin/deployments/primary/reset`, { method: "POST" }))
      assert.strictEqual(yield* deploymentOf, "primary")
      assert.deepStrictEqual((yield* send(url, "DELETE")).body.faults, [])
    }),
  )

  it.live("cuts a stream, whose client gets an error after the text, and whose upstream is closed", () =>
    Effect.gen(function* () {
      const { client, upstream, url } = yield* gateway
      yield* upstream.script("primary", "ok")
      yield* send(url, "POST", { target: "assistant", for: "1m", faults: ["cut"] })
      const { error, text } = yield* Effect.promise(async () => {
        let text = ""
        try {
          const stream = await client.chat.completions.create({ ...hello, stream: true })
          for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ""
          return { text, error: undefined }
        } catch (error) {
          return { text, error }
        }
      })
      assert.isAbove(text.length, 0)
      assert.instanceOf(error, APIError)
      yield* upstream.idle
    }),
  )

  it.live("names what is wrong with a request", () =>
    Effect.gen(function* () {
      const { url } = yield* gateway
      const detail = (body: object) => Effect.map(send(url, "POST", body), ({ body, status }) => [status, body.detail])
      assert.deepStrictEqual(yield* detail({ target: "backup", for: "1m" }), [
        404,
        '"backup" has no faults. Those with faults: primary, assistant',
      ])
      assert.deepStrictEqual(yield* detail({ target: "primary", for: "2h" }), [
        400,
        "for: is longer than the 1h that faults may be on for: raise faultInjection.maxDuration, or switch them on again later",
      ])
      assert.deepStrictEqual(yield* detail({ target: "primary", for: "1m", faults: ["slow"] }), [
        400,
        'faults: "slow" is no fault of "primary". Its faults: overloaded, quota',
      ])
      assert.deepStrictEqual(yield* detail({ duration: "1m" }), [
        400,
        [
          "duration: unknown key `duration`. Known keys: target, for, faults.",
          "target: is missing: name a deployment or a route with faults",
          "for: is missing: set how long faults are injected, such as 10m",
        ].join("\n"),
      ])
      assert.strictEqual((yield* send(url, "DELETE", undefined, "?target=backup")).status, 404)
      assert.strictEqual((yield* send(url, "DELETE", undefined, "?all=true")).status, 400)
    }),
  )

  it.live("requires the operator key, or the role viewer to list", () =>
    Effect.gen(function* () {
      const key = (id: string) => ({ id, key: Redacted.make(`sk-${id}`), limits: undefined, routes: undefined })
      const viewer = { ...key("viewer"), role: "viewer" as const }
      const keys = [
        Keyring.operator(Redacted.make("sk-operator")),
        Keyring.configured(key("team")),
        Keyring.configured(viewer),
      ]
      const { url } = yield* TestGateway.make({ auth: { keys }, keys: [key("team"), viewer], primary: { faults } })
      const by = (key: string, method: string, body?: object) =>
        Effect.map(send(url, method, body, "", { authorization: `Bearer ${key}` }), ({ status }) => status)
      const start = { target: "primary", for: "1m" }
      assert.deepStrictEqual(
        yield* Effect.all([by("sk-team", "GET"), by("sk-team", "POST", start), by("sk-team", "DELETE")]),
        [403, 403, 403],
      )
      assert.deepStrictEqual(
        yield* Effect.all([by("sk-viewer", "GET"), by("sk-viewer", "POST", start), by("sk-viewer", "DELETE")]),
        [200, 403, 403],
      )
      assert.deepStrictEqual(
        yield* Effect.all([by("sk-operator", "GET"), by("sk-operator", "POST", start), by("sk-operator", "DELETE")]),
        [200, 200, 200],
      )
      assert.strictEqual(yield* by("sk-wrong", "GET"), 401)
    }),
  )
})
