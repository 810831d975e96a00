/**
 * The laws of guardrails over whole calls: whatever they decide, and however they fail, a call has one answer or one error, one
 * record that agrees with it, and no more attempts than its route allows; and nothing of it is left running.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Deployment from "../src/deployment/Deployment.ts"
import { RouterError } from "../src/execution/RouterError.ts"
import * as GuardedRouter from "../src/GuardedRouter.ts"
import * as Guardrails from "../src/Guardrails.ts"
import type { Guardrail, GuardrailError } from "../src/Guardrails.ts"
import * as Chat from "../src/model/Chat.ts"
import { protects } from "../src/policy/StreamPolicy.ts"
import type { Receipt } from "../src/receipt/Receipt.ts"
import * as Route from "../src/route/Route.ts"
import * as Router from "../src/Router.ts"
import * as Testing from "../src/Testing.ts"

/** Choices told by a seed, the same each time. */
const chooser = (seed: number) => {
  let state = seed >>> 0
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
  return { below, one: <A>(items: ReadonlyArray<A>): A => items[below(items.length)]! }
}

type Chooser = ReturnType<typeof chooser>

const original = "original words"
const masked = "masked"

const anyOutcome = ({ below, one }: Chooser): Testing.Outcome => {
  const timing = {
    after: one(["0 millis", "300 millis"] as const),
    tokenDelay: one(["0 millis", "200 millis"] as const),
  }
  switch (below(6)) {
    case 0:
      return Testing.cut(original, timing)
    case 1:
      return Testing.fail({ _tag: "ServerError" }, timing)
    case 2:
      return Testing.hang({ output: original })
    default:
      return Testing.reply(["original ", "words"], timing)
  }
}

/** A decision, late or never, or an error. */
const anyDecision = <Decision>(
  { below, one }: Chooser,
  decisions: ReadonlyArray<Decision>,
): Effect.Effect<Decision, GuardrailError> => {
  const decision = one(decisions)
  switch (below(8)) {
    case 0:
      return Effect.fail({ message: "down" })
    case 1:
      return Effect.die("a defect")
    case 2:
      return Effect.never
    case 3:
      return Effect.as(Effect.sleep("400 millis"), decision)
    default:
      return Effect.succeed(decision)
  }
}

const rewritten: Chat.Response = { content: [{ type: "text", text: masked }], finishReason: "stop" }

const anyGuardrail = (choose: Chooser, index: number): Guardrail => {
  const { below, one } = choose
  const before: ReadonlyArray<Guardrails.BeforeDecision> = [
    Guardrails.pass,
    Guardrails.pass,
    Guardrails.pass,
    Guardrails.refuse("No."),
    Guardrails.rewriteRequest({ model: "x", messages: [Chat.user(masked)] }),
    Guardrails.rewriteRequest({ model: "x", input: ["mixed up"] }),
    Guardrails.reroute("other"),
    Guardrails.reroute("nowhere"),
  ]
  const after: ReadonlyArray<Guardrails.AfterDecision> = [
    Guardrails.pass,
    Guardrails.pass,
    Guardrails.refuse("No."),
    Guardrails.rewriteResponse(rewritten),
  ]
  return {
    name: `g${index}`,
    ...(below(3) === 0 ? undefined : { before: () => anyDecision(choose, before) }),
    ...(below(3) === 0 ? undefined : { after: () => anyDecision(choose, after) }),
    timeout: "1 second",
    onError: one(["block", "pass", undefined] as const),
    streams: one(["hold", "pass", undefined] as const),
  }
}

const names = ["a", "b", "c"] as const
const retries = 1

/** A call of the route `assistant`, complete or streamed to its end: the text of its answer. */
const call = (streaming: boolean): Effect.Effect<string, RouterError, Router.Router> =>
  Effect.flatMap(Router.Router, (router) => {
    const request: Chat.Request = { model: "assistant", messages: [Chat.user("Hello")] }
    if (!streaming) return Effect.map(router.chat(request), ({ response }) => Chat.text(response))
    return Effect.scoped(
      Effect.flatMap(router.chatStream(request), ({ frames }) =>
        Stream.runFold(
          frames,
          () => "",
          (text, { parts }) => parts.reduce((text, part) => text + (part.type === "text" ? part.text : ""), text),
        ),
      ),
    )
  })

