/**
 * Finds in an error message the feature that a server does not support: a kind of content, a parameter, a format, or a size.
 * Another deployment may support it, so the router falls back.
 *
 * Sources: see `ErrorMessage`.
 */

/** One case-insensitive pattern of several. */
export const any = (...patterns: ReadonlyArray<RegExp>): RegExp =>
  new RegExp(patterns.map(({ source }) => source).join("|"), "i")

const maxTokens = /\bmax[_ ]?(?:completion|output|new|gen(?:erated)?)?[_ ]?tokens\b|\bmaximum tokens\b|\bnum_predict\b/i
/** Values above a limit. Values below one are invalid for every model. */
const above =
  /too (?:large|high|big|many)|(?:be|than|is|are|supports?) (?:at most|no more than|up to)|at most \d|less than or equal|(?:must|should) be (?:less|lower|smaller|below|under|between|in)\b|(?:must|should) be <|<= ?\d|exceed|above (?:the )?max|(?:valid|supported|allowed|accepted) range|range of|(?:is|was) (?:larger|greater|higher|more) than|\b\d+ > \d+|maximum (?:value|allowed)|must have stream/
const tooManyTokens = any(
  new RegExp(`(?:${maxTokens.source})[^\\n]{0,120}?(?:${above.source})`),
  /range of [`'"]?max_\w{0,20}tokens|too many (?:output|completion) tokens/,
  /(?:requested|output|completion) tokens?\b[^.\n]{0,60}\b(?:exceeds?|no more than|at most)\b/,
)
/** Messages that are never about a quota or a buffer of the server. */
const surelyTooMany = any(
  new RegExp(
    `(?:${maxTokens.source})[\`'"]? (?:(?:is|are|was) )?too (?:large|high|big|many)|^[\`'"]?(?:${maxTokens.source})[\`'"]?: \\d+ > \\d+`,
  ),
  /\btoo many (?:tools|functions|function declarations)\b/,
)
const aboveAnyhow = new RegExp(above.source, "i")

/** Too many tools, images or other items. */
const tooMany = any(
  /\btoo many (?:tools|functions|function declarations|images?|stop sequences|messages|stops|documents|files)\b/,
  /\bat most \d+ (?:images?|audios?|videos?)(?:\(s\))?/,
  /\b(?:tools|functions|function[_ ]declarations|stop|stop_sequences)\b[`'"]?[^.\n]{0,60}(?:array too long|too (?:many|long)|(?:maximum|max) (?:length|number|of|items)|at most \d|no more than \d|up to \d|exceeds?|less than or equal|limit(?:ed)? (?:is|of|to))/,
  /(?:maximum|max|limit)(?: number)? of (?:\d+ )?(?:tools|functions|function declarations|stop sequences)/,
  /(?:more than|over|at most|up to) \d+ (?:tools|functions|function declarations)/,
)

/** More than one choice (`n`). */
const several = any(
  /(?:\bfield |\bparameter |^|[\s([{:,])[\\`'"]{0,3}n[\\`'"]{0,3} ?(?:\(\d+\) ?)?(?::|=|>|must|should|can|is|number|parameter)[^.\n]{0,40}?(?:\b1 <= value <= 1\b|at most 1\b|(?<!greater than or )\bequal(?: to)? 1\b|\b(?:only|be) 1\b|(?<![>!=])={1,2} ?1\b|<=? ?1\b|(?:not|un) ?supported)/,
  /\bn[`'"]? only supports? 1\b|\bat most 1 for n\b/,
  /\b(?:only|just) (?:supports? )?(?:[`'"]?n[`'"]? ?={1,2} ?1\b|one (?:completion|choice)\b)|\bn ?> ?1 (?:is |are )?not/,
)

/** Features that need a flag at the server's start. */
const requiring = /\brequires?(?: the)? [`'"]?--\w/
const flags =
  /(?:needs?|start|run|launch|set|pass|use|using|with|enable) (?:it |the server |vllm |sglang )?(?:with |by )?(?:the )?(?:flag )?[`'"]?--[a-z]/

const template = any(
  /\bjinja\b|conversation roles must alternate|roles must alternate|\btemplate ?error\b/,
  /(?:chat[ _]template|parser for this template)[^.\n]{0,80}/,
  /only user(?:,| and) assistant(?: and \w+)? roles are supported|no user query found in messages|expected last role\b/,
)

const media =
  "(?:images?|audio|videos?|vision|pdfs?|documents?|multi-?modal|tool[_ ]choice|tools?|function calling|embeddings?|rerank\\w*|response_format|json schemas?|structured outputs?|grammars?|logprobs|reasoning|thinking|prefill|roles?)"
const piece =
  "(?: (?:inputs?|parts?|content|urls?|types?|blocks?|calls?|calling|use|choice|format|mode|generation|requests?|messages?|data))?"

/** Messages that are never about a failure of the server: they count under a 5xx too. */
const unsupported = any(
  /\b(\w+ inputs?) (?:is|are) (?:not|un) ?supported|\bunsupported content\b/,
  /\b(?:not supported|unsupported|not available|not allowed|not enabled) (?:for|on|by|with|in) (?:this|the) (?:\w+ )?model\b/,
  /(?:unexpected|unknown|unrecognized|unrecognised|unsupported|extra|extraneous) (?:request )?(?:fields? in|inputs? (?:is|are)|arguments? supplied|params?\b|parameters?\b|keys? in)/,
  /response_format[^.\n]{0,30} is (?:currently )?unavailable/,
  /invalid message format|invalid (?:reasoning|think(?:ing)?|effort|reasoning[ _]effort) (?:value|level|effort)/,
  /\b(?:reasoning[_.]effort|effort)\b[^.\n]{0,20}(?:input should be|must be one of|should be one of|expected one of|invalid|is not (?:a )?valid)/,
  /\bdeprecated (?:for|on|with) (?:this|the) model\b|\bcannot both be specified for (?:this|the) model\b/,
  /\bonly [`'"]?text[`'"]? (?:content|inputs?|messages?)\b|\bis only supported (?:by|for|on|with|in) (?:certain|some|other)\b/,
  /\bcannot use (?:custom )?grammar|[`'"]response_format\.type[`'"] must be/,
  // Reasoning that is missing in messages of another vendor.
  /\breasoning_content\b[^.\n]{0,60}(?:must be passed back|is missing)|\bexpected [`'"]?thinking[`'"]? or [`'"]?redacted_thinking/,
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

/** Messages of a rejected request. Under a 5xx they may be about the server's own parts. */
const rejected = any(
  /(?:does not|doesn't|do not|don't|cannot|can't|only) (?:currently )?supports? (?:the )?(?:parameters? |request (?:of|for) )?[`'"]?([\w .[\]]{2,60})/,
  /argument not supported on this model: (\w+)/,
  /propert(?:y|ies) ['"`]?([\w.]+)['"`]? (?:is|are) unsupported/,
  /(?:is|are|was)(?: ?n[o']t|n't) (?:currently |yet )?(?:supported|enabled|implemented)\b|\bnot (?:yet |currently )?supported\b/,
  /\bunsupported (?:[\w[\].`'"]+)/,
  /(?:unexpected|unknown|unrecognized|unrecognised|unsupported|extra|extraneous|additional) (?:request )?(?:fields?|inputs?|arguments?|params?|parameters?|keys?|propert(?:y|ies))\b/,
  /\b(?:is|are) not permitted\b/,
)

/** The unsupported feature in a message; `undefined` if there is none. `refuses`: the status is that of a rejected request. */
export const of = (
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
  const match =
    requiring.exec(text) ??
    template.exec(text) ??
    unsupported.exec(text) ??
    (refuses ? (flags.exec(text) ?? rejected.exec(text)) : null)
  if (match === null) return undefined
  const [matched, ...features] = match
  return param ?? (features.find((feature) => feature !== undefined) ?? matched).trim()
}
