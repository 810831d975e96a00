/**
 * A page of items, as OpenAI's lists have them: `limit` (1 to 100, 20 by default), `order` (`desc` by default, the newest first)
 * and `after`, the id of the last item of the page before.
 */
import type { Item } from "../responses/Items.ts"
import * as Effect from "effect/Effect"
import * as ApiError from "./ApiError.ts"

/** A list in OpenAI's API. */
export interface Page {
  readonly object: "list"
  readonly data: ReadonlyArray<Item>
  readonly first_id: unknown
  readonly last_id: unknown
  readonly has_more: boolean
}

/** The page that a URL asks for, of items in the order in which they came. */
export const of = (url: string, items: ReadonlyArray<Item>): Effect.Effect<Page, ApiError.ApiError> => {
  const query = new URLSearchParams(url.split("?")[1])
  const limit = Number(query.get("limit") ?? 20)
  const order = query.get("order") ?? "desc"
  const after = query.get("after")
  if (!Number.isInteger(limit) || limit < 1 || limit > 100)
    return invalid("limit", "expected a whole number from 1 to 100")
  if (order !== "asc" && order !== "desc") return invalid("order", "expected asc or desc")
  const ordered = order === "asc" ? items : items.toReversed()
  const at = after === null ? -1 : ordered.findIndex(({ id }) => id === after)
  if (after !== null && at < 0) return invalid("after", "expected the id of an item of this list")
  const data = ordered.slice(at + 1, at + 1 + limit)
  return Effect.succeed({ ...all(data), has_more: ordered.length > at + 1 + limit })
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
