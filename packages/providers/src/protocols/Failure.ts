/** Failures inside a response with status 2xx. */
import { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"

/**
 * The HTTP status that corresponds to a finish reason that reports a failure; `undefined` for any other. `error` is
 * OpenRouter's and Mistral's, `abort` vLLM's and SGLang's, `insufficient_system_resource` DeepSeek's, `network_error`
 * Zhipu's, `function_call_filter: MALFORMED_FUNCTION_CALL` Google's in OpenAI's protocol.
 */
export const statusOf = (reason: unknown): number | undefined =>
  Predicate.isString(reason) ? statuses.find(([pattern]) => pattern.test(reason))?.[1] : undefined

const statuses: ReadonlyArray<readonly [RegExp, number]> = [
  [/(?:^|_)network_error$/i, 502],
  [/(?:^|_)over_?load(?:ed)?(?:_error)?$|^insufficient_system_resources?$|^preempted$|(?:^|_)unavailable$/i, 503],
  [/(?:^|_)(?:time_?out|timed_out)(?:_error)?$/i, 504],
  [/(?:^|_)(?:error|exception|fail(?:ed|ure)?|abort(?:ed)?|cancell?ed)$/i, 500],
  [/(?:^|\b)(?:malformed_(?:function_call|tool_use|response|model_output)|(?:unexpected|too_many)_tool_calls?)$/i, 500],
]

/** The message of such a failure if the server gives none. */
export const messageOf = (reason: unknown): string => `The provider ended the response with "${String(reason)}"`

/** The error inside a response, without a vendor's table to classify it. */
export const unclassified = ({ message }: { readonly message?: string | undefined }): ProviderError =>
  new ProviderError({ reason: { _tag: "Malformed" }, message: message ?? "The response is an error" })
