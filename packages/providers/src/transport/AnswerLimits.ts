/**
 * Limits on the size of a provider's response. A larger response is cut off: its connection is closed, and the attempt
 * fails as `Malformed`.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"

/** Sizes in bytes, after decoding any `content-encoding`. */
export interface Limits {
  /** A response with status 2xx, complete or streamed. Default: 64 MiB. */
  readonly answer: number
  /** The body of an error. Default: 1 MiB. */
  readonly error: number
}

export const defaults: Limits = { answer: 64 * 1024 * 1024, error: 1024 * 1024 }

/** The limits that provider layers read when they are built. Default: `defaults`. */
export const AnswerLimits: Context.Reference<Limits> = Context.Reference<Limits>("@understudy/providers/AnswerLimits", {
  defaultValue: () => defaults,
})

/**
 * The maximum size of one stream event, in bytes: Bedrock's maximum frame size, and larger than any vendor's event that
 * contains an image.
 */
export const longestEvent = 16 * 1024 * 1024

/**
 * A response that cannot be read because of its size or encoding. Its message has nothing of the response. `status` is set for an error, `overLimit` for a response that was paid
 * for and is larger than a limit.
 */
export class UnreadableAnswer extends Data.TaggedError("UnreadableAnswer")<{
  readonly message: string
  readonly overLimit?: boolean | undefined
  readonly status?: number | undefined
}> {}

const isGood = (status: number): boolean => status >= 200 && status < 300

/** The maximum size in bytes of a response with this status. */
export const limitOf = (limits: Limits, status: number): number => (isGood(status) ? limits.answer : limits.error)

/** The error for a response over the limit. */
export const tooLarge = (limits: Limits, status: number): UnreadableAnswer =>
  isGood(status)
    ? new UnreadableAnswer({
        message: `the response is larger than ${limits.answer} bytes: raise server.limits.answer if it may be`,
        overLimit: true,
      })
    : new UnreadableAnswer({
        message: `the error ${status} is larger than ${limits.error} bytes: raise server.limits.error if it may be`,
        status,
      })

/** The error for a stream whose event is over the limit. */
export const eventTooLarge: UnreadableAnswer = new UnreadableAnswer({
  message: `an event of the stream is larger than ${longestEvent} bytes, which is the most`,
  overLimit: true,
})
