import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import * as Chat from "../../src/model/Chat.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import { ProviderError } from "../../src/model/ProviderError.ts"
import type { Reason } from "../../src/model/ProviderError.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"

const ask: Chat.Request = { model: "assistant", messages: [Chat.user("x".repeat(40))] }

const fails = (reason: Reason) => Effect.fail(new ProviderError({ reason, message: "no" }))

const routed = (
  primary: Testing.ScriptOptions,
  backup: Testing.ScriptOptions,
  options: Partial<Deployment.Options> = {},
) =>
  Router.layer({
    deployments: {
      primary: Deployment.make({
        model: "p",
        provider: Testing.script([Testing.fail({ _tag: "Authentication" })], primary).layer,
        ...options,
      }),
      backup: Deployment.make({ model: "b", provider: Testing.script([Testing.reply("Hi")], backup).layer }),
    },
    routes: { assistant: Route.fallback("primary", "backup") },
  })

const count = (request = ask) => Effect.flatMap(Router.Router, (router) => router.countTokens(request))

const seven: Testing.ScriptOptions = { countTokens: () => Effect.succeed(7) }

describe("Router.countTokens", () => {
  it.effect("counts by the first deployment that supports it, with the vendor's model id", () => {
    const models: Array<string> = []
    const backup: Testing.ScriptOptions = {
      countTokens: ({ model }) => Effect.sync(() => models.push(model) + 8),
    }
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* count(), { inputTokens: 9, deployment: "backup" })
      assert.deepStrictEqual(models, ["b"])
    }).pipe(Effect.provide(routed({}, backup)))
  })

  it.effect("estimates if no deployment can count, or all fail", () =>
    Effect.forEach(
      [
        [{}, {}],
        [
          { countTokens: () => fails({ _tag: "Permission" }) },
          { countTokens: () => fails({ _tag: "Unsupported", feature: "counting" }) },
        ],
      ] as const,
      ([primary, backup]) =>
        Effect.map(Effect.provide(count(), routed(primary, backup)), (counted) =>
          assert.deepStrictEqual(counted, { inputTokens: 10, deployment: undefined }),
        ),
    ),
  )

  it.effect("changes no circuit of chat and no rate limit", () =>
    Effect.gen(function* () {
      const router = yield* Router.Router
      yield* Effect.repeat(count(), { times: 5 })
      assert.deepStrictEqual(
        (yield* router.status).map(({ circuit, inFlight }) => [circuit, inFlight]),
        [
          ["closed", 0],
          ["closed", 0],
        ],
      )
      const { receipt } = yield* router.chat(ask)
      assert.strictEqual(receipt.attempts[0]?.deployment, "primary")
    }).pipe(
      Effect.provide(routed({ countTokens: () => fails({ _tag: "Authentication" }) }, {}, { limits: { rpm: 1 } })),
    ),
  )

  it.effect("skips deployments with an open circuit or without a required capability", () => {
    const tools = { ...ask, tools: [{ name: "look" }] }
    return Effect.gen(function* () {
      assert.strictEqual((yield* count()).deployment, "primary")
      assert.strictEqual((yield* count(tools)).deployment, "backup")
      yield* Effect.flatMap(Router.Router, (router) => router.chat(ask))
      assert.strictEqual((yield* count()).deployment, "backup")
    }).pipe(Effect.provide(routed(seven, seven, { capabilities: { tools: false } })))
  })

  it.effect("times out", () =>
    Effect.gen(function* () {
      const counting = yield* Effect.forkChild(count())
      yield* TestClock.adjust("1 seconds")
      assert.deepStrictEqual(yield* Fiber.join(counting), { inputTokens: 7, deployment: "backup" })
    }).pipe(Effect.provide(routed({ countTokens: () => Effect.never }, seven, { timeout: { attempt: "1 seconds" } }))),
  )

  it.effect("fails for an invalid request or an unknown route", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(count())
      assert.strictEqual(error.kind, "InvalidRequest")
      assert.strictEqual(error.param, "messages")
      assert.strictEqual((yield* Effect.flip(count({ ...ask, model: "nobody" }))).kind, "ModelNotFound")
    }).pipe(Effect.provide(routed({ countTokens: () => fails({ _tag: "InvalidRequest", param: "messages" }) }, seven))),
  )
})
