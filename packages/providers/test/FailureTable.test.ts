/**
 * The failure table, whole: what each vendor sends, the reason it becomes through that vendor's `Errors`, and what the
 * engine does about it. A reason that is added does not compile until it stands here.
 *
 * Sources: the vendors' documentation, as their `Errors.ts` name it.
 */
import { assert, describe, it } from "@effect/vitest"
import { actionFor } from "@understudy/core/ProviderError"
import type { FailureAction, Reason, ReasonTag } from "@understudy/core/ProviderError"
import * as Anthropic from "@understudy/providers/internal/anthropic/Errors"
import * as Bedrock from "@understudy/providers/internal/bedrock/Errors"
import * as Gemini from "@understudy/providers/internal/gemini/Errors"
import * as OpenAi from "@understudy/providers/internal/openai/Errors"
import * as Vertex from "@understudy/providers/internal/vertex/Errors"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Converse from "@understudy/providers/protocols/converse"
import * as GeminiProtocol from "@understudy/providers/protocols/gemini"
import * as Messages from "@understudy/providers/protocols/messages"
import * as NetworkError from "@understudy/providers/internal/transport/NetworkError"
import * as Result from "effect/Result"

// ---------------------------------------------------------------------------------------------------------------------
// What is sent
// ---------------------------------------------------------------------------------------------------------------------

/** Something a vendor sends, and the reason its table makes of it. */
interface Sent {
  readonly title: string
  readonly reason: () => Reason
}

const context = { nowMillis: 0, credentials: "the profile" }

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

/** Of Claude on Vertex AI: Google's errors, and Anthropic's. */
const claudeOnVertex = (status: number, body: object): Sent =>
  sent("vertex", status, body, () =>
    Vertex.table(Anthropic.reason)(Vertex.parsing(Messages.Errors.parse)(JSON.stringify(body)), status, undefined),
  )

const vertex = (code: number, status: string, message: string, ...details: ReadonlyArray<object>): Sent =>
  claudeOnVertex(code, { error: { code, status, message, details } })

/** An error inside a stream names its status itself. */
const geminiEvent = (code: number, status: string, message: string): Sent => {
  const error = GeminiProtocol.Errors.fromBody({ error: { code, status, message } })
  return sent("gemini", "event", { code, status, message }, () => Gemini.reason(error, error.status))
}

/** The violation of quotas of those ids. */
const exceeded = (...ids: ReadonlyArray<string>) =>
  rpc("QuotaFailure", { violations: ids.map((quotaId) => ({ quotaId })) })
const overQuota = "You exceeded your current quota, please check your plan and billing details."

/** What a server of one's own answers, as it was seen to, under whichever status it chose. */
const answers =
  (vendor: string) =>
  (status: number, body: object): Sent =>
    sent(vendor, status, body, () => OpenAi.reason(ChatCompletions.Errors.parse(JSON.stringify(body)), status))

/** The same from within: as an error in a stream or in a 200, which has no status but the one that it names. */
const inBand =
  (vendor: string) =>
  (error: object): Sent =>
    sent(vendor, "in-band", error, () => {
      const wire = ChatCompletions.Errors.fromBody({ error })
      return OpenAi.reason(wire, wire.status)
    })

/** LiteLLM's proxy in front of a server that said `message`, in the ways that it wraps what it is told. */
const litellm = (message: string, status = 500): ReadonlyArray<Sent> => {
  const inner = JSON.stringify({ error: { code: status, message, type: "server_error" } })
  const fallbacks = ". Received Model Group=local\nAvailable Model Group Fallbacks=None"
  return [
    `litellm.InternalServerError: InternalServerError: OpenAIException - ${message}${fallbacks}`,
    `litellm.InternalServerError: OpenAIException - ${inner}. Handle with litellm.InternalServerError.`,
    `litellm.APIConnectionError: Hosted_vllmException - ${inner}`,
    `litellm.BadRequestError: OpenAIException - ${message}${fallbacks}`,
    `Error code: ${status} - {'error': {'code': ${status}, 'message': '${message}', 'type': None}}`,
  ].flatMap((text) => {
    const code = text.startsWith("litellm.BadRequestError") ? 400 : 500
    const error = { message: text, type: null, param: null, code: String(code) }
    return [chat("litellm")(code, error), inBand("litellm")(error)]
  })
}

