/**
 * The commit point of a stream: nothing of it is shown until its first real output, so that an error before that, in
 * whatever shape, can still be answered by somebody else. From then on the answer is this one, and it ends whole or in an
 * error.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Chat from "../model/Chat.ts"
import { ProviderError } from "../model/ProviderError.ts"
import type { Check, PartialAnswer } from "../policy/Acceptance.ts"
import * as Timeout from "../policy/Timeout.ts"
import type { Watchdog } from "./Watchdog.ts"

/** Frames as they arrive: those that came together in one chunk. */
export type Chunk = Arr.NonEmptyReadonlyArray<Chat.Frame>

/** What a stream has shown so far. */
export class StreamState {
  readonly #wanted: number
  readonly #finished = new Set<number>()
  usage: Chat.Usage | undefined = undefined
  /** Whether there was real output. */
  hasOutput = false

  /** `choices`: how many answers the stream carries. */
  constructor(choices: number) {
    this.#wanted = choices
  }

  /** Whether every answer has its finish reason: only then is the stream whole. */
  get isComplete(): boolean {
    return this.#finished.size >= this.#wanted
  }

  /** Takes a chunk in; says whether it held anything but pings. */
  take(chunk: Chunk): boolean {
    let eventful = false
    for (const frame of chunk) {
      for (const part of frame.parts) {
        eventful = true
        if (part.type === "usage") this.usage = part.usage
        else if (part.type === "finish") this.#finished.add(part.choice ?? 0)
        else if (!this.hasOutput) this.hasOutput = Chat.isOutput(part)
      }
    }
    return eventful
  }
}

export type ProviderPull = Pull.Pull<Chunk, ProviderError>

const truncated = new ProviderError({
  reason: { _tag: "Network" },
  message: "the stream ended before the answer was finished",
})

/**
 * Pulls until the first real output, or a finish reason (an empty answer is an answer), and returns all frames so far.
 * A stream that ends before either has failed, and so has one that takes longer than `begun` after its first event.
 */
export const readUntilFirstOutput = (
  pull: ProviderPull,
  progress: StreamState,
  begun: Timeout.TimeoutLimit,
): Effect.Effect<Chunk, ProviderError> => {
  const held: Array<Chat.Frame> = []
  let silent = true
  const more: Effect.Effect<Chunk, ProviderError> = Effect.suspend(() =>
    Effect.flatMap(failIfTruncated(pull), (chunk) => {
      const begins = progress.take(chunk) && silent
      held.push(...chunk)
      if ((progress.hasOutput || progress.isComplete) && Arr.isArrayNonEmpty(held)) return Effect.succeed(held)
      if (!begins) return more
      silent = false
      return Timeout.withTimeout(more, begun)
    }),
  )
  return more
}

const failIfTruncated = (pull: ProviderPull): Effect.Effect<Chunk, ProviderError> =>
  Effect.mapError(pull, (error) => (Cause.isDone(error) ? truncated : error))

/**
 * The rest of a committed stream: every further chunk as it comes, watched by the dog (pings do not break a silence). It
 * ends only when whole; what goes wrong after the finish reason, such as a missing terminal event, no longer matters.
 */
export const readRemainder = (pull: ProviderPull, progress: StreamState, watchdog: Watchdog): ProviderPull =>
  Effect.catch(
    watchdog.guard(pull, (chunk) => progress.take(chunk)),
    (error): ProviderPull =>
      progress.isComplete ? Cause.done() : Effect.fail(Cause.isDone(error) ? truncated : error),
  )

// ---------------------------------------------------------------------------------------------------------------------
// An answer that is checked
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Pulls on until the check accepts every answer of the stream, and returns all frames so far: nothing of them has been
 * shown, so that another can still answer. Fails as the check says, and when more than `bytes` come before.
 */
export const accepted = (
  pull: ProviderPull,
  begun: Chunk,
  progress: StreamState,
  watchdog: Watchdog,
  { bytes, check, choices }: { readonly bytes: number; readonly check: Check; readonly choices: number },
): Effect.Effect<Chunk, ProviderError> => {
  const held: Arr.NonEmptyArray<Chat.Frame> = [...begun]
  // As many as have come: a caller may have asked for any number.
  const answers = new Map<number, Answer>()
  let size = 0
  const judge = (chunk: Chunk): Effect.Effect<Chunk, ProviderError> => {
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
      const judged = check(answer)
      if (judged === "undecided") undecided = true
      else if (judged !== "accepted") return Effect.fail(judged)
    }
    if (!undecided) return Effect.succeed(held)
    return size > bytes ? Effect.fail(tooLarge(bytes)) : more
  }
  const more: Effect.Effect<Chunk, ProviderError> = Effect.suspend(() =>
    Effect.flatMap(failIfTruncated(watchdog.guard(pull, (chunk) => progress.take(chunk))), (chunk) => {
      held.push(...chunk)
      return judge(chunk)
    }),
  )
  return judge(begun)
}

const choiceOf = (part: Chat.Part): number => ("choice" in part ? (part.choice ?? 0) : 0)

const tooLarge = (bytes: number): ProviderError =>
  new ProviderError({
    reason: { _tag: "Malformed" },
    message: `the answer is longer than the ${bytes} bytes that are held back until it is checked`,
  })

/** One answer of a stream, as far as it has come. */
class Answer implements PartialAnswer {
  call: string | undefined = undefined
  text = ""
  last = ""
  refuses = false
  finishReason: Chat.FinishReason | undefined = undefined
  #apart = false

  take(part: Chat.Part): void {
    switch (part.type) {
      case "text":
        this.text += part.text
        this.last = this.#apart ? part.text : this.last + part.text
        this.#apart = false
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
        this.#apart = true
        return
    }
  }
}

/** What a frame is counted as that holds next to nothing. */
const overhead = 64

/** The bytes of a frame, near enough: a character is taken for one. */
export const sizeOf = ({ native, parts }: Chat.Frame): number => {
  let size = overhead + (native?.data.length ?? 0)
  for (const part of parts) {
    if (part.type === "tool-arguments") size += part.arguments.length
    else if ("text" in part) size += part.text.length
  }
  return size
}
