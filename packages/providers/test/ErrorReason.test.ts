/**
 * Errors as they come over each vendor's protocol, its own and those of other servers that speak it: the order in which an
 * error is read, and words that are nearly others'.
 */
import { assert, describe, it } from "@effect/vitest"
import type { ReasonTag } from "@understudy/core/ProviderError"
import * as Anthropic from "@understudy/providers/internal/anthropic/Errors"
import * as Bedrock from "@understudy/providers/internal/bedrock/Errors"
import * as Gemini from "@understudy/providers/internal/gemini/Errors"
import * as OpenAi from "@understudy/providers/internal/openai/Errors"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Converse from "@understudy/providers/protocols/converse"
import * as GeminiProtocol from "@understudy/providers/protocols/gemini"
import * as Messages from "@understudy/providers/protocols/messages"

type Vendor = "openai" | "anthropic" | "gemini" | "bedrock"

/** What a vendor's table makes of a body; without a status it stands in a stream. */
const reasonOf = (vendor: Vendor, status: number | undefined, body: object): ReasonTag => {
  switch (vendor) {
    case "openai": {
      const error = ChatCompletions.Errors.fromBody(body)
      return OpenAi.reason(error, status ?? error.status)._tag
    }
    case "anthropic":
      return Anthropic.reason(Messages.Errors.fromBody(body), status)._tag
    case "gemini": {
      const error = GeminiProtocol.Errors.fromBody(body)
      return Gemini.reason(error, status ?? error.status)._tag
    }
    case "bedrock":
      return Bedrock.reason(Converse.Errors.fromBody(body), status)._tag
  }
}

type Row = readonly [vendor: Vendor, status: number | undefined, body: object, reason: ReasonTag]

