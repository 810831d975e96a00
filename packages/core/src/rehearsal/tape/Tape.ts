/**
 * Tapes: compact recordings of calls, for replay. A tape has what each call needed and how each of its attempts went, and
 * nothing of what was said: no prompt, no answer, no error message, no credential.
 *
 * `Writer` makes the bytes of a tape from receipts; `Decoder` and `read` give them back as items. None of them knows files.
 *
 * ```ts
 * const writer = new Tape.Writer({ version: "1.0.0", instance: "gateway-1", startedAt: 0, sample: 1 })
 * writer.add(receipt)
 * const items = Stream.runCollect(Tape.read(Stream.make(writer.take())))
 * ```
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Decoder } from "./Decoder.ts"
import type { InvalidTape, Item } from "./Item.ts"

export { Decoder } from "./Decoder.ts"
export { InvalidTape } from "./Item.ts"
export type { Attempt, Call, Damage, Item, Needs, Segment, Skipped } from "./Item.ts"
export { isSampled } from "./Sample.ts"
export { Writer } from "./Writer.ts"
export type { Recorder } from "./Writer.ts"

/** The items of a tape. Memory is bounded, whatever the length of the tape. */
export const read = <E, R>(chunks: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Item, InvalidTape | E, R> =>
  Stream.suspend(() => {
    const decoder = new Decoder()
    const pushed = Stream.mapEffect(chunks, (chunk) => Effect.fromResult(decoder.push(chunk)))
    const last = Stream.fromEffect(Effect.suspend(() => Effect.fromResult(decoder.end())))
    return Stream.flattenIterable(Stream.concat(pushed, last))
  })
