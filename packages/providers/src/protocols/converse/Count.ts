/** Token counting by `CountTokens`, which takes the fields that make up the input. */
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Result from "effect/Result"
import * as Json from "../Json.ts"

/** The region prefix of an inference profile: counting takes the model's id. */
const geography = /^(?:global|apac|us-gov|[a-z]{2})\.(?=\w+\.)/

const countedFields = ["messages", "system", "toolConfig", "additionalModelRequestFields"]

/** The count input of a Converse input. */
export const body = (request: Readonly<Record<string, unknown>>): Record<string, unknown> => ({
  modelId: Json.string(request["modelId"]).replace(geography, ""),
  input: {
    converse: Object.fromEntries(
      countedFields.flatMap((name) => (request[name] === undefined ? [] : [[name, request[name]]])),
    ),
  },
})

/** The token count of a response. */
export const decode = (text: string): Result.Result<number, ProviderError> => {
  const tokens = Json.count(Json.fields(Json.parse(text))["inputTokens"])
  return tokens === undefined ? Json.malformed("the response has no token count") : Result.succeed(tokens)
}
