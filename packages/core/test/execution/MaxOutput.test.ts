import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as Deployment from "@understudy/core/Deployment"
import * as Router from "@understudy/core/Router"
import * as Testing from "@understudy/core/Testing"
import * as Effect from "effect/Effect"

const asked = (maxTokens: number | undefined) =>
  Effect.gen(function* () {
    const scripted = Testing.script([Testing.reply("Yes")])
    const live = Router.layer({
      deployments: {
        small: Deployment.make({ model: "m", provider: scripted.layer, capabilities: { maxOutput: 100 } }),
      },
    })
    const sampling = { temperature: 0.5, ...(maxTokens === undefined ? undefined : { maxTokens }) }
    yield* Effect.flatMap(Router.Router, (router) =>
      router.chat({ model: "small", messages: [Chat.user("Hello?")], sampling }),
    ).pipe(Effect.provide(live))
    return scripted.requests[0]?.sampling
  })

describe("a deployment with a known largest answer", () => {
  it.effect("is asked for no more than that", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* asked(128_000), { temperature: 0.5, maxTokens: 100 })
    }),
  )

  it.effect("is asked for what was wanted where that is less, or not said", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* asked(99), { temperature: 0.5, maxTokens: 99 })
      assert.deepStrictEqual(yield* asked(undefined), { temperature: 0.5 })
    }),
  )
})