/** The runs of guardrails of a call with an answer, in their order. */
const stagesOf = (guardrails: ReadonlyArray<Guardrail>, streaming: boolean): ReadonlyArray<string> => {
  const after = guardrails.filter((guardrail) => guardrail.after !== undefined)
  const recorded = after.filter(({ streams }) => streaming && streams !== "hold")
  return [
    ...guardrails.filter((guardrail) => guardrail.before !== undefined).map(({ name }) => `${name} before`),
    ...after.filter((guardrail) => !recorded.includes(guardrail)).map(({ name }) => `${name} after`),
    ...recorded.map(({ name }) => `${name} stream`),
  ]
}

describe("calls with guardrails", () => {
  it.effect.prop(
    "have one answer or one error, one record that agrees, and no more attempts than their routes allow",
    [Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 }))],
    ([seed]) => {
      const choose = chooser(seed)
      const { below, one } = choose
      const scripts = names.map((name) => ({
        name,
        script: Testing.script([anyOutcome(choose), anyOutcome(choose), anyOutcome(choose)]),
      }))
      const guardrails = Array.from({ length: 1 + below(3) }, (_, index) => anyGuardrail(choose, index))
      const streaming = below(2) === 0
      const interruptAfter = below(4) === 0 ? below(1500) : undefined
      const router = Router.layer({
        deployments: Object.fromEntries(
          scripts.map(({ name, script }) => [
            name,
            Deployment.make({
              model: name,
              provider: script.layer,
              retry: { times: retries },
              timeout: { idle: "2 seconds", attempt: "2 seconds", firstToken: "2 seconds" },
            }),
          ]),
        ),
        routes: {
          assistant: Route.fallback("a", "b").pipe(Route.stream({ protect: one(protects) })),
          other: Route.to("c"),
        },
      })
      return Effect.gen(function* () {
        const { subscribe } = yield* Router.Router
        const ended: Array<Receipt> = []
        yield* subscribe((event) => {
          if (event._tag === "CallEnded") ended.push(event.receipt)
        })
        const fiber = yield* Effect.forkChild(call(streaming), { startImmediately: true })
        if (interruptAfter !== undefined) {
          yield* TestClock.adjust(interruptAfter)
          yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
        }
        for (let step = 0; step < 120; step++) yield* TestClock.adjust("500 millis")
        const exit = yield* Fiber.await(fiber)

        const [receipt] = ended
        assert.lengthOf(ended, 1, "one record")
        if (receipt === undefined) return
        const { attempts, guardrails: results = [], outcome } = receipt
        const allowed = 2 * (retries + 1) + 1
        assert.isAtMost(attempts.length, allowed, "attempts")
        assert.isAtMost(results.length, 2 * guardrails.length, "each guardrail runs at most once at each stage")
        const last = results.at(-1)
        if (Exit.isSuccess(exit)) {
          assert.strictEqual(outcome, "success")
          assert.deepStrictEqual(
            results.map(({ guardrail, stage }) => `${guardrail} ${stage}`),
            stagesOf(guardrails, streaming),
            "every guardrail has run",
          )
          const isRewritten = results.some(({ action, stage }) => action === "rewrite" && stage === "after")
          assert.strictEqual(exit.value, isRewritten ? masked : original, "one whole answer")
        } else if (Cause.hasInterrupts(exit.cause)) {
          assert.include(["cancelled", "success", "failure"], outcome)
          assert.isDefined(interruptAfter)
        } else {
          const error = Cause.squash(exit.cause)
          assert.instanceOf(error, RouterError)
          assert.strictEqual(outcome, error.kind === "GuardrailRefused" ? "refused" : "failure")
          if (error.kind === "GuardrailRefused") assert.deepInclude(last, { action: "refuse" })
          if (error.kind === "GuardrailFailed") assert.deepInclude(last, { action: "error" })
          assert.strictEqual(error.receipt?.id, receipt.id)
        }
        const refusedBefore = results.some(({ action, stage }) => stage === "before" && action === "refuse")
        if (refusedBefore) assert.lengthOf(attempts, 0, "a refused call asks no deployment")
        for (const { name, script } of scripts) assert.strictEqual(script.inFlight(), 0, `${name} is left running`)
      }).pipe(
        Effect.scoped,
        Effect.provide(GuardedRouter.layer.pipe(Layer.provide([router, Guardrails.layer(guardrails)]))),
      )
    },
    { arbitrary: { runs: 200 } },
  )
})
