/**
 * Resumption of a broken answer by another deployment: the request to send, and where the new answer joins the text that
 * the caller has already read. For plain text only, and only if the joint is certain: a wrong answer is worse than an error.
 *
 * Works on parts: the native events of the second vendor are not passed on.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { usesReasoning } from "../model/Call.ts"
import * as Chat from "../model/Chat.ts"
import type { Chunk } from "../execution/StreamStart.ts"
import type { Capabilities } from "../model/Capabilities.ts"
import { ProviderError } from "../model/ProviderError.ts"

/** Whether an answer to this request can be resumed: one choice of plain text, without tools, format or logprobs. */
export const isResumable = ({ format, sampling, tools, vendor }: Chat.Request): boolean =>
  (tools === undefined || tools.length === 0) &&
  (vendor === undefined || Object.values(vendor).every((fields) => fields["tools"] === undefined)) &&
  (format === undefined || format.type === "text") &&
  (sampling?.n ?? 1) === 1 &&
  sampling?.logprobs !== true

// ---------------------------------------------------------------------------------------------------------------------
// The text delivered
// ---------------------------------------------------------------------------------------------------------------------

/** The part of an answer that the caller has read, from all deployments that wrote it. */
export class DeliveredText {
  text = ""
  /** Whether it is nothing but text. */
  textOnly = true
  /** The usage of the stream that is being read. */
  #usage: Chat.Usage | undefined = undefined
  /** The usage of the streams before it. */
  #usageBefore: Chat.Usage | undefined = undefined

  /** Adds a chunk, and gives it with the usage of all streams so far. */
  pass(chunk: Chunk): Chunk {
    for (const { parts } of chunk) for (const part of parts) this.#take(part)
    const before = this.#usageBefore
    if (before === undefined) return chunk
    const withTotal = (part: Chat.Part): Chat.Part =>
      part.type === "usage" ? { type: "usage", usage: sum(before, part.usage) } : part
    return Arr.map(chunk, ({ parts }) => ({ parts: parts.map(withTotal) }))
  }

  /** The stream has broken: its usage is added to that of the next. */
  broken(): void {
    if (this.#usage !== undefined) this.#usageBefore = sum(this.#usageBefore, this.#usage)
    this.#usage = undefined
  }

  #take(part: Chat.Part): void {
    switch (part.type) {
      case "text":
        this.text += part.text
        if ((part.choice ?? 0) !== 0) this.textOnly = false
        return
      case "usage":
        this.#usage = part.usage
        return
      case "citation":
      case "start":
      case "finish":
        return
      case "reasoning":
      case "refusal":
      case "tool-call":
      case "tool-call-delta":
        this.textOnly = false
        return
    }
  }
}

const sum = (a: Chat.Usage | undefined, b: Chat.Usage): Chat.Usage =>
  a === undefined
    ? b
    : {
        inputTokens: a.inputTokens + b.inputTokens,
        outputTokens: a.outputTokens + b.outputTokens,
        cachedInputTokens: sumKnown(a.cachedInputTokens, b.cachedInputTokens),
        cacheWriteTokens: sumKnown(a.cacheWriteTokens, b.cacheWriteTokens),
        reasoningTokens: sumKnown(a.reasoningTokens, b.reasoningTokens),
      }

const sumKnown = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined && b === undefined ? undefined : (a ?? 0) + (b ?? 0)

// ---------------------------------------------------------------------------------------------------------------------
// The request
// ---------------------------------------------------------------------------------------------------------------------

/**
 * How the new answer is expected to begin:
 *
 * - `Prefill`: after the delivered text, which was prefilled without the white space at its end, `trailing`.
 * - `Overlap`: with a repetition of `tail`, the end of the delivered text, as the request instructs.
 */
export type ResumeMode =
  | { readonly _tag: "Prefill"; readonly delivered: string; readonly trailing: string }
  | { readonly _tag: "Overlap"; readonly delivered: string; readonly tail: string }

/** The number of characters to repeat. */
const overlap = 200

/** The request to resume after `delivered`, for a model of these capabilities, and how its answer is expected to begin. */
export const resumeRequest = (
  request: Chat.Request,
  delivered: string,
  capabilities: Capabilities | undefined,
): { readonly request: Chat.Request; readonly mode: ResumeMode } => {
  const { native: _, ...common } = request
  const prefilled = delivered.trimEnd()
  const prefill: ResumeMode = { _tag: "Prefill", delivered, trailing: delivered.slice(prefilled.length) }
  if (prefilled === "") return { request: common, mode: prefill }
  // A model that reasons accepts no prefill. Those that accept one reject white space at its end.
  if (capabilities?.prefill === true && !usesReasoning(request)) {
    const messages = [...request.messages, Chat.assistant(prefilled)]
    return { request: { ...common, sampling: shortened(request.sampling, delivered, 0), messages }, mode: prefill }
  }
  const tail = tailOf(delivered)
  const messages = [...request.messages, Chat.assistant(delivered), Chat.user(instruction(tail))]
  const sampling = shortened(request.sampling, delivered, tail.length)
  return { request: { ...common, sampling, messages }, mode: { _tag: "Overlap", delivered, tail } }
}

