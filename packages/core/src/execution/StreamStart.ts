/**
 * Reading of a provider's stream: up to its first output, which commits the call to it, and after it. No frame is passed on
 * before the first output, so that any error before it can fall back to another deployment. After it the stream ends
 * complete or in an error.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Chat from "../model/Chat.ts"
import { ProviderError } from "../model/ProviderError.ts"
import { StreamedResponse } from "../model/StreamedResponse.ts"
import type { Checks, PartialAnswer } from "../policy/Acceptance.ts"
import * as Timeout from "../policy/Timeout.ts"
import type { Watchdog } from "./Watchdog.ts"

/** Frames that arrived together. */
export type Chunk<Frame = Chat.Frame> = Arr.NonEmptyReadonlyArray<Frame>

/** The state of a stream, by the frames read so far. */
export interface State<Frame> {
  /** Whether there was output: from then on no other deployment answers. */
  readonly hasOutput: boolean
  /** Whether the answer is complete. */
  readonly isComplete: boolean
  readonly usage: Chat.Usage | undefined
  /** Adds a chunk. True if it held anything but pings. */
  readonly take: (chunk: Chunk<Frame>) => boolean
}

/** The state of a chat stream. */
export class StreamState implements State<Chat.Frame> {
  readonly #choices: number
  /** By choice. */
  readonly finishReasons = new Map<number, Chat.FinishReason>()
  usage: Chat.Usage | undefined = undefined
  /** Whether there was output: text, a tool call, reasoning or a refusal. */
  hasOutput = false
  /** The number of parts of text, reasoning, refusals and tool calls, and the length of their texts. */
  parts = 0
  characters = 0

  /** `choices` is the number of answers in the stream. */
  constructor(choices: number) {
    this.#choices = choices
  }

  /** Whether every answer has its finish reason. */
  get isComplete(): boolean {
    return this.finishReasons.size >= this.#choices
  }

  /** Adds a chunk. True if it held anything but pings. */
  take(chunk: Chunk): boolean {
    let hasParts = false
    for (const frame of chunk) {
      for (const part of frame.parts) {
        hasParts = true
        if (part.type === "usage") this.usage = part.usage
        else if (part.type === "finish") this.finishReasons.set(part.choice ?? 0, part.reason)
        else {
          if (!this.hasOutput) this.hasOutput = Chat.isOutput(part)
          if (part.type !== "start" && part.type !== "citation") this.#count(part)
        }
      }
    }
    return hasParts
  }

  #count(part: Exclude<Chat.Part, { readonly type: "start" | "citation" | "usage" | "finish" }>): void {
    this.parts++
    if (part.type === "tool-call-delta") this.characters += part.arguments.length
    else if (part.type !== "tool-call") this.characters += part.text.length
  }
}

export type ProviderPull<Frame = Chat.Frame> = Pull.Pull<Chunk<Frame>, ProviderError>

const truncated = new ProviderError({
  reason: { _tag: "Network" },
  message: "the stream ended before the answer was finished",
})

/**
 * Pulls until the first output or a finish reason (an answer may be empty), and gives all frames so far. Fails if the
 * stream ends before that, or takes longer than `afterFirstEvent` once its first event is there.
 */
export const readUntilFirstOutput = <Frame>(
  pull: ProviderPull<Frame>,
  state: State<Frame>,
  afterFirstEvent: Timeout.TimeoutLimit,
): Effect.Effect<Chunk<Frame>, ProviderError> => {
  const held: Array<Frame> = []
  let hasEvent = false
  const more: Effect.Effect<Chunk<Frame>, ProviderError> = Effect.suspend(() =>
    Effect.flatMap(failIfTruncated(pull), (chunk) => {
      const isFirstEvent = state.take(chunk) && !hasEvent
      held.push(...chunk)
      if ((state.hasOutput || state.isComplete) && Arr.isArrayNonEmpty(held)) return Effect.succeed(held)
      if (!isFirstEvent) return more
      hasEvent = true
      return Timeout.withTimeout(more, afterFirstEvent)
    }),
  )
  return more
}

const failIfTruncated = <Frame>(pull: ProviderPull<Frame>): Effect.Effect<Chunk<Frame>, ProviderError> =>
  Effect.mapError(pull, (error) => (Cause.isDone(error) ? truncated : error))

