/**
 * Holding a stream back until it is whole: what nobody has seen can still be answered by somebody else.
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Chat from "../model/Chat.ts"
import type { Chunk } from "../execution/StreamStart.ts"
import { StreamState, sizeOf } from "../execution/StreamStart.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import type { StartedStream } from "../execution/StreamAttempt.ts"

/**
 * Pulls until each of so many answers has its finish reason, or until more than `bytes` are held, and gives all of it with
 * what may follow. Fails when the stream breaks before that: then nothing of it may be shown.
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
