/**
 * The JSON of a response as answers to decisions. `effect/ai` validates each of them: a value that is missing or out of range
 * leaves its decision unanswered, and the others stand.
 */
import type * as DecisionModel from "effect/ai/DecisionModel"
import * as Predicate from "effect/Predicate"
import type { Question } from "./Questions.ts"
import * as Questions from "./Questions.ts"

type Answers = Record<string, DecisionModel.ProviderAnswer>

/** The answers in a parsed response. A decision without a usable answer is left out. */
export const read = (questions: ReadonlyArray<Question>, body: unknown): Answers => {
  const answers: Answers = {}
  if (!Predicate.isObject(body)) return answers
  for (const question of questions) {
    const answer = answerTo(question, body[question.field])
    if (answer !== undefined) answers[question.decision] = answer
  }
  return answers
}

/** The model refused: no decision was made. */
export const refused = (questions: ReadonlyArray<Question>): Answers =>
  Object.fromEntries(questions.map(({ decision }) => [decision, { _tag: "Refusal" as const }]))

const answerTo = ({ kind, options }: Question, value: unknown): DecisionModel.ProviderAnswer | undefined => {
  switch (kind._tag) {
    case "Classify": {
      const weights = weightsOf(options, value)
      if (weights === undefined) return undefined
      return { _tag: "Classify", label: likeliest(options, weights), probabilities: byLabel(options, weights) }
    }
    case "Rate": {
      const weights = weightsOf(options, value)
      if (weights === undefined) return undefined
      const rating = weights.reduce((sum, weight, level) => sum + weight * level, 0)
      return { _tag: "Rate", rating, probabilities: byLabel(options, weights) }
    }
    case "Probability":
      return Predicate.isNumber(value) ? { _tag: "Probability", probability: value } : undefined
    case "Locate": {
      if (!Predicate.isObject(value)) return undefined
      const [left, top, right, bottom] = Questions.edges.map((edge) => value[edge])
      return Predicate.isNumber(left) &&
        Predicate.isNumber(top) &&
        Predicate.isNumber(right) &&
        Predicate.isNumber(bottom)
        ? { _tag: "Locate", box: { left, top, right, bottom } }
        : undefined
    }
  }
}

/** The probabilities of the options, scaled to sum to 1: models state round numbers, or percentages. */
const weightsOf = (options: Question["options"], value: unknown): ReadonlyArray<number> | undefined => {
  if (!Predicate.isObject(value)) return undefined
  const weights = options.map(({ field }) => value[field])
  if (!weights.every((weight): weight is number => Predicate.isNumber(weight) && weight >= 0)) return undefined
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return total > 0 && Number.isFinite(total) ? weights.map((weight) => weight / total) : undefined
}

const likeliest = (options: Question["options"], weights: ReadonlyArray<number>): string =>
  options[weights.indexOf(Math.max(...weights))]?.label ?? ""

const byLabel = (options: Question["options"], weights: ReadonlyArray<number>): Record<string, number> =>
  Object.fromEntries(options.map(({ label }, index) => [label, weights[index] ?? 0]))
