/**
 * Classifies errors by their message, if their code is not specific. One table for all vendors, because compatible servers
 * often pass on other servers' errors. Messages of one vendor are in its `Errors.ts` and take precedence.
 *
 * A valid request that another model may support is `Unsupported`. Under a 5xx only messages count that are never about a
 * failure of the server, and under a 4xx only messages about failures that no rejected request has.
 *
 * Sources: the vendors' documentation, as their `Errors.ts` name it; the servers' own sources: llama.cpp (`server`), vLLM,
 * SGLang, Ollama (`server`, `openai`, `middleware`), transformers (`serving`), LiteLLM (proxy), LM Studio.
 */
import type { Reason } from "@understudy/core/ProviderError"
import type * as Duration from "effect/Duration"
import * as UnsupportedFeature from "./UnsupportedFeature.ts"
import { any } from "./UnsupportedFeature.ts"

/** The context of an error message. */
export interface Context {
  /** The HTTP status, or that inside the error; `undefined` in a stream. */
  readonly status: number | undefined
  /** The invalid field of the request. */
  readonly param: string | undefined
  /** Whether a relay passed on an upstream's error: its status is not specific. */
  readonly isRelayed: boolean
  readonly retryAfter: Duration.Duration | undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// The account
// ---------------------------------------------------------------------------------------------------------------------

/** Credit is used up, or nothing is paid. */
const spent = any(
  /(?:insufficient|not enough|exhausted|depleted|ran out of|out of|used (?:up )?(?:all )?(?:of )?(?:your |the )?(?:available )?) ?(?:account )?(?:balance|credits?|funds)\b/,
  /(?:balance|credits?|funds) (?:balance )?(?:is|are|has been|have been) (?:too low|not enough|insufficient|exhausted|depleted|used up|negative)/,
  /(?:credit )?balance is too low|prepa(?:id|yment) credits|(?:requires?|purchase|add|buy) (?:more )?credits|please recharge\b/,
  /(?:monthly|daily|weekly) spend(?:ing)? (?:limit|cap)|spend(?:ing)? (?:limit|cap) (?:has been |was |is )?(?:reached|exceeded|hit)/,
  /reached your specified .*usage limits|\bbudget has been exceeded|\bexceeded (?:the |your )?budget\b|\bover budget\b/,
  // Gemini sends this message for the limit of a minute too.
  /exceeded your current quota(?![^]{0,4000}?(?:ai\.google|generativelanguage|PerMinute|retryDelay|retry in))/,
  /billing (?:hard limit|account|issue|information|(?:is|has) (?:not )?(?:been )?(?:active|enabled|disabled))|enable billing|payment (?:is )?(?:required|overdue|failed|method)|(?:invoice|payment|account)s? (?:is |are )?(?:past due|overdue|in arrears|unpaid)/,
  /\bfree (?:allocated )?(?:trial|tier|credits?|quota)\b[^.\n]{0,30} (?:ended|expired|exhausted|exceeded)\b|trial (?:has )?expired|\bextra usage\b/,
  /余额不足|额度不足|额度已用尽|欠费/,
  /account (?:\S{1,60} )?(?:is|has been|was) suspended/,
)

/** The account is disabled, or has no access. */
const disabled = any(
  /\b(?:organi[sz]ation|account|workspace|project|team|tenant|subscription|access)\b[^.\n]{0,60}?\b(?:has been|have been|is|are|was|were|been)(?: \w{1,20}){0,3} (?:disabled|suspended|deactivated|blocked|banned|terminated|restricted|closed|revoked|locked|frozen|on hold|inactive|not active|delinquent|archived|deleted|denied access|cancell?ed)\b/,
  /\b(?:subscription|plan|licen[cs]e|membership)\b has (?:expired|lapsed|ended)\b|\b(?:user|account) (?:suspended|banned|disabled)\b|account is in good standing/,
  /\borgani[sz]ation must be verified\b|\bcredential is only authorized\b|terms (?:of (?:service|use) )?(?:have|has) not been accepted|requires? terms acceptance/,
  /\b(?:disabled|suspended|deactivated|banned|terminated|inactive) (?:organi[sz]ation|account|workspace|project)\b/,
  /\baccess (?:terminated|suspended|revoked|deactivated|disabled)\b|\b(?:your|current) plan does ?n[o']t (?:include|support|allow)/,
  /\b(?:location|country|region|territory) (?:is )?not (?:supported|allowed|available)|not (?:supported|available) in your (?:country|region|location)/,
)

const badKey = any(
  /(?:incorrect|invalid|expired|missing|unknown|revoked|no) (?:\w{1,20} )?api[ _-]?key/,
  /api[ _-]?key (?:provided )?(?:is |was |has )?(?:been )?(?:not valid|invalid|incorrect|expired|missing|not found|disabled|revoked|deactivated|deleted|not set)/,
  /no connected db\b|\boauth (?:access )?token (?:has |is )?(?:expired|invalid|been revoked)|\boauth authentication is (?:currently )?not (?:supported|allowed)/,
  /invalid (?:access|bearer|auth(?:entication|orization)?|proxy server) (?:token|header|credentials)/,
)

const noModel = any(
  /invalid model(?: name| id(?:entifier)?)?(?: passed in|:|=| ?[`'"“]| given| specified| provided)/,
  /\bmodels?\b(?: (?:name|id))?[\s:=/]{0,3}(?:[`'"“]?[\w./:@+-]{1,120}[`'"”]? )?(?:was |is |could )?(?:not (?:be )?(?:found|loaded)|(?:does ?n[o']t|not) exist|unknown|(?:currently )?not deployed)\b/,
  /\bmodel[\s:]{0,3}(?:[`'"“]?[\w./:@+-]{1,120}[`'"”]? )?(?:has been|is|was) (?:deprecated|decommissioned|retired|shut ?down)\b/,
  /\b(?:can ?not|could not|unable to) (?:find|access) (?:the )?model\b|not found the model\b|invalid model(?: id)?(?:\.|$)|model identifier is invalid/,
  /\bmodel (?:[`'"“]?[\w./:@+-]{1,120}[`'"”]? )?is not available(?! (?:right|at|for|now|temporarily|until|yet))/,
  /(?:no such|unknown|unrecognized|nonexistent) model\b|is not a valid model(?: id| name)?\b|no models? (?:is |are )?loaded/,
  /(?:server|service) is pinned to/,
)

// ---------------------------------------------------------------------------------------------------------------------
// The request
// ---------------------------------------------------------------------------------------------------------------------

const tooLong = any(
  /exceed(?:s|ed|ing)? (?:the |its |this )?(?:model(?:'s)? |available |maximum |max |input |allowed )*(?:context (?:window|length|size|limit)|token limit|(?:prompt|sequence) length)/,
  /(?:maximum|max) context (?:length|size|window)|maximum prompt length/,
  /reduce the length of/,
  /token count \+ max_tokens must be less than the context length|inputs?[`'"]? tokens \+ [`'"]?max_\w+[`'"]? must be/,
  /(?<!(?:image|audio|video|file) )\b(?:prompt|input|conversation)s? (?:\([^)]{1,60}\) )?(?:(?:is|are|was) )?too (?:long|large|big)\b/,
  /request (?:\([^)]{1,60}\) )?(?:is|was) too (?:long|large to process)/,
  /too large for model with \d+ maximum|longer than the (?:maximum model length|model'?s? (?:maximum )?context)/,
  /increase the physical batch size|must have less than \d+ tokens|range of input length/,
  /(?:input|prompt) tokens? (?:count )?exceeds?\b|too many (?:input|prompt) tokens/,
  /\b(?:input|prompt|sequence) length\b[^.\n]{0,40}? (?:exceeds?|longer than)\b/,
)

const flagged = /requires moderation|was flagged|content management policy|content (?:filtering|usage) policy/i

/** A URL in the request could not be downloaded. */
const download =
  /(?:unable|fail(?:ed|ure)?|error|could ?n[o']t|cannot|time-?out|timed out)\b[^.\n]{0,20}\b(?:download|fetch|retriev|load)\w{0,5}\b[^.\n]{0,30}\b(?:https?:|image|file|url|media|audio|video|document)/i

/** A chat request to an embedding model, or an embeddings request to a chat model. */
const wrongOperation = /not allowed to (generate embeddings|sample) from this model|(not a chat model)/i

// ---------------------------------------------------------------------------------------------------------------------
// The server
// ---------------------------------------------------------------------------------------------------------------------

const overloaded = any(
  /\boverloaded\b|at (?:full )?capacity|over capacity|no (?:available )?capacity|server (?:is )?(?:too )?busy|too busy/,
  /(?:model|server) is (?:currently |still )?(?:loading|starting|warming)|\bloading model|warming up|not ready to (?:serve|accept)/,
  /service (?:is )?(?:temporarily |currently )?unavailable|temporarily (?:unavailable|overloaded)|maximum pending requests|queue is full/,
  /no (?:healthy|available) (?:upstream|deployments?|workers?|servers?|instances?|providers?|model provider)/,
)

const timedOut = any(
  /\btimed out\b|\bdeadline exceeded\b|\bdeadline expired\b/,
  /\b(?:request|response|read|idle|upstream|gateway|connection|connect|stream|inference|generation|backend|provider) time-?out\b/,
  /\btime-?out (?:waiting|while|reached|exceeded|occurred|expired|after|error|on)\b|\bdue to (?:a |the )?time-?out\b|\btook too long to\b/,
)

/** A connection, a stream or an upstream of the server failed. */
const broken = any(
  /\b(?:stream|streaming|connection|socket|upstream|peer|backend|provider|worker|engine|transport|response)\b[^.\n]{0,40}\b(?:broke|broken|interrupted|cut off|closed|ended (?:unexpectedly|early|prematurely)|reset|aborted|terminated|disconnected|disconnect|lost|dropped|refused|unreachable|died|crashed|hang up|unavailable)\b/,
  /\b(?:stream|response|generation)\b (?:has )?(?:ended|ends|stopped|finished) (?:without|before)\b|unexpected end of (?:the )?(?:stream|response)|(?:decoding|sending) (?:response body|request for url)|^fetch failed|^terminated\.?$|^context cancell?ed|: EOF$/,
  /\b(?:generation|inference|runner process|engine ?core)\b[^.\n]{0,30}\b(?:interrupted|terminated|stopped|died|dead|crashed|encountered)\b|\berror (?:during|while) (?:inference|generation|generating|streaming)\b|failed to generate (?:a |the )?(?:response|completion|output)\b|\bcuda (?:error|out of memory)|\blost connection\b/,
  /\b(?:stream|connection|socket|upstream|transport)(?: request)? (?:error|failed|failure)\b|\b(?:error|failure) (?:in|on|from|of|with|while reading|reading) (?:the )?(?:stream|upstream|connection|backend)\b/,
  /\b(?:failed|unable|error|could ?n[o']t|cannot)\b[^.\n]{0,20}\b(?:connect|connecting|reach|reaching|contact|read|reading|proxy|forward)\b[^.\n]{0,30}\b(?:stream|connection|upstream|server|backend|provider|response)\b/,
  /\b(?:econnreset|econnrefused|econnaborted|etimedout|epipe|enotfound|eai_again)\b|broken pipe|unexpected eof|premature(?:ly)? (?:close|end)|socket hang up|incomplete (?:chunked read|message|read)/,
  /bad gateway|internal (?:server )?error|internal failure|server (?:had|encountered|experienced) an (?:internal |unexpected )?error|encountered an unexpected error|an (?:unexpected |internal )?error (?:has )?occurred|something went wrong/,
  /(?:you can )?retry your request|(?:please )?(?:try again|retry) later/,
  /\b(?:upstream|provider|backend|server|api) (?:returned|responded|answered)\b[^.\n]{0,40}\b5\d\d\b|\b(?:status|http|code)(?: code)?[\s:=/\d.]{1,8}5\d\d\b/,
)

const tooFast = any(
  /\b(?:rate[ -]?limit|too many requests|request limit)\b|\b(?:requests|tokens)[ -]per[ -](?:second|minute|hour|day)\b/,
)

/** Messages that blame a type, a field or a value of the request. */
const blaming =
  /\binvalid (?:type|value|request body|json|messages?|input|schema)\b|\b(?:must|should) be (?:an?|one of)\b|\bvalidation error/i

// ---------------------------------------------------------------------------------------------------------------------
// The table
// ---------------------------------------------------------------------------------------------------------------------

/** The maximum of characters of a message that are searched. */
const maxLength = 8000

/** The reason of a message about the account, the request or the model; `undefined` if it has none. */
export const of = (message: string | undefined, { isRelayed, param, status }: Context): Reason | undefined => {
  if (message === undefined) return undefined
  const text = shortened(message)
  const isServers = status !== undefined && status >= 500
  const isRefusal = status !== 429 && !isServers
  const blames = isBlaming(text, param)

  if (!blames && spent.test(text)) return { _tag: "QuotaExhausted" }
  const kind = wrongOperation.exec(text)
  if (kind !== null) return unsupported(kind[1] === "generate embeddings" ? "embeddings" : "chat")
  if (status === 429) return /request too large for/i.test(text) ? { _tag: "ContextWindowExceeded" } : undefined
  if (tooLong.test(text)) return { _tag: "ContextWindowExceeded" }
  if (download.test(text)) {
    if (!isServers) return { _tag: "InvalidRequest", param }
    if (/https?:|\bimages?\b/i.test(text)) return unsupported("a file at a URL")
  }
  if (!blames && badKey.test(text)) return { _tag: "Authentication" }
  if (isRefusal || isRelayed) {
    if (!blames && disabled.test(text)) return { _tag: "Permission" }
    if (flagged.test(text) && status !== 404) return { _tag: "ContentPolicy" }
    if (noModel.test(text) && (param === undefined || param === "model")) return { _tag: "ModelNotFound" }
  }
  const refuses = isRefusal && status !== 401 && status !== 402 && status !== 403
  const feature = UnsupportedFeature.of(text, param, { isRelayed, refuses })
  return feature === undefined ? undefined : unsupported(feature)
}

/** The reason of a message about a failure of the server or its upstream; `undefined` where the status is as specific. */
export const serverFailure = (
  message: string | undefined,
  { param, retryAfter, status }: Context,
): Reason | undefined => {
  if (message === undefined) return undefined
  const text = shortened(message)
  if (status !== undefined && status >= 500) {
    return status !== 504 && overloaded.test(text) ? { _tag: "Overloaded", retryAfter } : undefined
  }
  if ((status !== undefined && status !== 400 && status !== 422) || isBlaming(text, param)) return undefined
  if (tooFast.test(text)) return { _tag: "RateLimited", retryAfter }
  if (overloaded.test(text)) return { _tag: "Overloaded", retryAfter }
  if (timedOut.test(text)) return { _tag: "Timeout", phase: "attempt" }
  return broken.test(text) ? { _tag: "ServerError", retryAfter } : undefined
}

/** The message, cut off, with escaped quotes unescaped. */
const shortened = (message: string): string =>
  (message.length > maxLength ? message.slice(0, maxLength) : message).replaceAll('\\"', '"')

/** Whether the message is about a value of the request, whatever words it contains. */
const isBlaming = (text: string, param: string | undefined): boolean =>
  (param !== undefined && param !== "model" && !notAField.test(param)) || blaming.test(text)

/** Prefixes before a colon that are not the name of a field. */
const notAField = /^(?:error|exception|litellm|upstream|provider|message|\d+)\b|(?:Error|Exception)$/i

const unsupported = (feature: string): Reason => ({ _tag: "Unsupported", feature })
