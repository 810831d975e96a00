/** The parameters of deployments, in whole calls over scripted providers. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Change from "../../src/generation/Change.ts"
import * as Explain from "../../src/inspect/Explain.ts"
import * as Lint from "../../src/inspect/Lint.ts"
import { Call } from "../../src/model/Call.ts"
import * as Chat from "../../src/model/Chat.ts"
import type { PlannedAttempt, Spending } from "../../src/model/Spending.ts"
import * as Params from "../../src/policy/Params.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as MaxCost from "../../src/spend/MaxCost.ts"
import * as Testing from "../../src/Testing.ts"
import * as TestRouter from "../support/TestRouter.ts"

const { request } = TestRouter

/** The request that the provider of a deployment gets. */
const sent = (deployment: Partial<Deployment.Options>, changes: Partial<Chat.Request> = {}) =>
  Effect.gen(function* () {
    const only = Testing.script([Testing.reply("Hi")])
    const live = TestRouter.layer({ only }, { deployment })
    yield* Effect.provide(
      Effect.flatMap(Router.Router, (router) => router.chat({ ...request, ...changes })),
      live,
    )
    return only.requests[0]!
  })

/** The problems of a deployment. */
const problems = (deployment: Partial<Deployment.Options>) =>
  Result.match(Lint.lint({}, { d: { model: "m", ...deployment } }, {}), {
    onFailure: (found) => found.map(({ message, path }) => `${path}: ${message}`),
    onSuccess: ({ warnings }) => warnings.map(({ message, path }) => `warning: ${path}: ${message}`),
  })

