/**
 * The span of a request to the gateway, by OpenTelemetry's HTTP conventions: the parent of the call's span. It continues the
 * trace of the caller, and ends when the response has been sent.
 */
import { CaptureContent, PropagatedSpan } from "@understudy/core/Telemetry"
import { IsCutOff } from "@understudy/core/internal/model/CutOff"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Fiber } from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type * as Spans from "./Spans.ts"
import * as TraceParent from "./TraceParent.ts"

/** How requests are traced. */
export interface RequestTracing {
  readonly tracer: Tracer.Tracer
  /** Starts the span of a request of this caller. A span that is not recorded is only handed on. */
  readonly start: ReturnType<typeof Spans.root>
  /** Whether the spans of attempts contain prompts and answers. */
  readonly content: boolean
}

/** Whether, and how, requests are traced. Default: they are not. */
export const RequestTracing: Context.Reference<RequestTracing | undefined> = Context.Reference<
  RequestTracing | undefined
>("@understudy/http/RequestTracing", { defaultValue: () => undefined })

/** Handles a request under a span of its own. The span lives in the scope of the request. */
export const around = <E, R>(
  tracing: RequestTracing,
  fiber: Fiber<unknown, unknown>,
  http: HttpServerRequest,
  handled: Effect.Effect<HttpServerResponse, E, R>,
): Effect.Effect<HttpServerResponse, E, R> => {
  const parent = TraceParent.read(http.headers)
  const route = () =>
    Context.getOrUndefined(fiber.context as Context.Context<HttpRouter.RouteContext>, HttpRouter.RouteContext)?.route
  const span = tracing.start(parent, () => ({
    name: `${http.method} ${route()?.path ?? pathOf(http)}`,
    annotations: parent?.annotations ?? Context.empty(),
    links: [],
    startTime: fiber.getRef(Clock.Clock).currentTimeNanosUnsafe(),
    kind: "server",
    root: false,
    sampled: true,
  }))
  // A trace that is not recorded is handed on, and no more.
  if (span._tag === "ExternalSpan") return Effect.provideService(handled, PropagatedSpan, span)
  span.attribute("http.request.method", http.method)
  span.attribute("url.path", pathOf(http))
  span.attribute("url.scheme", "http")
  const pattern = route()?.path
  if (pattern !== undefined) span.attribute("http.route", pattern)
  const agent = http.headers["user-agent"]
  if (agent !== undefined) span.attribute("user_agent.original", agent)
  return recorded(tracing, fiber, span, handled)
}

const pathOf = ({ url }: HttpServerRequest): string => url.split("?")[0] ?? url

const recorded = <E, R>(
  { content, tracer }: RequestTracing,
  fiber: Fiber<unknown, unknown>,
  span: Tracer.Span,
  handled: Effect.Effect<HttpServerResponse, E, R>,
): Effect.Effect<HttpServerResponse, E, R> => {
  const clock = fiber.getRef(Clock.Clock)
  const scope = Context.getUnsafe(fiber.context as Context.Context<Scope.Scope>, Scope.Scope)
  let status: number | undefined
  const ended = Scope.addFinalizerExit(scope, (exit) =>
    Effect.sync(() =>
      span.end(clock.currentTimeNanosUnsafe(), responded(span, status, exit, fiber.getRef(IsCutOff)())),
    ),
  )
  const traced = Effect.updateContext(handled, (context: Context.Context<R>) => {
    const within = context.pipe(
      Context.add(Tracer.Tracer, tracer),
      Context.add(Tracer.ParentSpan, span),
      Context.add(PropagatedSpan, span),
    )
    return content ? Context.add(within, CaptureContent, true) : within
  })
  return Effect.andThen(
    ended,
    Effect.map(traced, (response) => {
      status = response.status
      return response
    }),
  )
}

/**
 * The outcome of a request: a 4xx is the client's, a 5xx the gateway's, and without a response the client has left, unless the gateway
 * ends its calls (`isCutOff`).
 */
const responded = (
  span: Tracer.Span,
  status: number | undefined,
  exit: Exit.Exit<unknown, unknown>,
  isCutOff: boolean,
): Exit.Exit<unknown, unknown> => {
  if (status !== undefined) span.attribute("http.response.status_code", status)
  if (status !== undefined && status >= 500) {
    span.attribute("error.type", String(status))
    return Exit.fail(`status ${status}`)
  }
  if (Exit.isSuccess(exit)) return Exit.void
  const isInterrupted = Exit.hasInterrupts(exit)
  span.attribute("error.type", isInterrupted ? (isCutOff ? "draining" : "cancelled") : "_OTHER")
  return isInterrupted && !isCutOff ? Exit.interrupt() : Exit.fail("the response was not completed")
}
