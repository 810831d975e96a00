/**
 * OpenAI's files and batches: a table with a line for each endpoint, and one handler. What is made goes through a route as any call, and
 * is held by the deployment that answered; its id names that deployment (`HeldId`), and later calls go there alone.
 */
import type { Part, Request } from "@understudy/core/Operation"
import * as Operation from "@understudy/core/Operation"
import { Router } from "@understudy/core/Router"
import type { Operating } from "@understudy/core/Router"
import * as Json from "@understudy/providers/internal/protocols/Json"
import * as JsonText from "@understudy/providers/internal/protocols/JsonText"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import type { PathInput } from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import type * as Scope from "effect/Scope"
import * as Predicate from "effect/Predicate"
import { Caller } from "../auth/Caller.ts"
import * as ApiError from "./ApiError.ts"
import * as BatchFile from "./BatchFile.ts"
import * as Endpoint from "./Endpoint.ts"
import * as HeldId from "./HeldId.ts"
import * as JsonBody from "./JsonBody.ts"
import * as MultipartForm from "./MultipartForm.ts"

type Service = Router["Service"]

/** Reads the request of an endpoint. `id`: that of its path. */
type Read = (
  router: Service,
  id: string,
) => Effect.Effect<Request, ApiError.ApiError, HttpServerRequest.HttpServerRequest | Scope.Scope>

interface Row {
  readonly method: "GET" | "POST" | "DELETE"
  readonly path: PathInput
  readonly read: Read
}

/** The route of files whose request names none. */
const defaultRoute = "files"

/** Adds the endpoints to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.flatMap(Router, (router) =>
    Effect.forEach(
      rows,
      ({ method, path, read }) =>
        http.add(
          method,
          path,
          Effect.flatMap(HttpRouter.params, ({ id = "" }) =>
            Endpoint.operate(
              router,
              ChatCompletions,
              Effect.map(read(router, id), (request) => ({ request: { ...request, method } })),
              { rewrite: rewrite(router), refine },
            ),
          ),
        ),
      { discard: true },
    ),
  ),
)

// ---------------------------------------------------------------------------------------------------------------------
// Requests
// ---------------------------------------------------------------------------------------------------------------------

const nothing = { type: "none" } as const

/** A request about what its path names. `more` is the rest of the path. */
const named =
  (operation: "files" | "batches", ...more: ReadonlyArray<string>): Read =>
  (_, id) =>
    Effect.map(held(id, "id"), ({ holder, id, route }) => ({
      operation,
      model: route,
      holder,
      path: [id, ...more],
      body: nothing,
      streaming: more[0] === "content",
    }))

const upload: Read = (router) =>
  Effect.flatMap(MultipartForm.read({ name: "file" }), (parts) =>
    Effect.map(routed(router, parts), ({ model, parts }) => ({
      operation: "files",
      model,
      body: { type: "multipart", parts },
    })),
  )

/** The route of an upload, and its parts: that which the form names, or the requests of a batch, or `files`. */
const routed = (
  router: Service,
  parts: ReadonlyArray<Part>,
): Effect.Effect<{ readonly model: string; readonly parts: ReadonlyArray<Part> }, ApiError.ApiError> => {
  const body = { type: "multipart", parts } as const
  const model = Operation.field({ body }, "model")
  const named = Predicate.isString(model) && model !== "" ? model : undefined
  const [file] = Operation.filesOf({ body })
  if (file === undefined || Operation.field({ body }, "purpose") !== "batch") {
    return Effect.map(routeOf(router, named), (model) => ({ model, parts }))
  }
  return Effect.flatMap(BatchFile.read(file), (batch) =>
    named !== undefined && named !== batch.model
      ? Effect.fail(
          ApiError.invalid(
            `Invalid value for 'model': the requests in the file are for "${batch.model}", not for "${named}".`,
            { param: "model" },
          ),
        )
      : Effect.succeed({
          model: batch.model,
          parts: parts.map((part) => (part === file ? batch.file : part)),
        }),
  )
}

const createBatch: Read = () =>
  Effect.flatMap(JsonBody.read, (fields) => {
    const input = fields["input_file_id"]
    if (!Predicate.isString(input)) {
      return Effect.fail(ApiError.invalid("Missing required parameter: 'input_file_id'.", { param: "input_file_id" }))
    }
    return Effect.map(held(input, "input_file_id"), ({ holder, id, route }) => ({
      operation: "batches",
      model: route,
      holder,
      body: { type: "json", fields: { ...fields, input_file_id: id } },
    }))
  })

