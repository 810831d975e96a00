import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as Deployment from "@understudy/core/Deployment"
import * as Router from "@understudy/core/Router"
import * as Testing from "@understudy/core/Testing"
import * as Effect from "effect/Effect"

const samplingFor = (maxTokens: number | undefined) =>
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

describe("capabilities.maxOutput", () => {
  it.effect("limits maxTokens of the request", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* samplingFor(128_000), { temperature: 0.5, maxTokens: 100 })
    }),
  )

  it.effect("does not change a smaller maxTokens, or none", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* samplingFor(99), { temperature: 0.5, maxTokens: 99 })
      assert.deepStrictEqual(yield* samplingFor(undefined), { temperature: 0.5 })
    }),
  )
})
