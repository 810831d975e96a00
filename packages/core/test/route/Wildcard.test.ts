import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import * as Chat from "../../src/model/Chat.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Explain from "../../src/inspect/Explain.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"
import * as Wildcard from "../../src/route/Wildcard.ts"

describe("Wildcard.match", () => {
  const cases: ReadonlyArray<readonly [pattern: string, name: string, parts: ReadonlyArray<string> | undefined]> = [
    ["anthropic/*", "anthropic/claude", ["claude"]],
    ["anthropic/*", "anthropic/a/b", ["a/b"]],
    ["anthropic/*", "anthropic/", undefined],
    ["anthropic/*", "openai/gpt", undefined],
    ["*", "anything at all", ["anything at all"]],
    ["*", "", undefined],
    ["*-preview", "o1-preview", ["o1"]],
    ["*-preview", "o1-preview-2", undefined],
    ["fo::*:static::*", "fo::hi:static::there", ["hi", "there"]],
    ["fo::*:static::*", "fo::hi:static::", undefined],
    ["*/*", "a/b/c", ["a", "b/c"]],
    ["**", "ab", ["a", "b"]],
    ["**", "a", undefined],
    ["a*a", "aa", undefined],
    ["a*a", "aba", ["b"]],
    ["a.*", "abc", undefined],
    ["exact", "exact", []],
    ["exact", "exactly", undefined],
  ]
  for (const [pattern, name, parts] of cases) {
    it(`"${pattern}" and "${name}"`, () => {
      assert.deepStrictEqual(Wildcard.match(pattern, name), parts)
      if (parts !== undefined) assert.strictEqual(Wildcard.substitute(pattern, pattern, name), name)
    })
  }

  it("finds the most specific pattern, the first of equally specific ones", () => {
    const patterns = ["*", "openai/*", "openai/gpt-*", "*/gpt-4o", "openai/*-4o"]
    assert.strictEqual(Wildcard.find(patterns, "openai/gpt-4o"), "openai/gpt-*")
    assert.strictEqual(Wildcard.find(patterns, "openai/o1"), "openai/*")
    assert.strictEqual(Wildcard.find(patterns, "groq/llama"), "*")
    assert.strictEqual(Wildcard.find(["a/*", "*/b"], "a/b"), "a/*")
    assert.isUndefined(Wildcard.find(patterns.slice(1), "groq/llama"))
  })

  it("takes linear time for a hostile name", () => {
    assert.isUndefined(Wildcard.match("a*b*c*d*e", "ab".repeat(200_000)))
  })
})

const chat = (model: string) =>
  Effect.flatMap(Router.Router, (router) => router.chat({ model, messages: [Chat.user("Hello?")] }))

