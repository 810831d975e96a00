/**
 * Holding a stream back until it is whole: what nobody has seen can still be answered by somebody else.
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Chat from "./Chat.ts"
import type { Chunk } from "./Commit.ts"
import { Progress, sizeOf } from "./Commit.ts"
import type { ProviderError } from "./ProviderError.ts"
import type { Committed } from "./Attempt.ts"

/**
 * Pulls until each of so many answers has its finish reason, or until more than `bytes` are held, and gives all of it with
 * what may follow. Fails when the stream breaks before that: then nothing of it may be shown.
 */
export const hold = (
  { held, rest }: Committed,
  bytes: number,
  choices: number,
): Effect.Effect<Committed, ProviderError> => {
  const frames: Arr.NonEmptyArray<Chat.Frame> = [...held]
  const progress = new Progress(choices)
  let size = 0
  const count = (chunk: Chunk): void => {
    progress.take(chunk)
    for (const frame of chunk) size += sizeOf(frame)
  }
  const more: Effect.Effect<Committed, ProviderError> = Effect.suspend(() =>
    size > bytes || progress.whole
      ? Effect.succeed<Committed>({ held: frames, rest })
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
