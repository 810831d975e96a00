/**
 * A page of items, as OpenAI's lists have them: `limit` (1 to 100, 20 by default), `order` (`desc` by default, the newest first)
 * and `after`, the id of the last item of the page before.
 */
import type { Item, PageOf } from "../responses/Items.ts"
import { isId } from "../responses/Items.ts"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ApiError from "./ApiError.ts"

/** A list in OpenAI's API. */
export interface Page {
  readonly object: "list"
  readonly data: ReadonlyArray<Item>
  readonly first_id: unknown
  readonly last_id: unknown
  readonly has_more: boolean
}

/** The page that a URL asks for. */
export const queryOf = (url: string): Effect.Effect<PageOf, ApiError.ApiError> => {
  const query = new URLSearchParams(url.split("?")[1])
  const limit = Number(query.get("limit") ?? 20)
  const order = query.get("order") ?? "desc"
  const after = query.get("after") ?? undefined
  if (!Number.isInteger(limit) || limit < 1 || limit > 100)
    return invalid("limit", "expected a whole number from 1 to 100")
  if (order !== "asc" && order !== "desc") return invalid("order", "expected asc or desc")
  return after === undefined || isId(after) ? Effect.succeed({ limit, order, after }) : notListed
}

/** Reads the items that the page needs, which are in its order: that which it comes after, its own, and one that says there are more. */
export const read = <E>(
  { after, limit }: PageOf,
  items: Stream.Stream<Item, E>,
): Effect.Effect<ReadonlyArray<Item>, E> =>
  Stream.runCollect(
    after === undefined
      ? Stream.take(items, limit + 1)
      : Stream.take(
          Stream.dropWhile(items, ({ id }) => id !== after),
          limit + 2,
        ),
  )

/** The page of the items that were read for it. */
export const of = ({ after, limit }: PageOf, items: ReadonlyArray<Item>): Effect.Effect<Page, ApiError.ApiError> => {
  if (after !== undefined && items[0]?.["id"] !== after) return notListed
  const own = after === undefined ? items : items.slice(1)
  return Effect.succeed({ ...all(own.slice(0, limit)), has_more: own.length > limit })
}

/** All items on one page. */
export const all = (data: ReadonlyArray<Item>): Page => ({
  object: "list",
  data,
  first_id: data[0]?.["id"] ?? null,
  last_id: data.at(-1)?.["id"] ?? null,
  has_more: false,
})

const invalid = (param: string, message: string) =>
  Effect.fail(ApiError.invalid(`Invalid value for '${param}': ${message}.`, { param }))

const notListed = invalid("after", "expected the id of an item of this list")