/** What a deployment holds, of all callers: virtual keys see it only with a role that sees everything. */
const list =
  (operation: "files" | "batches"): Read =>
  (router) =>
    Effect.gen(function* () {
      const key = yield* Caller
      if (key !== undefined && key.role !== "admin" && key.role !== "viewer") return yield* Effect.fail(notListed)
      const { url } = yield* HttpServerRequest.HttpServerRequest
      const at = url.indexOf("?")
      const { model, ...query } = Object.fromEntries(new URLSearchParams(at < 0 ? "" : url.slice(at)))
      const { after } = query
      if (after === undefined) return { operation, model: yield* routeOf(router, model), query, body: nothing }
      const { holder, id, route } = yield* held(after, "after")
      return { operation, model: route, holder, query: { ...query, after: id }, body: nothing }
    })

const routeOf = (router: Service, name: string | undefined): Effect.Effect<string, ApiError.ApiError> =>
  name === undefined && !router.routes().includes(defaultRoute)
    ? Effect.fail(noRoute)
    : Effect.succeed(name ?? defaultRoute)

/** What an id names. Whether its deployment still is there is known on its route, which the caller must be allowed to call. */
const held = (text: string, param: string): Effect.Effect<HeldId.Held, ApiError.ApiError> => {
  const found = HeldId.decode(text)
  return found === undefined ? Effect.fail(notFound(text, param)) : Effect.succeed(found)
}

const notFound = (id: string, param: string): ApiError.ApiError =>
  ApiError.invalid(`There is nothing with the id '${id.slice(0, 200)}': it is no id that this gateway has given.`, {
    param,
    status: 404,
    code: "not_found",
  })

const noRoute = ApiError.invalid(
  "No route for files: name one in 'model', or configure a route called \"files\". The requests of a batch name theirs.",
  { param: "model" },
)

const notListed: ApiError.ApiError = {
  status: 403,
  type: "invalid_request_error",
  code: "operator_key_required",
  message:
    "Files and batches of all callers are listed to the operator alone: use the operator's key, or the ids that you were given.",
}

/** The endpoints. */
export const rows: ReadonlyArray<Row> = [
  { method: "POST", path: "/v1/files", read: upload },
  { method: "GET", path: "/v1/files", read: list("files") },
  { method: "GET", path: "/v1/files/:id", read: named("files") },
  { method: "GET", path: "/v1/files/:id/content", read: named("files", "content") },
  { method: "DELETE", path: "/v1/files/:id", read: named("files") },
  { method: "POST", path: "/v1/batches", read: createBatch },
  { method: "GET", path: "/v1/batches", read: list("batches") },
  { method: "GET", path: "/v1/batches/:id", read: named("batches") },
  { method: "POST", path: "/v1/batches/:id/cancel", read: named("batches", "cancel") },
]

// ---------------------------------------------------------------------------------------------------------------------
// Responses
// ---------------------------------------------------------------------------------------------------------------------

/** The fields that have an id of a file or a batch. */
const ids = ["id", "input_file_id", "output_file_id", "error_file_id", "first_id", "last_id"]

/** The response with ids that name the deployment that it is from. */
const rewrite =
  (router: Service) =>
  (text: string, { model, ...request }: Request, { receipt }: Operating): string => {
    const deployment = request.holder?.deployment ?? receipt.deployment
    const body = Json.parseExact(text)
    if (deployment === undefined || !Json.isObject(body)) return text
    const place = receipt.attempts.at(-1)?.account
    const account = place === undefined ? undefined : router.accountOf(deployment, place)
    const holder = account === undefined ? { deployment } : { deployment, account }
    const of = (fields: Json.Fields): Json.Fields => {
      const changed = ids.flatMap((name) => {
        const id = fields[name]
        return Json.isNonEmptyString(id) ? [[name, HeldId.encode({ route: model, holder, id })] as const] : []
      })
      const data = fields["data"]
      const entries = Array.isArray(data) ? data.map((each: unknown) => (Json.isObject(each) ? of(each) : each)) : data
      return { ...fields, ...Object.fromEntries(changed), ...(data === undefined ? undefined : { data: entries }) }
    }
    return JsonText.print(of(body), body)
  }

/** An error about something that is no longer there, or is held by a deployment that its route no longer has, is a 404. */
const refine: Endpoint.Refine = (error, { cause, receipt }) => {
  const skipped = receipt?.skipped ?? []
  const [holder] = skipped.flatMap(({ reason }) => (reason._tag === "NotHolder" ? [reason.holder] : []))
  const isElsewhere = holder !== undefined && receipt?.attempts.length === 0 && error.status === 400
  if (isElsewhere && skipped.every(({ reason }) => reason._tag === "NotHolder")) {
    const message = `It is held by the deployment "${holder}", which its route does not have any more.`
    return { ...error, message, status: 404, code: "not_found" }
  }
  return cause?.status === 404 && cause.reason._tag === "InvalidRequest"
    ? { ...error, status: 404, code: "not_found" }
    : error
}
