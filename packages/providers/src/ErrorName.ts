/**
 * Classifies errors by name: a code, a type or an exception's class, in any spelling. `RateLimitError`, `rate_limit_error`
 * and `litellm.RateLimitError` are one name.
 *
 * Names that only one vendor has, or uses differently, are in that vendor's `Errors.ts`.
 *
 * Sources: the vendors' documentation, as their `Errors.ts` name it; the exceptions of LiteLLM and of OpenAI's SDKs; the
 * error types of llama.cpp's, vLLM's, SGLang's, Text Generation Inference's and Ollama's servers.
 */
import type { Reason } from "@understudy/core/ProviderError"
import type * as Duration from "effect/Duration"

/** The name in snake case, without its module and without the suffix `error` or `exception`. */
export const normalize = (name: string): string =>
  name
    .slice(name.lastIndexOf(".") + 1)
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/([A-Z])([A-Z][a-z])/g, "$1_$2")
    .replace(/[^a-zA-Z0-9]+/g, "_")
    .toLowerCase()
    .replace(/_(?:error|exception)$/, "")

type Kind =
  | "Authentication"
  | "ContentPolicy"
  | "ContextWindowExceeded"
  | "ModelNotFound"
  | "Overloaded"
  | "Permission"
  | "QuotaExhausted"
  | "RateLimited"
  | "Timeout"
  | "Unsupported"

const names: ReadonlyArray<readonly [Kind, RegExp]> = [
  [
    "RateLimited",
    /^(?:rate_limit(?:ed|_exceeded|_reached)?|too_many_requests|slow_down|throttl(?:ed|ing)|requests_limit|resource_exhausted)$/,
  ],
  [
    "QuotaExhausted",
    /^(?:insufficient_(?:quota|balance|credits?|funds)|quota_(?:exceeded|exhausted)|billing(?:_not_active|_hard_limit_reached)?|credit_balance_exhausted|payment_required|budget_exceeded|out_of_credits|account_overdue|arrearage)$/,
  ],
  [
    "Authentication",
    /^(?:authentication|auth|unauthori[sz]ed|unauthenticated|(?:invalid|incorrect|expired|missing|revoked)_(?:api_)?key|(?:invalid|expired)_(?:access_)?token|invalid_(?:authentication|credentials|organization)|no_db_connection|token_not_found_in_db)$/,
  ],
  [
    "Permission",
    /^(?:permission(?:_denied)?|forbidden|access_(?:denied|terminated)|not_authorized|(?:account|organization|user|workspace)_(?:deactivated|disabled|suspended|restricted|blocked)|(?:key|team|user|org)_model_access_denied|unsupported_country_region_territory|ip_not_authorized|model_terms_required)$/,
  ],
  [
    "ModelNotFound",
    /^(?:(?:model|deployment|engine)_(?:not_(?:found|available|loaded|supported)|decommissioned|deprecated|terminated)|invalid_model(?:_name|_id)?|unknown_model|no_such_model|deployment_not_found|resource_not_found)$/,
  ],
  [
    "ContextWindowExceeded",
    /^(?:context_(?:length|window|size)_(?:limit_)?exceeded|exceed_context_size|(?:prompt|input|request)_too_long|context_overflow|max_context_length_exceeded)$/,
  ],
  [
    "ContentPolicy",
    /^(?:content_(?:policy(?:_violation)?|filter(?:ed|_error)?|moderation)|moderation(?:_blocked)?|responsible_ai_policy_violation|data_inspection_failed|(?:bio|safety)_policy)$/,
  ],
  [
    "Unsupported",
    /^(?:(?:unsupported|unknown|unrecognized|unexpected)_(?:params?|parameters?|fields?|arguments?|value|feature|operation)|(?:not|un)_?supported|not_implemented|unimplemented)$/,
  ],
]

/** Prefixes of names about the request, whatever follows: `invalid_timeout`, `missing_upstream`. */
const blaming = /^(?:invalid|missing|unsupported|unknown|unrecognized|bad(?!_gateway|_response)|malformed)_/
const timeout = /(?:^|_)(?:time_?out|timed_out|deadline_exceeded)$/
const overloaded =
  /(?:^|_)(?:over_?load(?:ed)?|unavailable|capacity_exceeded|at_capacity|no_capacity|busy|loading|not_ready)$/
/** Names of failures of the server, its upstream or the connection to it. */
const broken =
  /(?:^|_)(?:server|internal|upstream|gateway|connection|network|backend|provider|stream|fallback|engine|inference|generation|processing|unexpected|worker|gpu|cuda|conflict)(?:_(?:read|write|response|request|side))?(?:_(?:error|failed|failure|fault|closed|reset|refused|lost|interrupted|aborted|broken|disconnected|died|crashed|shut_?down|http))?$|^(?:conflict|bad_gateway|bad_response(?:_body)?|do_request_failed|(?:read|get)_\w+_failed|no_available_\w+|out_of_memory|oom|preempted|cancell?ed|aborted|shutting_down)$/

/** The reason of a name; `undefined` if the name is not specific. `feature` is for `Unsupported`. */
export const of = (
  name: string | undefined,
  {
    feature,
    retryAfter,
  }: { readonly feature?: string | undefined; readonly retryAfter?: Duration.Duration | undefined },
): Reason | undefined => {
  if (name === undefined) return undefined
  const normal = normalize(name)
  const kind =
    names.find(([, pattern]) => pattern.test(normal))?.[0] ??
    (blaming.test(normal)
      ? undefined
      : timeout.test(normal)
        ? "Timeout"
        : overloaded.test(normal)
          ? "Overloaded"
          : undefined)
  switch (kind) {
    case undefined:
      return undefined
    case "RateLimited":
    case "Overloaded":
      return { _tag: kind, retryAfter }
    case "Timeout":
      return { _tag: kind, phase: "attempt" }
    case "Unsupported":
      return { _tag: kind, feature: feature ?? name }
    default:
      return { _tag: kind }
  }
}

/** Whether a name only says that a server failed, such as `server_error`, `upstream_error` or `ConflictError`. */
export const isServers = (name: string | undefined): boolean => {
  if (name === undefined) return false
  const normal = normalize(name)
  return !blaming.test(normal) && broken.test(normal)
}

/** Whether a name blames the request: `invalid_request_error`, `BadRequestError`, `INVALID_ARGUMENT`. */
export const isCallers = (name: string | undefined): boolean =>
  name !== undefined &&
  /^(?:invalid_request|bad_request|invalid_argument|out_of_range|validation|unprocessable_entity|request_too_large|invalid_input)$/.test(
    normalize(name),
  )
