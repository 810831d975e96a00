/**
 * What the endpoints under `/admin` reply without a database: what to add.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Problems from "./Problem.ts"

const paths = [
  "/admin/keys/*",
  "/admin/teams/*",
  "/admin/budgets/*",
  "/admin/spend",
  "/admin/calls/*",
  "/admin/audit",
  "/admin/openapi.json",
] as const

/** Adds the endpoints to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.forEach(paths, (path) => http.add("*", path, Problems.reply(Problems.noDatabase)), { discard: true }),
)
