/**
 * What the handlers under `/admin` share: bodies, merge patches, replies, and changes that an `Idempotency-Key` makes once.
 */
import * as ExactNumber from "@understudy/providers/internal/protocols/ExactNumber"
import * as SchemaErrors from "@understudy/providers/internal/config/SchemaErrors"
import { Budgets } from "@understudy/core/internal/spend/Budgets"
import { Router } from "@understudy/core/Router"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { hash, randomBytes } from "node:crypto"
import { Changes } from "../../store/Changes.ts"
import type { Record as RecordChange } from "../../store/Changes.ts"
import * as JsonBody from "../JsonBody.ts"
import type { Actor } from "./Actor.ts"
import type { Problem } from "./Problem.ts"
import * as Problems from "./Problem.ts"

type Body = Record<string, unknown>

/** The body, an object. An empty body is an empty object where `isOptional`. */
export const body = (isOptional = false): Effect.Effect<Body, Problem, HttpServerRequest.HttpServerRequest> =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) =>
    isOptional && headers["transfer-encoding"] === undefined && Number(headers["content-length"] ?? 0) === 0
      ? Effect.succeed({})
      : Effect.flatMap(JsonBody.read, (read: Body) => {
          const body = ExactNumber.readAll(read)
          const field = withNul(body)
          return field === undefined ? Effect.succeed(body) : Effect.fail(Problems.invalidField(field, nul))
        }),
  )

const nul = "has the character NUL (U+0000), which PostgreSQL does not store. Leave it out"

/** The path of the first text or name with NUL. */
const withNul = (value: unknown, path = ""): string | undefined => {
  if (Predicate.isString(value)) return value.includes("\0") ? path : undefined
  if (!Predicate.isObjectOrArray(value)) return undefined
  for (const [name, field] of Object.entries(value)) {
    const inside = Array.isArray(value) ? `${path}[${name}]` : path === "" ? name : `${path}.${name}`
    const found = name.includes("\0") ? path : withNul(field, inside)
    if (found !== undefined) return found
  }
  return undefined
}

/** The name of the query parameter with NUL; `id` if it is in the path. */
const parameterWithNul = (url: string): string | undefined =>
  url.includes("%00") ? (/[?&]([^=&]*)=[^&]*%00/.exec(url)?.[1] ?? "id") : undefined

/** Decodes a value; fails with every invalid and every unknown field. */
export const decode = <A>(schema: Schema.ConstraintDecoder<A>, value: Body): Effect.Effect<A, Problem> =>
  Effect.fromResult(Result.mapError(SchemaErrors.decode(schema, value, { path: "", source: value }), Problems.invalid))

/** Fails if a time ends before it begins. */
export const checkTimes = (from: number | undefined, to: number | undefined): Effect.Effect<void, Problem> =>
  from !== undefined && to !== undefined && from > to
    ? Effect.fail(Problems.invalidField("from", "is after `to`: exchange them"))
    : Effect.void

/** Applies a merge patch (RFC 7396): fields replace fields, null removes, mappings are merged. */
export const merge = (before: Body, patch: Body): Body => {
  // A mapping that is assigned to `__proto__` would be no field, but have its fields read as those of the object.
  const merged = new Map(Object.entries(before))
  for (const [name, value] of Object.entries(patch)) {
    const known = merged.get(name)
    if (value === null) merged.delete(name)
    else merged.set(name, isMapping(value) ? merge(isMapping(known) ? known : {}, value) : value)
  }
  return Object.fromEntries(merged)
}

const isMapping = (value: unknown): value is Body => Predicate.isObject(value) && !Array.isArray(value)

/** A value without its null fields: the form in which it is merged and decoded. */
export const withoutNulls = (value: Body): Body =>
  Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null))

/** An id such as `key_4f1b…`. */
export const newId = (prefix: "key" | "team" | "budget"): string => `${prefix}_${randomBytes(12).toString("hex")}`

/** How long the database may take for a request. */
const timeout = "5 seconds"

/** What handlers use. */
type Services = SqlClient | Changes | Router

