/**
 * The failure table, whole: what each vendor sends, the reason it becomes through that vendor's `Errors`, and what the
 * engine does about it. A reason that is added does not compile until it stands here.
 *
 * Sources: the vendors' documentation, as their `Errors.ts` name it.
 */
import { assert, describe, it } from "@effect/vitest"
import { judge } from "@understudy/core/ProviderError"
import type { Judgement, Reason, ReasonTag } from "@understudy/core/ProviderError"
import * as Anthropic from "@understudy/providers/anthropic/Errors"
import * as Bedrock from "@understudy/providers/bedrock/Errors"
import * as Gemini from "@understudy/providers/gemini/Errors"
import * as OpenAi from "@understudy/providers/openai/Errors"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Converse from "@understudy/providers/protocols/converse"
import * as GeminiProtocol from "@understudy/providers/protocols/gemini"
import * as Messages from "@understudy/providers/protocols/messages"
import * as NetworkError from "@understudy/providers/transport/NetworkError"
import * as Result from "effect/Result"

// ---------------------------------------------------------------------------------------------------------------------
// What is sent
// ---------------------------------------------------------------------------------------------------------------------

/** Something a vendor sends, and the reason its table makes of it. */
interface Sent {
  readonly title: string
  readonly reason: () => Reason
}

const scrub = (text: string) => text
const context = { nowMillis: 0, scrub, credentials: "the profile" }

const sent = (vendor: string, how: number | string, what: unknown, reason: Sent["reason"]): Sent => ({
  title: `${vendor}: ${how} ${JSON.stringify(what)}`,
  reason,
})

/** Of vendors that speak OpenAI's protocol: an answer. */
const chat =
  (vendor: string) =>
  (status: number, error: object): Sent =>
    sent(vendor, status, error, () => OpenAi.reason(ChatCompletions.Errors.fromBody({ error }), status))

const openai = chat("openai")
const groq = chat("groq")
const together = chat("together")
const fireworks = chat("fireworks")
const deepseek = chat("deepseek")
const openrouter = chat("openrouter")
const azure = chat("azure")
const ollama = chat("ollama")

/** Of those that say it flat: xAI, Mistral and vLLM. */
const flat =
  (vendor: string) =>
  (status: number, body: object): Sent =>
    sent(vendor, status, body, () => OpenAi.reason(ChatCompletions.Errors.fromBody(body), status))

const xai = flat("xai")
const mistral = flat("mistral")
const vllm = flat("vllm")

const openaiEvent = (error: object): Sent =>
  sent("openai", "event", error, () => OpenAi.reason(ChatCompletions.Errors.fromBody({ error })))

const anthropic = (status: number, type: string, message: string, code?: string): Sent => {
  const body = { type: "error", error: { type, message, details: { error_code: code } } }
  return sent("anthropic", status, body.error, () => Anthropic.reason(Messages.Errors.fromBody(body), status))
}

const anthropicEvent = (type: string, message: string): Sent => {
  const error = Messages.Errors.fromBody({ type: "error", error: { type, message } })
  return sent("anthropic", "event", { type, message }, () => Anthropic.reason(error))
}

const rpc = (type: string, rest: object) => ({ "@type": `type.googleapis.com/google.rpc.${type}`, ...rest })

const gemini = (code: number, status: string, message: string, ...details: ReadonlyArray<object>): Sent => {
  const error = { code, status, message, details }
  return sent("gemini", code, error, () => Gemini.reason(GeminiProtocol.Errors.fromBody({ error }), code))
}

/** An error inside a stream names its status itself. */
const geminiEvent = (code: number, status: string, message: string): Sent => {
  const error = GeminiProtocol.Errors.fromBody({ error: { code, status, message } })
  return sent("gemini", "event", { code, status, message }, () => Gemini.reason(error, error.status))
}

/** The violation of quotas of those ids. */
const exceeded = (...ids: ReadonlyArray<string>) =>
  rpc("QuotaFailure", { violations: ids.map((quotaId) => ({ quotaId })) })
const overQuota = "You exceeded your current quota, please check your plan and billing details."

