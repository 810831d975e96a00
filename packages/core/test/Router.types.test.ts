// @effect-diagnostics missingLayerContext:off missingLayerError:off
/** What must not compile: checked by `npm run check`, which fails when an expected error is missing. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Deployment from "../src/Deployment.ts"
import { Provider } from "../src/Provider.ts"
import * as Router from "../src/Router.ts"
import * as Testing from "../src/Testing.ts"

class Vault extends Context.Service<Vault, { readonly key: string }>()("test/Vault") {}
class Ledger extends Context.Service<Ledger, { readonly account: string }>()("test/Ledger") {}
class NoKey {
  readonly _tag = "NoKey"
}

const scripted = Testing.script([Testing.reply("Hi")]).layer

const needsVault: Layer.Layer<Provider, NoKey, Vault> = Layer.effect(
  Provider,
  Effect.flatMap(Vault, () => Effect.provide(Provider, scripted)),
)
const needsLedger: Layer.Layer<Provider, never, Ledger> = Layer.effect(
  Provider,
  Effect.flatMap(Ledger, () => Effect.provide(Provider, scripted)),
)

const layer = Router.layer({
  deployments: {
    plain: Deployment.make({ model: "a", provider: scripted }),
    vaulted: Deployment.make({ model: "b", provider: needsVault }),
    booked: Deployment.make({ model: "c", provider: needsLedger }),
  },
})

describe("the type of Router.layer", () => {
  it.effect("is the union of what its providers need and how they may fail to start", () => {
    const whole: Layer.Layer<Router.Router, Router.InvalidRoutes | NoKey, Vault | Ledger> = layer
    // @ts-expect-error a forgotten requirement (Ledger) does not compile
    const forgotten: Layer.Layer<Router.Router, Router.InvalidRoutes | NoKey, Vault> = layer
    // @ts-expect-error a start-up error cannot be overlooked
    const careless: Layer.Layer<Router.Router, Router.InvalidRoutes, Vault | Ledger> = layer
    assert.strictEqual(forgotten, whole)
    assert.strictEqual(careless, whole)
    return Effect.map(Router.Router, ({ deployments }) =>
      assert.deepStrictEqual(deployments, ["plain", "vaulted", "booked"]),
    ).pipe(
      Effect.provide(
        whole.pipe(Layer.provide([Layer.succeed(Vault, { key: "k" }), Layer.succeed(Ledger, { account: "a" })])),
      ),
    )
  })
})
