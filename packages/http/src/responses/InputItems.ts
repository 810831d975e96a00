/**
 * The items that a response was generated from: those of its own input, and of the responses that it continues. A few responses are
 * read at a time, so that a page of a long chain costs what the page has.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import { inTime } from "./InTime.ts"
import type { PageOf } from "./Items.ts"
import * as Items from "./Items.ts"
import * as Rows from "./Rows.ts"
import type { StoreLost } from "./StoreLost.ts"

/** A response of a key and all that it continues, at a time in clock milliseconds. */
export interface Chain {
  readonly keyId: string
  /** The first of them first. */
  readonly ids: ReadonlyArray<string>
  readonly now: number
}

/**
 * The items in the order of the page, from its first one on: the item that the page comes after, and at times some before it, are
 * among them.
 */
export const stream = (
  sql: SqlClient,
  { ids, keyId, now }: Chain,
  { after, limit, order }: PageOf,
): Stream.Stream<Items.Item, StoreLost> => {
  const last = ids.at(-1)
  const ordered = order === "asc" ? ids : ids.toReversed()
  /** Most responses have an item of input and one of output. One item more says that there are more. */
  const atOnce = Math.ceil((limit + 1) / 2)
  const read = (from: number) => {
    const some = ordered.slice(from, from + atOnce)
    return Effect.map(inTime(Rows.turns(sql, keyId, some)), (turns) => {
      const byId = new Map(turns.map((turn) => [turn.id, turn]))
      const items = some.flatMap((of) => {
        const turn = byId.get(of)
        // Deleted meanwhile.
        if (turn === undefined) return []
        const listed = Items.listed(of === last ? Items.ofList(turn.input) : Items.ofTurn(turn), of)
        return order === "asc" ? listed : listed.toReversed()
      })
      const next = from + atOnce
      return [items, next < ordered.length ? Option.some(next) : Option.none()] as const
    })
  }
  const start =
    after === undefined
      ? Effect.succeed(0)
      : Effect.map(inTime(holders(sql, keyId, after, now)), (found) =>
          Math.max(
            0,
            ordered.findIndex((of) => found.includes(of)),
          ),
        )
  return Stream.unwrap(Effect.map(start, (from) => Stream.paginate(from, read)))
}

/** The responses that have an item, by its id: those of output are known, those that `Items.listed` gave name the response. */
const holders = (
  sql: SqlClient,
  keyId: string,
  itemId: string,
  now: number,
): Effect.Effect<ReadonlyArray<string>, SqlError> =>
  Effect.map(Rows.withItems(sql, keyId, [itemId], now), (found) => {
    const of = Items.responseOf(itemId)
    return of === undefined ? found : [...found, of]
  })
