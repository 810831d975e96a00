/**
 * What a tape has: segments, calls with their attempts, and parts that cannot be read.
 */
import * as Data from "effect/Data"
import type * as Chat from "../../model/Chat.ts"
import type { CallOutcome, Outcome } from "../../receipt/Receipt.ts"

/** What a tape has, in the order in which it was written: the segment, then its calls, each when it ended. */
export type Item = Segment | Call | Damage

/** The beginning of a part of the tape, by one process. `offset` is its place in the tape, in bytes. */
export interface Segment {
  readonly _tag: "Segment"
  readonly offset: number
  /** The version of the gateway or application that recorded it. */
  readonly version: string
  /** The process: each has an id of its own, so that another id is another process, or a restart. */
  readonly instance: string
  /** When the process started, and when the segment was begun, in clock milliseconds. */
  readonly startedAt: number
  readonly at: number
  /** The share of calls that is recorded, from 0 to 1. */
  readonly sample: number
  /** Calls that were lost before it, since they could not be written. */
  readonly lost: number
}

/**
 * A recorded call, with the fields of its receipt. Names of operations, errors and reasons may be those of a later version.
 * `startedAt` is in clock milliseconds, durations are milliseconds.
 */
export interface Call {
  readonly _tag: "Call"
  readonly id: string
  readonly startedAt: number
  readonly millis: number
  readonly route: string
  /** The model that the request named, at most 128 characters of it. */
  readonly model: string
  readonly operation: string
  readonly streaming: boolean
  /** Whether it is a copy of another call, for a shadow: its answer was sent to no client. */
  readonly shadow: boolean
  readonly caller: string | undefined
  readonly team: string | undefined
  /** At most 16. */
  readonly tags: ReadonlyArray<string>
  readonly protocol: string | undefined
  /** Capabilities and estimated tokens; `undefined` if they were not recorded. */
  readonly needs: Needs | undefined
  readonly cache: "hit" | "miss" | undefined
  /** The arm of the first split that the call reached. */
  readonly split: string | undefined
  /** What became of its conversation: `new`, `kept` or `moved`. */
  readonly affinity: string | undefined
  readonly deployment: string | undefined
  readonly outcome: CallOutcome
  readonly error: string | undefined
  readonly firstTokenMillis: number | undefined
  readonly attempts: ReadonlyArray<Attempt>
  readonly skipped: ReadonlyArray<Skipped>
}

/** What a call needed of a model. Tokens are estimated; `maxOutputTokens` is 0 if the request set none. */
export interface Needs {
  readonly requires: ReadonlyArray<string>
  readonly inputTokens: number
  readonly maxOutputTokens: number
}

/** A recorded attempt. */
export interface Attempt {
  readonly deployment: string
  /** The vendor's model id. */
  readonly model: string
  /** Why it was made: see `AttemptType`. */
  readonly type: string
  readonly startedAt: number
  readonly millis: number
  readonly outcome: Outcome
  readonly reason: string | undefined
  readonly status: number | undefined
  /** The provider's Retry-After. */
  readonly retryAfter: number | undefined
  readonly firstTokenMillis: number | undefined
  /** The place of the account among those of the deployment, from 1, if it has several. */
  readonly account: number | undefined
  readonly usage: Chat.Usage | undefined
  readonly estimated: true | undefined
  /** US dollars. */
  readonly cost: number | undefined
  /** The name of the fault that was injected into it. */
  readonly injected: string | undefined
}

/** A deployment that was not tried, and the name of the reason. */
export interface Skipped {
  readonly deployment: string
  readonly reason: string
}

/**
 * A part of a tape that cannot be read, from `offset` on.
 *
 * - `cut-off`: a frame without its end, as a process leaves it that was stopped, or a disk that was full. Its whole records were read.
 * - `corrupt`: bytes that were changed. Nothing is read up to the next segment.
 */
export interface Damage {
  readonly _tag: "Damage"
  readonly offset: number
  readonly bytes: number
  readonly cause: "cut-off" | "corrupt"
}

/** The bytes are no tape, or a tape of a later format. `offset` is in bytes. */
export class InvalidTape extends Data.TaggedError("InvalidTape")<{
  readonly message: string
  readonly offset: number
}> {}
