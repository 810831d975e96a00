/**
 * The schema of `params` and `force`, of a deployment: the parameters that its requests get. Which fields `extraBody` may not have
 * is checked by `Rules`.
 */
import * as Chat from "@understudy/core/Chat"
import * as Rules from "@understudy/core/internal/route/Rules"
import * as Schema from "effect/Schema"
import { amount, count, countOrNone, number, share, word } from "./Fields.ts"

const optional = Schema.optionalKey

const stop = 'a list of texts such as ["END"]'

const penalty = number(Rules.penalty.expected, Rules.penalty.fits)

export const Params = Schema.Struct({
  maxTokens: optional(count),
  temperature: optional(amount),
  topP: optional(share),
  topK: optional(count),
  stop: optional(
    Schema.Array(Schema.String)
      .annotate({ expected: stop })
      .check(Schema.isMinLength(1, { expected: stop })),
  ),
  seed: optional(number(Rules.wholeNumber.expected, Rules.wholeNumber.fits)),
  frequencyPenalty: optional(penalty),
  presencePenalty: optional(penalty),
  reasoning: optional(
    Schema.Struct({ effort: optional(word(Chat.ReasoningEffort.literals)), budget: optional(countOrNone) }),
  ),
  extraBody: optional(Schema.Record(Schema.String, Schema.Unknown)),
}).annotate({ expected: "a mapping of parameters such as { temperature: 0.2 }" })
