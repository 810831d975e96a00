/**
 * The gate in front of every endpoint: turns away whom `Guard` does not let in, and new calls while the gateway drains;
 * answers unknown paths and our own faults in a shape that clients understand; tells browsers which pages may read that.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerError from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as HttpReply from "./api/HttpReply.ts"
import * as ApiError from "./api/ApiError.ts"
import * as ClientProtocols from "./api/ClientProtocols.ts"
import * as Cors from "./auth/Cors.ts"
import { cutOff, shuttingDown } from "./api/ShutdownReply.ts"
import { Drain } from "./Drain.ts"
import * as Auth from "./auth/Auth.ts"
import { Caller } from "./auth/Caller.ts"
import { Expose } from "./auth/Expose.ts"
import * as LoginThrottle from "./api/LoginThrottle.ts"
import * as InFlight from "./InFlight.ts"
import * as ServerLimits from "./ServerLimits.ts"

/** What a supervisor asks, which may know neither our name nor a key: it tells nothing but that we live. */
const publicPaths: ReadonlySet<string> = new Set(["/health", "/ready"])

/** The page, and the way in: for those who have no key to show yet. Where the page is of, and who asks for it, is looked at. */
const pagesWithoutKey: ReadonlySet<string> = new Set(["/", "/login", "/logout"])

/** Puts the gate before everything the `HttpRouter` in context serves. */
export const layer = (auth: Auth.Auth): Layer.Layer<never, never, HttpRouter.HttpRouter | Drain> =>
  HttpRouter.middleware(
    Effect.zipWith(Drain, Clock.Clock, (drain, clock) => (served) => {
      const instead = cut(auth)
      const admitted = (request: Request) => {
        if (drain.announced()) InFlight.closeConnection(request)
        if (publicPaths.has(request.url)) return served
        if (!isTarget(request.url)) return Effect.succeed(respond(request, notTarget))
        const verdict = pagesWithoutKey.has(request.url)
          ? Auth.checkOrigin(auth, request)
          : Auth.authenticate(auth, request, clock.currentTimeMillisUnsafe())
        if (Result.isFailure(verdict)) {
          const { failure } = verdict
          const answer = refused(request, failure)
          return failure.isUnknownKey === true
            ? Effect.match(LoginThrottle.throttle(auth.failedLogins, request), {
                onSuccess: () => answer,
                onFailure: (error) => unread(request, respond(request, error)),
              })
            : Effect.succeed(answer)
        }
        if (drain.draining()) return Effect.succeed(draining(request, shuttingDown))
        const answered = Effect.catchCause(
          Effect.withFiber((fiber) => {
            drain.underWay.enter(request, fiber, instead)
            return served
          }),
          (cause) => failed(request, cause),
        )
        const caller = verdict.success
        const level = Auth.exposed(auth, caller)
        return caller === undefined && level === "full"
          ? answered
          : Effect.provideContext(answered, Context.make(Caller, caller).pipe(Context.add(Expose, level)))
      }
      return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
        const { origin } = request.headers
        // Only what caches keep, and no call on the hot path, is marked where no page asks.
        if (origin === undefined) {
          return request.method === "POST" ? admitted(request) : Effect.map(admitted(request), Cors.vary)
        }
        if (!Auth.allows(auth, origin)) return Effect.map(admitted(request), Cors.vary)
        if (!Cors.isPreflight(request.method, request.headers)) {
          return Effect.map(admitted(request), (response) => Cors.share(response, origin))
        }
        const verdict = Auth.checkOrigin(auth, request)
        return Effect.succeed(
          Result.isFailure(verdict) ? refused(request, verdict.failure) : Cors.preflight(origin, request.headers),
        )
      })
    }),
    { global: true },
  )

type Request = HttpServerRequest.HttpServerRequest

/** Whether what is asked for is a path, or the address of one, which a proxy is asked for (RFC 9112, 3.2). */
const isTarget = (url: string): boolean => url.startsWith("/") || url === "*" || URL.canParse(url)

const notTarget = ApiError.invalid("The request's target is neither a path nor an address.", { code: "invalid_http" })

const respond = ({ url }: Request, error: ApiError.ApiError): HttpServerResponse.HttpServerResponse =>
  HttpReply.error(error, ClientProtocols.of(url))

const refused = (request: Request, { code, message, status }: Auth.Rejection) => {
  const type = status === 401 ? "authentication_error" : "permission_error"
  return unread(request, respond(request, { status, type, code, message }))
}

/** A response to a request of which the body is not read. */
const unread = (request: Request, response: HttpServerResponse.HttpServerResponse) =>
  isLarge(request) ? closing(response) : response

/** Whether a request has more of a body than is read of those who are not let in. */
const isLarge = ({ headers }: Request): boolean =>
  headers["transfer-encoding"] !== undefined ||
  Number(headers["content-length"] ?? 0) > Number(ServerLimits.unknownCaller)

/** Has the connection closed after the response: what is left of the request's body is not read. */
const closing = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.setHeader(response, "connection", "close")

const draining = (request: Request, error: ApiError.ApiError) =>
  HttpServerResponse.setHeader(respond(request, error), "connection", "close")

/** What answers a call that is cut off, beside the fiber that does not any more. */
const cut = (auth: Auth.Auth) => (request: Request) => {
  const { origin } = request.headers
  const response = draining(request, cutOff)
  return origin !== undefined && Auth.allows(auth, origin) ? Cors.share(response, origin) : response
}

/** Nothing inside is shown: the cause goes to the log, the caller learns that it was our fault. */
const failed = (
  request: Request,
  cause: Cause.Cause<unknown>,
): Effect.Effect<HttpServerResponse.HttpServerResponse> => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
  const error = Cause.findErrorOption(cause)
  if (
    error._tag === "Some" &&
    error.value instanceof HttpServerError.HttpServerError &&
    error.value.reason._tag === "RouteNotFound"
  ) {
    return Effect.succeed(
      respond(request, {
        status: 404,
        type: "invalid_request_error",
        code: "not_found",
        message: `There is no ${request.method} ${request.url.split("?")[0]} here. ${hint(request)}`,
      }),
    )
  }
  const requestId = HttpReply.newId()
  return Effect.as(
    Effect.annotateLogs(Effect.logError("A request failed by a fault of ours", cause), { requestId }),
    respond(request, {
      status: 500,
      type: "server_error",
      code: "internal_error",
      message: "The gateway failed; its log says why.",
      requestId,
    }),
  )
}

const hint = ({ url }: Request): string =>
  url.startsWith("/v1/v1/")
    ? "This client adds /v1 by itself: leave it out of the base URL."
    : "Clients usually want the base URL to end in /v1."
