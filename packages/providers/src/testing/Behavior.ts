/**
 * What the fault server does with a request, as data: a response, or one of the failures of providers.
 *
 * A `Script` has the behaviors of a model's requests in turn. It is a list of behaviors, or a name such as `"429-once"` or
 * `"cut-3"`, which can be the name of the requested model. The vendors' formats are in `OpenAi.ts`, `Responses.ts`,
 * `Anthropic.ts`, `Bedrock.ts` and `Gemini.ts`.
 */

// ---------------------------------------------------------------------------------------------------------------------
// Content
// ---------------------------------------------------------------------------------------------------------------------

/** The finish reason of a response. */
export type Finish = "stop" | "length" | "content-filter"

/** The content of a response. Missing parts are made up, deterministic by request. */
export interface GeneratedAnswer {
  /** The text. It may be empty: the response still has a finish reason. */
  readonly text?: string | undefined
  /** The arguments of a tool call, as JSON text. Makes the response a call of `tool`; default: the first tool of the request. */
  readonly arguments?: string | undefined
  readonly tool?: string | undefined
  readonly finish?: Finish | undefined
}

/** An error that every vendor has, each in its own format. */
export type Fault =
  | "rate-limit"
  | "quota"
  | "bad-key"
  | "forbidden"
  | "unknown-model"
  | "context-length"
  | "content-policy"
  | "invalid-request"
  | "unsupported-parameter"
  | "timeout"
  | "server-error"
  | "overloaded"

/** All faults. */
export const faults: ReadonlyArray<Fault> = [
  "rate-limit",
  "quota",
  "bad-key",
  "forbidden",
  "unknown-model",
  "context-length",
  "content-policy",
  "invalid-request",
  "unsupported-parameter",
  "timeout",
  "server-error",
  "overloaded",
]

/**
 * The wait before a retry, in milliseconds, and its header: `Retry-After` as seconds or as an HTTP date, `retry-after-ms`, or
 * the vendor's reset header (`x-ratelimit-reset-requests`, `anthropic-ratelimit-requests-reset`; in Gemini a field of the
 * body; Bedrock has none).
 */
export interface RetryAfter {
  readonly form: "seconds" | "date" | "millis" | "reset"
  readonly millis: number
}

// ---------------------------------------------------------------------------------------------------------------------
// Behavior
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The outcome of a request. `after` counts pieces of output (text or tool call); 0 is after the preamble. A complete response
 * has no pieces: `Cut` and `Stall` break it in the middle of its body, and behaviors of streams only (`MalformedEvent`,
 * `NoDone`, `NoFinish`, `ErrorEvent`) do not change it.
 *
 * - `Answer`: a response. `delay` is the wait before the first output, in milliseconds; a stream's preamble precedes it.
 * - `Refuse`: an error status with the vendor's body and headers.
 * - `Reset`: the connection is reset before any header.
 * - `Silent`: nothing is sent.
 * - `Cut`: the connection breaks: closed without the last chunk of its body, or reset.
 * - `Stall`: nothing more is sent, except keep-alives if `pings`.
 * - `MalformedEvent`: one event that is not JSON, in an otherwise complete response.
 * - `NoDone`: a finish reason, and nothing after it: no `[DONE]`, no `message_stop`, no `metadata`. Responses
 *   has nothing after it.
 * - `NoFinish`: all output, then a clean end without a finish reason.
 * - `ErrorEvent`: an error inside the stream, before anything else (`"first"`) or after so much output.
 * - `Html`: a proxy's error page. `Empty`: 200 and no body. `HalfJson`: JSON that stops in the middle, and a clean end.
 */
export type Behavior =
  | ({ readonly _tag: "Answer"; readonly delay?: number | undefined } & GeneratedAnswer)
  | { readonly _tag: "Refuse"; readonly fault: Fault; readonly retryAfter?: RetryAfter | undefined }
  | { readonly _tag: "Reset" }
  | { readonly _tag: "Silent" }
  | ({ readonly _tag: "Cut"; readonly after: number; readonly how: "close" | "reset" } & GeneratedAnswer)
  | ({ readonly _tag: "Stall"; readonly after: number; readonly pings: boolean } & GeneratedAnswer)
  | ({ readonly _tag: "MalformedEvent"; readonly after: number } & GeneratedAnswer)
  | ({ readonly _tag: "NoDone" } & GeneratedAnswer)
  | ({ readonly _tag: "NoFinish" } & GeneratedAnswer)
  | ({ readonly _tag: "ErrorEvent"; readonly after: number | "first"; readonly fault: Fault } & GeneratedAnswer)
  | { readonly _tag: "Html"; readonly status: number }
  | { readonly _tag: "Empty" }
  | ({ readonly _tag: "HalfJson" } & GeneratedAnswer)

export const answer = (content: GeneratedAnswer & { readonly delay?: number | undefined } = {}): Behavior => ({
  _tag: "Answer",
  ...content,
})
export const refuse = (fault: Fault, retryAfter?: RetryAfter): Behavior => ({ _tag: "Refuse", fault, retryAfter })
export const reset: Behavior = { _tag: "Reset" }
export const silent: Behavior = { _tag: "Silent" }
export const cut = (after: number, content: GeneratedAnswer & { readonly how?: "close" | "reset" } = {}): Behavior => ({
  _tag: "Cut",
  how: "close",
  ...content,
  after,
})
export const stall = (after: number, content: GeneratedAnswer & { readonly pings?: boolean } = {}): Behavior => ({
  _tag: "Stall",
  pings: false,
  ...content,
  after,
})
export const malformedEvent = (after: number, content: GeneratedAnswer = {}): Behavior => ({
  _tag: "MalformedEvent",
  ...content,
  after,
})
export const noDone = (content: GeneratedAnswer = {}): Behavior => ({ _tag: "NoDone", ...content })
export const noFinish = (content: GeneratedAnswer = {}): Behavior => ({ _tag: "NoFinish", ...content })
export const errorEvent = (
  after: number | "first",
  fault: Fault = "overloaded",
  content: GeneratedAnswer = {},
): Behavior => ({
  _tag: "ErrorEvent",
  ...content,
  after,
  fault,
})
export const html = (status: number): Behavior => ({ _tag: "Html", status })
export const empty: Behavior = { _tag: "Empty" }
export const halfJson = (content: GeneratedAnswer = {}): Behavior => ({ _tag: "HalfJson", ...content })

/** The behavior with this text, if it sends content and has none of its own. */
export const withText = (behavior: Behavior, text: string): Behavior => {
  switch (behavior._tag) {
    case "Refuse":
    case "Reset":
    case "Silent":
    case "Html":
    case "Empty":
      return behavior
    default:
      return behavior.text === undefined && behavior.arguments === undefined ? { ...behavior, text } : behavior
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Scripts
// ---------------------------------------------------------------------------------------------------------------------

/** Behaviors in turn. After the last step, `last` repeats it, and `all` begins again. */
export interface Script {
  readonly steps: readonly [Behavior, ...ReadonlyArray<Behavior>]
  readonly repeat: "last" | "all"
}

/** The behavior of a request, numbered from 0. */
export const at = ({ steps, repeat }: Script, turn: number): Behavior =>
  steps[repeat === "all" ? turn % steps.length : Math.min(turn, steps.length - 1)] ?? steps[0]
