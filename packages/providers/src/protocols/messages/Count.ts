/**
 * Counting: `POST /v1/messages/count_tokens` takes the part of a request that is read, and refuses the rest of it.
 */
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Result from "effect/Result"
import * as Json from "../Json.ts"

const read = [
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

/** What is counted of a request's body. */
export const body = (request: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(read.flatMap((name) => (request[name] === undefined ? [] : [[name, request[name]]])))

/** The tokens that an answer counts. */
export const decode = (text: string): Result.Result<number, ProviderError> => {
  const tokens = Json.count(Json.fields(Json.parse(text))["input_tokens"])
  return tokens === undefined ? Json.malformed("the answer counts nothing") : Result.succeed(tokens)
}
