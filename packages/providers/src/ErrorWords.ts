/**
 * What the words of an error mean, where its code does not tell: one table for all vendors, since a server that speaks a
 * vendor's protocol is often another behind it. The vendors' own words stand in their `Errors.ts` and come first.
 *
 * A refusal that another model need not answer with is `Unsupported`: the request is sound, this server or model does not
 * take it. Under a 5xx only words that cannot be of a server's own trouble are believed, and under a 4xx only words of
 * trouble that no refusal has.
 *
 * Sources: the vendors' documentation, as their `Errors.ts` name it; the servers' own sources: llama.cpp (`server`), vLLM,
 * SGLang, Ollama (`server`, `openai`, `middleware`), transformers (`serving`), LiteLLM (proxy), LM Studio.
 */
import type { Reason } from "@understudy/core/ProviderError"
import type * as Duration from "effect/Duration"

/** What is known of an error beside its words. */
export interface Context {
  /** The HTTP status, or the one that the error itself names; none inside a stream. */
  readonly status: number | undefined
  /** The field that the error blames. */
  readonly param: string | undefined
  /** Whether they are a relay's, of what another said: its status is of all kinds. */
  readonly isRelayed: boolean
  readonly retryAfter: Duration.Duration | undefined
}

const any = (...patterns: ReadonlyArray<RegExp>): RegExp =>
  new RegExp(patterns.map(({ source }) => source).join("|"), "i")

// ---------------------------------------------------------------------------------------------------------------------
// The account
// ---------------------------------------------------------------------------------------------------------------------

/** What was paid for is used up, or nothing was paid. */
const spent = any(
  /(?:insufficient|not enough|exhausted|depleted|ran out of|out of|used (?:up )?(?:all )?(?:of )?(?:your |the )?(?:available )?) ?(?:account )?(?:balance|credits?|funds)\b/,
  /(?:balance|credits?|funds) (?:balance )?(?:is|are|has been|have been) (?:too low|not enough|insufficient|exhausted|depleted|used up|negative)/,
  /(?:credit )?balance is too low|prepa(?:id|yment) credits|(?:requires?|purchase|add|buy) (?:more )?credits|please recharge\b/,
  /(?:monthly|daily|weekly) spend(?:ing)? (?:limit|cap)|spend(?:ing)? (?:limit|cap) (?:has been |was |is )?(?:reached|exceeded|hit)/,
  /reached your specified .*usage limits|budget has been exceeded|exceeded (?:the |your )?budget|over budget/,
  // Gemini has the same words for the requests of a minute.
  /exceeded your current quota(?![^]{0,4000}?(?:ai\.google|generativelanguage|PerMinute|retryDelay|retry in))/,
  /billing (?:hard limit|account|issue|information|is (?:not )?(?:active|enabled|disabled))|enable billing|payment (?:is )?(?:required|overdue|failed|method)|(?:invoice|payment|account)s? (?:is |are )?(?:past due|overdue|in arrears|unpaid)/,
  /free (?:trial|tier|credits?) (?:has |have )?(?:ended|expired|been exhausted)|trial (?:has )?expired/,
  /account (?:\S{1,60} )?(?:is|has been|was) suspended/,
)