/** An exception as Bedrock's SDK throws it. */
const bedrock = (status: number, name: string, message: string): Sent => {
  const failure = Object.assign(new Error(message), { name, $metadata: { httpStatusCode: status } })
  return sent("bedrock", status, { name, message }, () => Bedrock.classify(failure, context).reason)
}

/** An exception frame inside a stream. */
const bedrockFrame = (type: string, message: string): Sent => {
  const error = Converse.Errors.fromEvent({ kind: "exception", event: type, data: JSON.stringify({ message }) })
  return sent("bedrock", "frame", { type, message }, () => Bedrock.fromEvent(scrub)(error).reason)
}

/** What the transport throws, under whichever SDK. */
const broke = (code: string, name = "Error"): ReadonlyArray<Sent> => {
  const failure = new Error("outer", { cause: Object.assign(new Error("it broke"), { code, name }) })
  return [
    ...["openai", "anthropic", "gemini"].map((vendor) =>
      sent(vendor, "thrown", code, () => NetworkError.orUnexpected(failure, scrub).reason),
    ),
    sent("bedrock", "thrown", code, () => Bedrock.classify(failure, context).reason),
  ]
}

/** A 200 that is no answer. */
const answered = (text: string): ReadonlyArray<Sent> =>
  [
    { vendor: "openai", decoded: ChatCompletions.Response.decode(text) },
    { vendor: "anthropic", decoded: Messages.Response.decode(text) },
    { vendor: "bedrock", decoded: Converse.Response.decode(text) },
    { vendor: "gemini", decoded: GeminiProtocol.Response.decode(text) },
  ].map(({ decoded, vendor }) =>
    sent(vendor, 200, text, () => (Result.isFailure(decoded) ? decoded.failure.reason : assert.fail("it was decoded"))),
  )

// ---------------------------------------------------------------------------------------------------------------------
// The table
// ---------------------------------------------------------------------------------------------------------------------

const row = (again: boolean, next: Judgement["next"], circuit: Judgement["circuit"]): Judgement => ({
  again,
  next,
  circuit,
})

const invalid = "invalid_request_error"

