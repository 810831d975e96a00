/**
 * Counting, by `CountTokens`: the part of a Converse request that is read.
 */
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Result from "effect/Result"
import * as Json from "../Json.ts"

/** Across which regions a profile goes: the model itself counts, and knows nothing of profiles. */
const geography = /^(?:global|apac|us-gov|[a-z]{2})\.(?=\w+\.)/

const read = ["messages", "system", "toolConfig", "additionalModelRequestFields"]

/** The input that counts what a Converse input would send. */
export const body = (request: Readonly<Record<string, unknown>>): Record<string, unknown> => ({
  modelId: Json.string(request["modelId"]).replace(geography, ""),
  input: {
    converse: Object.fromEntries(read.flatMap((name) => (request[name] === undefined ? [] : [[name, request[name]]]))),
  },
})

/** The tokens that an answer counts. */
export const decode = (text: string): Result.Result<number, ProviderError> => {
  const tokens = Json.count(Json.fields(Json.parse(text))["inputTokens"])
  return tokens === undefined ? Json.malformed("the response has no token count") : Result.succeed(tokens)
}
