/**
 * The middleware in front of every endpoint: authenticates requests, rejects new calls while the gateway drains or is overloaded, turns
 * unknown paths and unhandled errors into error bodies of the client's protocol, and adds CORS headers.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerError from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Problem from "./api/admin/Problem.ts"
import * as HttpReply from "./api/HttpReply.ts"
import * as ApiError from "./api/ApiError.ts"
import * as ClientProtocols from "./api/ClientProtocols.ts"
import * as Cors from "./auth/Cors.ts"
import * as Unavailable from "./api/Unavailable.ts"
import { Drain } from "./Drain.ts"
import { Overload } from "./Overload.ts"
import * as Auth from "./auth/Auth.ts"
import { Caller } from "./auth/Caller.ts"
import { Expose } from "./auth/Expose.ts"
import * as LoginThrottle from "./api/LoginThrottle.ts"
import * as Reauthentication from "./api/Reauthentication.ts"
import * as InFlight from "./InFlight.ts"
import * as ServerLimits from "./ServerLimits.ts"
import * as WebSocketUpgrade from "./WebSocketUpgrade.ts"

/** Health checks: no authentication and no host check, because supervisors have neither a key nor the host name. */
const publicPaths: ReadonlySet<string> = new Set(["/health", "/ready"])

/** The page and its login: no key is required, but origin and host are checked. */
const pagesWithoutKey: ReadonlySet<string> = new Set(["/", "/login", "/logout"])

/** The operator's endpoints that change something or explain a route. They are no calls, and answer under overload. */
const operatorPaths = /^\/(?:admin|simulated|login|logout|v1\/route)(?:[/?]|$)/

/** Adds the middleware to the `HttpRouter` in context, for all of its routes. */
export const layer = (auth: Auth.Auth): Layer.Layer<never, never, HttpRouter.HttpRouter | Drain | Overload> =>
  HttpRouter.middleware(
    Effect.map(Effect.all([Drain, Overload, Clock.Clock]), ([drain, { control, reject }, clock]) => (handler) => {
      const cutOffReply = cutOffResponse(auth)
      const handle = (request: Request, fiber: Fiber.Fiber<unknown, unknown>) => {
        if (drain.announced()) InFlight.closeConnection(request)
        if (publicPaths.has(request.url)) return handler
        if (!isTarget(request.url)) return Effect.succeed(respond(request, notTarget))
        const check = pagesWithoutKey.has(request.url)
          ? Auth.checkOrigin(auth, request)
          : Auth.authenticate(auth, request, clock.currentTimeMillisUnsafe())
        if (Result.isFailure(check)) {
          const { failure } = check
          const reply = rejected(request, failure)
          return failure.isUnknownKey === true
            ? Effect.match(LoginThrottle.throttle(auth.failedLogins, request), {
                onSuccess: () => reply,
                onFailure: (error) => unread(request, respond(request, error)),
              })
            : Effect.succeed(reply)
        }
        if (drain.draining()) return Effect.succeed(draining(request, Unavailable.shuttingDown))
        const inFlight = drain.inFlight.size()
        const isOrdered = control.isBusy(inFlight) && isCall(request)
        const retryAfter = isOrdered ? reject(inFlight) : undefined
        if (retryAfter !== undefined) return Effect.succeed(respond(request, Unavailable.overloaded(retryAfter)))
        drain.inFlight.enter(request, fiber, cutOffReply)
        const handled = Effect.catchCause(isOrdered ? control.ordered(handler) : handler, (cause) =>
          failed(request, cause),
        )
        const key = check.success
        const caller = key?.virtualKey
        const level = Auth.exposed(auth, caller)
        const called =
          caller === undefined && level === "full"
            ? handled
            : // To merge contexts would copy the services of the gateway for each request.
              Effect.updateContext(handled, (context: Context.Context<never>) =>
                context.pipe(Context.add(Caller, caller), Context.add(Expose, level)),
              )
        return request.method === "POST" || key === undefined
          ? called
          : Effect.provideService(called, Reauthentication.Current, Reauthentication.make(auth, key))
      }
      const answered = (request: Request, fiber: Fiber.Fiber<unknown, unknown>) => {
        const { origin } = request.headers
        // Without an origin, only cacheable responses need `vary`; calls (POST) skip it.
        if (origin === undefined) {
          const response = handle(request, fiber)
          return request.method === "POST" ? response : Effect.map(response, Cors.vary)
        }
        if (!Auth.allows(auth, origin)) return Effect.map(handle(request, fiber), Cors.vary)
        if (!Cors.isPreflight(request.method, request.headers)) {
          return Effect.map(handle(request, fiber), (response) => Cors.share(response, origin))
        }
        const check = Auth.checkOrigin(auth, request)
        return Effect.succeed(
          Result.isFailure(check) ? rejected(request, check.failure) : Cors.preflight(origin, request.headers),
        )
      }
      return Effect.withFiber((fiber) => {
        const request = Context.getUnsafe(fiber.context, HttpServerRequest.HttpServerRequest)
        const response = answered(request, fiber)
        return WebSocketUpgrade.isRequested(request) ? Effect.map(response, WebSocketUpgrade.refusal) : response
      })
    }),
    { global: true },
  )