/**
 * The stream after its first output: each chunk as it arrives, guarded by the watchdog. It ends when the answer is complete:
 * an error after the finish reason, such as a missing terminal event, is ignored.
 */
export const readRemainder = <Frame>(
  pull: ProviderPull<Frame>,
  state: State<Frame>,
  watchdog: Watchdog,
): ProviderPull<Frame> =>
  Effect.catch(
    watchdog.guard(pull, (chunk) => state.take(chunk)),
    (error): ProviderPull<Frame> =>
      state.isComplete ? Cause.done() : Effect.fail(Cause.isDone(error) ? truncated : error),
  )

// ---------------------------------------------------------------------------------------------------------------------
// Checked answers
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Pulls until the check accepts every answer of the stream, and gives all frames so far. Fails with the error of the check,
 * or when more than `bytes` arrive before.
 */
export const accepted = (
  pull: ProviderPull,
  first: Chunk,
  state: StreamState,
  watchdog: Watchdog,
  {
    bytes,
    checks: { check, test },
    choices,
  }: { readonly bytes: number; readonly checks: Checks; readonly choices: number },
): Effect.Effect<Chunk, ProviderError> => {
  const held: Arr.NonEmptyArray<Chat.Frame> = [...first]
  // A caller may ask for any number of answers: only those that have arrived are kept.
  const answers = new Map<number, Answer>()
  let size = 0
  const checked = (chunk: Chunk): Effect.Effect<Chunk, ProviderError> => {
    for (const frame of chunk) {
      size += sizeOf(frame)
      for (const part of frame.parts) {
        const choice = choiceOf(part)
        if (choice < 0 || choice >= choices) continue
        let answer = answers.get(choice)
        if (answer === undefined) answers.set(choice, (answer = new Answer()))
        answer.take(part)
      }
    }
    let undecided = answers.size < choices
    for (const answer of answers.values()) {
      const result = check(answer)
      if (result === "undecided") undecided = true
      else if (result !== "accepted") return Effect.fail(result)
    }
    if (!undecided) return test === undefined ? Effect.succeed(held) : tested(held, test)
    return size > bytes ? Effect.fail(tooLarge(bytes)) : more
  }
  const more: Effect.Effect<Chunk, ProviderError> = Effect.suspend(() =>
    Effect.flatMap(failIfTruncated(watchdog.guard(pull, (chunk) => state.take(chunk))), (chunk) => {
      held.push(...chunk)
      return checked(chunk)
    }),
  )
  return checked(first)
}

const tested = (held: Chunk, test: NonNullable<Checks["test"]>): Effect.Effect<Chunk, ProviderError> => {
  const streamed = new StreamedResponse()
  streamed.take(held)
  return Effect.flatMap(test(streamed.toResponse()), (fault) =>
    fault === undefined ? Effect.succeed(held) : Effect.fail(fault),
  )
}

const choiceOf = (part: Chat.Part): number => ("choice" in part ? (part.choice ?? 0) : 0)

const tooLarge = (bytes: number): ProviderError =>
  new ProviderError({
    reason: { _tag: "Malformed" },
    message: `the answer exceeds the ${bytes} bytes that are buffered until it is checked`,
  })

/** One answer of a stream, so far. */
class Answer implements PartialAnswer {
  call: string | undefined = undefined
  text = ""
  last = ""
  refuses = false
  finishReason: Chat.FinishReason | undefined = undefined
  /** Whether reasoning came after the last text. */
  #afterReasoning = false

  take(part: Chat.Part): void {
    switch (part.type) {
      case "text":
        this.text += part.text
        this.last = this.#afterReasoning ? part.text : this.last + part.text
        this.#afterReasoning = false
        return
      case "tool-call":
        this.call ??= part.name
        return
      case "refusal":
        this.refuses = true
        return
      case "finish":
        this.finishReason = part.reason
        return
      case "reasoning":
        this.#afterReasoning = true
        return
    }
  }
}

/** Bytes counted for each frame besides its text. */
const overhead = 64

/** An estimate of a frame's size in bytes, which counts one byte a character. */
export const sizeOf = ({ native, parts }: Chat.Frame): number => {
  let size = overhead + (native?.data.length ?? 0)
  for (const part of parts) {
    if (part.type === "tool-call-delta") size += part.arguments.length
    else if ("text" in part) size += part.text.length
  }
  return size
}
