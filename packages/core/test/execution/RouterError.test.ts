import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import * as Chat from "../../src/model/Chat.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import type { Reason } from "../../src/model/ProviderError.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import type { Kind } from "../../src/execution/RouterError.ts"
import * as Testing from "../../src/Testing.ts"
import { request } from "../support/TestRouter.ts"

/** The kind of error after two failures, one after the other. */
const cases: ReadonlyArray<readonly [kind: Kind, primary: Reason, backup: Reason]> = [
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

const failed = Effect.flatMap(Router.Router, (router) => Effect.flip(router.chat(request)))

describe("the kind of a RouterError", () => {
  for (const [kind, primary, backup] of cases) {
    it.effect(`is ${kind} after ${name(primary)}, then ${name(backup)}`, () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* failed).kind, kind)
      }).pipe(Effect.provide(over(Testing.script([Testing.fail(primary)]), Testing.script([Testing.fail(backup)])))),
    )
  }

  it.effect("is Unavailable after an open circuit, then Overloaded", () =>
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

  it.effect("is RateLimited, with the soonest end, when both deployments are cooling down", () =>
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

/** When to ask again, at the first call and at the next, after two failures that each open a circuit. */
const waits: ReadonlyArray<
  readonly [primary: Reason, backup: Reason, first: number | "never" | undefined, next: number | "never" | undefined]
> = [
  [{ _tag: "Overloaded" }, { _tag: "Overloaded" }, 2000, 2000],
  [{ _tag: "ServerError" }, { _tag: "Network" }, 2000, 2000],
  [{ _tag: "Overloaded", retryAfter: Duration.seconds(9) }, { _tag: "Authentication" }, 9000, 9000],
  [{ _tag: "Authentication" }, { _tag: "QuotaExhausted" }, "never", "never"],
  [{ _tag: "Permission" }, { _tag: "ModelNotFound" }, "never", "never"],
  [{ _tag: "Authentication" }, { _tag: "Unsupported", feature: "x" }, "never", "never"],
  [{ _tag: "RateLimited", retryAfter: Duration.seconds(30) }, { _tag: "Authentication" }, 30_000, 30_000],
  [{ _tag: "RateLimited", retryAfter: Duration.seconds(30) }, { _tag: "Overloaded" }, 2000, 2000],
  [{ _tag: "RateLimited" }, { _tag: "RateLimited" }, 400, 400],
  [{ _tag: "Timeout", phase: "attempt" }, { _tag: "Timeout", phase: "attempt" }, undefined, 2000],
  [{ _tag: "RateLimited", retryAfter: Duration.seconds(30) }, { _tag: "InvalidRequest" }, undefined, undefined],
]

describe("the retryAfter of a RouterError", () => {
  const circuit = { failures: 1 }

  for (const [primary, backup, first, next] of waits) {
    it.effect(`follows from ${name(primary)}, then ${name(backup)}`, () =>
      Effect.gen(function* () {
        for (const wait of [first, next]) {
          const { permanent, retryAfter } = yield* failed
          assert.strictEqual(permanent === true ? "never" : retryAfter, wait)
        }
      }).pipe(
        Effect.provide(
          Router.layer({
            deployments: {
              primary: Deployment.make({
                model: "p",
                provider: Testing.script([Testing.fail(primary)]).layer,
                circuit,
              }),
              backup: Deployment.make({ model: "b", provider: Testing.script([Testing.fail(backup)]).layer, circuit }),
            },
            routes: { assistant: Route.fallback("primary", "backup").pipe(Route.retry({ times: 0 })) },
          }),
        ),
      ),
    )
  }

  it.effect(
    "probes a circuit that an overload opened before one that an authentication error opened, although that reopens sooner",
    () => {
      const dead = Testing.script([Testing.fail({ _tag: "Authentication" })])
      const tired = Testing.script([Testing.fail({ _tag: "Overloaded" }), Testing.reply("back")])
      return Effect.gen(function* () {
        const router = yield* Router.Router
        yield* failed
        assert.strictEqual(Chat.text((yield* router.chat(request)).response), "back")
      }).pipe(
        Effect.provide(
          Router.layer({
            deployments: {
              dead: Deployment.make({ model: "d", provider: dead.layer, circuit: { permanentFailure: "1 second" } }),
              tired: Deployment.make({ model: "t", provider: tired.layer, circuit }),
            },
            routes: { assistant: Route.fallback("dead", "tired").pipe(Route.retry({ times: 0 })) },
          }),
        ),
      )
    },
  )

  for (const tag of ["Authentication", "Permission", "QuotaExhausted"] as const) {
    it.effect(`does not pass on the vendor's message for ${tag} of the operator's account`, () => {
      const theirs = "invalid x-api-key; your credit balance is too low"
      const primary = Testing.script([Testing.fail({ _tag: tag }, { message: theirs, status: 401 })])
      return Effect.gen(function* () {
        const router = yield* Router.Router
        const error = yield* Effect.flip(router.chat(request))
        assert.notInclude(error.message, theirs)
        assert.match(error.message, new RegExp(`primary: ${tag} \\(401\\): the .*(credential|account)`))
        assert.strictEqual(error.cause?.message, theirs)
        assert.strictEqual(error.receipt?.attempts[0]?.message, theirs)
      }).pipe(
        Effect.provide(
          Router.layer({
            deployments: { primary: Deployment.make({ model: "p", provider: primary.layer }) },
            routes: { assistant: Route.fallback("primary") },
          }),
        ),
      )
    })
  }
})
