import { assert, describe, it } from "@effect/vitest"
import type { Reason } from "@understudy/core/ProviderError"
import * as Errors from "@understudy/providers/internal/openai/Errors"
import { Errors as Wire } from "@understudy/providers/protocols/chat-completions"
import * as Duration from "effect/Duration"

type Row = readonly [status: number | undefined, error: Record<string, unknown>, reason: Reason["_tag"]]

const invalid = (message: string) => ({ type: "invalid_request_error", message })

const table: ReadonlyArray<Row> = [
  // OpenAI
  [429, { code: "rate_limit_exceeded", type: "requests", message: "Rate limit reached for gpt-4o" }, "RateLimited"],
  [429, { code: "slow_down" }, "RateLimited"],
  [429, { type: "tokens" }, "RateLimited"],
  [
    429,
    { code: "rate_limit_exceeded", type: "tokens", message: "Request too large for gpt-4o" },
    "ContextWindowExceeded",
  ],
  [429, { type: "tokens", message: "Request too large for gpt-4o" }, "ContextWindowExceeded"],
  [429, { message: "Please reduce the length of your pauses" }, "RateLimited"],
  [429, { code: "insufficient_quota", type: "insufficient_quota" }, "QuotaExhausted"],
  [429, { type: "insufficient_quota" }, "QuotaExhausted"],
  [429, { code: "credit_balance_exhausted" }, "QuotaExhausted"],
  [429, { code: "project_spend_limit_exceeded" }, "QuotaExhausted"],
  [429, { code: "monthly_usage_limit_exceeded" }, "QuotaExhausted"],
  [401, { code: "invalid_api_key", type: "invalid_request_error" }, "Authentication"],
  [401, invalid("You didn't provide an API key."), "Authentication"],
  [403, { code: "unsupported_country_region_territory" }, "Permission"],
  [403, { message: "Your IP is not allowed" }, "Permission"],
  [404, { code: "model_not_found", type: "invalid_request_error" }, "ModelNotFound"],
  [403, { code: "model_not_found", message: "Project does not have access" }, "ModelNotFound"],
  [404, { ...invalid("No such model"), param: "model" }, "ModelNotFound"],
  [400, { code: "context_length_exceeded" }, "ContextWindowExceeded"],
  [400, invalid("Your input exceeds the context window of this model."), "ContextWindowExceeded"],
  [undefined, invalid("Your input exceeds the context window of this model."), "ContextWindowExceeded"],
  [400, { code: "content_policy_violation" }, "ContentPolicy"],
  [400, { code: "invalid_prompt" }, "ContentPolicy"],
  [400, { code: "bio_policy" }, "ContentPolicy"],
  [400, { code: "content_filter" }, "ContentPolicy"],
  [400, { code: "unsupported_parameter", param: "max_tokens" }, "Unsupported"],
  [400, { code: "unsupported_value", param: "temperature" }, "Unsupported"],
  [400, { code: "decimal_above_max_value", param: "temperature" }, "InvalidRequest"],
  [400, { ...invalid("Invalid type"), param: "messages" }, "InvalidRequest"],
  [undefined, invalid("Invalid type"), "InvalidRequest"],
  [403, invalid("You are not allowed to generate embeddings from this model"), "Unsupported"],
  [403, invalid("You are not allowed to sample from this model"), "Unsupported"],
  [404, { ...invalid("This is not a chat model and thus not supported."), param: "model" }, "Unsupported"],
  [500, { type: "server_error", message: "The server had an error" }, "ServerError"],
  [503, { code: "server_is_overloaded" }, "Overloaded"],
  [500, { message: "That model is currently overloaded with other requests." }, "Overloaded"],
  [undefined, { type: "server_error", message: "The model is currently overloaded." }, "Overloaded"],
  [undefined, { type: "server_error", message: "The server had an error" }, "ServerError"],
  [undefined, { code: "rate_limit_exceeded" }, "RateLimited"],
  // OpenAI, in a response that failed
  [undefined, { code: "server_error", message: "The model failed to generate a response." }, "ServerError"],
  [undefined, { code: "invalid_prompt" }, "ContentPolicy"],
  [undefined, { code: "image_content_policy_violation" }, "ContentPolicy"],
  [undefined, { code: "misalignment_policy_violation" }, "ContentPolicy"],
  [undefined, { code: "vector_store_timeout" }, "Timeout"],
  [undefined, { code: "invalid_image_url" }, "InvalidRequest"],
  [undefined, { code: "invalid_base64_image" }, "InvalidRequest"],
  [undefined, { code: "image_too_large" }, "InvalidRequest"],
  [undefined, { code: "failed_to_download_image" }, "InvalidRequest"],
  // Groq
  [498, { code: "capacity_exceeded", message: "Flex capacity exceeded" }, "Overloaded"],
  [400, invalid("Please reduce the length of the messages or completion."), "ContextWindowExceeded"],
  [413, invalid("Please reduce the length of the messages."), "ContextWindowExceeded"],
  [413, { code: "rate_limit_exceeded", message: "Request too large for model `llama`" }, "ContextWindowExceeded"],
  // Together
  [402, { message: "You have exhausted your credits" }, "QuotaExhausted"],
  [403, invalid("token count + max_tokens must be less than the context length of the model"), "ContextWindowExceeded"],
  // Other servers
  [
    400,
    { type: "exceed_context_size_error", message: "the request exceeds the available context size" },
    "ContextWindowExceeded",
  ],
  [
    400,
    { type: "BadRequestError", code: 400, message: "This model's maximum context length is 4096 tokens." },
    "ContextWindowExceeded",
  ],
  [401, { type: "api_error", message: "unauthorized" }, "Authentication"],
  [undefined, { code: 429, message: "Rate limited upstream" }, "RateLimited"],
  [undefined, { code: 502, message: "Provider returned error" }, "ServerError"],
  // By status only
  [400, {}, "InvalidRequest"],
  [401, {}, "Authentication"],
  [402, {}, "QuotaExhausted"],
  [403, {}, "Permission"],
  [404, {}, "ModelNotFound"],
  [408, {}, "Timeout"],
  [413, {}, "InvalidRequest"],
  [422, {}, "InvalidRequest"],
  [429, {}, "RateLimited"],
  [500, {}, "ServerError"],
  [502, {}, "ServerError"],
  [503, {}, "Overloaded"],
  [504, {}, "Timeout"],
  [529, {}, "Overloaded"],
  [undefined, {}, "ServerError"],
]

describe("the table of errors", () => {
  for (const [status, error, expected] of table) {
    it(`${status ?? "in a stream"} ${JSON.stringify(error)} is ${expected}`, () => {
      const wire = Wire.fromBody({ error })
      assert.strictEqual(Errors.reason(wire, status ?? wire.status)._tag, expected)
    })
  }

  it("keeps the reason's details", () => {
    const retryAfter = Duration.seconds(2)
    const reason = (error: Record<string, unknown>, status: number) =>
      Errors.reason(Wire.fromBody({ error }), status, retryAfter)
    assert.deepStrictEqual(reason({ code: "rate_limit_exceeded" }, 429), { _tag: "RateLimited", retryAfter })
    assert.deepStrictEqual(reason({ message: "currently overloaded" }, 503), { _tag: "Overloaded", retryAfter })
    assert.deepStrictEqual(reason({}, 500), { _tag: "ServerError", retryAfter })
    assert.deepStrictEqual(reason({ param: "n" }, 400), { _tag: "InvalidRequest", param: "n" })
    assert.deepStrictEqual(reason({ code: "unsupported_parameter", param: "n" }, 400), {
      _tag: "Unsupported",
      feature: "n",
    })
  })
})
