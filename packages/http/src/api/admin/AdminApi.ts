/**
 * The API under `/admin`, with its OpenAPI document: keys, teams, budgets, spend, calls, comparisons, and the audit of changes. It knows no
 * handlers: see the groups' files.
 */
import { word } from "@understudy/providers/internal/config/Fields"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import * as Fields from "./Fields.ts"
import * as LedgerFields from "./LedgerFields.ts"
import * as Page from "./Page.ts"

/** The body of an error: see `Problem`. */
const ProblemBody = Schema.Struct({
  type: Schema.String,
  title: Schema.String,
  status: Schema.Finite,
  detail: Schema.String,
  errors: Schema.optionalKey(Schema.Array(Schema.Struct({ field: Schema.String, message: Schema.String }))),
}).annotate({ identifier: "Problem", description: "Problem details (RFC 9457)" })

const problem = (status: number) =>
  ProblemBody.pipe(HttpApiSchema.asJson({ contentType: "application/problem+json" }), HttpApiSchema.status(status))

/** The errors of all endpoints, and those of endpoints that change something. */
const reads = [problem(400), problem(401), problem(403), problem(404), problem(501), problem(503)] as const
const changes = [...reads, problem(409), problem(422)] as const

/** Replies to parameters and queries that are invalid. */
export class InvalidRequest extends HttpApiMiddleware.Service<InvalidRequest>()("@understudy/http/InvalidRequest") {}

const id = { id: Schema.String }

const created = <S extends Schema.Top>(schema: S) => schema.pipe(HttpApiSchema.status(201))

const listed = <Fields extends Schema.Struct.Fields>(filters: Fields) => ({ ...Page.Query, ...filters })

const optionalText = Schema.optionalKey(Schema.String)

export const IdempotencyKey = { "idempotency-key": optionalText }

const Keys = HttpApiGroup.make("keys")
  .add(
    HttpApiEndpoint.get("list", "/keys", {
      query: listed({ team: optionalText }),
      success: Page.Page(Fields.Key),
      error: reads,
    }),
    HttpApiEndpoint.post("create", "/keys", {
      headers: IdempotencyKey,
      payload: Schema.toEncoded(Fields.KeyInput),
      success: created(Fields.NewKey),
      error: changes,
    }),
    HttpApiEndpoint.get("me", "/keys/me", { success: Fields.KeyWithBudgets, error: reads }),
    HttpApiEndpoint.get("get", "/keys/:id", { params: id, success: Fields.KeyWithBudgets, error: reads }),
    HttpApiEndpoint.patch("update", "/keys/:id", {
      params: id,
      payload: mergePatch(Fields.KeyChanged),
      success: Fields.KeyWithBudgets,
      error: changes,
    }),
    HttpApiEndpoint.post("rotate", "/keys/:id/rotate", {
      params: id,
      headers: IdempotencyKey,
      payload: Schema.toEncoded(Fields.Rotation),
      success: Fields.NewKey,
      error: changes,
    }),
    HttpApiEndpoint.delete("remove", "/keys/:id", { params: id, error: changes }),
  )
  .annotateMerge(OpenApi.annotations({ description: "Virtual keys of the gateway's callers" }))

const Teams = HttpApiGroup.make("teams")
  .add(
    HttpApiEndpoint.get("list", "/teams", {
      query: listed({}),
      success: Page.Page(Fields.Team),
      error: reads,
    }),
    HttpApiEndpoint.post("create", "/teams", {
      headers: IdempotencyKey,
      payload: Schema.toEncoded(Fields.TeamInput),
      success: created(Fields.TeamWithBudgets),
      error: changes,
    }),
    HttpApiEndpoint.get("get", "/teams/:id", { params: id, success: Fields.TeamWithBudgets, error: reads }),
    HttpApiEndpoint.patch("update", "/teams/:id", {
      params: id,
      payload: mergePatch(Fields.TeamChanged),
      success: Fields.TeamWithBudgets,
      error: changes,
    }),
    HttpApiEndpoint.delete("remove", "/teams/:id", { params: id, error: changes }),
  )
  .annotateMerge(OpenApi.annotations({ description: "Teams, whose keys share limits and budgets" }))

