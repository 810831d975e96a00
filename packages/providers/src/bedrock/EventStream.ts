/**
 * The events of a response in AWS's binary event stream, as they arrive: all events of one read together, so that what
 * came in one piece goes out in one piece.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import type { Readable } from "node:stream"
import * as EventStreamCodec from "../protocols/converse/EventStreamCodec.ts"

/**
 * The events of a readable. `onError` turns what broke it into an error; a clean end of the bytes is the end of the
 * stream, whatever it says of the answer. `scrub` goes over each event's data. Stopping early does not stop the upstream: abort its signal.
 */
export const events = <E>(
  readable: Readable,
  onError: (cause: unknown) => E,
  scrub: (data: string) => string = (data) => data,
): Stream.Stream<EventStreamCodec.Event, E> =>
  Stream.transformPull(Stream.fromAsyncIterable<Uint8Array, E>(readable, onError), (reads) =>
    Effect.sync(() => {
      const framing = EventStreamCodec.decoder()
      const pull: Pull.Pull<Arr.NonEmptyReadonlyArray<EventStreamCodec.Event>, E> = Effect.flatMap(reads, (chunks) => {
        const events = chunks.flatMap(framing.push).map((event) => {
          const data = scrub(event.data)
          return data === event.data ? event : { ...event, data }
        })
        return Arr.isArrayNonEmpty(events) ? Effect.succeed(events) : pull
      })
      return pull
    }),
  )
