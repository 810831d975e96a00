/** Decodes a response's events: each chunk of events becomes one chunk of frames. */
import type * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"

/** A server-sent event. Only some protocols name their events. */
export interface SseEvent {
  readonly event?: string | undefined
  readonly data: string
}

/**
 * Decodes one stream; stateful. Returns the event's frame, the error it reports, or `undefined` for a malformed event.
 */
export interface Decoder<Event> {
  readonly push: (event: Event) => Result.Result<Chat.Frame, ProviderError> | undefined
}

/** The frames, preceded by one that lists the dropped parameters, if there are any. */
export const withDroppedParams = (
  droppedParams: ReadonlyArray<string> | undefined,
  frames: Stream.Stream<Chat.Frame, ProviderError>,
): Stream.Stream<Chat.Frame, ProviderError> =>
  droppedParams === undefined ? frames : Stream.concat(Stream.succeed<Chat.Frame>({ parts: [], droppedParams }), frames)

/**
 * Decodes events. Malformed events are skipped. Frames before an error event in the same chunk are emitted before the
 * error.
 */
export const decode = <Event>(
  events: Stream.Stream<Event, ProviderError>,
  decoder: Decoder<Event>,
): Stream.Stream<Chat.Frame, ProviderError> =>
  Stream.transformPull(events, (upstream) => {
    let broken: ProviderError | undefined
    const pull: Pull.Pull<Arr.NonEmptyReadonlyArray<Chat.Frame>, ProviderError> = Effect.suspend(() =>
      broken === undefined
        ? Effect.flatMap(upstream, (chunk) => {
            const frames: Array<Chat.Frame> = []
            for (const event of chunk) {
              const decoded = decoder.push(event)
              if (decoded === undefined) continue
              if (Result.isFailure(decoded)) {
                broken = decoded.failure
                break
              }
              frames.push(decoded.success)
            }
            return Arr.isArrayNonEmpty(frames) ? Effect.succeed(frames) : pull
          })
        : Effect.fail(broken),
    )
    return Effect.succeed(pull)
  })
