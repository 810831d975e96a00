import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import * as Chat from "../src/Chat.ts"
import * as Deployment from "../src/Deployment.ts"
import type { Reason } from "../src/ProviderError.ts"
import * as Route from "../src/Route.ts"
import * as Router from "../src/Router.ts"
import type { Kind } from "../src/RouterError.ts"
import * as Testing from "../src/Testing.ts"

const ask: Chat.Request = { model: "assistant", messages: [Chat.user("Hello?")] }

/** What two failures, one behind the other, come to for the caller. */
const sums: ReadonlyArray<readonly [kind: Kind, primary: Reason, backup: Reason]> = [
  ["RateLimited", { _tag: "RateLimited" }, { _tag: "RateLimited" }],
  ["Unavailable", { _tag: "Overloaded" }, { _tag: "Overloaded" }],
  ["Timeout", { _tag: "Timeout", phase: "attempt" }, { _tag: "Timeout", phase: "first-token" }],
  ["Upstream", { _tag: "RateLimited" }, { _tag: "Overloaded" }],
  ["Upstream", { _tag: "Overloaded" }, { _tag: "RateLimited" }],
  ["Upstream", { _tag: "Overloaded" }, { _tag: "Timeout", phase: "attempt" }],
  ["Upstream", { _tag: "RateLimited" }, { _tag: "Timeout", phase: "attempt" }],
  ["Upstream", { _tag: "Overloaded" }, { _tag: "ServerError" }],
  ["Upstream", { _tag: "Authentication" }, { _tag: "ModelNotFound" }],
  ["RateLimited", { _tag: "Unsupported", feature: "x" }, { _tag: "RateLimited" }],
  ["Unavailable", { _tag: "Overloaded" }, { _tag: "Unsupported", feature: "x" }],
  ["InvalidRequest", { _tag: "Unsupported", feature: "x" }, { _tag: "Unsupported", feature: "x" }],
  ["InvalidRequest", { _tag: "Overloaded" }, { _tag: "InvalidRequest" }],
  ["TooLarge", { _tag: "Overloaded" }, { _tag: "ContextWindowExceeded" }],
  ["ContentPolicy", { _tag: "RateLimited" }, { _tag: "ContentPolicy" }],
]

const name = (reason: Reason) => reason._tag

const over = (primary: Testing.Scripted, backup: Testing.Scripted, options?: Partial<Deployment.Options>) =>
  Router.layer({
    deployments: {
      primary: Deployment.make({ model: "p", provider: primary.layer, retry: { times: 0 }, ...options }),
      backup: Deployment.make({ model: "b", provider: backup.layer, retry: { times: 0 } }),
    },
    routes: { assistant: Route.fallback("primary", "backup") },
  })

const failed = Effect.flatMap(Router.Router, (router) => Effect.flip(router.chat(ask)))

describe("what failures come to", () => {
  for (const [kind, primary, backup] of sums) {
    it.effect(`${kind}: ${name(primary)}, then ${name(backup)}`, () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* failed).kind, kind)
      }).pipe(Effect.provide(over(Testing.script([Testing.fail(primary)]), Testing.script([Testing.fail(backup)])))),
    )
  }

  it.effect("Unavailable: an open circuit, then one that is overloaded", () =>
    Effect.gen(function* () {
      yield* failed
      assert.strictEqual((yield* failed).kind, "Unavailable")
    }).pipe(
      Effect.provide(
        over(
          Testing.script([Testing.fail({ _tag: "Overloaded" })]),
          Testing.script([Testing.fail({ _tag: "Overloaded" })]),
          { circuit: { failures: 1 } },
        ),
      ),
    ),
  )

  it.effect("RateLimited, with the soonest time: two that rest", () =>
    Effect.gen(function* () {
      yield* failed
      yield* TestClock.adjust("2 seconds")
      const { kind, retryAfter } = yield* failed
      assert.deepStrictEqual([kind, retryAfter], ["RateLimited", 8000])
    }).pipe(
      Effect.provide(
        over(
          Testing.script([Testing.fail({ _tag: "RateLimited", retryAfter: Duration.seconds(30) })]),
          Testing.script([Testing.fail({ _tag: "RateLimited", retryAfter: Duration.seconds(10) })]),
        ),
      ),
    ),
  )
})
