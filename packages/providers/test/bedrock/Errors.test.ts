import { assert, describe, it } from "@effect/vitest"
import type { Reason } from "@understudy/core/ProviderError"
import * as Errors from "@understudy/providers/internal/bedrock/Errors"
import * as Duration from "effect/Duration"

const context: Errors.Context = {
  nowMillis: 0,
  credentials: 'the profile "main"',
}

const exception = (name: string, message: string, status = 400) =>
  Object.assign(new Error(message), {
    name,
    $metadata: { httpStatusCode: status, requestId: "r1" },
    $response: { statusCode: status, headers: { "retry-after": "3" } },
  })

const named = (name: string, message: string) =>
  Errors.reason({ name, message, status: undefined, requestId: undefined })

type Row = readonly [name: string, message: string, reason: Reason["_tag"]]

const table: ReadonlyArray<Row> = [
  ["ThrottlingException", "Too many requests, please wait before trying again.", "RateLimited"],
  ["ThrottlingException", "Too many tokens, please wait before trying again.", "RateLimited"],
  ["ThrottlingException", "Too many tokens per day, please wait before trying again.", "QuotaExhausted"],
  ["ServiceQuotaExceededException", "Your request exceeds the service quota for your account.", "QuotaExhausted"],
  [
    "ModelNotReadyException",
    "The model specified in the request is not ready to serve inference requests.",
    "Overloaded",
  ],
  ["ServiceUnavailableException", "Bedrock is unable to process your request.", "Overloaded"],
  ["ValidationException", "Input is too long for requested model.", "ContextWindowExceeded"],
  [
    "ValidationException",
    "Too many input tokens. Max input tokens: 8192, request input token count: 9000",
    "ContextWindowExceeded",
  ],
  [
    "ValidationException",
    "The model returned the following errors: prompt is too long: 205000 tokens > 200000 maximum",
    "ContextWindowExceeded",
  ],
  [
    "ValidationException",
    "The model returned the following errors: input length and `max_tokens` exceed context limit: 1 + 2 > 2",
    "ContextWindowExceeded",
  ],
  [
    "ValidationException",
    "The model returned the following errors: Output blocked by content filtering policy",
    "ContentPolicy",
  ],
  ["ValidationException", "The provided model identifier is invalid.", "ModelNotFound"],
  [
    "ValidationException",
    "Invocation of model ID anthropic.claude-x with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile that contains this model.",
    "ModelNotFound",
  ],
  ["ValidationException", "Operation not allowed", "Permission"],
  ["ValidationException", "This model doesn't support tool use.", "Unsupported"],
  ["ValidationException", "1 validation error detected", "InvalidRequest"],
  ["ResourceNotFoundException", "This model version has reached the end of its life.", "ModelNotFound"],
  ["AccessDeniedException", "You don't have access to the model with the specified model ID.", "Permission"],
  ["AccessDeniedException", "Authentication failed: Please make sure your API Key is valid.", "Authentication"],
  ["UnrecognizedClientException", "The security token included in the request is invalid.", "Authentication"],
  ["ExpiredTokenException", "The security token included in the request is expired", "Authentication"],
  ["InvalidSignatureException", "The request signature we calculated does not match", "Authentication"],
  ["ModelTimeoutException", "Model has timed out", "Timeout"],
  ["ModelErrorException", "The system encountered an unexpected error", "ServerError"],
  ["ModelStreamErrorException", "The system encountered an unexpected error", "ServerError"],
  ["InternalServerException", "The system encountered an unexpected error", "ServerError"],
  ["InternalFailure", "Sorry", "ServerError"],
]

describe("the table", () => {
  it("decides by name and, where that says little, by the words", () => {
    for (const [name, message, tag] of table) {
      assert.strictEqual(named(name, message)._tag, tag, `${name}: ${message}`)
      assert.strictEqual(Errors.classify(exception(name, message, 400), context).reason._tag, tag, message)
    }
  })

  it("names what this model does not take, and the field to blame", () => {
    const feature = (message: string) => {
      const reason = named("ValidationException", message)
      return reason._tag === "Unsupported" ? reason.feature : reason._tag
    }
    assert.strictEqual(
      feature("This model doesn't support the stopSequences field. Remove stopSequences."),
      "stopSequences",
    )
    assert.strictEqual(feature("This model doesn't support tool use in streaming mode."), "tool use in streaming mode")
    assert.strictEqual(
      feature("The model returned the following errors: `temperature` is deprecated for this model."),
      "temperature",
    )
    assert.strictEqual(
      feature("The maximum tokens you requested exceeds the model limit of 8192. Try again with a lower value."),
      "maximum tokens you requested",
    )
    assert.deepStrictEqual(
      named(
        "ValidationException",
        "1 validation error detected: Value '3.0' at 'inferenceConfig.temperature' failed to satisfy constraint",
      ),
      { _tag: "InvalidRequest", param: "inferenceConfig.temperature" },
    )
    assert.deepStrictEqual(
      named("ValidationException", "The text field in the ContentBlock object at messages.0.content.0 is blank."),
      { _tag: "InvalidRequest", param: "messages.0.content.0" },
    )
  })

  it("falls back on the status", () => {
    const statuses: ReadonlyArray<readonly [number, Reason["_tag"]]> = [
      [400, "InvalidRequest"],
      [401, "Authentication"],
      [402, "QuotaExhausted"],
      [403, "Permission"],
      [404, "ModelNotFound"],
      [408, "Timeout"],
      [413, "InvalidRequest"],
      [424, "ServerError"],
      [429, "RateLimited"],
      [500, "ServerError"],
      [502, "ServerError"],
      [503, "Overloaded"],
      [504, "Timeout"],
      [529, "Overloaded"],
    ]
    for (const [status, tag] of statuses) {
      assert.strictEqual(Errors.classify(exception("Unknown", "Hm", status), context).reason._tag, tag, String(status))
    }
  })
})

describe("what was thrown", () => {
  it("keeps the provider's own status, request and Retry-After", () => {
    const error = Errors.classify(exception("ThrottlingException", "Wait", 429), context)
    assert.deepStrictEqual(
      { reason: error.reason, message: error.message, status: error.status, requestId: error.requestId },
      {
        reason: { _tag: "RateLimited", retryAfter: Duration.seconds(3) },
        message: "Wait",
        status: 429,
        requestId: "r1",
      },
    )
  })

  it("is the network's, whatever the SDK calls it", () => {
    const reset = Object.assign(new Error("socket hang up"), { name: "TimeoutError", code: "ECONNRESET" })
    assert.deepStrictEqual(Errors.classify(reset, context).reason, { _tag: "Network" })
    const slow = Object.assign(
      new Error("the request socket did not establish a connection with the server within the configured timeout"),
      { name: "TimeoutError" },
    )
    assert.deepStrictEqual(Errors.classify(slow, context).reason, { _tag: "Timeout", phase: "connect" })
  })

  it("is a lack of credentials, and says where they were looked for", () => {
    const error = Errors.classify(
      Object.assign(new Error("Could not load credentials from any providers"), { name: "CredentialsProviderError" }),
      context,
    )
    assert.deepStrictEqual(error.reason, { _tag: "Authentication" })
    assert.match(error.message, /the profile "main".*Could not load credentials/)
  })

  it("may be anything", () => {
    for (const failure of [undefined, null, "boom", 1, {}, new Error("boom")]) {
      assert.deepStrictEqual(Errors.classify(failure, context).reason, { _tag: "ServerError" })
    }
  })
})
