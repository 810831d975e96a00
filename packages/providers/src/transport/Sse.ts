/** The server-sent events of a response, as they arrive. Events of one read stay together in one chunk. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Sse from "effect/encoding/Sse"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import type { UnreadableAnswer } from "./AnswerLimits.ts"
import { eventTooLarge, longestEvent } from "./AnswerLimits.ts"

/** One event: its name (default: `"message"`), and its data with lines joined. */
export interface Event {
  readonly event: string
  readonly data: string
}

/**
 * The events of a byte stream. `onError` converts an error of the bytes, and an event larger than `longestEvent`. The
 * stream ends with the bytes, whether or not the response is complete. `redact` is applied to each event's data.
 */
export const events = <E, E2>(
  bytes: Stream.Stream<Uint8Array, E>,
  onError: (cause: E | UnreadableAnswer) => E2,
  redact: (data: string) => string = (data) => data,
) =>
  Stream.transformPull(bytes, (upstream) =>
    Effect.sync(() => {
      const decoder = new TextDecoder()
      let arrived: Array<Event> = []
      const parser = Sse.makeParser((event) => {
        if (event._tag !== "Event") return
        const data = redact(event.data)
        arrived.push(data === event.data ? event : { event: event.event, data })
      }, options)
      const pull: Pull.Pull<Arr.NonEmptyReadonlyArray<Event>, E | UnreadableAnswer> = Effect.flatMap(
        upstream,
        (chunks) => {
          for (const chunk of chunks) {
            if (parser.feed(decoder.decode(chunk, { stream: true })) !== undefined) return Effect.fail(eventTooLarge)
          }
          if (!Arr.isArrayNonEmpty(arrived)) return pull
          const events = arrived
          arrived = []
          return Effect.succeed(events)
        },
      )
      return pull
    }),
  ).pipe(Stream.mapError(onError))

/** The maximum size of one event that is buffered. */
const options = { maxEventSize: longestEvent }
