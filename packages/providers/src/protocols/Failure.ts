/**
 * Failures inside an answer whose status said that all was well.
 */
import { ProviderError } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"

/**
 * The HTTP status that a finish reason comes to which tells of a failure: `error` is OpenRouter's and Mistral's, `abort`
 * vLLM's and SGLang's, `insufficient_system_resource` DeepSeek's, `network_error` Zhipu's. Undefined for any other.
 */
export const statusOf = (reason: unknown): number | undefined =>
  Predicate.isString(reason) ? statuses.get(reason.toLowerCase()) : undefined

const statuses = new Map([
  ["error", 500],
  ["failed", 500],
  ["failure", 500],
  ["internal_error", 500],
  ["server_error", 500],
  ["api_error", 500],
  ["abort", 500],
  ["aborted", 500],
  ["cancelled", 500],
  ["canceled", 500],
  ["network_error", 502],
  ["overloaded", 503],
  ["overloaded_error", 503],
  ["insufficient_system_resource", 503],
  ["timeout", 504],
])

/** What such a failure says where its server says no more. */
export const messageOf = (reason: unknown): string => `The provider ended the answer with "${String(reason)}"`

/** An error in an answer, without a vendor's table to say what it means. */
export const unjudged = ({ message }: { readonly message?: string | undefined }): ProviderError =>
  new ProviderError({ reason: { _tag: "Malformed" }, message: message ?? "The answer is an error" })