const Budgets = HttpApiGroup.make("budgets")
  .add(
    HttpApiEndpoint.get("list", "/budgets", {
      query: listed({ key: optionalText, team: optionalText }),
      success: Page.Page(Fields.Budget),
      error: reads,
    }),
    HttpApiEndpoint.post("create", "/budgets", {
      headers: IdempotencyKey,
      payload: Schema.toEncoded(Fields.BudgetInput),
      success: created(Fields.Budget),
      error: changes,
    }),
    HttpApiEndpoint.get("get", "/budgets/:id", { params: id, success: Fields.Budget, error: reads }),
    HttpApiEndpoint.patch("update", "/budgets/:id", {
      params: id,
      payload: mergePatch(Fields.BudgetInput),
      success: Fields.Budget,
      error: changes,
    }),
    HttpApiEndpoint.delete("remove", "/budgets/:id", { params: id, error: changes }),
  )
  .annotateMerge(OpenApi.annotations({ description: "How much may be spent, by what" }))

const Spend = HttpApiGroup.make("spend")
  .add(
    HttpApiEndpoint.get("get", "/spend", {
      query: LedgerFields.SpendQuery,
      success: LedgerFields.SpendReport,
      error: reads,
    }),
  )
  .annotateMerge(OpenApi.annotations({ description: "What was spent, as JSON or CSV (`accept: text/csv`)" }))

const Calls = HttpApiGroup.make("calls")
  .add(
    HttpApiEndpoint.get("list", "/calls", {
      query: listed(LedgerFields.CallsFilter),
      success: Page.Page(LedgerFields.Call),
      error: reads,
    }),
    HttpApiEndpoint.get("get", "/calls/:id", { params: id, success: LedgerFields.CallWithAttempts, error: reads }),
  )
  .annotateMerge(OpenApi.annotations({ description: "Calls of the ledger, the newest first" }))

const Comparisons = HttpApiGroup.make("comparisons")
  .add(
    HttpApiEndpoint.get("shadows", "/shadows", {
      query: LedgerFields.ComparisonQuery,
      success: LedgerFields.ShadowReport,
      error: reads,
    }),
    HttpApiEndpoint.get("splits", "/splits", {
      query: LedgerFields.ComparisonQuery,
      success: LedgerFields.SplitReport,
      error: reads,
    }),
  )
  .annotateMerge(OpenApi.annotations({ description: "Shadow calls beside their calls, and the arms of splits" }))

const Audit = HttpApiGroup.make("audit")
  .add(
    HttpApiEndpoint.get("list", "/audit", {
      query: listed({
        kind: Schema.optionalKey(word(["key", "team", "budget", "faults"])),
        id: optionalText,
        actor: optionalText,
      }),
      success: Page.Page(Fields.AuditEntry),
      error: reads,
    }),
  )
  .annotateMerge(OpenApi.annotations({ description: "Who changed what and when, the latest change first" }))

export class AdminApi extends HttpApi.make("understudy-admin")
  .add(Keys, Teams, Budgets, Spend, Calls, Comparisons, Audit)
  .prefix("/admin")
  .middleware(InvalidRequest)
  .annotate(HttpApi.ParamsParseOptions, { errors: "all" })
  .annotate(HttpApi.QueryParseOptions, { errors: "all", onExcessProperty: "error" })
  .annotateMerge(
    OpenApi.annotations({
      title: "Understudy",
      version: "1",
      description:
        "Keys, teams, budgets, spend, calls and the audit. Send a key of the gateway as `Authorization: Bearer <key>`.",
      transform: withBearer,
    }),
  ) {}

/** The document with the key that every endpoint takes, and with one schema of problems for all statuses. */
function withBearer(generated: Record<string, unknown>): Record<string, unknown> {
  const document = JSON.parse(JSON.stringify(generated).replaceAll(/\bProblem_\d+/g, "Problem")) as typeof generated
  const paths = document["paths"] as Record<string, Record<string, object>>
  const secured = (operations: Record<string, object>) =>
    Object.fromEntries(
      Object.entries(operations).map(([method, operation]) => [method, { ...operation, security: [{ bearer: [] }] }]),
    )
  return {
    ...document,
    paths: Object.fromEntries(Object.entries(paths).map(([path, operations]) => [path, secured(operations)])),
    components: {
      ...(document["components"] as object),
      securitySchemes: { bearer: { type: "http", scheme: "bearer" } },
    },
  }
}

/** The schema of a merge patch (RFC 7396): every field may be left out, which keeps it, or be null, which clears it. */
function mergePatch(schema: Schema.Struct<Schema.Struct.Fields>) {
  const field = ([name, field]: [string, Schema.Constraint]) =>
    [name, Schema.optionalKey(Schema.NullOr(Schema.toEncoded(field as Schema.Top)))] as const
  return Schema.Struct(Object.fromEntries(Object.entries(schema.fields).map(field)))
}
