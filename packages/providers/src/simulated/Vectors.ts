/**
 * The embeddings of a simulated provider: deterministic, and closer for texts with common words, so that a vector search
 * works.
 */
import { Call } from "@understudy/core/Call"
import type * as Embedding from "@understudy/core/Embedding"
import * as Predicate from "effect/Predicate"
import { scatter } from "./Random.ts"

const defaultDimensions = 256

/** The maximum of dimensions. */
const maxDimensions = 4_096

export const response = (request: Embedding.Request): Embedding.Response => {
  const dimensions = Math.min(maxDimensions, Math.max(1, Math.floor(request.dimensions ?? defaultDimensions)))
  return {
    vectors: request.input.map((input) => vector(input, dimensions)),
    model: request.model,
    usage: { inputTokens: new Call(request, false).inputTokens, outputTokens: 0 },
  }
}

/** The number of dimensions that a word changes. */
const placesPerWord = 8

const vector = (input: Embedding.Input, dimensions: number): Float32Array => {
  const sum = new Float32Array(dimensions)
  const words = Predicate.isString(input)
    ? (input.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [input])
    : input.map(String)
  for (const word of words) {
    const seed = hash(word)
    for (let place = 0; place < placesPerWord; place++) {
      const bits = scatter(seed, place)
      const at = (bits >>> 1) % dimensions
      sum[at] = (sum[at] ?? 0) + ((bits & 1) === 0 ? 1 : -1)
    }
  }
  const length = Math.hypot(...sum)
  if (length === 0) sum[0] = 1
  return length === 0 ? sum : sum.map((value) => value / length)
}

const hash = (word: string): number => {
  let bits = 0
  for (let at = 0; at < word.length; at++) bits = scatter(bits, word.charCodeAt(at))
  return bits
}
