/**
 * Going on with another's answer: what is asked of the one who goes on, and where its words join those that the caller
 * has already read. Plain text only, and only where the joint is certain: no answer is better than a wrong one.
 *
 * Works on parts: a vendor's own events belong to that vendor's answer and are never passed on from another's.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { usesReasoning } from "../model/Call.ts"
import * as Chat from "../model/Chat.ts"
import type { Chunk } from "../execution/StreamStart.ts"
import type { Capabilities } from "../model/Capabilities.ts"
import { ProviderError } from "../model/ProviderError.ts"

/** Whether an answer to this can be continued, as far as the request tells: one choice of text in no set form. */
export const isResumable = ({ format, sampling, tools, vendor }: Chat.Request): boolean =>
  (tools === undefined || tools.length === 0) &&
  (vendor === undefined || Object.values(vendor).every((own) => own["tools"] === undefined)) &&
  (format === undefined || format.type === "text") &&
  (sampling?.n ?? 1) === 1 &&
  sampling?.logprobs !== true

// ---------------------------------------------------------------------------------------------------------------------
// What was delivered
// ---------------------------------------------------------------------------------------------------------------------

/** What the caller has read of an answer, whoever wrote it. */
export class DeliveredText {
  text = ""
  /** Whether it was nothing but text. */
  textOnly = true
  #usage: Chat.Usage | undefined = undefined
  #before: Chat.Usage | undefined = undefined

  /** Takes a chunk in, and gives it as the caller should see it: its usage is that of the whole answer. */
  pass(chunk: Chunk): Chunk {
    for (const { parts } of chunk) for (const part of parts) this.#take(part)
    const before = this.#before
    if (before === undefined) return chunk
    const counted = (part: Chat.Part): Chat.Part =>
      part.type === "usage" ? { type: "usage", usage: sum(before, part.usage) } : part
    return Arr.map(chunk, ({ parts }) => ({ parts: parts.map(counted) }))
  }

