import { assert, describe, it } from "@effect/vitest"
import * as Decision from "effect/ai/Decision"
import * as DecisionModel from "effect/ai/DecisionModel"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Understudy from "../../src/effect-ai/DecisionModel.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"

const over = (primary: Testing.Scripted, backup: Testing.Scripted) =>
  Layer.provide(
    Understudy.layer("assistant", { request: { sampling: { temperature: 0 } } }),
    Router.layer({
      deployments: {
        primary: Deployment.make({ model: "p", provider: primary.layer }),
        backup: Deployment.make({ model: "b", provider: backup.layer }),
      },
      routes: { assistant: Route.fallback("primary", "backup").pipe(Route.retry({ times: 0 })) },
    }),
  )

const down = Testing.script([Testing.fail({ _tag: "Overloaded" })])
const answering = (answer: unknown) =>
  Testing.script([Testing.reply(typeof answer === "string" ? answer : JSON.stringify(answer))])

const Triage = Decision.make({
  input: Schema.Struct({ text: Schema.String }),
  decisions: {
    team: Decision.classify({
      instructions: "The team that should handle it",
      criteria: { billing: "payments and invoices", technical: null },
    }),
    anger: Decision.rate({
      instructions: "How angry the customer is",
      criteria: [
        { label: "calm", description: "no complaint" },
        { label: "annoyed", description: "a complaint" },
        { label: "furious", description: "a threat" },
      ],
    }),
    urgent: Decision.probability({ instructions: "It is time-sensitive" }),
  },
})
const input = { text: "The invoice was charged twice" }

