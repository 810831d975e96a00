// @effect-diagnostics missingLayerContext:off missingLayerError:off
/** What must not compile: checked by `npm run check`, which fails when an expected error is missing. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Deployment from "../src/deployment/Deployment.ts"
import { Provider } from "../src/model/Provider.ts"
import * as Route from "../src/route/Route.ts"
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

const [plain, backup] = [
  Deployment.make({ model: "a", provider: scripted }),
  Deployment.make({ model: "b", provider: scripted }),
]
const deployments = { "gpt-4o": plain, sonnet: backup, "claude/*": backup }

/** Routes that mention what there is. */
const fitting = [
  Router.layer({
    deployments,
    routes: {
      assistant: Route.fallback("gpt-4o", Route.balance("latency", ["sonnet", "claude/*"]), "quick").pipe(
        Route.retry({ times: 0 }),
        Route.onContextWindow("sonnet"),
        Route.cache({ ttl: "1 minute" }),
      ),
      quick: Route.hedge({ after: "p95", across: ["sonnet", "gpt-4o"] }),
      picky: Route.when([{ if: { tags: ["vip"] }, use: "gpt-4o" }], Route.to("sonnet")),
      canary: Route.split([
        { use: "gpt-4o", share: 90 },
        { use: Route.fallback("sonnet"), share: 10 },
      ]),
    },
  }),
  Router.layer({ deployments, routes: {} }),
  Router.layer({ deployments }),
]

/** What the compiler does not know is looked at later. */
const computed = (names: readonly [string, ...Array<string>], routes: Record<string, Route.Route>) => [
  Router.layer({ deployments, routes: { assistant: Route.fallback(...names) } }),
  Router.layer({ deployments, routes }),
  Router.layer({ deployments: deployments as Record<string, typeof plain>, routes: { one: Route.to("any") } }),
]

const misnamed = [
  Router.layer({
    deployments,
    routes: {
      // @ts-expect-error a name that there is not
      assistant: Route.fallback("gpt-4o", "typo"),
    },
  }),
  Router.layer({
    deployments,
    routes: {
      quick: Route.to("sonnet"),
      // @ts-expect-error one deep inside, behind policies
      assistant: Route.fallback("quick", Route.fallback("gpt-4o", "typo")).pipe(Route.retry({ times: 0 })),
      // @ts-expect-error one of a balance
      balanced: Route.balance("ordered", ["sonnet", "typo"]),
      // @ts-expect-error one of a hedge
      hedged: Route.hedge({ after: "p95", across: ["gpt-4o", "typo"] }),
      // @ts-expect-error one of a case
      cased: Route.when([{ if: {}, use: "typo" }], "sonnet"),
      // @ts-expect-error the last word
      last: Route.when([{ if: {}, use: "sonnet" }], "typo"),
      // @ts-expect-error one of an arm
      split: Route.split([{ use: "typo", share: 1 }]),
      // @ts-expect-error one of a branch
      rescued: Route.to("sonnet").pipe(Route.onError(["Overloaded"], "typo")),
      // @ts-expect-error a name that a pattern stands for is no name of a deployment
      wild: Route.fallback("claude/opus"),
    },
  }),
]

describe("names in routes", () => {
  it.effect("compile only if they are those of deployments and routes", () =>
    Effect.gen(function* () {
      for (const layer of [...fitting, ...computed(["gpt-4o"], {}).slice(0, 2)]) {
        yield* Effect.scoped(Layer.build(layer))
      }
      for (const layer of misnamed) {
        const { problems } = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
        assert.isAbove(problems.length, 0)
      }
    }),
  )
})

describe("the type of Router.layer", () => {
  it.effect("is the union of its providers' requirements and errors", () => {
    const whole: Layer.Layer<Router.Router, Router.InvalidRoutes | NoKey, Vault | Ledger> = layer
    // @ts-expect-error a forgotten requirement (Ledger) does not compile
    const forgotten: Layer.Layer<Router.Router, Router.InvalidRoutes | NoKey, Vault> = layer
    // @ts-expect-error a start-up error cannot be overlooked
    const careless: Layer.Layer<Router.Router, Router.InvalidRoutes, Vault | Ledger> = layer
    assert.strictEqual(forgotten, whole)
    assert.strictEqual(careless, whole)
    return Effect.map(Router.Router, ({ deployments }) =>
      assert.deepStrictEqual(deployments(), ["plain", "vaulted", "booked"]),
    ).pipe(
      Effect.provide(
        whole.pipe(Layer.provide([Layer.succeed(Vault, { key: "k" }), Layer.succeed(Ledger, { account: "a" })])),
      ),
    )
  })
})