  /** Its writer has broken off: what it used is added to what the next one will. */
  broken(): void {
    if (this.#usage !== undefined) this.#before = sum(this.#before, this.#usage)
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
      case "tool-arguments":
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
        cachedInputTokens: either(a.cachedInputTokens, b.cachedInputTokens),
        cacheWriteTokens: either(a.cacheWriteTokens, b.cacheWriteTokens),
        reasoningTokens: either(a.reasoningTokens, b.reasoningTokens),
      }

const either = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined && b === undefined ? undefined : (a ?? 0) + (b ?? 0)

// ---------------------------------------------------------------------------------------------------------------------
// What is asked
// ---------------------------------------------------------------------------------------------------------------------

/**
 * How an answer is taken up:
 *
 * - `GoesOn`: its writer is put where the other stopped, and goes on. `spaces` were delivered though not shown to it.
 * - `Repeats`: its writer was asked to repeat `tail`, the end of what was delivered, before it goes on.
 */
export type ResumeMode =
  | { readonly _tag: "GoesOn"; readonly delivered: string; readonly spaces: string }
  | { readonly _tag: "Repeats"; readonly delivered: string; readonly tail: string }

/** How many characters are to be repeated. */
const overlap = 200

/** What to ask a model of these capabilities, that it go on after `delivered`, and how its answer will join. */
export const resumeRequest = (
  request: Chat.Request,
  delivered: string,
  capabilities: Capabilities | undefined,
): { readonly request: Chat.Request; readonly joint: ResumeMode } => {
  const { native: _, ...anew } = request
  const said = delivered.trimEnd()
  const spaces = delivered.slice(said.length)
  const goesOn: ResumeMode = { _tag: "GoesOn", delivered, spaces }
  if (said === "") return { request: anew, joint: goesOn }
  // A model that thinks takes no beginning of an answer. One that does refuses white space at its end.
  if (capabilities?.prefill === true && !usesReasoning(request)) {
    const messages = [...request.messages, Chat.assistant(said)]
    return { request: { ...anew, sampling: shortened(request.sampling, delivered, 0), messages }, joint: goesOn }
  }
  const tail = tailOf(delivered)
  const messages = [...request.messages, Chat.assistant(delivered), Chat.user(instruction(tail))]
  const sampling = shortened(request.sampling, delivered, tail.length)
  return { request: { ...anew, sampling, messages }, joint: { _tag: "Repeats", delivered, tail } }
}

/** Whole characters, and none of the white space that a writer might leave out at the beginning. */
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

/** What is left of the tokens asked for, by estimate, and what it takes to repeat so many characters in any language. */
const shortened = (
  sampling: Chat.Sampling | undefined,
  delivered: string,
  repeated: number,
): Chat.Sampling | undefined =>
  sampling?.maxTokens === undefined
    ? sampling
    : { ...sampling, maxTokens: Math.max(1, sampling.maxTokens - Math.floor(delivered.length / 4)) + repeated }

// ---------------------------------------------------------------------------------------------------------------------
// Where it joins
// ---------------------------------------------------------------------------------------------------------------------

/** What is new in an answer so far; `Open` until that can be told, `Apart` when it cannot be joined. */
export type JoinResult =
  | { readonly _tag: "Open" }
  | { readonly _tag: "Joined"; readonly text: string }
  | { readonly _tag: "Apart" }

const pending: JoinResult = { _tag: "Open" }
const mismatch: JoinResult = { _tag: "Apart" }

/** Where `answer`, all that its writer has said so far, joins. `ended` when no more will come. */
export const join = (joint: ResumeMode, answer: string, ended: boolean): JoinResult =>
  joint._tag === "GoesOn" ? joinPrefill(joint, answer, ended) : joinOverlap(joint, answer, ended)

/** A repeated beginning shorter than this may well be what comes next. */
const minOverlap = 40

const joinPrefill = (
  { delivered, spaces }: Extract<ResumeMode, { _tag: "GoesOn" }>,
  answer: string,
  ended: boolean,
): JoinResult => {
  if (delivered.length >= minOverlap) {
    if (answer.startsWith(delivered)) return { _tag: "Joined", text: answer.slice(delivered.length) }
    if (!ended && delivered.startsWith(answer)) return pending
  }
  if (!ended && answer.length < spaces.length && spaces.startsWith(answer)) return pending
  let shared = 0
  while (shared < spaces.length && answer[shared] === spaces[shared]) shared++
  return { _tag: "Joined", text: answer.slice(shared) }
}

/** It repeats the end, as it was asked to, or everything from the start: never both, or who could say where it goes on. */
const joinOverlap = (
  { delivered, tail }: Extract<ResumeMode, { _tag: "Repeats" }>,
  answer: string,
  ended: boolean,
): JoinResult => {
  const whole = delivered.trimStart()
  if (tail === "" || (whole !== tail && whole.startsWith(tail))) return mismatch
  const said = answer.trimStart()
  for (const repeated of [tail, whole]) {
    if (said.startsWith(repeated)) return { _tag: "Joined", text: said.slice(repeated.length) }
  }
  return !ended && (tail.startsWith(said) || whole.startsWith(said)) ? pending : mismatch
}

const mismatchError = new ProviderError({
  reason: { _tag: "Unsupported", feature: "continuing a broken answer" },
  message: "its answer does not go on where the broken one stopped",
})

/** Only what is new of a stream that goes on; fails as soon as it is certain not to join. */
export const joined = (
  joint: ResumeMode,
  frames: Stream.Stream<Chat.Frame, ProviderError>,
): Stream.Stream<Chat.Frame, ProviderError> =>
  Stream.suspend(() => {
    let answer: string | undefined = ""
    const settle = (ended: boolean): ReadonlyArray<Chat.Part> | undefined => {
      const found = answer === undefined ? pending : join(joint, answer, ended)
      if (found._tag === "Open") return []
      if (found._tag === "Apart") return undefined
      answer = undefined
      return [{ type: "text", text: found.text }]
    }
    const cut = (part: Chat.Part): ReadonlyArray<Chat.Part> | undefined => {
      switch (part.type) {
        case "text":
          if (answer === undefined) return [part]
          answer += part.text
          return settle(false)
        case "finish": {
          const last = settle(true)
          return last === undefined ? undefined : [...last, part]
        }
        case "usage":
        case "citation":
          return [part]
        // It has begun already; and what it thought comes too late.
        case "start":
        case "reasoning":
          return []
        case "refusal":
        case "tool-call":
        case "tool-arguments":
          return undefined
      }
    }
    return Stream.mapEffect(frames, (frame) => {
      const parts: Array<Chat.Part> = []
      for (const part of frame.parts) {
        const kept = cut(part)
        if (kept === undefined) return Effect.fail(mismatchError)
        parts.push(...kept)
      }
      return Effect.succeed({ parts })
    })
  })