describe("names with a *", () => {
  it.effect("match called names, exact names first, and set the vendor's model id", () => {
    const anthropic = Testing.script([Testing.reply("1"), Testing.reply("2"), Testing.reply("3")])
    const local = Testing.script([Testing.reply("4"), Testing.reply("5")])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const asked: Array<string> = []
      yield* router.subscribe((event) => {
        if (event._tag === "AttemptStarted") asked.push(event.model)
      })
      const { receipt } = yield* chat("anthropic/claude-x")
      yield* chat("claude:eu:y")
      yield* chat("smart")
      yield* chat("anthropic/local")
      yield* chat("whatever")
      assert.deepStrictEqual(
        anthropic.requests.map(({ model }) => model),
        ["claude-x", "eu.anthropic.y", "claude-z"],
      )
      assert.deepStrictEqual(
        local.requests.map(({ model }) => model),
        ["llama", "llama"],
      )
      assert.deepStrictEqual(asked, ["claude-x", "eu.anthropic.y", "claude-z", "llama", "llama"])
      assert.strictEqual(receipt.deployment, "anthropic/*")
      // What is counted by route has as many rows as there are routes, whatever callers make up.
      assert.strictEqual(receipt.route, "anthropic/*")
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: {
            "anthropic/*": Deployment.make({ model: "*", provider: anthropic.layer }),
            "claude:*:*": Deployment.make({ model: "*.anthropic.*", provider: anthropic.layer }),
            sonnet: Deployment.make({ model: "claude-z", provider: anthropic.layer }),
            llama: Deployment.make({ model: "llama", provider: local.layer }),
          },
          routes: {
            smart: Route.to("sonnet"),
            "anthropic/local": Route.to("llama"),
            "*": Route.to("llama"),
          },
        }),
      ),
    )
  })

  it.effect("fall back, and are shown by explain with the resulting model", () => {
    const primary = Testing.script([Testing.fail({ _tag: "Overloaded" }), Testing.fail({ _tag: "Overloaded" })])
    const backup = Testing.script([Testing.reply("Hi")])
    return Effect.gen(function* () {
      const router = yield* Router.Router
      const { plan } = yield* router.explain({ model: "gpt/4o", messages: [Chat.user("Hello?")] })
      assert.deepStrictEqual(
        Explain.candidates(plan).map(({ deployment, model }) => [deployment, model]),
        [
          ["gpt/*@openai", "gpt-4o"],
          ["gpt/*@azure", "azure-4o"],
        ],
      )
      const { receipt } = yield* chat("gpt/4o")
      assert.strictEqual(receipt.deployment, "gpt/*@azure")
      assert.deepStrictEqual([primary.requests[0]?.model, backup.requests[0]?.model], ["gpt-4o", "azure-4o"])
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: {
            "gpt/*@openai": Deployment.make({ model: "gpt-*", provider: primary.layer }),
            "gpt/*@azure": Deployment.make({ model: "azure-*", provider: backup.layer }),
          },
          routes: { "gpt/*": Route.fallback("gpt/*@openai", "gpt/*@azure").pipe(Route.retry({ times: 0 })) },
        }),
      ),
    )
  })

  it.effect("cache responses of each model separately", () => {
    const openai = Testing.script([Testing.reply("a"), Testing.reply("b"), Testing.reply("never")])
    return Effect.gen(function* () {
      const texts = yield* Effect.forEach(["gpt/a", "gpt/b", "gpt/a", "gpt/b"], (model) =>
        Effect.map(chat(model), ({ response }) => Chat.text(response)),
      )
      assert.deepStrictEqual(texts, ["a", "b", "a", "b"])
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: { "gpt/*@openai": Deployment.make({ model: "gpt-*", provider: openai.layer }) },
          routes: { "gpt/*": Route.to("gpt/*@openai").pipe(Route.cache({ ttl: "1 minute" })) },
        }),
      ),
    )
  })

  it.effect("fail with ModelNotFound for an unknown model, and keep serving others", () => {
    const anthropic = Testing.script([
      Testing.fail({ _tag: "ModelNotFound" }, { status: 404 }),
      Testing.fail({ _tag: "Permission" }, { status: 403 }),
      Testing.reply("Hi"),
    ])
    return Effect.gen(function* () {
      const error = yield* Effect.flip(chat("anthropic/cluade"))
      assert.strictEqual(error.kind, "ModelNotFound")
      assert.strictEqual(error.param, "model")
      yield* Effect.flip(chat("anthropic/forbidden"))
      yield* TestClock.adjust(1)
      const { response } = yield* chat("anthropic/claude")
      assert.strictEqual(Chat.text(response), "Hi")
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: { "anthropic/*": Deployment.make({ model: "*", provider: anthropic.layer }) },
        }),
      ),
    )
  })

  it.effect("must have as many * as their model", () => {
    const { layer } = Testing.script([Testing.reply("unused")])
    return Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.scoped(
          Effect.provide(
            Router.Router,
            Router.layer({
              deployments: {
                any: Deployment.make({ model: "*", provider: layer }),
                "two/*": Deployment.make({ model: "*/*", provider: layer }),
                "fine/*": Deployment.make({ model: "*", provider: layer }),
              },
              routes: { fixed: Route.fallback("fine/*"), "free/*": Route.fallback("fine/*", "any") },
            }),
          ),
        ),
      )
      assert.strictEqual(
        error.message,
        [
          'routes.fixed[0]: the model "*" has more * than the name "fixed": use a name such as "fixed/*"',
          'deployments.any: the model "*" has more * than the name "any": use a name such as "any/*"',
          'deployments.two/*: the model "*/*" has more * than the name "two/*": use a name such as "two/*/*"',
        ].join("\n"),
      )
    })
  })
})
