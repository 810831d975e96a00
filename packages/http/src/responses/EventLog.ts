/**
 * The events of a streamed background response, which are written in batches, so that a stream of many small events costs few
 * writes.
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { StoreLost } from "./StoreLost.ts"
import type { Batch, Event } from "./RunningRows.ts"

export interface EventLog {
  /** Takes the text of one or more events. */
  readonly publish: (text: string) => Effect.Effect<void>
  /** Writes the events that are not written. */
  readonly flush: Effect.Effect<void>
}

/** A log whose batches `write` stores. What it does not take is written with the next batch. */
export const make = (write: (batch: Batch) => Effect.Effect<void, StoreLost>): EventLog => {
  let events: Array<Event> = []
  let batch = 0
  let last = -1
  const one = Semaphore.makeUnsafe(1)
  return {
    publish: (text) =>
      Effect.sync(() => {
        for (const event of text.split("\n\n")) {
          if (event === "" || event.startsWith(":")) continue
          const [, sequence] = /"sequence_number": ?(\d+)/.exec(event) ?? []
          last = sequence === undefined ? last + 1 : Number(sequence)
          events.push([last, `${event}\n\n`])
        }
      }),
    flush: one.withPermit(
      Effect.suspend(() => {
        if (events.length === 0) return Effect.void
        const written = events
        events = []
        return Effect.matchEffect(write({ batch, events: written }), {
          onSuccess: () => Effect.sync(() => void batch++),
          onFailure: () => Effect.sync(() => void (events = [...written, ...events])),
        })
      }),
    ),
  }
}
