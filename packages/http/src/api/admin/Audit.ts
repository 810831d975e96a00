/**
 * `GET /admin/audit`: who changed what and when, from what to what, the latest change first.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Timestamp from "../../config/Timestamp.ts"
import type { AuditRow } from "../../store/Changes.ts"
import * as Changes from "../../store/Changes.ts"
import * as Actor from "./Actor.ts"
import { AdminApi } from "./AdminApi.ts"
import type * as Fields from "./Fields.ts"
import * as Page from "./Page.ts"
import * as Requests from "./Requests.ts"

export const layer = HttpApiBuilder.group(AdminApi, "audit", (handlers) =>
  Effect.map(Requests.answering, (answer) => handlers.handle("list", ({ query }) => answer(list(query)))),
)

interface Filter extends Page.Query {
  readonly kind?: string | undefined
  readonly id?: string | undefined
  readonly actor?: string | undefined
}

const list = Effect.fnUntraced(function* ({ actor: by, id, kind, ...query }: Filter) {
  yield* Actor.requireViewer(yield* Actor.current)
  const [before] = query.cursor ?? [Number.MAX_SAFE_INTEGER]
  const rows = yield* Changes.latestRows(before, Page.rowsToRead(query), { kind, subjectId: id, actor: by })
  return Page.of(rows, query, ({ seq }) => [seq, ""], show)
})

const show = ({ after, at, before, subjectId, ...row }: AuditRow): typeof Fields.AuditEntry.Type => ({
  ...row,
  id: subjectId,
  at: Timestamp.print(at),
  before: (before ?? null) as (typeof Fields.AuditEntry.Type)["before"],
  after: (after ?? null) as (typeof Fields.AuditEntry.Type)["after"],
})
