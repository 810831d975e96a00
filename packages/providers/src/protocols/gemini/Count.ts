/** Token counting: `:countTokens` accepts a complete request, which names its model. */
import type * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Result from "effect/Result"
import * as Json from "../Json.ts"

/** The body of a count request. */
export const body = (
  request: Readonly<Record<string, unknown>>,
  { model }: Pick<Chat.Request, "model">,
): Record<string, unknown> => ({ generateContentRequest: { model: `models/${model}`, ...request } })

/** The token count of a response. */
export const decode = (text: string): Result.Result<number, ProviderError> => {
  const tokens = Json.count(Json.fields(Json.parse(text))["totalTokens"])
  return tokens === undefined ? Json.malformed("the response has no token count") : Result.succeed(tokens)
}