const table: Record<ReasonTag, { readonly judgement: Judgement; readonly sent: ReadonlyArray<Sent> }> = {
  RateLimited: {
    judgement: row(true, "next", "rests"),
    sent: [
      openai(429, { code: "rate_limit_exceeded", type: "requests", message: "Rate limit reached for gpt-4o" }),
      openai(429, { code: "slow_down" }),
      openai(429, {}),
      openaiEvent({ code: "rate_limit_exceeded" }),
      mistral(429, { object: "error", message: "Service tier capacity exceeded for this model.", code: "3505" }),
      azure(429, { code: "429", message: "Requests to the API have exceeded call rate limit. Retry after 6 seconds." }),
      openrouter(429, { code: 429, message: "Rate limit exceeded: free-models-per-min" }),
      anthropic(429, "rate_limit_error", "This request would exceed your organization's rate limit"),
      anthropic(429, "rate_limit_error", "Please ramp up gradually", "ramp_limit_exceeded"),
      anthropicEvent("rate_limit_error", "This request would exceed your organization's rate limit"),
      bedrock(429, "ThrottlingException", "Too many requests, please wait before trying again."),
      bedrock(429, "ThrottlingException", "Too many tokens, please wait before trying again."),
      bedrockFrame("throttlingException", "Too many tokens, please wait before trying again."),
      gemini(429, "RESOURCE_EXHAUSTED", overQuota, exceeded("GenerateRequestsPerMinutePerProjectPerModel-FreeTier")),
      gemini(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
      geminiEvent(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    ],
  },
  QuotaExhausted: {
    judgement: row(false, "next", "opens-long"),
    sent: [
      openai(429, { code: "insufficient_quota", type: "insufficient_quota" }),
      openai(429, { code: "credit_balance_exhausted" }),
      openai(429, { code: "project_spend_limit_exceeded" }),
      openai(429, { code: "monthly_usage_limit_exceeded" }),
      together(402, { message: "You have exhausted your credits" }),
      fireworks(412, { code: "PRECONDITION_FAILED", message: "Account x is suspended" }),
      deepseek(402, { message: "Insufficient Balance", type: "unknown_error", code: "invalid_request_error" }),
      openrouter(402, { code: 402, message: "This request requires more credits, or fewer max_tokens." }),
      xai(403, { code: "The caller does not have permission", error: "Your team has used all available credits" }),
      anthropic(400, invalid, "Your credit balance is too low to access the Anthropic API."),
      anthropic(402, "billing_error", "Pay"),
      anthropic(429, "rate_limit_error", "No more", "enforced_spend_limit_reached"),
      bedrock(429, "ThrottlingException", "Too many tokens per day, please wait before trying again."),
      bedrock(400, "ServiceQuotaExceededException", "Your request exceeds the service quota for your account."),
      gemini(
        429,
        "RESOURCE_EXHAUSTED",
        overQuota,
        exceeded(
          "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
          "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
        ),
        rpc("RetryInfo", { retryDelay: "37s" }),
      ),
      gemini(
        429,
        "RESOURCE_EXHAUSTED",
        `${overQuota} Quota exceeded for metric: requests, limit: 0, model: gemini-3-pro`,
      ),
      gemini(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."),
      gemini(403, "PERMISSION_DENIED", "Enable billing", rpc("ErrorInfo", { reason: "BILLING_DISABLED" })),
    ],
  },
  Authentication: {
    judgement: row(false, "next", "opens-long"),
    sent: [
      openai(401, { code: "invalid_api_key", type: invalid }),
      openai(401, {}),
      xai(400, { code: "Client specified an invalid argument", error: "Incorrect API key provided: xa***" }),
      mistral(401, { message: "Unauthorized" }),
      azure(401, { code: "401", message: "Access denied due to invalid subscription key or wrong API endpoint." }),
      anthropic(401, "authentication_error", "invalid x-api-key"),
      bedrock(403, "UnrecognizedClientException", "The security token included in the request is invalid."),
      bedrock(403, "ExpiredTokenException", "The security token included in the request is expired"),
      gemini(400, "INVALID_ARGUMENT", "No", rpc("ErrorInfo", { reason: "API_KEY_INVALID" })),
      gemini(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key."),
      gemini(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
      gemini(403, "PERMISSION_DENIED", "Your API key was reported as leaked. Please use another API key."),
    ],
  },
  Permission: {
    judgement: row(false, "next", "opens-long"),
    sent: [
      openai(403, { code: "unsupported_country_region_territory" }),
      openai(403, { code: "ip_not_authorized" }),
      openai(403, {}),
      groq(400, { code: "model_terms_required", message: "The model requires terms acceptance." }),
      anthropic(403, "permission_error", "Your API key does not have permission to use the specified resource."),
      bedrock(403, "AccessDeniedException", "You don't have access to the model with the specified model ID."),
      gemini(403, "PERMISSION_DENIED", "Your project has been denied access."),
      gemini(403, "PERMISSION_DENIED", "Blocked", rpc("ErrorInfo", { reason: "API_KEY_SERVICE_BLOCKED" })),
      gemini(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
    ],
  },
  ModelNotFound: {
    judgement: row(false, "next", "opens-long"),
    sent: [
      openai(404, { code: "model_not_found", type: invalid }),
      openai(404, {}),
      groq(400, { code: "model_decommissioned", message: "The model has been decommissioned." }),
      azure(404, { code: "DeploymentNotFound", message: "The API deployment for this resource does not exist." }),
      mistral(400, { object: "error", message: "Invalid model: x", type: "invalid_model", code: "1500" }),
      ollama(404, { message: 'model "x" not found, try pulling it first', type: "not_found_error" }),
      vllm(404, { object: "error", message: "The model `x` does not exist.", type: "NotFoundError", code: 404 }),
      anthropic(404, "not_found_error", "model: claude-9"),
      bedrock(400, "ValidationException", "The provided model identifier is invalid."),
      bedrock(400, "ValidationException", "Invocation of model ID x with on-demand throughput isn't supported."),
      bedrock(404, "ResourceNotFoundException", "This model version has reached the end of its life."),
      gemini(
        404,
        "NOT_FOUND",
        "models/gemini-9 is not found for API version v1beta, or is not supported for generateContent.",
      ),
    ],
  },
  Overloaded: {
    judgement: row(true, "next", "counts"),
    sent: [
      openai(503, { code: "server_is_overloaded" }),
      openai(500, { message: "That model is currently overloaded with other requests." }),
      openaiEvent({ type: "server_error", message: "The model is currently overloaded." }),
      groq(498, { code: "capacity_exceeded", message: "Flex capacity exceeded" }),
      deepseek(503, { message: "Server overloaded" }),
      openrouter(503, { code: 503, message: "No available model provider" }),
      anthropic(529, "overloaded_error", "Overloaded"),
      anthropicEvent("overloaded_error", "Overloaded"),
      bedrock(429, "ModelNotReadyException", "The model is not ready to serve inference requests."),
      bedrock(503, "ServiceUnavailableException", "Bedrock is unable to process your request."),
      bedrockFrame("serviceUnavailableException", "Bedrock is unable to process your request."),
      gemini(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
      geminiEvent(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    ],
  },
  ServerError: {
    judgement: row(true, "next", "counts"),
    sent: [
      openai(500, { type: "server_error", message: "The server had an error" }),
      openai(502, {}),
      openaiEvent({ type: "server_error", message: "The server had an error" }),
      openrouter(502, { code: 502, message: "Provider returned error" }),
      anthropic(500, "api_error", "Internal server error"),
      anthropicEvent("api_error", "Internal server error"),
      bedrock(500, "InternalServerException", "The system encountered an unexpected error"),
      bedrock(424, "ModelErrorException", "The system encountered an unexpected error"),
      bedrockFrame("modelStreamErrorException", "The system encountered an unexpected error"),
      bedrockFrame("internalServerException", "The system encountered an unexpected error"),
      gemini(500, "INTERNAL", "An internal error has occurred."),
      gemini(500, "UNKNOWN", "An internal error has occurred."),
      geminiEvent(500, "INTERNAL", "An internal error has occurred."),
    ],
  },
  Network: {
    judgement: row(true, "next", "counts"),
    sent: [
      ...broke("ECONNREFUSED"),
      // What Bedrock's SDK calls a timeout.
      ...broke("ECONNRESET", "TimeoutError"),
      ...broke("UND_ERR_SOCKET"),
      ...broke("ENOTFOUND"),
    ],
  },
  Malformed: {
    judgement: row(true, "next", "counts"),
    sent: [
      ...answered(""),
      ...answered('{"choices":'),
      ...answered("{}"),
      ...answered("<html></html>"),
      groq(400, { code: "tool_use_failed", message: "Failed to call a function." }),
      groq(400, { code: "json_validate_failed", message: "Failed to generate JSON." }),
    ],
  },
  Timeout: {
    judgement: row(false, "next", "counts"),
    sent: [
      ...broke("UND_ERR_CONNECT_TIMEOUT"),
      openai(504, {}),
      azure(408, { code: "Timeout", message: "The operation was timeout." }),
      anthropic(504, "timeout_error", "Request timed out"),
      bedrock(408, "ModelTimeoutException", "Model has timed out"),
      gemini(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
      geminiEvent(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
    ],
  },
  ContextWindowExceeded: {
    judgement: row(false, "larger-window", "ignored"),
    sent: [
      openai(400, { code: "context_length_exceeded", type: invalid }),
      openai(400, { type: invalid, message: "Your input exceeds the context window of this model." }),
      openai(429, { code: "rate_limit_exceeded", type: "tokens", message: "Request too large for gpt-4o" }),
      groq(400, { type: invalid, message: "Please reduce the length of the messages or completion." }),
      groq(413, { type: invalid, message: "Please reduce the length of the messages." }),
      together(403, { message: "token count + max_tokens must be less than the context length of the model" }),
      mistral(400, { message: "Prompt contains 40000 tokens, too large for model with 32768 maximum context length" }),
      xai(400, { error: "This model's maximum prompt length is 131072 but the request contains 140000 tokens." }),
      vllm(400, { message: "This model's maximum context length is 4096 tokens. You requested 5000.", code: 400 }),
      anthropic(400, invalid, "prompt is too long: 210001 tokens > 200000 maximum"),
      anthropic(400, invalid, "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000"),
      bedrock(400, "ValidationException", "Input is too long for requested model."),
      bedrock(400, "ValidationException", "Too many input tokens. Max input tokens: 8192"),
      gemini(
        400,
        "INVALID_ARGUMENT",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
      ),
    ],
  },
  ContentPolicy: {
    judgement: row(false, "other-policy", "ignored"),
    sent: [
      openai(400, { code: "content_policy_violation" }),
      openai(400, { code: "invalid_prompt" }),
      openai(400, { code: "bio_policy" }),
      azure(400, {
        code: "content_filter",
        message: "The response was filtered due to the content management policy.",
      }),
      openrouter(403, { code: 403, message: "Your chosen model requires moderation and your input was flagged" }),
      anthropic(400, invalid, "Output blocked by content filtering policy"),
      bedrock(400, "ValidationException", "Output blocked by content filtering policy"),
      gemini(400, "INVALID_ARGUMENT", "It contains sensitive words that violate Google's Responsible AI practices."),
    ],
  },
  InvalidRequest: {
    judgement: row(false, "stop", "ignored"),
    sent: [
      openai(400, { type: invalid, param: "messages", message: "Invalid type" }),
      openai(413, {}),
      openai(422, {}),
      mistral(422, { detail: [{ loc: ["body", "messages", 0, "role"], msg: "Field required", type: "missing" }] }),
      anthropic(400, invalid, "messages.0.content: Field required"),
      anthropic(413, "request_too_large", "Request exceeds the maximum size"),
      bedrock(400, "ValidationException", "1 validation error detected"),
      gemini(400, "INVALID_ARGUMENT", 'Invalid JSON payload received. Unknown name "toolz": Cannot find field.'),
      gemini(400, "INVALID_ARGUMENT", "Please ensure that function call turn comes immediately after a user turn."),
      gemini(404, "NOT_FOUND", "CachedContent not found (or permission denied)"),
    ],
  },
  Unsupported: {
    judgement: row(false, "next", "ignored"),
    sent: [
      openai(400, { code: "unsupported_parameter", param: "max_tokens" }),
      openai(400, { code: "unsupported_value", param: "temperature" }),
      groq(400, { type: invalid, message: "'messages.1' : for 'role:assistant' property 'x' is unsupported" }),
      xai(400, { error: "Model grok-4 does not support parameter presencePenalty." }),
      ollama(400, { message: "registry.ollama.ai/library/gemma does not support tools", type: "api_error" }),
      vllm(400, { message: '"auto" tool choice requires --enable-auto-tool-choice to be set', code: 400 }),
      anthropic(400, invalid, "'temperature' is deprecated for this model."),
      bedrock(400, "ValidationException", "This model doesn't support tool use."),
      gemini(400, "INVALID_ARGUMENT", "Penalty is not enabled for models/gemini-2.5-flash"),
      gemini(400, "INVALID_ARGUMENT", "Multiple candidates is not enabled for this model"),
      gemini(400, "INVALID_ARGUMENT", "Budget 0 is invalid. This model only works in thinking mode."),
      gemini(400, "INVALID_ARGUMENT", "Developer instruction is not enabled for models/gemma-3-27b-it"),
    ],
  },
}

describe("the failure table", () => {
  for (const [tag, { judgement, sent }] of Object.entries(table)) {
    describe(`${tag}: ${JSON.stringify(judgement)}`, () => {
      for (const { reason, title } of sent) {
        it(title, () => {
          const found = reason()
          assert.strictEqual(found._tag, tag)
          assert.deepStrictEqual(judge(found), judgement)
        })
      }
      it("is known of every vendor", () => {
        for (const vendor of ["openai", "anthropic", "bedrock", "gemini"]) {
          assert.isTrue(
            sent.some(({ title }) => title.startsWith(`${vendor}: `)),
            vendor,
          )
        }
      })
    })
  }
})
