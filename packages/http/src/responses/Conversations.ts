/**
 * Conversations: items that calls read and add to, by the id of the conversation. Each is kept for as long as responses are, after
 * the last call that added to it.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { randomUUID } from "node:crypto"
import * as ConversationRows from "./ConversationRows.ts"
import { inTime } from "./InTime.ts"
import * as Items from "./Items.ts"
import type { StoreLost } from "./StoreLost.ts"

export interface Conversations {
  /** Makes a conversation with these items. */
  readonly create: (
    keyId: string,
    metadata: string,
    items: ReadonlyArray<unknown>,
  ) => Effect.Effect<ConversationRows.Row, StoreLost>
  readonly find: (keyId: string, id: string) => Effect.Effect<ConversationRows.Row | undefined, StoreLost>
  readonly update: (row: ConversationRows.Row, metadata: string) => Effect.Effect<ConversationRows.Row, StoreLost>
  readonly remove: (row: ConversationRows.Row) => Effect.Effect<void, StoreLost>
  /** Its items in order, each with an id. `undefined` if they have more than `maxSize` characters. */
  readonly items: (
    row: ConversationRows.Row,
    maxSize: number,
  ) => Effect.Effect<ReadonlyArray<Items.Item> | undefined, StoreLost>
  /** The items that a page needs, in its order: that which it comes after, its own, and one that says there are more. */
  readonly page: (row: ConversationRows.Row, page: Items.PageOf) => Effect.Effect<ReadonlyArray<Items.Item>, StoreLost>
  /** `undefined` if there is none. */
  readonly item: (row: ConversationRows.Row, itemId: string) => Effect.Effect<Items.Item | undefined, StoreLost>
  /** Adds items, and succeeds with them: each with an id. */
  readonly append: (
    keyId: string,
    id: string,
    items: ReadonlyArray<unknown>,
  ) => Effect.Effect<ReadonlyArray<Items.Item>, StoreLost>
  /** Succeeds with whether there was one. */
  readonly removeItem: (row: ConversationRows.Row, itemId: string) => Effect.Effect<boolean, StoreLost>
}

/**
 * Adds items to a conversation, in the transaction that is open or in one of its own. Succeeds with them: each with an id. `keep` is
 * in milliseconds.
 */
export const append = (
  sql: SqlClient,
  keep: number,
  keyId: string,
  id: string,
  items: ReadonlyArray<unknown>,
): Effect.Effect<ReadonlyArray<Items.Item>, SqlError> =>
  Effect.flatMap(Clock.currentTimeMillis, (at) => {
    const listed = Items.listed(items, randomUUID().replaceAll("-", ""))
    const rows = listed.map((item) => ({ id: String(item["id"]), item: JSON.stringify(item) }))
    return Effect.as(ConversationRows.append(sql, keyId, id, rows, at + keep), listed)
  })

/** `keep` is in milliseconds. */
export const make = (sql: SqlClient, keep: number): Conversations => {
  const now = Clock.currentTimeMillis
  return {
    create: (key_id, metadata, items) =>
      Effect.flatMap(now, (at) => {
        const id = `conv_${randomUUID().replaceAll("-", "")}`
        const row = { id, key_id, metadata, items: 0, created_at: at, expires_at: at + keep }
        const inserted = ConversationRows.insert(sql, row)
        const written =
          items.length === 0
            ? inserted
            : sql.withTransaction(Effect.andThen(inserted, append(sql, keep, key_id, id, items)))
        return Effect.as(inTime(written), row)
      }),
    find: (keyId, id) =>
      Items.isId(id)
        ? Effect.flatMap(now, (at) => inTime(ConversationRows.find(sql, keyId, id, at)))
        : Effect.undefined,
    update: (row, metadata) => Effect.as(inTime(ConversationRows.update(sql, row.id, metadata)), { ...row, metadata }),
    remove: ({ id }) => inTime(ConversationRows.remove(sql, [id])),
    items: ({ id }, maxSize) =>
      Effect.map(inTime(ConversationRows.items(sql, id, maxSize)), (rows) =>
        rows?.map(({ item }) => Items.ofJson(item)),
      ),
    page: ({ id }, page) =>
      Effect.map(inTime(ConversationRows.page(sql, id, page)), (rows) => rows.map(({ item }) => Items.ofJson(item))),
    item: ({ id }, itemId) =>
      Items.isId(itemId)
        ? Effect.map(inTime(ConversationRows.item(sql, id, itemId)), (item) =>
            item === undefined ? undefined : Items.ofJson(item),
          )
        : Effect.undefined,
    append: (keyId, id, items) => inTime(append(sql, keep, keyId, id, items)),
    removeItem: ({ id }, itemId) =>
      Items.isId(itemId) ? inTime(ConversationRows.removeItem(sql, id, itemId)) : Effect.succeed(false),
  }
}
