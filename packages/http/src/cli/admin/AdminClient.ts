/**
 * The client of a running gateway's `/admin`. Its errors are sentences for people.
 */
import * as Config from "effect/Config"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { AdminApi } from "../../api/admin/AdminApi.ts"
import * as Page from "../../api/admin/Page.ts"
import { plain } from "../../observe/PlainText.ts"
import * as ServerAuth from "../ServerAuth.ts"

/** A command failed. `status`: of the gateway's response, if there was one. Exit code 1. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{
  readonly message: string
  readonly status?: number | undefined
}> {}

const defaultUrl = "http://127.0.0.1:4000"

const timeout = "30 seconds"

/** Requests to the gateway at `--url`, at UNDERSTUDY_URL, or on this machine, with the key in UNDERSTUDY_API_KEY. */
export const requests = Effect.fnUntraced(function* (given: string | undefined) {
  const url = yield* address(given)
  const key = yield* Effect.mapError(ServerAuth.operatorKey, invalidVariable)
  if (key !== undefined && !isSendable(Redacted.value(key))) return yield* unsendable
  return (yield* HttpClient.HttpClient).pipe(
    HttpClient.mapRequest((request) =>
      request.pipe(
        HttpClientRequest.prependUrl(url),
        HttpClientRequest.acceptJson,
        key === undefined ? (same) => same : HttpClientRequest.bearerToken(key),
      ),
    ),
    HttpClient.transformResponse((response) =>
      response.pipe(
        // The body is read here, within the timeout, and kept for those who decode it.
        Effect.flatMap((response) => Effect.map(response.text, (text) => ({ response, text }))),
        Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(noReply(url)) }),
        Effect.catchTag("HttpClientError", (error) => Effect.fail(unreachable(url, error))),
        Effect.filterOrElse(
          ({ response }) => response.status < 300,
          ({ response, text }) => Effect.fail(refused(url, response.status, text, key)),
        ),
        Effect.map(({ response }) => response),
      ),
    ),
  )
}, Effect.provide(FetchHttpClient.layer))

/** The client of the API of the database, at the same address. */
export const make = Effect.fnUntraced(function* (given: string | undefined) {
  return yield* HttpApiClient.makeWith(AdminApi, { httpClient: yield* requests(given) })
})

export type AdminClient = Effect.Success<ReturnType<typeof make>>

/** A reply: what it means, and its JSON as it was sent. */
export interface Reply<A> {
  readonly value: A
  readonly json: unknown
}

/** The option of a request for `reply`. */
export const withResponse = { responseMode: "decoded-and-response" } as const

/** The reply to a request that is sent `withResponse`. */
export const reply = <A, E>(
  request: Effect.Effect<[A, HttpClientResponse], E>,
): Effect.Effect<Reply<A>, CommandFailed> =>
  request.pipe(
    Effect.flatMap(([value, response]) => Effect.map(response.json, (json) => ({ value, json }))),
    Effect.mapError(unexpected),
  )

/** The text of a response, of a request that is sent with `responseMode: "response-only"`. */
export const text = <E>(request: Effect.Effect<HttpClientResponse, E>): Effect.Effect<string, CommandFailed> =>
  Effect.mapError(
    Effect.flatMap(request, (response) => response.text),
    unexpected,
  )

/** A request whose response has no body. */
export const done = <A, E>(request: Effect.Effect<A, E>): Effect.Effect<void, CommandFailed> =>
  Effect.asVoid(Effect.mapError(request, unexpected))

const PageQuery = Schema.Struct(Page.Query)

type PageOf<Row> = { readonly data: ReadonlyArray<Row>; readonly next: string | null }

/** The first rows of a list, at most `limit`, page by page. The JSON is that of one page with all of them. */
export const pages = <Row>(
  limit: number | undefined,
  read: (query: typeof PageQuery.Type) => Effect.Effect<Reply<PageOf<Row>>, CommandFailed>,
): Effect.Effect<Reply<PageOf<Row>>, CommandFailed> => {
  const from = (
    query: typeof PageQuery.Type,
    rows: ReadonlyArray<Row>,
    data: ReadonlyArray<unknown>,
  ): Effect.Effect<Reply<PageOf<Row>>, CommandFailed> =>
    Effect.flatMap(
      read({ ...query, limit: Math.min(Page.maxLimit, (limit ?? Number.POSITIVE_INFINITY) - rows.length) }),
      ({ json, value: { data: more, next } }) => {
        const [allRows, allData] = [
          [...rows, ...more],
          [...data, ...(json as PageOf<unknown>).data],
        ]
        return next === null || allRows.length >= (limit ?? Number.POSITIVE_INFINITY)
          ? Effect.succeed({ value: { data: allRows, next }, json: { data: allData, next } })
          : Effect.flatMap(Effect.mapError(decodeQuery({ cursor: next }), unexpected), (query) =>
              from(query, allRows, allData),
            )
      },
    )
  return from({}, [], [])
}

