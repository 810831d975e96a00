/**
 * How much of a provider's answer is taken. What is longer is cut off: its connection is closed, and the attempt fails as
 * `Malformed`.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"

/** Sizes in bytes, of what stands decoded where an answer has a `content-encoding`. */
export interface Limits {
  /** Of a good answer, whole or streamed: 64 MiB if not said. */
  readonly answer: number
  /** Of an error's body: 1 MiB if not said. */
  readonly error: number
}

export const defaults: Limits = { answer: 64 * 1024 * 1024, error: 1024 * 1024 }

/** The limits that providers take when their layers are built; the defaults unless others are provided. */
export const AnswerLimits: Context.Reference<Limits> = Context.Reference<Limits>("@understudy/providers/AnswerLimits", {
  defaultValue: () => defaults,
})

/** The longest event of a stream, in bytes: Bedrock's longest frame, and more than any vendor's event with a picture in it. */
export const longestEvent = 16 * 1024 * 1024

/** An answer that is not read to its end, for what it is and not for how it came. `status` is that of an error. */
export class UnreadableAnswer extends Data.TaggedError("UnreadableAnswer")<{
  readonly message: string
  readonly status?: number | undefined
}> {}

const isGood = (status: number): boolean => status >= 200 && status < 300

/** The most bytes of an answer with this status. */
export const limitOf = (limits: Limits, status: number): number => (isGood(status) ? limits.answer : limits.error)

/** Why an answer with this status was cut off. */
export const tooLarge = (limits: Limits, status: number): UnreadableAnswer =>
  isGood(status)
    ? new UnreadableAnswer({ message: `the answer is larger than ${limits.answer} bytes (server.limits.answer)` })
    : new UnreadableAnswer({
        message: `the error ${status} is larger than ${limits.error} bytes (server.limits.error)`,
        status,
      })

/** Why a stream with this event was cut off. */
export const eventTooLarge: UnreadableAnswer = new UnreadableAnswer({
  message: `an event of the stream is larger than ${longestEvent} bytes`,
})
