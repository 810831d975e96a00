/**
 * The handlers of `AdminApi`, over the keys of the gateway and its database, and `GET /admin/openapi.json`.
 */
import type { Router } from "@understudy/core/Router"
import * as SchemaErrors from "@understudy/providers/internal/config/SchemaErrors"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import type * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import { ParsedSearchParams } from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import type { SqlClient } from "effect/sql/SqlClient"
import type { Keyring } from "../../auth/Keyring.ts"
import type { Changes } from "../../store/Changes.ts"
import { AdminApi, InvalidRequest } from "./AdminApi.ts"
import * as Audit from "./Audit.ts"
import * as ComparisonGroup from "./ComparisonGroup.ts"
import * as BudgetsGroup from "./BudgetsGroup.ts"
import * as Keys from "./Keys.ts"
import * as Problems from "./Problem.ts"
import * as SpendGroup from "./SpendGroup.ts"
import * as Teams from "./Teams.ts"

/** Adds the endpoints to the `HttpRouter` in context. */
export const layer = (keys: Keyring): Layer.Layer<never, never, Router | HttpRouter.HttpRouter | SqlClient | Changes> =>
  HttpApiBuilder.layer(AdminApi, { openapiPath: "/admin/openapi.json" }).pipe(
    Layer.provide([
      Keys.layer(keys),
      Teams.layer,
      BudgetsGroup.layer(keys),
      SpendGroup.layerSpend,
      SpendGroup.layerCalls,
      ComparisonGroup.layer,
      Audit.layer,
    ]),
    Layer.provide(invalidRequests),
    Layer.provide(HttpServer.layerServices),
  )

/** Parameters and queries that are invalid name the field, as invalid bodies do. */
const invalidRequests = HttpApiMiddleware.layerSchemaErrorTransform(InvalidRequest, (error) =>
  error.kind === "Query" || error.kind === "Params"
    ? Effect.map(ParsedSearchParams, (query) =>
        Problems.reply(Problems.invalid(SchemaErrors.problems(error.cause.issue, { path: "", source: query }))),
      )
    : Effect.die(error),
)