describe("the parameters of a deployment", () => {
  it.effect("apply where the caller has not set them", () =>
    Effect.gen(function* () {
      const params = { temperature: 0.2, maxTokens: 100, stop: ["END"], reasoning: { effort: "low" } } as const
      const { overrides, reasoning, sampling } = yield* sent({ params }, { sampling: { temperature: 0, seed: 7 } })
      assert.deepStrictEqual(sampling, { temperature: 0, seed: 7, maxTokens: 100, stop: ["END"] })
      assert.deepStrictEqual(reasoning, { effort: "low" })
      assert.deepStrictEqual(overrides?.sampling, { maxTokens: 100, stop: ["END"] })
      const own = yield* sent({ params }, { reasoning: { budget: 9 } })
      assert.deepStrictEqual(own.reasoning, { budget: 9 })
    }),
  )

  it.effect("replace the caller's where they are forced", () =>
    Effect.gen(function* () {
      const force = { temperature: 0.2, reasoning: { effort: "none" } } as const
      const { overrides, reasoning, sampling } = yield* sent(
        { force, params: { temperature: 0.9 } },
        { sampling: { temperature: 1, topP: 0.5 }, reasoning: { effort: "max" } },
      )
      assert.deepStrictEqual(sampling, { temperature: 0.2, topP: 0.5 })
      assert.deepStrictEqual(reasoning, { effort: "none" })
      assert.deepStrictEqual(overrides?.sampling, { temperature: 0.2 })
    }),
  )

  it.effect("leave alone what the caller has set to the same value", () =>
    Effect.gen(function* () {
      const force = { temperature: 0.2, stop: ["END"] }
      const { overrides } = yield* sent({ force }, { sampling: { temperature: 0.2, stop: ["END"] } })
      assert.deepStrictEqual(overrides?.sampling, {})
    }),
  )

  it.effect("never exceed the model's maximum output", () =>
    Effect.gen(function* () {
      const capabilities = { maxOutput: 50 }
      const { overrides, sampling } = yield* sent({ capabilities, force: { maxTokens: 100 } })
      assert.deepStrictEqual([sampling?.maxTokens, overrides?.sampling?.maxTokens], [50, 50])
    }),
  )

  it.effect("are those of each deployment that a call falls back to, and of no other", () =>
    Effect.gen(function* () {
      const primary = Testing.script([Testing.fail({ _tag: "ServerError" })])
      const [backup, last] = [
        Testing.script([Testing.fail({ _tag: "ServerError" })]),
        Testing.script([Testing.reply("Hi")]),
      ]
      const live = Router.layer({
        deployments: {
          primary: Deployment.make({ model: "p", provider: primary.layer, params: { temperature: 0.1 } }),
          backup: Deployment.make({ model: "b", provider: backup.layer, force: { topK: 3 } }),
          last: Deployment.make({ model: "l", provider: last.layer }),
        },
        routes: { assistant: Route.fallback("primary", "backup", "last").pipe(Route.retry({ times: 0 })) },
      })
      yield* Effect.provide(TestRouter.chat(), live)
      assert.deepStrictEqual(primary.requests[0]?.sampling, { temperature: 0.1 })
      assert.deepStrictEqual(backup.requests[0]?.sampling, { topK: 3 })
      assert.isUndefined(last.requests[0]?.sampling)
      assert.isUndefined(last.requests[0]?.overrides)
    }),
  )

  it.effect("carry fields of the vendor's own, for embeddings too", () =>
    Effect.gen(function* () {
      const extraBody = { params: { service_tier: "flex" }, force: { safety: 1 } }
      const deployment = { params: { extraBody: extraBody.params }, force: { extraBody: extraBody.force } }
      assert.deepStrictEqual((yield* sent(deployment)).overrides?.extraBody, extraBody)
      const only = Testing.script([Testing.vectors([[1]])])
      yield* Effect.provide(
        Effect.flatMap(Router.Router, (router) => router.embed({ model: "assistant", input: ["Hi"] })),
        TestRouter.layer({ only }, { deployment }),
      )
      assert.deepStrictEqual(only.embeddings[0]?.overrides, { extraBody })
    }),
  )

  it.effect("count in the tokens that a limit reserves", () =>
    Effect.gen(function* () {
      const allowed = (deployment: Partial<Deployment.Options>) =>
        Effect.exit(
          Effect.provide(
            TestRouter.chat(),
            TestRouter.layer({ only: Testing.script([Testing.reply("Hi")]) }, { deployment }),
          ),
        )
      const limits = { tpm: 1000 }
      assert.strictEqual((yield* allowed({ limits }))._tag, "Success")
      assert.strictEqual((yield* allowed({ limits, params: { maxTokens: 2000 } }))._tag, "Failure")
      const explained = yield* Effect.provide(
        Effect.flatMap(Router.Router, (router) => router.explain(request)),
        TestRouter.layer(
          { only: Testing.script([Testing.reply("Hi")]) },
          { deployment: { limits, params: { maxTokens: 2000 } } },
        ),
      )
      assert.strictEqual(Explain.candidates(explained.plan)[0]?.checks.limits._tag, "RateLimited")
    }),
  )

  it.effect("count in what budgets reserve for an attempt and for a call", () =>
    Effect.gen(function* () {
      const planned: Array<number> = []
      const spending: Spending = {
        start: () => Effect.undefined,
        end: () => Effect.void,
        begin: ({ most }: PlannedAttempt) =>
          Effect.sync(() => {
            planned.push(most())
            return { end: () => Effect.void }
          }),
      }
      const price = { input: 0, output: 1_000_000 }
      const reserved = (deployment: Partial<Deployment.Options>, maxTokens?: number) =>
        Effect.gen(function* () {
          const asked = { ...request, sampling: { maxTokens } }
          const live = TestRouter.layer(
            { only: Testing.script([Testing.reply("Hi")]) },
            { deployment: { price, ...deployment } },
          )
          return yield* Effect.provide(
            Effect.flatMap(Router.Router, (router) =>
              Effect.map(router.chat(asked, { spending: { open: () => spending } }), () => [
                router.maxCost(asked),
                planned.at(-1),
              ]),
            ),
            live,
          )
        })
      assert.deepStrictEqual(yield* reserved({ params: { maxTokens: 10 } }), [10, 10])
      assert.deepStrictEqual(yield* reserved({ params: { maxTokens: 10 } }, 20), [20, 20])
      assert.deepStrictEqual(yield* reserved({ force: { maxTokens: 5 } }, 20), [5, 5])
      assert.lengthOf(MaxCost.distinct([{ price }, { price, force: { maxTokens: 5 } }, { price }]), 2)
    }),
  )

  it.effect("give a call that they make reason the timeouts for reasoning", () =>
    Effect.gen(function* () {
      const only = Testing.script([Testing.reply("Hi", { after: "30 seconds" })])
      const deployment = {
        capabilities: { reasoning: true },
        timeout: { attempt: "10 seconds", firstToken: "10 seconds", reasoning: "1 minute" },
        retry: { times: 0 },
      } as const
      const answered = (params: Params.Params) =>
        TestRouter.during(
          "2 minutes",
          Effect.provide(
            Effect.scoped(
              Effect.flatMap(Router.Router, (router) =>
                Effect.exit(Effect.flatMap(router.chatStream(request), ({ frames }) => Stream.runDrain(frames))),
              ),
            ),
            TestRouter.layer({ only }, { deployment: { ...deployment, params } }),
          ),
        )
      assert.strictEqual((yield* answered({}))._tag, "Failure")
      assert.strictEqual((yield* answered({ reasoning: { effort: "high" } }))._tag, "Success")
      yield* TestClock.adjust("1 second")
    }),
  )

  it.effect("resume a broken stream with the output tokens that remain of them", () =>
    Effect.gen(function* () {
      const delivered = "word ".repeat(40)
      const primary = Testing.script([Testing.cut(delivered)])
      const backup = Testing.script([Testing.reply(" and the end")])
      const live = Router.layer({
        deployments: {
          primary: Deployment.make({ model: "p", provider: primary.layer }),
          backup: Deployment.make({
            model: "b",
            provider: backup.layer,
            capabilities: { prefill: true },
            force: { maxTokens: 100, temperature: 0.1 },
          }),
        },
        routes: { assistant: Route.fallback("primary", "backup").pipe(Route.stream({ protect: "continue" })) },
      })
      yield* Effect.provide(
        Effect.scoped(
          Effect.flatMap(Router.Router, (router) =>
            Effect.flatMap(router.chatStream(request), ({ frames }) => Stream.runDrain(frames)),
          ),
        ),
        live,
      )
      const { sampling } = backup.requests[0]!
      assert.deepStrictEqual(sampling, { temperature: 0.1, maxTokens: 50 })
    }),
  )

  it.effect("are part of the cache's key", () =>
    Effect.gen(function* () {
      const only = Testing.script([Testing.reply("One"), Testing.reply("Two")])
      const options = (params: Params.Params) => ({
        deployments: { only: Deployment.make({ model: "m", provider: only.layer, params }) },
        routes: { assistant: Route.fallback("only").pipe(Route.cache({ ttl: "1 minute" })) },
      })
      yield* Effect.provide(
        Effect.gen(function* () {
          const router = yield* Router.Router
          const ask = Effect.map(router.chat(request), ({ response }) => Chat.text(response))
          assert.deepStrictEqual([yield* ask, yield* ask], ["One", "One"])
          yield* (yield* Router.Reload).reload(options({ temperature: 1 }))
          assert.strictEqual(yield* ask, "Two")
        }),
        Router.layer(options({ temperature: 0 })),
      )
    }),
  )

  it.effect("are explained, without the values of the vendor's fields", () =>
    Effect.gen(function* () {
      const live = TestRouter.layer(
        { only: Testing.script([Testing.reply("Hi")]) },
        {
          deployment: {
            params: { temperature: 0.2, stop: ["END"], extraBody: { safety_key: "secret" } },
            force: { reasoning: { budget: 1024 } },
          },
        },
      )
      const explained = yield* Effect.provide(
        Effect.flatMap(Router.Router, (router) => router.explain(request)),
        live,
      )
      const lines = Explain.lines(explained).join("\n")
      assert.include(
        lines,
        'parameters unless the caller sets them: temperature 0.2, stop ["END"], extraBody.safety_key',
      )
      assert.include(lines, "parameters in any case: reasoning of 1024 tokens")
      assert.notInclude(JSON.stringify(explained), "secret")
    }),
  )

  it("cost a deployment without them nothing: the call is the same", () => {
    const call = new Call(request, false)
    assert.strictEqual(Params.callFor("d", {}, call), call)
    const own = Params.callFor("d", { params: { topK: 1 } }, call)
    assert.strictEqual(Params.callFor("d", { params: { topK: 1 } }, own), own)
    assert.strictEqual(own.inputTokens, call.inputTokens)
  })

  it("are a change of the deployment", () => {
    const { layer } = Testing.script([Testing.reply("Hi")])
    const options = (force: Params.Params) => ({
      deployments: { d: Deployment.make({ model: "m", provider: layer, force }) },
    })
    assert.deepStrictEqual(Change.between(options({ seed: 1 }), options({ seed: 2 })), [
      { kind: "deployment", name: "d", change: "changed", fields: ["force"] },
    ])
    assert.deepStrictEqual(Change.between(options({ seed: 1 }), options({ seed: 1 })), [])
  })

  it("are checked", () => {
    const wrong = {
      max_tokens: 5,
      temperature: -1,
      reasoning: { effort: "huge" },
      stop: [],
    } as unknown as Params.Params
    assert.deepStrictEqual(
      problems({ params: wrong, force: { extraBody: { n: 2, generationConfig: { maxOutputTokens: 1 } } } }),
      [
        "deployments.d.params.temperature: expected a number, 0 or more, found -1",
        'deployments.d.params.stop: expected a list of texts such as ["END"], found []',
        'deployments.d.params.reasoning.effort: expected one of none, minimal, low, medium, high, xhigh, max, found "huge"',
        'deployments.d.params.max_tokens: is no parameter: did you mean "maxTokens"?',
        "deployments.d.force.extraBody.n: cannot be set in extraBody: the number of choices is the caller's",
        "deployments.d.force.extraBody.generationConfig.maxOutputTokens: cannot be set in extraBody: set `maxTokens`, which budgets and limits of tokens count",
      ],
    )
    assert.deepStrictEqual(
      problems({
        capabilities: { maxOutput: 10, reasoning: false },
        params: { topK: 1, maxTokens: 11 },
        force: { topK: 2, reasoning: { effort: "low" } },
      }),
      [
        "warning: deployments.d: has `params.topK`, which `force.topK` replaces in every call: remove one of them",
        "warning: deployments.d: has `params.maxTokens` 11, which is reduced to its `capabilities.maxOutput`, 10",
        "warning: deployments.d: has `force.reasoning`, and its capabilities exclude reasoning: remove one of them",
      ],
    )
  })
})
