/**
 * `GET /admin/shadows` and `GET /admin/splits`: shadow calls beside their calls, and the arms of splits, from the ledger. For the
 * operator and viewers: they are about the calls of all keys.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Comparison from "../../ledger/Comparison.ts"
import * as Actor from "./Actor.ts"
import { AdminApi } from "./AdminApi.ts"
import * as Requests from "./Requests.ts"

export const layer = HttpApiBuilder.group(AdminApi, "comparisons", (handlers) =>
  Effect.map(Requests.answering, (answer) =>
    handlers
      .handle("shadows", ({ query }) => answer(reply(query, Comparison.shadows)))
      .handle("splits", ({ query }) => answer(reply(query, Comparison.splits))),
  ),
)

const reply = Effect.fnUntraced(function* <Row>(
  query: Comparison.Query,
  compare: (sql: SqlClient, query: Comparison.Query) => Effect.Effect<Comparison.Comparison<Row>, SqlError>,
) {
  const actor = yield* Actor.current
  if (!Actor.seesAll(actor)) return yield* Effect.fail(Actor.forbidden(actor, Actor.viewerRole))
  const { isTruncated, rows } = yield* compare(yield* SqlClient, query)
  return HttpServerResponse.jsonUnsafe({ rows, truncated: isTruncated }, { headers: { "cache-control": "no-store" } })
})
