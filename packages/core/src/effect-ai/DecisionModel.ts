/**
 * The bridge to `effect/ai` for decisions: a route as a `DecisionModel`. All decisions about an input are one call with a JSON
 * schema, which any chat model with structured output answers.
 *
 * ```ts
 * import * as Understudy from "@understudy/core/DecisionModel"
 * import { Decision, DecisionModel } from "effect/ai"
 *
 * const Triage = Decision.make({
 *   input: Schema.String,
 *   decisions: { urgent: Decision.probability({ instructions: "The message is time-sensitive" }) },
 * })
 * const triaged = DecisionModel.decide(Triage, { input: "The invoice was charged twice" }).pipe(
 *   Effect.provide(Understudy.layer("assistant")),
 *   Effect.provide(RouterLive),
 * )
 * ```
 *
 * Probabilities are what the model states, scaled to sum to 1. They are not calibrated.
 */
import * as AiError from "effect/ai/AiError"
import * as DecisionModel from "effect/ai/DecisionModel"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type { CallOptions } from "../model/Call.ts"
import * as Chat from "../model/Chat.ts"
import * as Answers from "./decision-model/Answers.ts"
import * as Questions from "./decision-model/Questions.ts"
import * as Failures from "./language-model/Failures.ts"
import * as Metadata from "./language-model/Metadata.ts"
import type { RequestDefaults } from "./language-model/Requests.ts"
import { named, Router } from "../Router.ts"
import type { Answer } from "../Router.ts"
import type { RouterError } from "../execution/RouterError.ts"

/** The options of every call that `effect/ai` does not set. */
export interface Options extends CallOptions {
  readonly request?: RequestDefaults
}

/**
 * The route or deployment of that name, as a `DecisionModel`, which accepts images and locate decisions. Fails with the kind
 * `ModelNotFound` if there is none.
 *
 * A response that is cut off or is no JSON is an `InvalidOutputError`; a refusal is a refusal of each decision.
 */
export const layer = (
  route: string,
  { request: defaults, ...call }: Options = {},
): Layer.Layer<DecisionModel.DecisionModel, RouterError, Router> =>
  Layer.effect(
    DecisionModel.DecisionModel,
    Effect.flatMap(
      Effect.tap(Router, (router) => named(router, route)),
      (router) =>
        DecisionModel.make({
          supportsImages: true,
          supportsLocate: true,
          decide: (options) => {
            const questions = Questions.make(options)
            const request: Chat.Request = {
              ...defaults,
              model: route,
              messages: Questions.messages(questions, options),
              format: Questions.format(questions),
            }
            return Effect.matchEffect(router.chat(request, call), {
              onFailure: (error) => Effect.fail(Failures.toAi("decide", error)),
              onSuccess: (answer) => Failures.fromResult("decide", toResponse(questions, answer)),
            })
          },
        }),
    ),
  )

const toResponse = (
  questions: ReadonlyArray<Questions.Question>,
  { receipt, response }: Answer<Chat.Response>,
): Result.Result<DecisionModel.ProviderResponse, AiError.AiErrorReason> =>
  Result.map(answersOf(questions, response), (answers) => ({
    answers,
    usage: { inputTokens: response.usage?.inputTokens, outputTokens: response.usage?.outputTokens },
    ...(response.id === undefined ? undefined : { id: response.id }),
    ...(response.model === undefined ? undefined : { modelId: response.model }),
    metadata: Metadata.ofCall(receipt),
  }))

const answersOf = (
  questions: ReadonlyArray<Questions.Question>,
  response: Chat.Response,
): Result.Result<DecisionModel.ProviderResponse["answers"], AiError.AiErrorReason> => {
  switch (response.finishReason) {
    case "refusal":
    case "content-filter":
      return Result.succeed(Answers.refused(questions))
    case "length":
      return invalid("the response was cut off at its maximum of output tokens")
    default:
      return Result.match(
        Result.try((): unknown => JSON.parse(Chat.text(response))),
        {
          onFailure: () => invalid("the response is not JSON"),
          onSuccess: (body) => Result.succeed(Answers.read(questions, body)),
        },
      )
  }
}

const invalid = (description: string) => Result.fail(new AiError.InvalidOutputError({ description }))