/** The last characters, without half of a surrogate pair or white space at their beginning, which a model might leave out. */
const tailOf = (delivered: string): string =>
  delivered
    .slice(-overlap)
    .replace(/^[\uDC00-\uDFFF]/, "")
    .trimStart()

const instruction = (tail: string): string =>
  [
    "Your answer was cut off by a fault in transmission. Go on with it from exactly where it stopped.",
    "Begin by repeating its last characters verbatim, those between the marks but without the marks, then continue in",
    "the same language, voice and form to the end. No comment, no apology, no other words before them.",
    `\n<<<${tail}>>>`,
  ].join(" ")

/** The characters that a message asks to be repeated; `undefined` if it does not resume an answer. */
export const repetitionIn = (message: string): string | undefined => /\n<<<([^]*)>>>$/.exec(message)?.[1]

/** With the output tokens that remain, by estimate, and as many more as the repeated characters need in any language. */
const shortened = (
  sampling: Chat.Sampling | undefined,
  delivered: string,
  repeated: number,
): Chat.Sampling | undefined =>
  sampling?.maxTokens === undefined
    ? sampling
    : { ...sampling, maxTokens: Math.max(1, sampling.maxTokens - Math.floor(delivered.length / 4)) + repeated }

// ---------------------------------------------------------------------------------------------------------------------
// The joint
// ---------------------------------------------------------------------------------------------------------------------

/** The new text of an answer: `Pending` until that is certain, `Mismatch` if the answer does not join. */
export type JoinResult =
  | { readonly _tag: "Pending" }
  | { readonly _tag: "Joined"; readonly text: string }
  | { readonly _tag: "Mismatch" }

const pending: JoinResult = { _tag: "Pending" }
const mismatch: JoinResult = { _tag: "Mismatch" }

/** Joins the new answer, as far as it has arrived, to the delivered text. `ended` if no more will arrive. */
export const join = (mode: ResumeMode, answer: string, ended: boolean): JoinResult =>
  mode._tag === "Prefill" ? joinPrefill(mode, answer, ended) : joinOverlap(mode, answer, ended)

/** A shorter beginning that equals the delivered text may be new text. */
const minOverlap = 40

const joinPrefill = (
  { delivered, trailing }: Extract<ResumeMode, { _tag: "Prefill" }>,
  answer: string,
  ended: boolean,
): JoinResult => {
  if (delivered.length >= minOverlap) {
    if (answer.startsWith(delivered)) return { _tag: "Joined", text: answer.slice(delivered.length) }
    if (!ended && delivered.startsWith(answer)) return pending
  }
  if (!ended && answer.length < trailing.length && trailing.startsWith(answer)) return pending
  let shared = 0
  while (shared < trailing.length && answer[shared] === trailing[shared]) shared++
  return { _tag: "Joined", text: answer.slice(shared) }
}

/** The answer repeats the end, as instructed, or all of the delivered text. If both would fit, the joint is not certain. */
const joinOverlap = (
  { delivered, tail }: Extract<ResumeMode, { _tag: "Overlap" }>,
  answer: string,
  ended: boolean,
): JoinResult => {
  const trimmed = delivered.trimStart()
  if (tail === "" || (trimmed !== tail && trimmed.startsWith(tail))) return mismatch
  const text = answer.trimStart()
  for (const repeated of [tail, trimmed]) {
    if (text.startsWith(repeated)) return { _tag: "Joined", text: text.slice(repeated.length) }
  }
  return !ended && (tail.startsWith(text) || trimmed.startsWith(text)) ? pending : mismatch
}

const mismatchError = new ProviderError({
  reason: { _tag: "Unsupported", feature: "resuming a broken answer" },
  message: "the answer does not continue where the broken one stopped",
})

/** The new text of a stream that resumes another. Fails as soon as it is certain not to join. */
export const joined = (
  mode: ResumeMode,
  frames: Stream.Stream<Chat.Frame, ProviderError>,
): Stream.Stream<Chat.Frame, ProviderError> =>
  Stream.suspend(() => {
    /** The text so far; `undefined` once it has joined. */
    let answer: string | undefined = ""
    const newText = (ended: boolean): ReadonlyArray<Chat.Part> | undefined => {
      const result = answer === undefined ? pending : join(mode, answer, ended)
      if (result._tag === "Pending") return []
      if (result._tag === "Mismatch") return undefined
      answer = undefined
      return [{ type: "text", text: result.text }]
    }
    /** The parts to pass on; `undefined` if the stream does not join. */
    const newParts = (part: Chat.Part): ReadonlyArray<Chat.Part> | undefined => {
      switch (part.type) {
        case "text":
          if (answer === undefined) return [part]
          answer += part.text
          return newText(false)
        case "finish": {
          const last = newText(true)
          return last === undefined ? undefined : [...last, part]
        }
        case "usage":
        case "citation":
          return [part]
        // The answer has begun already, and reasoning belongs before its text.
        case "start":
        case "reasoning":
          return []
        case "refusal":
        case "tool-call":
        case "tool-call-delta":
          return undefined
      }
    }
    return Stream.mapEffect(frames, (frame) => {
      const parts: Array<Chat.Part> = []
      for (const part of frame.parts) {
        const kept = newParts(part)
        if (kept === undefined) return Effect.fail(mismatchError)
        parts.push(...kept)
      }
      return Effect.succeed({ parts })
    })
  })
