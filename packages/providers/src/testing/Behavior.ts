/**
 * What a stand-in upstream does with a request, as data: answer it, or fail at it in one of the ways providers fail.
 *
 * A `Script` is what becomes of one model's requests in turn. It is written as a list of behaviours, or chosen by a name
 * such as `"429-once"` or `"cut-3"`, which can be the very name of the model that a request asks for. What a vendor's
 * wire makes of a behaviour stands in `OpenAi.ts`, `Responses.ts`, `Anthropic.ts`, `Bedrock.ts` and `Gemini.ts`.
 */

// ---------------------------------------------------------------------------------------------------------------------
// What is said
// ---------------------------------------------------------------------------------------------------------------------

/** Why an answer says that it ends. */
export type Finish = "stop" | "length" | "content-filter"

/** What is said by a behaviour that speaks; what is left out is made up, the same for the same request. */
export interface GeneratedAnswer {
  /** The whole text. An empty one is an answer too: it has a finish reason. */
  readonly text?: string | undefined
  /** The arguments of a tool call, as JSON text. Makes the answer a call of `tool`, the first that is offered if not said. */
  readonly arguments?: string | undefined
  readonly tool?: string | undefined
  readonly finish?: Finish | undefined
}

/** An error that a provider words, each in its own way. */
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

/** Every fault, once. */
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
 * When to come back, and the header that says so: `Retry-After` as seconds or as an HTTP date, `retry-after-ms`, or the
 * vendor's own reset header (`x-ratelimit-reset-requests`, `anthropic-ratelimit-requests-reset`; Gemini says it in the
 * body, Bedrock has none).
 */
export interface RetryAfter {
  readonly form: "seconds" | "date" | "millis" | "reset"
  readonly millis: number
}

// ---------------------------------------------------------------------------------------------------------------------
// What is done
// ---------------------------------------------------------------------------------------------------------------------

/**
 * One request's outcome. `after` counts pieces of real output (text or tool call); 0 is after the preamble. A plain
 * answer has no pieces: it is cut or stalls in the middle of its body, and what only a stream can show (`MalformedEvent`,
 * `NoDone`, `NoFinish`, `ErrorEvent`) leaves it whole.
 *
 * - `Answer`: whole. `delay` is the wait before the first output, in milliseconds: a stream's preamble comes first.
 * - `Refuse`: an error status with the vendor's own body and headers.
 * - `Reset`: the connection is reset before any header.
 * - `Silent`: nothing is sent, ever.
 * - `Cut`: the connection breaks: closed without the last chunk of its body, or reset.
 * - `Stall`: nothing more is sent, except pings or comments if `pings`.
 * - `MalformedEvent`: one event that is not JSON, beside an answer that is whole.
 * - `NoDone`: a finish reason, and nothing after it: no `[DONE]`, no `message_stop`, no `metadata`. Responses
 *   has nothing after it.
 * - `NoFinish`: all the output, then a clean end without a finish reason.
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

export const answer = (speech: GeneratedAnswer & { readonly delay?: number | undefined } = {}): Behavior => ({
  _tag: "Answer",
  ...speech,
})
export const refuse = (fault: Fault, retryAfter?: RetryAfter): Behavior => ({ _tag: "Refuse", fault, retryAfter })
export const reset: Behavior = { _tag: "Reset" }
export const silent: Behavior = { _tag: "Silent" }
export const cut = (after: number, speech: GeneratedAnswer & { readonly how?: "close" | "reset" } = {}): Behavior => ({
  _tag: "Cut",
  how: "close",
  ...speech,
  after,
})
export const stall = (after: number, speech: GeneratedAnswer & { readonly pings?: boolean } = {}): Behavior => ({
  _tag: "Stall",
  pings: false,
  ...speech,
  after,
})
export const malformedEvent = (after: number, speech: GeneratedAnswer = {}): Behavior => ({
  _tag: "MalformedEvent",
  ...speech,
  after,
})
export const noDone = (speech: GeneratedAnswer = {}): Behavior => ({ _tag: "NoDone", ...speech })
export const noFinish = (speech: GeneratedAnswer = {}): Behavior => ({ _tag: "NoFinish", ...speech })
export const errorEvent = (
  after: number | "first",
  fault: Fault = "overloaded",
  speech: GeneratedAnswer = {},
): Behavior => ({
  _tag: "ErrorEvent",
  ...speech,
  after,
  fault,
})
export const html = (status: number): Behavior => ({ _tag: "Html", status })
export const empty: Behavior = { _tag: "Empty" }
export const halfJson = (speech: GeneratedAnswer = {}): Behavior => ({ _tag: "HalfJson", ...speech })

/** The behaviour in these words, if it speaks at all and has none of its own. */
export const saying = (behaviour: Behavior, text: string): Behavior => {
  switch (behaviour._tag) {
    case "Refuse":
    case "Reset":
    case "Silent":
    case "Html":
    case "Empty":
      return behaviour
    default:
      return behaviour.text === undefined && behaviour.arguments === undefined ? { ...behaviour, text } : behaviour
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Scripts
// ---------------------------------------------------------------------------------------------------------------------

/** Behaviours in turn. After the last one it stays with the `last`, or begins with `all` of them anew. */
export interface Script {
  readonly steps: readonly [Behavior, ...ReadonlyArray<Behavior>]
  readonly repeat: "last" | "all"
}

/** What becomes of the request of that number, counted from 0. */
export const at = ({ steps, repeat }: Script, turn: number): Behavior =>
  steps[repeat === "all" ? turn % steps.length : Math.min(turn, steps.length - 1)] ?? steps[0]
