import { assert, describe, it } from "@effect/vitest"
import * as Deployment from "@understudy/core/Deployment"
import { Provider } from "@understudy/core/Provider"
import * as Rehearsal from "@understudy/core/Rehearsal"
import * as Route from "@understudy/core/Route"
import { Router } from "@understudy/core/Router"
import * as Tape from "@understudy/core/Tape"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Items from "./tape/Items.ts"

/** A provider that must not be started. */
const real = Layer.effect(Provider, Effect.die(new Error("the provider was started")))

const deployment = (vendor: string, more: Partial<Deployment.Options> = {}) =>
  Deployment.make({ model: "m", vendor, provider: real, price: { input: 1, output: 4 }, ...more })

const options = {
  deployments: { primary: deployment("openai"), backup: deployment("anthropic") },
  routes: { assistant: Route.fallback("primary", "backup") },
}

/** The tape of a rehearsal, as a gateway would have recorded it, and its report. */
const recorded = (scenario: string) => {
  const writer = new Tape.Writer({ version: "1.0.0", instance: "one", startedAt: 0, sample: 1 })
  const content = new Rehearsal.TapeContent()
  const recording = Layer.effectDiscard(
    Effect.flatMap(Router, (router) =>
      router.subscribe((event) => {
        if (event._tag === "CallEnded") writer.add(event.receipt)
      }),
    ),
  )
  return Effect.map(
    Rehearsal.run({
      ...options,
      scenario,
      rate: 1,
      for: "30 minutes",
      over: (router) => Layer.provideMerge(recording, router),
    }),
    (report) => {
      const decoder = new Tape.Decoder()
      for (const item of Result.getOrThrow(decoder.push(writer.take()))) content.add(item)
      for (const item of Result.getOrThrow(decoder.end())) content.add(item)
      return { report, content }
    },
  )
}

const call = Items.call({
  startedAt: 1000,
  millis: 500,
  needs: { requires: ["tools", "vision"], inputTokens: 50, maxOutputTokens: 0 },
  deployment: undefined,
  attempts: [],
})

describe("a replay", () => {
  it.effect("of a tape through the configuration that it was recorded with is about what was recorded", () =>
    Effect.gen(function* () {
      const { content, report } = yield* recorded("vendor-outage")
      const again = yield* Rehearsal.replay({ ...options, tape: content })
      assert.strictEqual(again.calls, report.calls)
      assert.approximately(again.availability, report.availability, 0.01)
      assert.approximately(again.rescued / again.calls, report.rescued / report.calls, 0.02)
      assert.approximately(again.attemptsPerCall, report.attemptsPerCall, 0.03)
      assert.approximately(again.latency.p95! / report.latency.p95!, 1, 0.2)
      assert.isTrue(again.assumed.every(({ distant, prior }) => prior === 0 && distant < 20))
    }),
  )

  it.effect("shows what another configuration would have done in that outage", () =>
    Effect.gen(function* () {
      const { content } = yield* recorded("vendor-outage")
      const alone = yield* Rehearsal.replay({ ...options, routes: { assistant: Route.to("primary") }, tape: content })
      assert.isBelow(alone.availability, 0.75)
      const during = alone.minutes.slice(11, 19)
      assert.isTrue(during.every(({ answered, calls }) => (answered["primary"] ?? 0) < calls / 5))
    }),
  )

  it.effect("has the same report for the same seed", () =>
    Effect.gen(function* () {
      const { content } = yield* recorded("calm")
      const [one, same] = [
        yield* Rehearsal.replay({ ...options, tape: content }),
        yield* Rehearsal.replay({ ...options, tape: content }),
      ]
      assert.strictEqual(JSON.stringify(one), JSON.stringify(same))
    }),
  )

  it.effect("counts and names what is not on the tape", () =>
    Effect.gen(function* () {
      const { content } = yield* recorded("vendor-outage")
      const report = yield* Rehearsal.replay({
        deployments: { ...options.deployments, other: deployment("google") },
        routes: { assistant: Route.balance("shuffle", ["backup", "other"]) },
        tape: content,
      })
      const [backup, other] = report.assumed
      // The backup was asked while the primary was out, and hardly ever before.
      assert.deepInclude(backup, { deployment: "backup", prior: 0 })
      assert.isAbove(backup!.distant, 5)
      assert.deepInclude(other, { deployment: "other", distant: 0 })
      assert.isAbove(other!.prior, 500)
    }),
  )

  it.effect("draws nothing from attempts with an injected fault, and counts them", () =>
    Effect.gen(function* () {
      const attempt = Items.attempt({ startedAt: 1000, millis: 500 })
      const failed = { ...attempt, outcome: "failure", reason: "Overloaded", status: 503 } as const
      const replayed = (injected: string | undefined) => {
        const content = new Rehearsal.TapeContent()
        for (let number = 0; number < 20; number++) {
          const attempts = [number % 2 === 0 ? attempt : { ...failed, injected }]
          content.add({ ...call, id: String(number), attempts })
        }
        const routes = { assistant: Route.to("primary").pipe(Route.retry({ times: 0 })) }
        const deployments = { primary: deployment("openai", { circuit: { failures: 100 } }) }
        return Effect.map(Rehearsal.replay({ deployments, routes, tape: content }), ({ answered }) => ({
          answered,
          injected: content.injected,
        }))
      }
      assert.deepStrictEqual(yield* replayed("drill"), { answered: 20, injected: 10 })
      const real = yield* replayed(undefined)
      assert.isBelow(real.answered, 18)
      assert.strictEqual(real.injected, 0)
    }),
  )

  it.effect("makes calls again with what they needed of a model", () =>
    Effect.gen(function* () {
      const writer = new Tape.Writer({ version: "1.0.0", instance: "one", startedAt: 0, sample: 1 })
      const content = new Rehearsal.TapeContent()
      const decoder = new Tape.Decoder()
      for (const item of Result.getOrThrow(decoder.push(writer.take()))) content.add(item)
      content.add(call)
      content.add({ ...call, id: "embedding", operation: "embeddings", needs: undefined })
      const report = yield* Rehearsal.replay({
        deployments: {
          blind: deployment("a", { capabilities: { vision: false, embeddings: false } }),
          able: deployment("b"),
        },
        routes: { assistant: Route.fallback("blind", "able") },
        tape: content,
      })
      assert.strictEqual(report.answered, 2)
      const [blind, able] = report.deployments
      assert.deepStrictEqual(blind?.skipped, { MissingCapability: 2 })
      assert.strictEqual(able?.answered, 2)
    }),
  )
})
