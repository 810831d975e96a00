/**
 * Reads AWS's binary event stream. Events that arrive in one chunk are emitted together.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import type { Readable } from "node:stream"
import * as EventStreamCodec from "../protocols/converse/EventStreamCodec.ts"

/**
 * The events of a readable. `onError` converts its error. A clean end of the bytes ends the stream, even if the response is
 * incomplete. `redact` is applied to each event's data. Stopping early does not close the connection: abort its signal.
 */
export const events = <E>(
  readable: Readable,
  onError: (cause: unknown) => E,
  redact: (data: string) => string = (data) => data,
): Stream.Stream<EventStreamCodec.Event, E> =>
  Stream.transformPull(Stream.fromAsyncIterable<Uint8Array, E>(readable, onError), (reads) =>
    Effect.sync(() => {
      const framing = EventStreamCodec.decoder()
      const pull: Pull.Pull<Arr.NonEmptyReadonlyArray<EventStreamCodec.Event>, E> = Effect.flatMap(reads, (chunks) => {
        const events = chunks.flatMap(framing.push).map((event) => {
          const data = redact(event.data)
          return data === event.data ? event : { ...event, data }
        })
        return Arr.isArrayNonEmpty(events) ? Effect.succeed(events) : pull
      })
      return pull
    }),
  )
