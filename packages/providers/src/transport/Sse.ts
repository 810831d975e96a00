/**
 * The server-sent events of a response, as they arrive: all events of one read together, so that what came in one piece
 * goes out in one piece.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Sse from "effect/encoding/Sse"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import type { Readable } from "node:stream"

/** One event: its name where it has one (`"message"` if not), and its data, lines joined. */
export interface Event {
  readonly event: string
  readonly data: string
}

/**
 * The events of a readable. `onError` turns what broke it into an error; a clean end of the bytes is the end of the
 * stream, whatever it says of the answer. Stopping early does not stop the upstream: abort its signal.
 */
export const events = <E>(readable: Readable, onError: (cause: unknown) => E): Stream.Stream<Event, E> =>
  Stream.suspend(() => {
    // What breaks between two reads is found by the next one.
    readable.on("error", ignore)
    const decoder = new TextDecoder()
    let arrived: Array<Event> = []
    const parser = Sse.makeParser((event) => {
      if (event._tag === "Event") arrived.push(event)
    })
    const read = reads(readable, onError)
    const pull: Pull.Pull<Arr.NonEmptyReadonlyArray<Event>, E> = Effect.flatMap(read, (bytes) => {
      const tooLarge = parser.feed(decoder.decode(bytes, { stream: true }))
      if (tooLarge !== undefined) return Effect.fail(onError(tooLarge))
      if (!Arr.isArrayNonEmpty(arrived)) return pull
      const events = arrived
      arrived = []
      return Effect.succeed(events)
    })
    return Stream.fromPull(Effect.succeed(pull))
  })

const ignore = () => {}

/** What Node says of a stream that was destroyed before its end, when nothing else was said. */
const closed = Object.assign(new Error("the connection was closed"), { code: "ERR_STREAM_PREMATURE_CLOSE" })

/** Everything a readable has buffered, whenever it has something. */
const reads = <E>(readable: Readable, onError: (cause: unknown) => E): Pull.Pull<Uint8Array, E> =>
  Effect.callback((resume) => {
    const settle = (): boolean => {
      const bytes: Uint8Array | null = readable.read()
      if (bytes !== null) resume(Effect.succeed(bytes))
      else if (readable.errored) resume(Effect.fail(onError(readable.errored)))
      else if (readable.readableEnded) resume(Cause.done())
      else if (readable.destroyed) resume(Effect.fail(onError(closed)))
      else return false
      return true
    }
    if (settle()) return
    const listen = () => {
      if (settle()) stop()
    }
    const stop = () => {
      readable.off("readable", listen)
      readable.off("end", listen)
      readable.off("error", listen)
      readable.off("close", listen)
    }
    readable.on("readable", listen)
    readable.on("end", listen)
    readable.on("error", listen)
    readable.on("close", listen)
    return Effect.sync(stop)
  })
