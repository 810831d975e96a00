/**
 * The answers of calls with guardrails: a complete response is the guardrails' to refuse or to rewrite; a stream is held for
 * those that ask for it, and recorded for the others when it has been sent.
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type * as Chat from "../model/Chat.ts"
import type { Guard, Stopped } from "../model/Guard.ts"
import { StreamedResponse, toFrames } from "../model/StreamedResponse.ts"
import type { Receipt } from "../receipt/Receipt.ts"
import type { RouterError } from "./RouterError.ts"
import * as Errors from "./RouterError.ts"
import type { StartedStream } from "./StreamAttempt.ts"
import { sizeOf } from "./StreamStart.ts"

/** The bytes of a stream that are held, as `StreamPolicy.buffer` by default. */
const maxHeld = 4 * 1024 * 1024

export const complete = (
  guard: Guard,
  receipt: Receipt,
  answered: Effect.Effect<Chat.Response, RouterError>,
): Effect.Effect<Chat.Response, RouterError> => {
  const { complete: check } = guard
  return check === undefined ? answered : Effect.flatMap(answered, (response) => failing(receipt, check(response)))
}

export const stream = (
  guard: Guard,
  receipt: Receipt,
  scope: Scope.Scope,
  starting: Effect.Effect<StartedStream, RouterError>,
): Effect.Effect<StartedStream, RouterError> => {
  const { ended, held } = guard
  const started =
    held === undefined ? starting : Effect.flatMap(starting, (stream) => hold(guard, receipt, stream, held))
  return ended === undefined ? started : Effect.flatMap(started, (stream) => recorded(scope, stream, ended))
}

const failing = <A>(receipt: Receipt, self: Effect.Effect<A, Stopped>): Effect.Effect<A, RouterError> =>
  Effect.mapError(self, (stopped) => Errors.stopped(stopped, receipt))

/** The whole stream at once, as the guardrails left it. */
const hold = (
  { tooLarge }: Guard,
  receipt: Receipt,
  { held, rest }: StartedStream,
  check: NonNullable<Guard["held"]>,
): Effect.Effect<StartedStream, RouterError> => {
  const frames: Arr.NonEmptyArray<Chat.Frame> = [...held]
  let size = 0
  const count = (chunk: StartedStream["held"]): void => {
    for (const frame of chunk) size += sizeOf(frame)
  }
  const checked = Effect.suspend(() => {
    const streamed = new StreamedResponse()
    streamed.take(frames)
    const response = streamed.toResponse()
    return Effect.map(failing(receipt, check(response)), (answer): StartedStream => ({
      held: answer === response ? frames : toFrames(answer),
      rest: Cause.done(),
    }))
  })
  const more: Effect.Effect<StartedStream, RouterError> = Effect.suspend(() =>
    size > maxHeld
      ? Effect.as(failing(receipt, tooLarge), { held: frames, rest })
      : Effect.matchEffect(rest, {
          onSuccess: (chunk) => {
            frames.push(...chunk)
            count(chunk)
            return more
          },
          onFailure: (error) => (Cause.isDone(error) ? checked : Effect.fail(Errors.streamInterrupted(error, receipt))),
        }),
  )
  count(held)
  return more
}

/** The stream as it arrives. Its response is given to the guardrails before the call's record ends. */
const recorded = (
  scope: Scope.Scope,
  { held, rest, ...others }: StartedStream,
  ended: NonNullable<Guard["ended"]>,
): Effect.Effect<StartedStream> => {
  const streamed = new StreamedResponse()
  let isComplete = false
  streamed.take(held)
  const recorded: StartedStream = {
    ...others,
    held,
    rest: Effect.matchEffect(rest, {
      onSuccess: (chunk): StartedStream["rest"] => {
        streamed.take(chunk)
        return Effect.succeed(chunk)
      },
      onFailure: (error): StartedStream["rest"] => {
        if (Cause.isDone(error)) isComplete = true
        return Effect.fail(error)
      },
    }),
  }
  return Effect.as(
    Scope.addFinalizer(
      scope,
      Effect.suspend(() => (isComplete ? ended(streamed.toResponse()) : Effect.void)),
    ),
    recorded,
  )
}