describe("a route as a DecisionModel", () => {
  it.effect("decides with fallback, from one call", () => {
    const backup = answering({
      team: { billing: 0.9, technical: 0.1 },
      anger: { calm: 0.25, annoyed: 0.5, furious: 0.25 },
      urgent: 0.75,
    })
    return Effect.gen(function* () {
      const { answers, metadata, usage } = yield* DecisionModel.decide(Triage, { input })
      assert.deepStrictEqual(
        { team: { ...answers.team.probabilities }, label: answers.team.label },
        { team: { billing: 0.9, technical: 0.1 }, label: "billing" },
      )
      assert.strictEqual(answers.anger.rating, 1)
      assert.strictEqual(answers.anger.label, "annoyed")
      assert.strictEqual(answers.urgent.probability, 0.75)
      assert.strictEqual(usage.inputTokens, 10)
      assert.strictEqual(usage.outputTokens, 5)
      const { attempts, deployment } = yield* Schema.decodeUnknownEffect(
        Schema.Struct({ attempts: Schema.Finite, deployment: Schema.String }),
      )(metadata["understudy"])
      assert.deepStrictEqual({ attempts, deployment }, { attempts: 2, deployment: "backup" })
      assert.strictEqual(backup.requests.length, 1)
    }).pipe(Effect.provide(over(down, backup)))
  })

  it.effect("asks with the options and the input, and a strict schema", () => {
    const primary = answering({})
    return Effect.gen(function* () {
      yield* DecisionModel.decideSettled(Triage, { input })
      const { format, messages, sampling } = primary.requests[0] ?? assert.fail("it was not asked")
      const number = { type: "number" }
      const object = (properties: Record<string, unknown>) => ({
        type: "object",
        properties,
        required: Object.keys(properties),
        additionalProperties: false,
      })
      assert.deepStrictEqual(format, {
        type: "json-schema",
        name: "decisions",
        strict: true,
        schema: object({
          team: object({ billing: number, technical: number }),
          anger: object({ calm: number, annoyed: number, furious: number }),
          urgent: number,
        }),
      })
      assert.deepStrictEqual(sampling, { temperature: 0 })
      const [system, user] = messages.map((message) => JSON.stringify(message.content))
      for (const text of ["The team that should handle it", "- billing: payments and invoices", "- technical\\n"])
        assert.include(system, text)
      assert.deepStrictEqual(user, JSON.stringify([{ type: "text", text: JSON.stringify(input) }]))
    }).pipe(Effect.provide(over(primary, down)))
  })

  it.effect("scales what the model states to a distribution", () =>
    Effect.gen(function* () {
      const { answers } = yield* DecisionModel.decide(Triage, { input })
      assert.deepStrictEqual({ ...answers.team.probabilities }, { billing: 0.75, technical: 0.25 })
      assert.strictEqual(answers.anger.label, "calm")
    }).pipe(
      Effect.provide(
        over(
          answering({
            team: { billing: 75, technical: 25 },
            anger: { calm: 0.8, annoyed: 0, furious: 0 },
            urgent: 1,
          }),
          down,
        ),
      ),
    ),
  )

  it.effect("numbers the fields whose names a vendor does not accept", () => {
    const primary = answering({ decision_1: { option_1: 0.2, option_2: 0.8 } })
    const Language = Decision.make({
      input: Schema.String,
      decisions: {
        "the language?": Decision.classify({
          instructions: { question: "Which language is it?" },
          criteria: { français: null, "plain English": "English" },
        }),
      },
    })
    return Effect.gen(function* () {
      const { answers } = yield* DecisionModel.decide(Language, { input: "Hello" })
      assert.strictEqual(answers["the language?"].label, "plain English")
      const system = JSON.stringify(primary.requests[0]?.messages[0]?.content)
      assert.include(system, "option_2 (plain English): English")
    }).pipe(Effect.provide(over(primary, down)))
  })

  it.effect("leaves out what the model did not answer, and keeps the rest", () =>
    Effect.gen(function* () {
      const { outcomes } = yield* DecisionModel.decideSettled(Triage, { input })
      const reasonOf = <A>(outcome: Result.Result<A, Decision.Unanswered>) =>
        Result.match(outcome, { onSuccess: () => "answered", onFailure: ({ reason }) => reason })
      const reasons = [reasonOf(outcomes.team), reasonOf(outcomes.anger), reasonOf(outcomes.urgent)]
      assert.deepStrictEqual(reasons, ["Missing", "answered", "Invalid"])
    }).pipe(
      Effect.provide(
        over(
          answering({
            team: { billing: 0, technical: 0 },
            anger: { calm: 1, annoyed: 0, furious: 0 },
            urgent: 7,
          }),
          down,
        ),
      ),
    ),
  )

  it.effect("finds a target in an image", () => {
    const primary = answering({ plate: { left: 0.1, top: 0.2, right: 0.3, bottom: 0.4 } })
    const Photo = Decision.make({
      input: Schema.Struct({ photo: Decision.Image }),
      decisions: { plate: Decision.locate({ image: "photo", instructions: "the number plate" }) },
    })
    return Effect.gen(function* () {
      const { answers } = yield* DecisionModel.decide(Photo, {
        input: { photo: { mediaType: "image/png", data: new Uint8Array([1, 2, 3]) } },
      })
      assert.deepStrictEqual(answers.plate.box, { left: 0.1, top: 0.2, right: 0.3, bottom: 0.4 })
      const [state, reference, image] = primary.requests[0]?.messages[1]?.content ?? []
      assert.deepStrictEqual(image, {
        type: "image",
        source: { type: "base64", data: "AQID", mediaType: "image/png" },
      })
      const id = state?.type === "text" ? /"photo":"([^"]+)"/.exec(state.text)?.[1] : undefined
      assert.deepStrictEqual(reference, { type: "text", text: `Image ${id}:` })
    }).pipe(Effect.provide(over(primary, down)))
  })

  it.effect("tells a refusal, a response that was cut off, and one that is no JSON", () =>
    Effect.gen(function* () {
      const reasonOf = (outcome: Testing.Outcome) =>
        Effect.map(
          Effect.flip(DecisionModel.decide(Triage, { input })).pipe(
            Effect.provide(over(Testing.script([outcome]), down)),
          ),
          ({ reason }) => reason._tag,
        )
      assert.strictEqual(yield* reasonOf(Testing.reply("no", { finish: "refusal" })), "ContentPolicyError")
      assert.strictEqual(yield* reasonOf(Testing.reply('{"te', { finish: "length" })), "InvalidOutputError")
      assert.strictEqual(yield* reasonOf(Testing.reply("Billing, I think.")), "InvalidOutputError")
    }),
  )

  it.effect("fails with an AiError when no deployment answers", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(DecisionModel.decide(Triage, { input }))
      assert.strictEqual(error.reason._tag, "InternalProviderError")
    }).pipe(Effect.provide(over(down, down))),
  )
})