/** Words by whichever vendor's protocol a server speaks, as a refusal. */
const words = (message: string): ReadonlyArray<Sent> => [
  chat("compatible")(400, { message, type: "invalid_request_error", code: null }),
  inBand("compatible")({ message, type: "invalid_request_error" }),
  anthropic(400, "invalid_request_error", message),
  anthropicEvent("invalid_request_error", message),
  gemini(400, "INVALID_ARGUMENT", message),
  geminiEvent(400, "INVALID_ARGUMENT", message),
  bedrock(400, "ValidationException", message),
  bedrockFrame("validationException", message),
  ...litellm(message, 400),
]

/** An exception as Bedrock's SDK throws it. */
const bedrock = (status: number, name: string, message: string): Sent => {
  const failure = Object.assign(new Error(message), { name, $metadata: { httpStatusCode: status } })
  return sent("bedrock", status, { name, message }, () => Bedrock.classify(failure, context).reason)
}

/** An exception frame inside a stream. */
const bedrockFrame = (type: string, message: string): Sent => {
  const error = Converse.Errors.fromEvent({ kind: "exception", event: type, data: JSON.stringify({ message }) })
  return sent("bedrock", "frame", { type, message }, () => Bedrock.fromEvent()(error).reason)
}

/** What the transport throws, under whichever SDK. */
const broke = (code: string, name = "Error", words = "it broke"): ReadonlyArray<Sent> => {
  const failure = new Error("outer", { cause: Object.assign(new Error(words), { code, name }) })
  return [
    ...["openai", "anthropic", "gemini"].map((vendor) =>
      sent(vendor, "thrown", code, () => NetworkError.orUnexpected(failure).reason),
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

const row = (again: boolean, next: FailureAction["fallback"], circuit: FailureAction["circuit"]): FailureAction => ({
  retryable: again,
  fallback: next,
  circuit,
})

const invalid = "invalid_request_error"

/** What vendors send. A response that is not accepted is the engine's own finding. */
const table: Record<
  Exclude<ReasonTag, "NotAccepted">,
  { readonly judgement: FailureAction; readonly sent: ReadonlyArray<Sent> }
> = {
  RateLimited: {
    judgement: row(true, "next", "cooldown"),
    sent: [
      vertex(429, "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later."),
      vertex(
        429,
        "RESOURCE_EXHAUSTED",
        "Quota exceeded for aiplatform.googleapis.com/online_prediction_input_tokens_per_minute_per_base_model with base model: anthropic-claude-sonnet-4-5. Please submit a quota increase request.",
      ),
      claudeOnVertex(429, { type: "error", error: { type: "rate_limit_error", message: "Too many tokens" } }),
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
      ...[
        "Rate limit reached for requests",
        "Too many requests, please slow down",
        "You exceeded your current requests-per-minute limit",
      ].flatMap((message) => [
        chat("compatible")(400, { type: invalid, message }),
        inBand("compatible")({ type: invalid, message }),
        anthropicEvent(invalid, message),
      ]),
      ...["RateLimitError", "rate_limit_error", "too_many_requests"].map((type) =>
        inBand("compatible")({ type, message: "Please try again later" }),
      ),
      answers("litellm")(429, {
        error: {
          message: "No deployments available for selected model, Try again in 5 seconds. Passed model=x.",
          type: "None",
          param: "None",
          code: "429",
        },
      }),
      // The words of Gemini's minute are those of OpenAI's account.
      chat("litellm")(429, {
        message: `litellm.RateLimitError: VertexAIException - {"error":{"code":429,"message":"${overQuota} For more information head to: https://ai.google.dev/gemini-api/docs/rate-limits","status":"RESOURCE_EXHAUSTED"}}`,
        code: "429",
      }),
      inBand("litellm")({
        message: "litellm.RateLimitError: RateLimitError: OpenAIException - Slow down",
        code: "429",
      }),
      chat("litellm")(500, {
        message: 'litellm.APIError: APIError: OpenAIException - {"error":{"code":"rate_limit_exceeded"}}',
      }),
    ],
  },
  QuotaExhausted: {
    judgement: row(false, "next", "trip-permanent"),
    sent: [
      vertex(403, "PERMISSION_DENIED", "Enable billing", rpc("ErrorInfo", { reason: "BILLING_DISABLED" })),
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
      anthropic(400, invalid, "You're out of extra usage. Add more at claude.ai/settings/usage and keep going."),
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
      ...[
        "Your credit balance is too low to access the API.",
        "Insufficient account balance",
        "This account is suspended due to insufficient balance, please recharge your account",
        "You have run out of credits",
        "Your account is past due",
        "Billing is not active on this account",
        "Monthly spending limit reached",
        "You need to add credits to your account to continue",
        "Account balance is not enough, please recharge",
        "Please update your payment method",
        "Budget has been exceeded! Current cost: 1.2, Max budget: 1.0",
        "Free allocated quota exceeded.",
        "The free tier of the model has been exhausted. If you wish to continue access the model on a paid basis, disable it",
        "Billing has not been enabled for this project",
        "用户额度不足, 剩余额度: ¥0",
        "余额不足或无可用资源包,请充值。",
      ].flatMap(words),
      answers("litellm")(400, { error: { message: "Budget exceeded", type: "budget_exceeded", code: "400" } }),
      openai(429, { message: overQuota }),
      inBand("compatible")({ type: invalid, code: "insufficient_balance", message: "No" }),
    ],
  },
  Authentication: {
    judgement: row(false, "next", "trip-permanent"),
    sent: [
      vertex(401, "UNAUTHENTICATED", "Request had invalid authentication credentials. Expected OAuth 2 access token."),
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
      answers("litellm")(400, {
        error: { message: "No connected db.", type: "no_db_connection", param: null, code: "400" },
      }),
      ...[
        "No connected db.",
        "Incorrect API key provided: sk-***",
        "Your API key has been revoked",
        "The api_key is invalid",
        "OAuth token has expired. Please obtain a new token or refresh your existing token.",
        "OAuth authentication is currently not supported.",
      ].flatMap(words),
      answers("llama.cpp")(401, { error: { message: "Invalid API Key", type: "authentication_error", code: 401 } }),
      inBand("llama.cpp")({ message: "Invalid API Key", type: "authentication_error", code: 401 }),
    ],
  },
  Permission: {
    judgement: row(false, "next", "trip-permanent"),
    sent: [
      vertex(403, "PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied on resource '//x'."),
      vertex(
        403,
        "PERMISSION_DENIED",
        "Vertex AI API has not been used",
        rpc("ErrorInfo", { reason: "SERVICE_DISABLED" }),
      ),
      openai(403, { code: "unsupported_country_region_territory" }),
      openai(403, { code: "ip_not_authorized" }),
      openai(403, {}),
      groq(400, { code: "model_terms_required", message: "The model requires terms acceptance." }),
      anthropic(403, "permission_error", "Your API key does not have permission to use the specified resource."),
      bedrock(403, "AccessDeniedException", "You don't have access to the model with the specified model ID."),
      gemini(403, "PERMISSION_DENIED", "Your project has been denied access."),
      gemini(403, "PERMISSION_DENIED", "Blocked", rpc("ErrorInfo", { reason: "API_KEY_SERVICE_BLOCKED" })),
      gemini(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
      ...[
        "This organization has been disabled.",
        "Your account has been deactivated.",
        "Your access to the API has been suspended, contact support",
        "This workspace is currently disabled",
        "The project was terminated",
        "The organization you belong to has been blocked",
        "API access for this account has been deactivated",
        "Access terminated",
        "Your plan does not include API access",
        "User location is not supported for the API use.",
        "Country, region, or territory not supported",
        "Your workspace has been archived",
        "Your subscription has expired",
        "Access denied, please make sure your account is in good standing.",
        "Your organization must be verified to use the model `o3`.",
        "This credential is only authorized for use with Claude Code and cannot be used for other API requests.",
        "Your project has been denied access. Please contact support.",
      ].flatMap(words),
      openai(401, {
        code: "account_deactivated",
        message: "The account associated with this API key was deactivated.",
      }),
      chat("litellm")(401, { type: "key_model_access_denied", message: "key not allowed to access model" }),
    ],
  },
  ModelNotFound: {
    judgement: row(false, "next", "trip-permanent"),
    sent: [
      vertex(404, "NOT_FOUND", "Publisher Model `x` was not found or your project does not have access to it."),
      vertex(400, "FAILED_PRECONDITION", "Publisher Model `x` is not servable in region us-east1."),
      claudeOnVertex(404, { type: "error", error: { type: "not_found_error", message: "model: claude-x" } }),
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
      answers("litellm")(400, {
        error: {
          message:
            "/chat/completions: Invalid model name passed in model=nope. Call `/v1/models` to view available models for your key.",
          type: invalid,
          param: null,
          code: "400",
        },
      }),
      ...[
        "Invalid model name passed in model=nope. Call `/v1/models` to view available models for your key.",
        "The model `x` does not exist.",
        "model 'x' not found",
        "No models loaded. Please load a model first.",
        "Unknown model: x",
        "Model Not Exist",
        "Not found the model moonshot-v9 or Permission denied",
        "The model `x` has been deprecated, learn more here: https://example.com",
        "invalid model ID",
        "Cannot find model x",
        "The provided model identifier is invalid.",
        'model "x" not found, try pulling it first',
      ].flatMap(words),
      answers("transformers")(400, { detail: "Server is pinned to '/models/a', got 'b'" }),
      ollama(404, { message: "model 'x' not found", type: "api_error", param: null, code: null }),
      openai(410, {}),
    ],
  },
  Overloaded: {
    judgement: row(true, "next", "failure"),
    sent: [
      vertex(503, "UNAVAILABLE", "The service is currently unavailable."),
      claudeOnVertex(529, { type: "error", error: { type: "overloaded_error", message: "Overloaded" } }),
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
      answers("llama.cpp")(503, { error: { message: "Loading model", type: "unavailable_error", code: 503 } }),
      inBand("llama.cpp")({ message: "Loading model", type: "unavailable_error", code: 503 }),
      answers("ollama")(503, {
        error: { message: "server busy, please try again.  maximum pending requests exceeded" },
      }),
      inBand("ollama")({ message: "server busy, please try again.  maximum pending requests exceeded" }),
      ...["overloaded", "overloaded_error", "service_unavailable", "model_overloaded", "engine_overloaded"].flatMap(
        (code) => [
          inBand("compatible")({ type: invalid, code, message: "No" }),
          inBand("compatible")({ type: code, message: "No" }),
        ],
      ),
      inBand("compatible")({ type: invalid, message: "The engine is currently overloaded, please try again later" }),
      anthropicEvent(invalid, "Service temporarily unavailable"),
      chat("litellm")(500, {
        message:
          'litellm.InternalServerError: AnthropicException - {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}. Handle with litellm.InternalServerError.',
      }),
      chat("litellm")(500, {
        message: 'litellm.APIError: {"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}',
      }),
    ],
  },
  ServerError: {
    judgement: row(true, "next", "failure"),
    sent: [
      vertex(500, "INTERNAL", "Internal error encountered."),
      vertex(499, "CANCELLED", "The operation was cancelled."),
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
      ...[
        "server_error",
        "upstream_error",
        "internal_server_error",
        "internal_error",
        "bad_gateway",
        "api_connection_error",
        "stream_error",
        "upstream_connection_reset",
        "processing_error",
        "worker_died",
        "APIConnectionError",
        "unexpected_error",
        "server_shutdown",
        "cuda_error",
        "out_of_memory",
        "cancelled",
        "do_request_failed",
        "bad_response_body",
        "500",
      ].flatMap((code) => [
        inBand("compatible")({ type: invalid, code, message: "The request failed" }),
        inBand("compatible")({ code, message: "Invalid request" }),
        chat("compatible")(400, { type: invalid, code, message: "The request failed" }),
      ]),
      ...[
        "stream disconnected before completion",
        "The upstream connection was closed",
        "Upstream request failed",
        "stream error: stream ID 5; INTERNAL_ERROR; received from peer",
        "peer closed connection without sending complete message body (incomplete chunked read)",
        "read tcp 10.0.0.1: connection reset by peer",
        "ECONNRESET",
        "unexpected EOF",
        "An error occurred while processing your request. You can retry your request.",
        "Internal server error",
        "Something went wrong, please try again later",
        "upstream returned status 502",
        "Stream ended without a terminal event",
        "unexpected end of stream",
        "error decoding response body",
        "context canceled",
        'Post "https://example.com/v1": EOF',
        "fetch failed",
        "terminated",
        "generation was interrupted",
        "EngineCore encountered an issue. See stack trace (above) for the root cause.",
        "llama runner process has terminated: exit status 2",
        "CUDA out of memory",
        "error during inference",
        "Failed to generate response",
      ].flatMap((message) => [
        inBand("compatible")({ type: invalid, message }),
        inBand("compatible")({ type: invalid, code: null, param: null, message }),
        chat("compatible")(400, { type: invalid, message }),
        anthropicEvent(invalid, message),
        geminiEvent(400, "INVALID_ARGUMENT", message),
        bedrockFrame("validationException", message),
      ]),
      ...[409, 423, 425, 499].flatMap((status) => [
        openai(status, {}),
        openai(status, { type: invalid, message: "Conflict" }),
        openai(status, { type: invalid, message: "Conflict", param: "messages" }),
        anthropic(status, invalid, "Conflict"),
        gemini(status, "ABORTED", "The operation was aborted."),
        bedrock(status, "ConflictException", "Conflict"),
        inBand("compatible")({ code: status, type: invalid, message: "Conflict" }),
      ]),
      anthropic(409, "conflict_error", "Conflict"),
      // What no request is to blame for, though its words sound like it.
      ...[
        "CUDA error: operation not supported",
        "RuntimeError: addmm_impl_cpu_ not implemented for 'Half'",
        "CUDA out of memory. Try restarting with --gpu-memory-utilization 0.8",
        "TLS protocol version not supported",
        "completions unavailable",
        "the model failed to load: exit status 2",
        "model requires more system memory (5.6 GiB) than is available (3.1 GiB)",
        "context canceled",
        "failed to load model: unsupported architecture",
        "unsupported operand type(s) for +: 'NoneType' and 'str'",
        "got an unexpected keyword argument 'foo'",
        "list index out of range",
        "too many open files",
        "too many messages in the queue",
        "the max_tokens bucket exceeds its limit",
        "failed to fetch file list from storage",
        "Worker process crashed",
        "Internal Server Error",
      ].flatMap((message) => [
        chat("compatible")(500, { message, type: "server_error", code: 500 }),
        chat("compatible")(500, { message }),
        anthropic(500, "api_error", message),
        gemini(500, "INTERNAL", message),
        bedrock(500, "InternalServerException", message),
      ]),
    ],
  },
  Network: {
    judgement: row(true, "next", "failure"),
    sent: [
      ...broke("ECONNREFUSED"),
      // What Bedrock's SDK calls a timeout.
      ...broke("ECONNRESET", "TimeoutError"),
      ...broke("UND_ERR_SOCKET"),
      ...broke("ENOTFOUND"),
    ],
  },
  LocalError: {
    judgement: row(false, "next", "ignore"),
    sent: [
      ...broke("EMFILE"),
      ...broke("ENFILE"),
      ...broke("ENOBUFS"),
      ...broke("ENOMEM"),
      ...broke("EADDRNOTAVAIL"),
      // What AWS's SDK says of credentials that it could not read.
      ...broke("EMFILE", "CredentialsProviderError"),
      // What Node says of a module that could not be read.
      ...broke("ERR_INVALID_PACKAGE_CONFIG", "Error", "Cannot read package config package.json: too many open files."),
    ],
  },
  Malformed: {
    judgement: row(true, "next", "failure"),
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
    judgement: row(false, "next", "failure"),
    sent: [
      ...broke("UND_ERR_CONNECT_TIMEOUT"),
      openai(504, {}),
      azure(408, { code: "Timeout", message: "The operation was timeout." }),
      anthropic(504, "timeout_error", "Request timed out"),
      bedrock(408, "ModelTimeoutException", "Model has timed out"),
      gemini(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
      geminiEvent(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
      ...[
        "request_timeout",
        "timeout",
        "gateway_timeout",
        "upstream_timeout",
        "deadline_exceeded",
        "RequestTimeout",
        "APITimeoutError",
      ].flatMap((code) => [
        inBand("compatible")({ type: invalid, code, message: "No" }),
        inBand("compatible")({ type: code, message: "No" }),
        chat("compatible")(400, { type: invalid, code, message: "No" }),
      ]),
      ...[
        "Request timed out.",
        "upstream request timeout",
        "context deadline exceeded",
        "idle timeout waiting for SSE",
        "The operation was aborted due to timeout",
        "The request took too long to process",
      ].flatMap((message) => [inBand("compatible")({ type: invalid, message }), anthropicEvent(invalid, message)]),
      openai(408, { type: invalid, message: "No", param: "messages" }),
      anthropic(408, invalid, "No"),
      chat("litellm")(408, {
        message: "litellm.Timeout: APITimeoutError - Request timed out.",
        type: null,
        code: "408",
      }),
      inBand("litellm")({ message: "litellm.Timeout: APITimeoutError - Request timed out.", type: null }),
    ],
  },
  ContextWindowExceeded: {
    judgement: row(false, "larger-window", "ignore"),
    sent: [
      vertex(400, "INVALID_ARGUMENT", "The input token count (1048577) exceeds the maximum number of tokens allowed."),
      claudeOnVertex(400, {
        type: "error",
        error: { type: invalid, message: "prompt is too long: 210001 tokens > 200000" },
      }),
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
      answers("llama.cpp")(400, {
        error: {
          code: 400,
          message: "request (11610 tokens) exceeds the available context size (2048 tokens), try increasing it",
          type: "exceed_context_size_error",
          n_prompt_tokens: 11610,
          n_ctx: 2048,
        },
      }),
      answers("llama.cpp")(500, {
        error: {
          code: 500,
          message:
            "input (11580 tokens) is too large to process. increase the physical batch size (current batch size: 512)",
          type: "server_error",
        },
      }),
      ...[
        "request (11610 tokens) exceeds the available context size (2048 tokens), try increasing it",
        "input (11580 tokens) is too large to process. increase the physical batch size (current batch size: 512)",
        "input is too large to process. increase the physical batch size",
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
        "the input length exceeds the context length",
        "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
        "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 200 `max_new_tokens`",
        "Your request exceeded model token limit: 8192",
        "Input length (9000 tokens) exceeds the maximum allowed length (8191 tokens). Use a shorter input or enable --allow-auto-truncate.",
        "Token indices sequence length is longer than the specified maximum sequence length for this model",
      ].flatMap((message) => [
        ...words(message),
        chat("compatible")(500, { message, type: "server_error" }),
        ...litellm(message),
      ]),
      chat("litellm")(400, { message: "litellm.ContextWindowExceededError: x", code: "400" }),
      inBand("compatible")({ type: "exceed_context_size_error", message: "No" }),
    ],
  },
  ContentPolicy: {
    judgement: row(false, "other-policy", "ignore"),
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
      chat("litellm")(400, { message: "litellm.ContentPolicyViolationError: AzureException - No", code: "400" }),
      inBand("compatible")({ type: invalid, code: "content_filter", message: "No" }),
    ],
  },
  InvalidRequest: {
    judgement: row(false, "stop", "ignore"),
    sent: [
      vertex(
        400,
        "INVALID_ARGUMENT",
        'Invalid JSON payload received. Unknown name "beta": Cannot bind query parameter.',
      ),
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
      // What a server of trouble says, of a field of the request.
      ...[
        "Invalid type for 'messages[0].content': expected a string",
        "Failed to download image from https://example.com/a.png: connection timed out",
        "Unable to fetch the file: connection refused",
        "max_tokens must be at least 1, got 0",
        "`max_tokens` must be greater than `thinking.budget_tokens`",
        "thinking.budget_tokens must be less than max_tokens",
        "n must be at least 1",
        "'n': must be greater than or equal to 1",
        "n must be an integer",
        "Invalid schema for function 'get_billing_account'",
        "Tool 'account_lookup' is not defined",
        "An assistant message with 'tool_calls' must be followed by tool messages",
        "Supported values are: 'system', 'assistant', 'user'",
        "tools must not be empty",
        "it exceeded the budget_tokens of 1024",
        "[] is too short - 'tools'",
        "max_tokens must be positive",
        "max_tokens: Input should be a valid integer",
        "Input content cannot be empty",
        "'messages' is required",
        "stream_options is only allowed when stream is true",
        "timeout must be a number",
        "temperature: must be <= 2",
        "string too long: 'tools[0].function.name'",
        "Invalid value: 'terminated'. Supported values are: 'auto' and 'none'",
        "input length must be at least 1",
        "Previous response with id 'resp_1' not found.",
        "messages: final assistant content cannot end with trailing whitespace",
        "The tool 'delete_account' was not declared",
        "`deployment_id` is required to find a model's logs",
      ].flatMap((message) => words(message).filter(({ title }) => !title.includes("InternalServerError: OpenAI"))),
      chat("openai")(400, {
        type: invalid,
        param: "messages[0].content",
        message: "This organization has been disabled.",
      }),
      answers("ollama")(400, { error: { message: "json: cannot unmarshal string into Go value", type: invalid } }),
      answers("llama.cpp")(400, {
        error: { code: 400, message: "Field 'temperature': type must be number", type: invalid },
      }),
      openrouter(400, { code: 400, message: "Provider returned error", metadata: { raw: '{"detail":"Bad tool"}' } }),
      chat("compatible")(400, { type: "upstream_error", message: "Bad tool" }),
      chat("compatible")(500, { type: invalid, message: "Bad tool" }),
      openai(416, {}),
    ],
  },
  Unsupported: {
    judgement: row(false, "next", "ignore"),
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
      ...[
        "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
        "audio input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
        "Field 'n': Value must be between 1 <= value <= 1, but got 2",
        "Unable to generate parser for this template. Automatic parser generation failed: Jinja Exception: Conversation roles must alternate user/assistant/user/assistant/...",
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "Pooling type 'none' is not OAI compatible. Please use a different pooling type",
        'tool_choice="required" requires --tool-call-parser to be set',
        "tools param requires --jinja flag",
        "This server does not support embeddings. Start it with `--embeddings`",
        '"gemma" does not support tools',
        '"m" does not support thinking',
        "this model is missing data required for image input",
      ].flatMap((message) => [
        ...words(message),
        chat("compatible")(500, { message, type: "server_error", code: 500 }),
        ...litellm(message),
      ]),
      ...[
        "unsupported content[].type",
        'think value "low" is not supported for this model',
        'invalid reasoning value: \'minimal\' (must be "high", "medium", "low", or "none")',
        "image URLs are not currently supported, please use base64 encoded data instead",
        "invalid message format",
        "Unexpected fields in the request: {'wibble'}",
        "Unsupported fields in the request: {'n'}",
        "Extra inputs are not permitted",
        "Unrecognized request argument supplied: top_k",
        "'n' : number must be at most 1",
        "Only n=1 is supported",
        "n > 1 is not supported",
        "max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas you provided 100000.",
        "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
        "max_tokens: 128000 > 64000, which is the maximum allowed number of output tokens",
        "`max_tokens` must be less than or equal to `8192`",
        "max_completion_tokens exceeds the limit of 4096",
        "Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length 150 instead.",
        "'tools' : maximum number of items is 128",
        "Too many tools: at most 64 are taken",
        "The number of function declarations exceeds the limit of 128",
        "You may provide at most 128 tools",
        "tools must contain at most 128 items",
        "A maximum of 64 functions is allowed",
        "Range of max_tokens should be [1, 8192]",
        "max_new_tokens must be <= 2048. Given: 4096",
        "max_tokens (9999) is greater than the model's maximum output (4096)",
        "Requested 20000 completion tokens but this model can generate no more than 8192",
        "This response_format type is unavailable now",
        "Thinking mode does not support this tool_choice",
        "reasoning_effort: Input should be 'low', 'medium' or 'high'",
        "System role not supported",
        "`temperature` is deprecated for this model.",
        "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
        "At most 1 image(s) may be provided in one request.",
        "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant",
        "Only 'text' content type is supported",
        "Invalid content type. image_url is only supported by certain models.",
        "Cannot use custom grammar constraints with tools.",
        "'response_format.type' must be 'json_schema' or 'text'",
        "The `reasoning_content` in the thinking mode must be passed back to the API.",
        "thinking is enabled but reasoning_content is missing in assistant tool call message at index 2",
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.",
      ].flatMap(words),
      answers("transformers")(422, { detail: "Unexpected fields in the request: {'wibble'}" }),
      answers("llama.cpp")(501, {
        error: { code: 501, message: "This server does not support embeddings.", type: "not_supported_error" },
      }),
      answers("llama.cpp")(501, { error: { code: 501, message: "No", type: "not_supported_error" } }),
      answers("litellm")(400, {
        error: {
          message: "litellm.UnsupportedParamsError: openai does not support parameters: ['verbosity'], for model=x.",
          type: "None",
          code: "400",
        },
      }),
      openai(400, { type: invalid, code: "array_above_max_length", param: "tools", message: "Invalid 'tools'" }),
      openai(400, { type: invalid, param: "max_tokens", code: "invalid_value", message: "It is too large: 1000000" }),
      openai(400, {
        type: invalid,
        param: "max_output_tokens",
        code: "integer_above_max_value",
        message: "Expected a value <= 16384",
      }),
      openai(400, { type: invalid, code: "unknown_parameter", param: "top_k", message: "Unknown parameter: 'top_k'." }),
      openrouter(404, { code: 404, message: "No endpoints found that support tool use." }),
      openrouter(400, {
        code: 400,
        message: "Provider returned error",
        metadata: { raw: '{"error":{"message":"\\"auto\\" tool choice requires --enable-auto-tool-choice"}}' },
      }),
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
          assert.deepStrictEqual(actionFor(found), judgement)
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
