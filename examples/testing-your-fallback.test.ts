/** How an application tests its own fallback: scripted providers under `TestClock`, without network or waiting. */
import { assert, it } from "@effect/vitest"
import { Chat, Deployment, Route, Router } from "@understudy/core"
import * as Testing from "@understudy/core/Testing"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"

/** The application under test: it uses a route, and knows no provider. */
const greet = (name: string) =>
  Effect.gen(function* () {
    const router = yield* Router.Router
    const { response } = yield* router.chat({ model: "assistant", messages: [Chat.user(`Greet ${name}`)] })
    return Chat.text(response)
  })

it.effect("greets from the backup when the primary does not answer within a minute", () => {
  const primary = Testing.script([Testing.hang()])
  const backup = Testing.script([Testing.reply("Good evening, Ada.")])
  const RouterTest = Router.layer({
    deployments: {
      primary: Deployment.make({ model: "p", provider: primary.layer }),
      backup: Deployment.make({ model: "b", provider: backup.layer }),
    },
    routes: { assistant: Route.fallback("primary", "backup") },
  })
  return Effect.gen(function* () {
    const greeting = yield* Effect.forkChild(greet("Ada"))
    yield* TestClock.adjust("1 minute")
    assert.strictEqual(yield* Fiber.join(greeting), "Good evening, Ada.")
    assert.strictEqual(primary.requests.length, 1)
    assert.strictEqual(primary.inFlight(), 0)
  }).pipe(Effect.provide(RouterTest))
})