const table: ReadonlyArray<Row> = [
  [
    "anthropic",
    undefined,
    { type: "error", error: { type: "invalid_request_error", code: "request_timeout", message: "x" } },
    "Timeout",
  ],
  [
    "anthropic",
    undefined,
    { type: "error", error: { type: "invalid_request_error", details: { error_code: "server_error" }, message: "x" } },
    "ServerError",
  ],
  [
    "anthropic",
    undefined,
    { type: "error", error: { type: "invalid_request_error", message: "stream closed" } },
    "ServerError",
  ],
  [
    "anthropic",
    400,
    { type: "error", error: { type: "invalid_request_error", message: "This organization has been disabled." } },
    "Permission",
  ],
  [
    "anthropic",
    403,
    { type: "error", error: { type: "permission_error", message: "Your organization has been disabled" } },
    "Permission",
  ],
  [
    "anthropic",
    400,
    { type: "error", error: { type: "invalid_request_error", message: "tools: Too many tools: 200" } },
    "Unsupported",
  ],
  [
    "anthropic",
    400,
    {
      type: "error",
      error: { type: "invalid_request_error", message: "context_management: Extra inputs are not permitted" },
    },
    "Unsupported",
  ],
  [
    "anthropic",
    400,
    {
      type: "error",
      error: {
        type: "invalid_request_error",
        message: "messages.1.content.0: Invalid `signature` in `thinking` block",
      },
    },
    "InvalidRequest",
  ],
  [
    "anthropic",
    400,
    {
      type: "error",
      error: {
        type: "invalid_request_error",
        message: "messages.3: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1",
      },
    },
    "InvalidRequest",
  ],
  [
    "anthropic",
    400,
    { type: "error", error: { type: "invalid_request_error", message: "Could not process image" } },
    "InvalidRequest",
  ],
  [
    "anthropic",
    400,
    { type: "error", error: { type: "invalid_request_error", message: 'messages: Unexpected role "foo"' } },
    "InvalidRequest",
  ],
  [
    "anthropic",
    400,
    {
      type: "error",
      error: { type: "invalid_request_error", message: "max_tokens: must be greater than or equal to 1" },
    },
    "InvalidRequest",
  ],
  ["anthropic", 500, { error: { message: "image input is not supported", type: "server_error" } }, "Unsupported"],
  ["anthropic", 502, { error: { message: "Bad Gateway" } }, "ServerError"],
  [
    "anthropic",
    429,
    {
      type: "error",
      error: { type: "rate_limit_error", message: "Number of request tokens has exceeded your per-minute rate limit" },
    },
    "RateLimited",
  ],
  [
    "anthropic",
    429,
    {
      type: "error",
      error: {
        type: "rate_limit_error",
        message: "This request would exceed the rate limit for your organization of 40,000 input tokens per minute",
      },
    },
    "RateLimited",
  ],
  ["anthropic", 404, { type: "error", error: { type: "not_found_error", message: "model: x" } }, "ModelNotFound"],
  [
    "anthropic",
    400,
    { error: { message: "Invalid model name passed in model=nope", type: "invalid_request_error", code: "400" } },
    "ModelNotFound",
  ],
  [
    "anthropic",
    413,
    {
      type: "error",
      error: { type: "request_too_large", message: "Request exceeds the maximum allowed number of bytes." },
    },
    "InvalidRequest",
  ],
  [
    "anthropic",
    401,
    { type: "error", error: { type: "authentication_error", message: "OAuth token has expired" } },
    "Authentication",
  ],
  [
    "gemini",
    400,
    {
      error: {
        code: 400,
        status: "INVALID_ARGUMENT",
        message: "* GenerateContentRequest.contents: contents is not specified",
      },
    },
    "InvalidRequest",
  ],
  [
    "gemini",
    400,
    {
      error: {
        code: 400,
        status: "INVALID_ARGUMENT",
        message:
          "Unable to submit request because it has a maxOutputTokens value of 100000 but the supported range is from 1 (inclusive) to 65537 (exclusive).",
      },
    },
    "Unsupported",
  ],
  [
    "gemini",
    400,
    {
      error: {
        code: 400,
        status: "INVALID_ARGUMENT",
        message: "The GenerateContentRequest proto is invalid: too many function declarations",
      },
    },
    "Unsupported",
  ],
  [
    "gemini",
    400,
    {
      error: {
        code: 400,
        status: "INVALID_ARGUMENT",
        message: "Unable to process input image. Please retry or report",
      },
    },
    "InvalidRequest",
  ],
  [
    "gemini",
    400,
    { error: { code: 400, status: "INVALID_ARGUMENT", message: "Request contains an invalid argument." } },
    "InvalidRequest",
  ],
  ["gemini", 409, { error: { code: 409, status: "ABORTED", message: "x" } }, "ServerError"],
  [
    "gemini",
    499,
    { error: { code: 499, status: "CANCELLED", message: "The operation was cancelled." } },
    "ServerError",
  ],
  [
    "gemini",
    undefined,
    { error: { code: 500, status: "INTERNAL", message: "An internal error has occurred. Please retry" } },
    "ServerError",
  ],
  [
    "gemini",
    undefined,
    { error: { code: 400, status: "INVALID_ARGUMENT", message: "Stream was closed" } },
    "ServerError",
  ],
  [
    "gemini",
    503,
    { error: { code: 503, status: "UNAVAILABLE", message: "This model is currently experiencing high demand." } },
    "Overloaded",
  ],
  [
    "gemini",
    500,
    { error: { message: "litellm.InternalServerError: image input is not supported", type: null, code: "500" } },
    "Unsupported",
  ],
  [
    "bedrock",
    400,
    {
      name: "ValidationException",
      message:
        "The maximum tokens you requested exceeds the model limit of 8192. Try again with a maximum tokens value that is lower than 8192.",
    },
    "Unsupported",
  ],
  [
    "bedrock",
    400,
    {
      name: "ValidationException",
      message:
        "1 validation error detected: Value '150' at 'toolConfig.tools' failed to satisfy constraint: Member must have length less than or equal to 128",
    },
    "Unsupported",
  ],
  [
    "bedrock",
    400,
    {
      name: "ValidationException",
      message:
        "1 validation error detected: Value '3.0' at 'inferenceConfig.temperature' failed to satisfy constraint: Member must have value less than or equal to 1",
    },
    "InvalidRequest",
  ],
  [
    "bedrock",
    400,
    {
      name: "ValidationException",
      message:
        "The model returned the following errors: max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens",
    },
    "Unsupported",
  ],
  [
    "bedrock",
    400,
    {
      name: "ValidationException",
      message: "The model returned the following errors: messages.1.content.0: Invalid signature in thinking block",
    },
    "InvalidRequest",
  ],
  [
    "bedrock",
    400,
    {
      name: "ValidationException",
      message:
        "Malformed input request: #: extraneous key [foo] is not permitted, please reformat your input and try again.",
    },
    "Unsupported",
  ],
  [
    "bedrock",
    400,
    {
      name: "ValidationException",
      message: "Malformed input request: #/messages: expected minimum item count: 1, found: 0",
    },
    "InvalidRequest",
  ],
  ["bedrock", 400, { name: "ValidationException", message: "Operation not allowed" }, "Permission"],
  [
    "bedrock",
    undefined,
    { name: "ValidationException", message: "Input is too long for requested model." },
    "ContextWindowExceeded",
  ],
  ["bedrock", 409, { name: "ConflictException", message: "x" }, "ServerError"],
  [
    "bedrock",
    400,
    { name: "ValidationException", message: "messages: text content blocks must be non-empty" },
    "InvalidRequest",
  ],
  [
    "bedrock",
    400,
    { name: "ValidationException", message: "A conversation must start with a user message." },
    "InvalidRequest",
  ],
  ["openai", 500, { detail: "Internal Server Error" }, "ServerError"],
  [
    "openai",
    422,
    { detail: [{ type: "extra_forbidden", loc: ["body", "foo"], msg: "Extra inputs are not permitted" }] },
    "Unsupported",
  ],
  [
    "openai",
    422,
    { detail: [{ type: "missing", loc: ["body", "messages"], msg: "Field required" }] },
    "InvalidRequest",
  ],
  [
    "openai",
    422,
    {
      detail: [
        { type: "less_than_equal", loc: ["body", "max_tokens"], msg: "Input should be less than or equal to 4096" },
      ],
    },
    "Unsupported",
  ],
  [
    "openai",
    422,
    {
      detail: [
        {
          type: "too_long",
          loc: ["body", "tools"],
          msg: "List should have at most 128 items after validation, not 150",
        },
      ],
    },
    "Unsupported",
  ],
  [
    "openai",
    422,
    { detail: [{ type: "less_than_equal", loc: ["body", "n"], msg: "Input should be less than or equal to 1" }] },
    "Unsupported",
  ],
  [
    "openai",
    422,
    { detail: [{ type: "greater_than_equal", loc: ["body", "n"], msg: "Input should be greater than or equal to 1" }] },
    "InvalidRequest",
  ],
  [
    "openai",
    400,
    {
      object: "error",
      message: "[{'type': 'extra_forbidden', 'loc': ('body', 'foo'), 'msg': 'Extra inputs are not permitted'}]",
      type: "BadRequestError",
      code: 400,
    },
    "Unsupported",
  ],
  [
    "openai",
    400,
    {
      error: {
        message:
          "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        type: "invalid_request_error",
        param: "max_tokens",
        code: "unsupported_parameter",
      },
    },
    "Unsupported",
  ],
  [
    "openai",
    400,
    {
      error: {
        message: "Invalid parameter: 'tool_calls' must be followed by tool messages",
        type: "invalid_request_error",
        param: "messages",
      },
    },
    "InvalidRequest",
  ],
  [
    "openai",
    400,
    { error: { message: "you must provide a model parameter", type: "invalid_request_error" } },
    "InvalidRequest",
  ],
  [
    "openai",
    400,
    {
      error: {
        message: "The image data you provided does not represent a valid image.",
        type: "invalid_request_error",
        code: "invalid_image_format",
      },
    },
    "InvalidRequest",
  ],
  [
    "openai",
    400,
    {
      error: {
        message: "Your organization must be verified to stream this model.",
        type: "invalid_request_error",
        param: "stream",
        code: "unsupported_value",
      },
    },
    "Unsupported",
  ],
  [
    "openai",
    403,
    {
      error: {
        message: "Your account is not active, please check your billing details on our website.",
        type: "billing_not_active",
        code: "billing_not_active",
      },
    },
    "QuotaExhausted",
  ],
  [
    "openai",
    429,
    {
      error: {
        message: "Your account is not active, please check your billing details on our website.",
        type: "billing_not_active",
        code: "billing_not_active",
      },
    },
    "QuotaExhausted",
  ],
  [
    "openai",
    401,
    {
      error: {
        message: "Authentication Error, Invalid proxy server token passed. Received API Key = sk-...",
        type: "token_not_found_in_db",
        code: "401",
      },
    },
    "Authentication",
  ],
  [
    "openai",
    400,
    {
      error: {
        message: "Authentication Error, LiteLLM Virtual Key expected. Received=x, expected to start with 'sk-'.",
        type: "auth_error",
        param: "None",
        code: "400",
      },
    },
    "Authentication",
  ],
  [
    "openai",
    429,
    {
      error: {
        message: "litellm.RateLimitError: No deployments available for selected model. Passed model=x",
        type: "throttling_error",
        code: "429",
      },
    },
    "RateLimited",
  ],
  [
    "openai",
    400,
    {
      error: {
        message: "ExceededBudget: User=x over budget. Spend=1, Budget=0.5",
        type: "budget_exceeded",
        code: "400",
      },
    },
    "QuotaExhausted",
  ],
  [
    "openai",
    500,
    {
      error: {
        message:
          "litellm.InternalServerError: InternalServerError: OpenAIException - input (11580 tokens) is too large to process. increase the physical batch size (current batch size: 512)",
        type: null,
        code: "500",
      },
    },
    "ContextWindowExceeded",
  ],
  ["openai", 404, { detail: "Not Found" }, "ModelNotFound"],
  ["openai", 400, { error: "model is required" }, "InvalidRequest"],
  ["openai", 500, { error: "llama runner process has terminated: exit status 2" }, "ServerError"],
  [
    "openai",
    500,
    {
      error: { message: "model requires more system memory (5.6 GiB) than is available (3.1 GiB)", type: "api_error" },
    },
    "ServerError",
  ],
  ["openai", 503, { error: { message: "The server is currently overloaded" } }, "Overloaded"],
  [
    "openai",
    400,
    { error: { message: "No user query found in messages.", type: "BadRequestError", code: 400 } },
    "Unsupported",
  ],
  ["openai", 400, { error: { message: "Only user and assistant roles are supported!" } }, "Unsupported"],
  ["openai", 400, { error: { message: "System role not supported" } }, "Unsupported"],
]

describe("an error", () => {
  for (const [vendor, status, body, expected] of table) {
    it(`${vendor}: ${status ?? "in a stream"} ${JSON.stringify(body)} is ${expected}`, () => {
      assert.strictEqual(reasonOf(vendor, status, body), expected)
    })
  }

  it("is read in little time, however long it is", () => {
    const pieces = [
      "a ",
      "not ",
      "model x ",
      "n: ",
      "max_tokens ",
      '{"code":"x",',
      "litellm.XError: ",
      "again in ",
      "input (",
    ]
    for (const piece of pieces) {
      const message = piece.repeat(1_000_000 / piece.length)
      for (const status of [400, 500, undefined]) reasonOf("openai", status, { error: { message } })
    }
  })
})
