/** A reload puts other guardrails in force, of a gateway as a process of its own. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { ask, clean, start, url } from "../cli/Process.ts"
import * as Webhook from "./Webhook.ts"

afterAll(clean)

const configuration = (guardrails: string) => `
deployments:
  demo: { provider: simulated, model: any, reply: "Hello." }
routes: { assistant: [demo] }
guardrails: ${guardrails}
`

describe("a reload", { timeout: 60_000 }, () => {
  it.live("adds, changes and removes guardrails", () =>
    Effect.gen(function* () {
      const hook = yield* Webhook.webhook(() => ({ action: "refuse", message: "No." }))
      const serving = start(["--port", "0"], {
        files: { "understudy.yaml": configuration("[]") },
        env: { UNDERSTUDY_API_KEY: "operator", SESSION_SECRET: "of the sessions, with 32 characters" },
      })
      const base = yield* Effect.promise(() => url(serving))
      const authorization = { authorization: "Bearer operator" }
      const status = Effect.promise(() => ask(base, {}, authorization).then((answer) => answer.status))
      const reload = (guardrails: string) =>
        Effect.promise(async () => {
          const file = join(serving.folder, "understudy.yaml")
          writeFileSync(`${file}.new`, configuration(guardrails))
          renameSync(`${file}.new`, file)
          const answer = await fetch(`${base}/admin/reload`, { method: "POST", headers: authorization })
          return JSON.parse(await answer.text())
        })
      const item = (rest: string) => `[{ name: pii, url: "${hook.url}", on: [before], timeout: 30s, ${rest} }]`

      assert.strictEqual(yield* status, 200)
      assert.deepStrictEqual(yield* reload(item("secret: first-secret")), {
        changes: [{ kind: "guardrail", name: "pii", change: "added", fields: [] }],
        restart: [],
      })
      assert.strictEqual(yield* status, 400)
      assert.deepStrictEqual(yield* reload(item("secret: second-secret, routes: [demo]")), {
        changes: [{ kind: "guardrail", name: "pii", change: "changed", fields: ["routes", "secret"] }],
        restart: [],
      })
      assert.strictEqual(yield* status, 200, "it no longer guards the route")
      yield* reload("[]")
      assert.lengthOf(hook.asked, 1)
    }),
  )
})
