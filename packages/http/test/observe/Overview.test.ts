/** The states of deployments, noted while no request reads them. */
import { assert, describe, it } from "@effect/vitest"
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as Testing from "@understudy/core/Testing"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as Overview from "../../src/observe/Overview.ts"

const fails = Testing.fail({ _tag: "Overloaded" })
const ok = Testing.reply("yes")

const layer = (outcomes: Parameters<typeof Testing.script>[0]) => {
  const primary = Testing.script(outcomes)
  const backup = Testing.script([ok])
  return Overview.layer.pipe(
    Layer.provideMerge(
      Router.layer({
        deployments: {
          primary: Deployment.make({
            model: "m",
            provider: primary.layer,
            circuit: { failures: 1, open: "5 seconds", max: "5 seconds" },
          }),
          backup: Deployment.make({ model: "m", provider: backup.layer }),
        },
        routes: { assistant: Route.fallback("primary", "backup").pipe(Route.retry({ times: 0 })) },
      }),
    ),
  )
}

const ask = Effect.flatMap(Router.Router, ({ chat }) => chat({ model: "assistant", messages: [Chat.user("Hello?")] }))

describe("Overview", () => {
  it.effect("notes when a circuit opens, is probed and closes, though nothing reads it", () =>
    Effect.gen(function* () {
      const overview = yield* Overview.Overview
      const states = () => overview.changes(0).map(({ deployment, state }) => `${deployment} ${state}`)
      yield* ask
      assert.deepStrictEqual(states(), [])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(states(), ["primary circuit_open"])
      assert.deepInclude(overview.changes(0)[0]?.cause, { reason: "Overloaded", route: "assistant" })
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(states(), ["primary circuit_open", "primary half_open"])
      yield* ask
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(states(), ["primary circuit_open", "primary half_open", "primary available"])
    }).pipe(Effect.provide(layer([fails, ok]))),
  )

  it.effect("does not read the states while all deployments answer", () => {
    let reads = 0
    const counted = Layer.effect(
      Router.Router,
      Effect.map(Router.Router, (router) => ({
        ...router,
        status: Effect.andThen(
          Effect.sync(() => reads++),
          router.status,
        ),
      })),
    )
    const scripted = Testing.script([ok, fails, ok])
    const router = Router.layer({
      deployments: { primary: Deployment.make({ model: "m", provider: scripted.layer, circuit: { failures: 9 } }) },
      routes: { assistant: Route.fallback("primary").pipe(Route.retry({ times: 0 })) },
    })
    return Effect.gen(function* () {
      yield* ask
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(reads, 0)
      yield* Effect.flip(ask)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(reads, 1)
    }).pipe(Effect.provide(Overview.layer.pipe(Layer.provideMerge(counted), Layer.provide(router))))
  })
})