const decodeQuery = Schema.decodeUnknownEffect(PageQuery)

// ---------------------------------------------------------------------------------------------------------------------
// The gateway's address
// ---------------------------------------------------------------------------------------------------------------------

/** The address without the `/v1` that clients of its protocols use. */
const address = Effect.fnUntraced(function* (given: string | undefined) {
  const configured = given ?? Option.getOrUndefined(yield* Effect.mapError(variable, invalidVariable))
  if (configured === undefined || configured.trim() === "") return defaultUrl
  const text = configured.trim()
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) {
    return yield* new CommandFailed({
      message: `"${plain(text)}" is not the address of a gateway. Expected one such as ${defaultUrl}, in ${given === undefined ? "UNDERSTUDY_URL" : "--url"}.`,
    })
  }
  return text.replace(/[?#].*$/, "").replace(/(?:\/v1)?\/*$/, "")
})

/** Whether a header can have this value. The error of `fetch` would show the key. */
const isSendable = (key: string): boolean => /^[\x20-\x7e\x80-\xff]+$/.test(key)

const unsendable = new CommandFailed({
  message: "The key in UNDERSTUDY_API_KEY has line breaks or other characters that cannot be sent. Set it again.",
})

const variable = Config.option(Config.String("UNDERSTUDY_URL"))

const invalidVariable = ({ message }: Config.ConfigError) => new CommandFailed({ message })

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

const unreachable = (url: string, { reason }: HttpClientError): CommandFailed => {
  const code = causeOf(reason.cause)
  return new CommandFailed({
    message:
      `No gateway can be reached at ${url}${code === undefined ? "" : `: ${code}`}.\n` +
      "Start one with `understudy serve`, or give the address of a running one with --url or UNDERSTUDY_URL.",
  })
}

/** What `fetch` hides in the cause of its error, such as `connect ECONNREFUSED 127.0.0.1:4000`. */
const causeOf = (error: unknown): string | undefined => {
  if (!Predicate.isError(error)) return undefined
  const inner = causeOf(error.cause)
  if (inner !== undefined) return inner
  if (error instanceof AggregateError && error.message === "") return causeOf(error.errors[0])
  return error.message === "" ? undefined : plain(error.message)
}

const noReply = (url: string) =>
  new CommandFailed({ message: `The gateway at ${url} did not reply within ${timeout}.` })

const Problem = Schema.fromJsonString(
  Schema.Struct({
    detail: Schema.String,
    errors: Schema.optionalKey(Schema.Array(Schema.Struct({ field: Schema.String, message: Schema.String }))),
  }),
)

const decodeProblem = Schema.decodeOption(Problem)

/** The error of a response that is not a success. */
const refused = (url: string, status: number, text: string, key: Redacted.Redacted | undefined): CommandFailed => {
  const problem = Option.getOrUndefined(decodeProblem(text))
  const message =
    problem === undefined
      ? foreign(url, status)
      : status === 401
        ? key === undefined
          ? `The gateway at ${url} needs a key. Set UNDERSTUDY_API_KEY, in the environment or in .env.`
          : `The gateway at ${url} rejected the key in UNDERSTUDY_API_KEY: ${plain(problem.detail)}`
        : status === 503
          ? "The gateway cannot use its database now. Run the command again once it can."
          : sentences(problem)
  return new CommandFailed({ status, message })
}

/** A line for each invalid field, or the description of the error. */
const sentences = ({ detail, errors = [] }: typeof Problem.Type): string =>
  errors.length === 0
    ? detail.split("\n").map(plain).join("\n")
    : errors.map(({ field, message }) => plain(field === "" ? message : `${field}: ${message}`)).join("\n")

const foreign = (url: string, status: number): string =>
  `${url} replied with status ${status}, but not as an Understudy gateway with an API for administration. Check the address (--url or UNDERSTUDY_URL) and the version of the gateway.`

/** The error of a response that cannot be read. */
const unexpected = (error: unknown): CommandFailed =>
  error instanceof CommandFailed
    ? error
    : new CommandFailed({
        message: `The response is not one that this version of understudy can read. Check the address (--url or UNDERSTUDY_URL) and the version of the gateway.${
          Predicate.isError(error) ? `\n${error.message.split("\n").map(plain).join("\n")}` : ""
        }`,
      })
