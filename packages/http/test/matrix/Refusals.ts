/**
 * What is refused, and why: features that one of the two vendors has no words for, each with the place in that vendor's
 * own documentation that shows it.
 */
import type { Feature } from "./Feature.ts"

export const responsesHaveNoStop =
  "OpenAI, API reference, Create a model response: it has no `stop`, which Chat Completions has"

/** By the upstream's name: what it cannot be asked. */
export const upstreams: Readonly<Record<string, Partial<Readonly<Record<Feature, string>>>>> = {
  Responses: { stop: responsesHaveNoStop },
}
