/** Token counting: `POST /v1/messages/count_tokens` accepts the fields that make up the input, and rejects others. */
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Result from "effect/Result"
import * as Json from "../Json.ts"

const countedFields = [
  "model",
  "messages",
  "system",
  "tools",
  "tool_choice",
  "thinking",
  "output_config",
  "output_format",
  "context_management",
  "mcp_servers",
  "cache_control",
]

/** The body of a count request. */
export const body = (request: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(countedFields.flatMap((name) => (request[name] === undefined ? [] : [[name, request[name]]])))

/** The token count of a response. */
export const decode = (text: string): Result.Result<number, ProviderError> => {
  const tokens = Json.count(Json.fields(Json.parse(text))["input_tokens"])
  return tokens === undefined ? Json.malformed("the response has no token count") : Result.succeed(tokens)
}
