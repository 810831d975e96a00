/** `/api/activity`, over a real gateway: who may read it, and for how long. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Keyring from "../../src/auth/Keyring.ts"
import type { ConfiguredKey } from "../../src/auth/VirtualKey.ts"
import * as TestGateway from "../TestGateway.ts"

const operator = Keyring.operator(Redacted.make("sk-operator"))
const viewer = (rest: Partial<ConfiguredKey> = {}) =>
  Keyring.configured({ id: "viewer", key: Redacted.make("sk-viewer"), role: "viewer", ...rest })

describe("the stream of activity", () => {
  const changes: ReadonlyArray<readonly [what: string, keys: ReadonlyArray<Keyring.Key>]> = [
    ["is deleted", [operator]],
    ["is disabled", [operator, viewer({ disabled: true })]],
    ["has another role", [operator, viewer({ role: "caller" })]],
  ]
  for (const [what, keys] of changes) {
    it.live(`ends when its key ${what}, and goes on for others`, () =>
      Effect.gen(function* () {
        const keyring = new Keyring.Keyring([operator, viewer()])
        const { url } = yield* TestGateway.make({ keyring })
        const open = (key: string) =>
          Effect.promise((signal) =>
            fetch(`${url}/api/activity`, { signal, headers: { authorization: `Bearer ${key}` } }),
          )
        const [one, other] = [yield* open("sk-viewer"), yield* open("sk-operator")]
        assert.deepStrictEqual([one.status, other.status], [200, 200])
        let hasEnded = false
        const rest = other.text().finally(() => (hasEnded = true))
        keyring.replaceConfigured(keys)
        yield* Effect.promise(() => one.text())
        assert.isFalse(hasEnded)
        keyring.replaceConfigured([viewer()])
        yield* Effect.promise(() => rest)
      }),
    )
  }
})
