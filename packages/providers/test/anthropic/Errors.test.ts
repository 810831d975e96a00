import { assert, describe, it } from "@effect/vitest"
import type { Reason } from "@understudy/core/ProviderError"
import * as Errors from "@understudy/providers/internal/anthropic/Errors"
import type { Errors as Wire } from "@understudy/providers/protocols/messages"

type Row = readonly [status: number | undefined, error: Partial<Wire.WireError>, reason: Reason["_tag"]]

const invalid = (message: string) => ({ type: "invalid_request_error", message })

const table: ReadonlyArray<Row> = [
  [400, invalid("prompt is too long: 210001 tokens > 200000 maximum"), "ContextWindowExceeded"],
  [
    400,
    invalid("input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000, decrease input length"),
    "ContextWindowExceeded",
  ],
  [400, invalid("Your credit balance is too low to access the Anthropic API."), "QuotaExhausted"],
  [400, invalid("You have reached your specified API usage limits. You will regain access on …"), "QuotaExhausted"],
  [402, { type: "billing_error", message: "Pay" }, "QuotaExhausted"],
  [402, { code: "linked_organization_billing_unavailable" }, "QuotaExhausted"],
  [429, { type: "rate_limit_error", code: "enforced_spend_limit_reached" }, "QuotaExhausted"],
  [429, { type: "rate_limit_error", code: "contract_spend_limit_reached" }, "QuotaExhausted"],
  [429, { type: "rate_limit_error", code: "ramp_limit_exceeded" }, "RateLimited"],
  [429, { type: "rate_limit_error", message: "This request would exceed your rate limit" }, "RateLimited"],
  [429, { type: "rate_limit_error", message: "prompt is too long" }, "RateLimited"],
  [400, invalid("Output blocked by content filtering policy"), "ContentPolicy"],
  [undefined, invalid("Output blocked by content filtering policy"), "ContentPolicy"],
  [401, { type: "authentication_error", message: "invalid x-api-key" }, "Authentication"],
  [403, { type: "permission_error", message: "No" }, "Permission"],
  [404, { type: "not_found_error", message: "model: claude-9" }, "ModelNotFound"],
  [404, { type: "not_found_error", message: "File file_011 not found" }, "InvalidRequest"],
  [413, { type: "request_too_large", message: "Request exceeds the maximum size" }, "InvalidRequest"],
  [400, invalid("messages.0.content: Field required"), "InvalidRequest"],
  [409, { type: "conflict_error" }, "ServerError"],
  [500, { type: "api_error", message: "Internal server error" }, "ServerError"],
  [504, { type: "timeout_error", message: "Request timed out" }, "Timeout"],
  [529, { type: "overloaded_error", message: "Overloaded" }, "Overloaded"],
  [429, { type: "overloaded_error", message: "Overloaded" }, "Overloaded"],
  [undefined, { type: "overloaded_error", message: "Overloaded" }, "Overloaded"],
  [undefined, { type: "api_error" }, "ServerError"],
  [400, invalid("'temperature' is deprecated for this model."), "Unsupported"],
  [400, invalid("messages: role 'system' is not supported on this model"), "Unsupported"],
  [400, invalid('"thinking.type.enabled" is not supported for this model.'), "Unsupported"],
  [400, invalid("This model does not support the effort parameter."), "Unsupported"],
  [400, invalid("'claude-haiku-4-5' does not support output format."), "Unsupported"],
  [400, invalid("`temperature` and `top_p` cannot both be specified for this model."), "Unsupported"],
  [
    400,
    invalid("max_tokens: 128000 > 64000, which is the maximum allowed number of output tokens for claude-sonnet-4-5"),
    "Unsupported",
  ],
  [400, invalid("output_config.format.schema: For 'object' type, 'additionalProperties' must be false"), "Unsupported"],
  [400, invalid("temperature: Input should be less than or equal to 1"), "InvalidRequest"],
  [400, {}, "InvalidRequest"],
  [401, {}, "Authentication"],
  [402, {}, "QuotaExhausted"],
  [403, {}, "Permission"],
  [404, {}, "ModelNotFound"],
  [408, {}, "Timeout"],
  [418, {}, "InvalidRequest"],
  [429, {}, "RateLimited"],
  [502, {}, "ServerError"],
  [503, {}, "Overloaded"],
  [504, {}, "Timeout"],
  [529, {}, "Overloaded"],
  [undefined, {}, "ServerError"],
]

describe("the table of errors", () => {
  for (const [status, error, expected] of table) {
    it(`${status ?? "in a stream"} ${JSON.stringify(error)} is ${expected}`, () => {
      const wire = {
        type: undefined,
        code: undefined,
        message: undefined,
        param: undefined,
        requestId: undefined,
        ...error,
      }
      assert.strictEqual(Errors.reason(wire, status)._tag, expected)
    })
  }
})