/** The account is there, and may not. */
const disabled = any(
  /\b(?:organi[sz]ation|account|workspace|project|team|tenant|subscription|access)\b[^.\n]{0,60}?\b(?:has been|have been|is|are|was|were|been)(?: \w{1,20}){0,3} (?:disabled|suspended|deactivated|blocked|banned|terminated|restricted|closed|revoked|locked|frozen|on hold|inactive|not active|delinquent)\b/,
  /\b(?:disabled|suspended|deactivated|banned|terminated|inactive) (?:organi[sz]ation|account|workspace|project)\b/,
  /\baccess (?:terminated|suspended|revoked|deactivated|disabled)\b|\b(?:your|current) plan does ?n[o']t (?:include|support|allow)/,
  /\b(?:location|country|region|territory) is not (?:supported|allowed|available)|not (?:supported|available) in your (?:country|region|location)/,
)

const badKey = any(
  /(?:incorrect|invalid|expired|missing|unknown|revoked|no) (?:\w{1,20} )?api[ _-]?key/,
  /api[ _-]?key (?:provided )?(?:is |was |has )?(?:been )?(?:not valid|invalid|incorrect|expired|missing|not found|disabled|revoked|deactivated|deleted|not set)/,
  /no connected db\b/,
  /invalid (?:access|bearer|auth(?:entication|orization)?|proxy server) (?:token|header|credentials)/,
)

const noModel = any(
  /invalid model(?: name| id(?:entifier)?)?(?: passed in|:|=| ?[`'"“]| given| specified| provided)/,
  /\bmodels?\b(?: (?:name|id))?[\s:=/]{0,3}(?:[`'"“]?[\w./:@+-]{1,120}[`'"”]? )?(?:was |is |could )?(?:not (?:be )?(?:found|loaded)|does ?n[o']t exist|unknown)\b/,
  /(?:no such|unknown|unrecognized|nonexistent) model\b|is not a valid model(?: id| name)?\b|no models? (?:is |are )?loaded/,
  /(?:server|service) is pinned to/,
)

// ---------------------------------------------------------------------------------------------------------------------
// What was asked
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
)

const flagged = /requires moderation|was flagged|content management policy|content (?:filtering|usage) policy/i

/** What the caller's own words point to was not to be had. */
const download =
  /(?:unable|fail(?:ed|ure)?|error|could ?n[o']t|cannot|time-?out|timed out)\b[^.\n]{0,20}\b(?:download|fetch|retriev|load)\w{0,5}\b[^.\n]{0,30}\b(?:https?:|image|file|url|media|audio|video|document)/i

/** One that embeds asked to converse, or the other way about: the model and the key are as good as ever. */
const otherKind = /not allowed to (generate embeddings|sample) from this model|(not a chat model)/i

// ---------------------------------------------------------------------------------------------------------------------
// What is not to be had here
// ---------------------------------------------------------------------------------------------------------------------

const maxTokens = /\bmax[_ ]?(?:completion|output|new|gen(?:erated)?)?[_ ]?tokens\b|\bmaximum tokens\b|\bnum_predict\b/i
/** Above, not below: a model that writes more takes it, while no model writes less than one token. */
const above =
  /too (?:large|high|big|many)|(?:be|than|is|are|supports?) (?:at most|no more than|up to)|at most \d|less than or equal|(?:must|should) be (?:less|lower|smaller|below|under|between|in)\b|(?:must|should) be <|<= ?\d|exceed|above (?:the )?max|(?:valid|supported|allowed|accepted) range|range of|(?:is|was) (?:larger|greater|higher|more) than|\b\d+ > \d+|maximum (?:value|allowed)|must have stream/
const tooManyTokens = any(
  new RegExp(`(?:${maxTokens.source})[^\\n]{0,120}?(?:${above.source})`),
  /range of [`'"]?max_\w{0,20}tokens|too many (?:output|completion) tokens/,
  /(?:requested|output|completion) tokens?\b[^.\n]{0,60}\b(?:exceeds?|no more than|at most)\b/,
)
/** What no quota or buffer of a server's own is told of by. */
const surelyTooMany = any(
  new RegExp(
    `(?:${maxTokens.source})[\`'"]? (?:(?:is|are|was) )?too (?:large|high|big|many)|^[\`'"]?(?:${maxTokens.source})[\`'"]?: \\d+ > \\d+`,
  ),
  /\btoo many (?:tools|functions|function declarations)\b/,
)
const aboveAnyhow = new RegExp(above.source, "i")

/** A list of tools, or of another kind, that is longer than what is taken. */
const tooMany = any(
  /\btoo many (?:tools|functions|function declarations|images?|stop sequences|messages|stops|documents|files)\b/,
  /\b(?:tools|functions|function[_ ]declarations|stop|stop_sequences)\b[`'"]?[^.\n]{0,60}(?:array too long|too (?:many|long)|(?:maximum|max) (?:length|number|of|items)|at most \d|no more than \d|up to \d|exceeds?|less than or equal|limit(?:ed)? (?:is|of|to))/,
  /(?:maximum|max|limit)(?: number)? of (?:\d+ )?(?:tools|functions|function declarations|stop sequences)/,
  /(?:more than|over|at most|up to) \d+ (?:tools|functions|function declarations)/,
)

/** Several answers at once, of a server that gives one. */
const several = any(
  /(?:\bfield |\bparameter |^|[\s([{:,])[\\`'"]{0,3}n[\\`'"]{0,3} ?(?:\(\d+\) ?)?(?::|=|>|must|should|can|is|number|parameter)[^.\n]{0,40}?(?:\b1 <= value <= 1\b|at most 1\b|(?<!greater than or )\bequal(?: to)? 1\b|\b(?:only|be) 1\b|(?<![>!=])={1,2} ?1\b|<=? ?1\b|(?:not|un) ?supported)/,
  /\b(?:only|just) (?:supports? )?(?:[`'"]?n[`'"]? ?={1,2} ?1\b|one (?:completion|choice)\b)|\bn ?> ?1 (?:is |are )?not/,
)

/** The words of a server that could, were it started otherwise. */
const requiring = /\brequires?(?: the)? [`'"]?--\w/
const flags =
  /(?:needs?|start|run|launch|set|pass|use|using|with|enable) (?:it |the server |vllm |sglang )?(?:with |by )?(?:the )?(?:flag )?[`'"]?--[a-z]/

const template = any(
  /\bjinja\b|conversation roles must alternate|roles must alternate|\btemplate ?error\b/,
  /(?:chat[ _]template|parser for this template)[^.\n]{0,80}/,
  /only user(?:,| and) assistant(?: and \w+)? roles are supported|no user query found in messages/,
)

const media =
  "(?:images?|audio|videos?|vision|pdfs?|documents?|multi-?modal|tool[_ ]choice|tools?|function calling|embeddings?|rerank\\w*|response_format|json schemas?|structured outputs?|grammars?|logprobs|reasoning|thinking|prefill|roles?)"
const piece =
  "(?: (?:inputs?|parts?|content|urls?|types?|blocks?|calls?|calling|use|choice|format|mode|generation|requests?|messages?|data))?"

/** Words that no trouble of a server's own has: they are believed under a 5xx too. */
const lacking = any(
  /\b(\w+ inputs?) (?:is|are) (?:not|un) ?supported|\bunsupported content\b/,
  /\b(?:not supported|unsupported|not available|not allowed|not enabled) (?:for|on|by|with|in) (?:this|the) (?:\w+ )?model\b/,
  /(?:unexpected|unknown|unrecognized|unrecognised|unsupported|extra|extraneous) (?:request )?(?:fields? in|inputs? (?:is|are)|arguments? supplied|params?\b|parameters?\b|keys? in)/,
  /response_format[^.\n]{0,30} is (?:currently )?unavailable/,
  /invalid message format|invalid (?:reasoning|think(?:ing)?|effort|reasoning[ _]effort) (?:value|level|effort)/,
  /\b(?:reasoning[_.]effort|effort)\b[^.\n]{0,20}(?:input should be|must be one of|should be one of|expected one of|invalid|is not (?:a )?valid)/,
  /missing data required for (\w+)/,
  /pooling type .{1,40} not (?:oai|openai)[ -]?compatible/,
  /is not (?:a )?multi-?modal/,
  /no endpoints found that (?:can )?(?:support|handle) ([\w ]+)/,
  new RegExp(`\\b(${media}${piece})[\`'"]? (?:(?:is|are|was)(?: not|n't)|not) (?:currently |yet )?supported\\b`),
  new RegExp(`\\bunsupported (${media})\\b`),
  new RegExp(
    `(?:does not|doesn't|do not|don't|cannot|can't) (?:currently )?support (?:the |this |that )?[\`'"]?(${media}${piece})\\b`,
  ),
)

/** Words of a refusal. Under a 5xx they may be of anything, a driver or a protocol of its own. */
const refusing = any(
  /(?:does not|doesn't|do not|don't|cannot|can't|only) (?:currently )?supports? (?:the )?(?:parameters? |request (?:of|for) )?[`'"]?([\w .[\]]{2,60})/,
  /argument not supported on this model: (\w+)/,
  /propert(?:y|ies) ['"`]?([\w.]+)['"`]? (?:is|are) unsupported/,
  /(?:is|are|was)(?: ?n[o']t|n't) (?:currently |yet )?(?:supported|enabled|implemented)\b|\bnot (?:yet |currently )?supported\b/,
  /\bunsupported (?:[\w[\].`'"]+)/,
  /(?:unexpected|unknown|unrecognized|unrecognised|unsupported|extra|extraneous|additional) (?:request )?(?:fields?|inputs?|arguments?|params?|parameters?|keys?|propert(?:y|ies))\b/,
  /\b(?:is|are) not permitted\b/,
)

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
  /\btime-?out (?:waiting|while|reached|exceeded|occurred|expired|after|error|on)\b/,
)

/** A connection, a stream or an upstream that broke behind the server that answered. */
const broken = any(
  /\b(?:stream|streaming|connection|socket|upstream|peer|backend|provider|worker|engine|transport|response)\b[^.\n]{0,40}\b(?:broke|broken|interrupted|cut off|closed|ended (?:unexpectedly|early|prematurely)|reset|aborted|terminated|disconnected|disconnect|lost|dropped|refused|unreachable|died|crashed|hang up|unavailable)\b/,
  /\b(?:stream|connection|socket|upstream|transport)(?: request)? (?:error|failed|failure)\b|\b(?:error|failure) (?:in|on|from|of|with|while reading|reading) (?:the )?(?:stream|upstream|connection|backend)\b/,
  /\b(?:failed|unable|error|could ?n[o']t|cannot)\b[^.\n]{0,20}\b(?:connect|connecting|reach|reaching|contact|read|reading|proxy|forward)\b[^.\n]{0,30}\b(?:stream|connection|upstream|server|backend|provider|response)\b/,
  /\b(?:econnreset|econnrefused|econnaborted|etimedout|epipe|enotfound|eai_again)\b|broken pipe|unexpected eof|premature(?:ly)? (?:close|end)|socket hang up|incomplete (?:chunked read|message|read)/,
  /bad gateway|internal (?:server )?error|internal failure|server (?:had|encountered|experienced) an (?:internal |unexpected )?error|encountered an unexpected error|an (?:unexpected |internal )?error (?:has )?occurred|something went wrong/,
  /(?:you can )?retry your request|(?:please )?(?:try again|retry) later/,
  /\b(?:upstream|provider|backend|server|api) (?:returned|responded|answered)\b[^.\n]{0,40}\b5\d\d\b|\b(?:status|http|code)(?: code)?[\s:=/\d.]{1,8}5\d\d\b/,
)

/** Words that blame a type, a field or a value of the request. */
const blaming =
  /\binvalid (?:type|value|request body|json|messages?|input|schema)\b|\b(?:must|should) be (?:an?|one of)\b|\bvalidation error/i

// ---------------------------------------------------------------------------------------------------------------------
// The table
// ---------------------------------------------------------------------------------------------------------------------

/** The most of a message that is looked through. */
const most = 8000

/** What the words say of the account, of the request or of a lack, or nothing. */
export const of = (message: string | undefined, { isRelayed, param, status }: Context): Reason | undefined => {
  if (message === undefined) return undefined
  const text = shortened(message)
  const isServers = status !== undefined && status >= 500
  const isRefusal = status !== 429 && !isServers
  const blames = isBlaming(text, param)

  if (!blames && spent.test(text)) return { _tag: "QuotaExhausted" }
  const kind = otherKind.exec(text)
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
  const lack = lackOf(text, param, { isRelayed, refuses })
  return lack === undefined ? undefined : unsupported(lack)
}

/** What the words say of a server's own trouble, or of one behind it; nothing where a status tells as much. */
export const trouble = (message: string | undefined, { param, retryAfter, status }: Context): Reason | undefined => {
  if (message === undefined) return undefined
  const text = shortened(message)
  if (status !== undefined && status >= 500) {
    return status !== 504 && overloaded.test(text) ? { _tag: "Overloaded", retryAfter } : undefined
  }
  if ((status !== undefined && status !== 400 && status !== 422) || isBlaming(text, param)) return undefined
  if (overloaded.test(text)) return { _tag: "Overloaded", retryAfter }
  if (timedOut.test(text)) return { _tag: "Timeout", phase: "attempt" }
  return broken.test(text) ? { _tag: "ServerError", retryAfter } : undefined
}

const shortened = (message: string): string => (message.length > most ? message.slice(0, most) : message)

/** What blames a field is about what stands in it, whatever it sounds like. */
const isBlaming = (text: string, param: string | undefined): boolean =>
  (param !== undefined && param !== "model" && !notAField.test(param)) || blaming.test(text)

/** What stands before a colon and yet names no field. */
const notAField = /^(?:error|exception|litellm|upstream|provider|message|\d+)\b|(?:Error|Exception)$/i

const unsupported = (feature: string): Reason => ({ _tag: "Unsupported", feature })

/** What this server does not have or take, by its words; `refuses` whether the status is a refusal's. */
const lackOf = (
  text: string,
  param: string | undefined,
  { isRelayed, refuses }: { readonly isRelayed: boolean; readonly refuses: boolean },
): string | undefined => {
  if (several.test(param === "n" ? `n: ${text}` : text)) return "several answers at once (n)"
  if (surelyTooMany.test(text)) return param ?? surelyTooMany.exec(text)?.[0]
  const mayRefuse = refuses || isRelayed
  if (
    mayRefuse &&
    (tooManyTokens.test(text) || (param !== undefined && maxTokens.test(param) && aboveAnyhow.test(text)))
  ) {
    return "so many tokens (max_tokens)"
  }
  if (mayRefuse && tooMany.test(param === "tools" ? `tools: ${text}` : text)) return param ?? "so many tools"
  const found =
    requiring.exec(text) ??
    template.exec(text) ??
    lacking.exec(text) ??
    (refuses ? (flags.exec(text) ?? refusing.exec(text)) : null)
  if (found === null) return undefined
  const [words, ...features] = found
  return param ?? (features.find((feature) => feature !== undefined) ?? words).trim()
}