/** Makes the replies of a group's handlers: each is the response to its request, or that of its problem. */
export const answering: Effect.Effect<
  <A, R>(
    reply: Effect.Effect<A, Problem | SqlError, R>,
  ) => Effect.Effect<
    A | HttpServerResponse.HttpServerResponse,
    never,
    Exclude<R, Services> | HttpServerRequest.HttpServerRequest
  >,
  never,
  Services
> = Effect.gen(function* () {
  const budgets = yield* Effect.serviceOption(Budgets)
  const services = Context.pick(SqlClient, Changes, Router)(yield* Effect.context<Services>())
  const context = Option.isNone(budgets) ? services : Context.add(services, Budgets, budgets.value)
  return (reply) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ url }) => {
      const parameter = parameterWithNul(url)
      return parameter === undefined ? reply : Effect.fail(Problems.invalidField(parameter, nul))
    }).pipe(
      Effect.provideContext(context),
      Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(Problems.databaseAway) }),
      Effect.catch((error) =>
        Predicate.isTagged(error, "SqlError")
          ? Effect.as(
              Effect.logWarning(`A request to /admin failed at the database: ${error.message}`),
              Problems.reply(Problems.databaseAway),
            )
          : Effect.succeed(Problems.reply(error)),
      ),
    )
})

/** What a change replies. `once` is shown, but not kept for requests that are repeated; `instead` is what they get. */
export interface Changed {
  readonly status: number
  readonly body: object
  readonly once?: object
  readonly instead?: object
}

/** How long an idempotency key is remembered, in milliseconds. */
const remembered = 24 * 3_600_000

/**
 * Makes a change in a transaction. With the header `Idempotency-Key`, a request that is repeated within 24 hours changes
 * nothing and gets the stored response.
 */
export const change = <R>(
  actor: Actor,
  request: unknown,
  run: (record: RecordChange) => Effect.Effect<Changed, Problem | SqlError, R>,
): Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  Problem | SqlError,
  Exclude<R, SqlClient> | SqlClient | Changes | HttpServerRequest.HttpServerRequest
> =>
  Effect.gen(function* () {
    const { commit } = yield* Changes
    const sql = yield* SqlClient
    const { headers, method, url } = yield* HttpServerRequest.HttpServerRequest
    const key = method === "POST" ? headers["idempotency-key"] : undefined
    if (key === undefined) return respond(yield* commit(run))
    if (key.trim() === "" || key.length > 255) {
      return yield* Effect.fail(Problems.invalidField("Idempotency-Key", "expected a text of 1 to 255 characters"))
    }
    const requestHash = hash("sha256", JSON.stringify([method, url, request]), "base64")
    // Only one transaction of this kind runs at a time: two equal requests do not both find nothing.
    return yield* commit((record) =>
      Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const [known] = yield* sql<{ readonly request_hash: string; readonly status: number; readonly body: string }>`
          SELECT request_hash, status, body FROM idempotency
          WHERE actor = ${actor.id} AND idempotency_key = ${key} AND created_at > ${now - remembered}`
        if (known !== undefined) {
          if (known.request_hash !== requestHash) return yield* Effect.fail(Problems.reusedKey)
          return HttpServerResponse.setHeader(
            respond({ status: known.status, body: JSON.parse(known.body) as object }),
            "idempotency-replayed",
            "true",
          )
        }
        const changed = yield* run(record)
        yield* sql`DELETE FROM idempotency WHERE created_at <= ${now - remembered}`
        yield* sql`INSERT INTO idempotency ${sql.insert({
          actor: actor.id,
          idempotency_key: key,
          request_hash: requestHash,
          status: changed.status,
          body: JSON.stringify({ ...changed.body, ...changed.instead }),
          created_at: now,
        })}`
        return respond(changed)
      }),
    )
  })

const respond = ({ body, once, status }: Changed): HttpServerResponse.HttpServerResponse =>
  status === 204
    ? HttpServerResponse.empty({ status })
    : HttpServerResponse.jsonUnsafe({ ...body, ...once }, { status, headers: { "cache-control": "no-store" } })
