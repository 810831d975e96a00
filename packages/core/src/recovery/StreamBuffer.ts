/** Buffering of a stream until it is complete: until then another deployment may answer instead. */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Chat from "../model/Chat.ts"
import type { Chunk } from "../execution/StreamStart.ts"
import { StreamState, sizeOf } from "../execution/StreamStart.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import type { StartedStream } from "../execution/StreamAttempt.ts"

/**
 * Pulls until each of `choices` answers has its finish reason, or until more than `bytes` are held, and gives what is held
 * with the rest of the stream. Fails if the stream breaks before that.
 */
export const bufferUntilComplete = (
  { held, rest }: StartedStream,
  bytes: number,
  choices: number,
): Effect.Effect<StartedStream, ProviderError> => {
  const frames: Arr.NonEmptyArray<Chat.Frame> = [...held]
  const progress = new StreamState(choices)
  let size = 0
  const count = (chunk: Chunk): void => {
    progress.take(chunk)
    for (const frame of chunk) size += sizeOf(frame)
  }
  const more: Effect.Effect<StartedStream, ProviderError> = Effect.suspend(() =>
    size > bytes || progress.isComplete
      ? Effect.succeed<StartedStream>({ held: frames, rest })
      : Effect.matchEffect(rest, {
          onSuccess: (chunk) => {
            frames.push(...chunk)
            count(chunk)
            return more
          },
          onFailure: (error) =>
            Cause.isDone(error) ? Effect.succeed({ held: frames, rest: Cause.done() }) : Effect.fail(error),
        }),
  )
  count(held)
  return more
}
