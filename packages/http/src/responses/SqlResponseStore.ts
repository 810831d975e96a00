/**
 * The `ResponseStore` in the database of the configuration. Loaded only if responses are stored.
 */
import * as Json from "@understudy/providers/internal/protocols/Json"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { Drain } from "../Drain.ts"
import * as Background from "./Background.ts"
import * as ConversationRows from "./ConversationRows.ts"
import * as Conversations from "./Conversations.ts"
import { inTime } from "./InTime.ts"
import * as InputItems from "./InputItems.ts"
import * as Items from "./Items.ts"
import type { Ended, NoChain, Settings } from "./ResponseStore.ts"
import { ResponseStore } from "./ResponseStore.ts"
import * as Rows from "./Rows.ts"
import { lostResponses } from "./StoreLost.ts"

/** An expiry is put off only by at least this much, so that a chain is not written again with each call. */
const minExtension = Duration.toMillis(Duration.days(1))

/** Responses whose items are looked for at once. */
const responsesAtOnce = 20

/** Expired responses that are deleted in one transaction. */
const chunk = 500

/** The responses of the database. */
export const layer = (settings: Settings): Layer.Layer<ResponseStore, never, SqlClient | Drain> =>
  Layer.effect(
    ResponseStore,
    Effect.gen(function* () {
      const sql = yield* SqlClient
      yield* Metric.update(lostResponses, 0)
      const keep = Duration.toMillis(settings.keep)
      const conversations = Conversations.make(sql, keep)
      /** Writes the ids of the items of a response that has ended, and adds the items to its conversation. */
      const insertItems = ({ conversation_id: id, id: responseId, input, key_id: keyId }: Ended, response: string) => {
        const output = Items.ofOutput(response)
        const written = Rows.insertItems(sql, responseId, Items.ids(output))
        return id === null
          ? written
          : Effect.andThen(
              written,
              Effect.asVoid(Conversations.append(sql, keep, keyId, id, [...Items.ofList(input), ...output])),
            )
      }
      const background = yield* Background.make({
        insertItems,
        sql,
        limit: settings.background,
        inFlight: (yield* Drain).inFlight,
      })
      yield* Effect.forkScoped(hourly(sql))
      const now = Clock.currentTimeMillis
      const insert = ({ extends: extended, ...ended }: Ended, running: Pick<Rows.Row, "gateway_id" | "lease_until">) =>
        Effect.flatMap(now, (at) => {
          const size = ended.input.length + ended.response.length
          const written = Rows.insert(sql, { ...ended, ...running, size, created_at: at, expires_at: at + keep })
          return extended.length === 0 ? written : Effect.andThen(written, Rows.extend(sql, extended, at + keep))
        })
      const find = (keyId: string, id: string) =>
        Items.isId(id)
          ? Effect.flatMap(now, (at) =>
              Effect.flatMap(inTime(Rows.find(sql, keyId, id, at)), (row) =>
                row === undefined ? Effect.undefined : background.checked(row),
              ),
            )
          : Effect.undefined
      return {
        find,
        conversations,
        save: (ended) =>
          inTime(
            sql.withTransaction(
              Effect.andThen(
                insert(ended, { gateway_id: null, lease_until: null }),
                insertItems(ended, ended.response),
              ),
            ),
          ).pipe(Effect.tapError(() => Metric.update(lostResponses, 1))),
        chain: (keyId, id, maxSize) =>
          Items.isId(id)
            ? Effect.flatMap(now, (at) =>
                Effect.map(inTime(Rows.chain(sql, keyId, id, at, maxSize)), (links) => complete(links, id, maxSize)),
              )
            : Effect.succeed<NoChain>({ _tag: "NotFound", id }),
        inputItems: (keyId, id, page) =>
          Items.isId(id)
            ? Effect.flatMap(now, (at) =>
                Effect.map(inTime(Rows.links(sql, keyId, id, at)), (links) =>
                  links[0]?.previous_id === null
                    ? InputItems.stream(sql, { keyId, ids: links.map((link) => link.id), now: at }, page)
                    : undefined,
                ),
              )
            : Effect.undefined,
        items: (keyId, ids, maxSize) =>
          Effect.flatMap(now, (at) =>
            inTime(
              Effect.flatMap(Rows.withItems(sql, keyId, ids, at), (holders) => referenced(sql, holders, ids, maxSize)),
            ),
          ),
        remove: (keyId, id) => (Items.isId(id) ? inTime(Rows.remove(sql, keyId, id)) : Effect.succeed(false)),
        expiring: (rows) =>
          Effect.map(now, (at) =>
            rows.flatMap(({ expires_at, id }) =>
              expires_at < at + keep - Math.min(minExtension, keep / 2) ? [id] : [],
            ),
          ),
        start: (queued, run) =>
          background.start(queued, run, (running) => inTime(sql.withTransaction(insert(queued, running)))),
        cancel: (keyId, id) =>
          Effect.flatMap(find(keyId, id), (row) => (row === undefined ? Effect.undefined : background.cancel(row))),
        events: background.events,
      }
    }),
  )

/** The items with these ids in responses, which are read a few at a time. `undefined` if they have more than `maxSize` characters. */
const referenced = Effect.fnUntraced(function* (
  sql: SqlClient,
  responseIds: ReadonlyArray<string>,
  ids: ReadonlyArray<string>,
  maxSize: number,
): Effect.fn.Return<ReadonlyArray<unknown> | undefined, SqlError> {
  const wanted = new Set<unknown>(ids)
  const found: Array<unknown> = []
  let size = 0
  for (const some of Arr.chunksOf(responseIds, responsesAtOnce)) {
    for (const { response } of yield* Rows.responses(sql, some)) {
      const items = Items.ofOutput(response).filter((item) => wanted.has(Json.fields(item)["id"]))
      found.push(...items)
      size += items.reduce<number>((sum, item) => sum + JSON.stringify(item).length, 0)
      if (size > maxSize) return undefined
    }
  }
  return found
})

/** The chain, if it is whole. */
const complete = (links: ReadonlyArray<Rows.Link>, id: string, maxSize: number): ReadonlyArray<Rows.Row> | NoChain => {
  const [first] = links
  if (first === undefined) return { _tag: "NotFound", id }
  if (first.total > maxSize) return { _tag: "TooLarge", size: first.total }
  return first.previous_id === null ? links : { _tag: "NotFound", id: first.previous_id }
}

/** Deletes expired responses and conversations once an hour. What fails is tried again an hour later. */
const hourly = (sql: SqlClient): Effect.Effect<void> => {
  const removeAll = (remove: typeof Rows.removeExpired): Effect.Effect<void, SqlError> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.flatMap(remove(sql, now, chunk), (removed) =>
        removed < chunk ? Effect.void : Effect.andThen(Effect.sleep("20 millis"), removeAll(remove)),
      ),
    )
  return Effect.andThen(removeAll(Rows.removeExpired), removeAll(ConversationRows.removeExpired)).pipe(
    Effect.catch((error) => Effect.logDebug("Expired responses could not be deleted", error)),
    Effect.repeat(Schedule.spaced("1 hour")),
    Effect.asVoid,
  )
}