type Request = HttpServerRequest.HttpServerRequest

const isCall = (request: Request): boolean =>
  (request.method === "POST" && !operatorPaths.test(request.url)) || WebSocketUpgrade.isRequested(request)

/** Whether the request target is a path, `*`, or an absolute URL (RFC 9112, 3.2). */
const isTarget = (url: string): boolean => url.startsWith("/") || url === "*" || URL.canParse(url)

const notTarget = ApiError.invalid("The request target is neither a path nor a URL.", { code: "invalid_http" })

const respond = ({ url }: Request, error: ApiError.ApiError): HttpServerResponse.HttpServerResponse =>
  Problem.isFor(url) ? Problem.reply(error) : HttpReply.error(error, ClientProtocols.of(url))

const rejected = (request: Request, rejection: Auth.Rejection) =>
  unread(request, respond(request, ApiError.fromRejection(rejection)))

/** A response to a request whose body is not read. */
const unread = (request: Request, response: HttpServerResponse.HttpServerResponse) =>
  isLarge(request) ? closing(response) : response

/** Whether the body is larger than what is read of an unauthenticated request. */
const isLarge = ({ headers }: Request): boolean =>
  headers["transfer-encoding"] !== undefined ||
  Number(headers["content-length"] ?? 0) > Number(ServerLimits.unauthenticatedBody)

/** Closes the connection after the response, so that the rest of the request's body is not read. */
const closing = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.setHeader(response, "connection", "close")

const draining = (request: Request, error: ApiError.ApiError) =>
  HttpServerResponse.setHeader(respond(request, error), "connection", "close")

/** The response to a call that is cut off by the shutdown. */
const cutOffResponse = (auth: Auth.Auth) => (request: Request) => {
  const { origin } = request.headers
  const response = draining(request, Unavailable.cutOff)
  return origin !== undefined && Auth.allows(auth, origin) ? Cors.share(response, origin) : response
}

/** The response to an unknown path (404) or an unhandled error (500). The cause of a 500 is logged, not sent. */
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
        message: `No endpoint ${request.method} ${request.url.split("?")[0]}. ${hint(request)}`,
      }),
    )
  }
  const requestId = HttpReply.newId()
  return Effect.as(
    Effect.annotateLogs(Effect.logError(`Unhandled error while serving request ${requestId}`, cause), {
      request_id: requestId,
    }),
    respond(request, {
      status: 500,
      type: "server_error",
      code: "internal_error",
      message: "Internal error of the gateway. Its log has the cause under this request id.",
      requestId,
    }),
  )
}

const hint = ({ url }: Request): string => {
  if (Problem.isFor(url)) return "GET /admin/openapi.json describes those that exist."
  return url.startsWith("/v1/v1/")
    ? "This client adds /v1 itself: remove it from the base URL."
    : "The base URL of most clients must end in /v1."
}
