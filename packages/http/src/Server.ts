/**
 * The gateway as a process serves it: its endpoints behind the gate, on a Node server that drains before it stops.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import type { Router } from "@understudy/core/Router"
import * as Timeout from "@understudy/core/internal/policy/Timeout"
import type * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import type * as HttpServer from "effect/http/HttpServer"
import type { ServeError } from "effect/http/HttpServerError"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { createServer } from "node:http"
import type { Server } from "node:http"
import * as BodyBudget from "./api/BodyBudget.ts"
import { IsKey } from "./api/GatewayKeys.ts"
import * as Ops from "./api/Ops.ts"
import * as SimulatedApi from "./api/Simulated.ts"
import * as Dashboard from "./dashboard/Dashboard.ts"
import * as WriteTimeout from "./WriteTimeout.ts"
import * as Drain from "./Drain.ts"
import * as Middleware from "./Middleware.ts"
import * as Gateway from "./Gateway.ts"
import * as Auth from "./auth/Auth.ts"
import * as ServerLimits from "./ServerLimits.ts"
import * as MalformedHttp from "./MalformedHttp.ts"

export interface Options {
  readonly host: string
  /** 0 for any free one. */
  readonly port: number
  readonly auth: Auth.Policy
  /** The largest body taken. */
  readonly maxBody: ByteSize.ByteSize
  /** What one caller may ask of the process; the usual if not said. */
  readonly limits?: ServerLimits.Limits
  /** How long a write may make no progress; the usual if not said. The streams of a route may have their own. */
  readonly write?: Duration.Duration
  /** How long it may take to go down once the server is told to stop. */
  readonly drain: Drain.Policy
}

/**
 * Longer than clients and load balancers keep idle connections, which they must be the ones to close: a server that
 * closes first loses requests that are on their way.
 */
const keepAliveTimeout = 75_000

/** Serves until the layer is closed: then it drains, and the port is free. */
export const layer = (options: Options): Layer.Layer<HttpServer.HttpServer, ServeError, Router | Drain.Drain> =>
  Layer.suspend(() => {
    const { limits = ServerLimits.defaults, write = Duration.fromInputUnsafe(Timeout.defaults.write) } = options
    const auth = Auth.make(options.auth)
    const server = WriteTimeout.watch(
      MalformedHttp.answer(listener(limits), (origin) => Auth.allows(auth, origin)),
      write,
    )
    const routes = Layer.mergeAll(
      Gateway.layer,
      Ops.layer,
      SimulatedApi.layer,
      Dashboard.layer(auth),
      Middleware.layer(auth),
    )
    const served = HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true })
    // Built last, so that draining begins before the server starts to wait for its connections to end.
    return Layer.effectDiscard(drainOnClose(server, options.drain)).pipe(
      Layer.provideMerge(served),
      Layer.provideMerge(
        NodeHttpServer.layerServer(() => server, {
          host: options.host,
          port: options.port,
          gracefulShutdownTimeout: grace,
        }),
      ),
      Layer.provideMerge(Layer.succeed(MaxBodySize, options.maxBody)),
      Layer.provideMerge(Layer.succeed(IsKey, auth.keys.isEmpty ? undefined : auth.keys.has)),
      Layer.provideMerge(Layer.succeed(BodyBudget.Current, new BodyBudget.Intake(limits))),
    )
  })

/** A server that takes no more connections than it may, and closes those whose requests do not arrive in time. */
const listener = ({ connections, headTimeout, requestTimeout }: ServerLimits.Limits): Server => {
  const [head, request] = [Duration.toMillis(headTimeout), Duration.toMillis(requestTimeout)]
  const server = createServer({
    keepAliveTimeout,
    // Node would answer without words or an id; the gate answers.
    requireHostHeader: false,
    // What is asked for beside an upgrade is answered over HTTP/1.1: Java's client offers h2c with the first of its calls.
    shouldUpgradeCallback: () => false,
    headersTimeout: Math.min(head, request),
    requestTimeout: request,
    // Node looks for requests that are late as seldom as every 30 s.
    connectionsCheckingInterval: Math.max(10, Math.min(1000, head / 4, request / 4)),
  })
  server.maxConnections = connections
  return server
}

/** How long the last bytes may take to reach their readers once no call is left. */
const grace = Duration.seconds(1)

/**
 * Node closes the connections that are idle when it stops listening, but not those that become so later; and waits for
 * those whose clients read nothing for ever.
 */
const drainOnClose = Effect.fnUntraced(function* (server: Server, policy: Drain.Policy) {
  const drain = yield* Drain.Drain
  let closed = false
  server.once("close", () => (closed = true))
  const closeIdle = Effect.repeat(
    Effect.sync(() => server.closeIdleConnections()),
    { schedule: Schedule.spaced("20 millis"), until: () => closed },
  )
  const closeAll = Effect.andThen(
    Effect.timeoutOption(closeIdle, grace),
    Effect.sync(() => server.closeAllConnections()),
  )
  yield* Effect.addFinalizer(() => Effect.andThen(drain.run(policy), Effect.forkDetach(closeAll)))
})
