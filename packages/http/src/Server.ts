/**
 * The gateway as a server process: its endpoints behind the middleware, on a Node server that drains before it stops.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Router } from "@understudy/core/Router"
import { IsCutOff } from "@understudy/core/internal/model/CutOff"
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
import * as NoDatabase from "./api/admin/NoDatabase.ts"
import { IsKey } from "./api/GatewayKeys.ts"
import * as Ops from "./api/Ops.ts"
import * as RecordApi from "./api/Record.ts"
import * as ReloadApi from "./api/Reload.ts"
import * as SimulatedApi from "./api/Simulated.ts"
import * as Dashboard from "./dashboard/Dashboard.ts"
import * as WebSocketUpgrade from "./WebSocketUpgrade.ts"
import * as WriteTimeout from "./WriteTimeout.ts"
import * as FaultsApi from "./api/Faults.ts"
import * as FaultInjectionSection from "./config/FaultInjectionSection.ts"
import * as Drain from "./Drain.ts"
import * as Overload from "./Overload.ts"
import * as Middleware from "./Middleware.ts"
import * as Gateway from "./Gateway.ts"
import * as Auth from "./auth/Auth.ts"
import * as RealtimeSettings from "./RealtimeSettings.ts"
import * as ServerLimits from "./ServerLimits.ts"
import * as MalformedHttp from "./MalformedHttp.ts"

/** `E`: why the endpoints in `admin` cannot start. */
export interface Options<E = never> {
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  readonly auth: Auth.Policy
  /** The largest accepted request body. */
  readonly maxBody: ByteSize.ByteSize
  /** Limits on one caller's use of the process. Default: `ServerLimits.defaults`. */
  readonly limits?: ServerLimits.Limits
  /** The bounds at which new calls are rejected; `false` for none. Default: `Overload.defaults`. */
  readonly overload?: Overload.Policy | false
  /** The limits of realtime sessions; `false` switches them off. Default: `RealtimeSettings.defaults`. */
  readonly realtime?: RealtimeSettings.Settings | false | undefined
  /** How long a write may make no progress. Default: `Timeout.defaults.write`. A route may override it. */
  readonly write?: Duration.Duration
  /** The endpoints under `/admin` that need a database. Default: they say so. */
  readonly admin?: Layer.Layer<never, E, Router | HttpRouter.HttpRouter> | undefined
  /** The bounds of fault injection. Default: `FaultInjectionSection.defaults`. */
  readonly faultInjection?: FaultInjectionSection.FaultInjectionSettings
  /** How long each step of a shutdown may take. */
  readonly drain: Drain.Policy
}

/**
 * Milliseconds an idle connection is kept. Longer than clients and load balancers keep one: a server that closes first loses
 * requests in transit.
 */
const keepAliveTimeout = 75_000

/** Serves until the layer is closed. Then it drains and frees the port. */
export const layer = <E = never>(
  options: Options<E>,
): Layer.Layer<HttpServer.HttpServer, ServeError | E, Router | Drain.Drain> =>
  Layer.suspend(() => {
    const {
      admin = NoDatabase.layer,
      faultInjection = FaultInjectionSection.defaults,
      limits = ServerLimits.defaults,
      overload = Overload.defaults,
      realtime = RealtimeSettings.defaults,
      write = Duration.fromInputUnsafe(Timeout.defaults.write),
    } = options
    const auth = Auth.make(options.auth)
    const server = WriteTimeout.watch(
      MalformedHttp.handle(listener(limits), (origin) => Auth.allows(auth, origin)),
      write,
    )
    const routes = Layer.mergeAll(
      Gateway.layer,
      Ops.layer,
      ReloadApi.layer,
      FaultsApi.layer(faultInjection),
      RecordApi.layer,
      SimulatedApi.layer,
      Dashboard.layer(auth),
      admin,
      Middleware.layer(auth),
    )
    const served = HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true })
    // Built last, so that draining begins before the server waits for its connections to end.
    return Layer.effectDiscard(drainOnClose(server, options.drain)).pipe(
      Layer.provideMerge(served),
      Layer.provide(Layer.effectDiscard(noteConnections(server))),
      Layer.provide(Overload.Overload.layer(overload === false ? undefined : overload)),
      Layer.provideMerge(
        NodeHttpServer.layerServer(() => server, {
          host: options.host,
          port: options.port,
          // Node's default is 511. The kernel drops a connection beyond it, and its client tries again after 1, 3 and 7 s.
          backlog: limits.connections,
          gracefulShutdownTimeout: closeGrace,
        }),
      ),
      Layer.provideMerge(Layer.succeed(MaxBodySize, options.maxBody)),
      Layer.provideMerge(Layer.succeed(IsKey, auth.keys.isOpen && !auth.keys.hasDatabase ? undefined : auth.keys.has)),
      Layer.provideMerge(
        Layer.effect(
          IsCutOff,
          Effect.map(Drain.Drain, ({ isOver }) => isOver),
        ),
      ),
      Layer.provideMerge(Layer.succeed(BodyBudget.Current, new BodyBudget.BodyBudget(limits))),
      Layer.provideMerge(Layer.succeed(RealtimeSettings.Current, realtime)),
    )
  })

/** A server that limits connections, and closes those whose requests do not arrive in time. */
const listener = ({ connections, headTimeout, requestTimeout }: ServerLimits.Limits): Server => {
  const [head, request] = [Duration.toMillis(headTimeout), Duration.toMillis(requestTimeout)]
  const server = createServer({
    keepAliveTimeout,
    // Node's own reply has no error body; the middleware replies instead.
    requireHostHeader: false,
    shouldUpgradeCallback: WebSocketUpgrade.shouldUpgrade,
    headersTimeout: Math.min(head, request),
    requestTimeout: request,
    // Node's default is 30 s.
    connectionsCheckingInterval: Math.max(10, Math.min(1000, head / 4, request / 4)),
  })
  server.maxConnections = connections
  return WebSocketUpgrade.watch(server)
}

/** Tells the overload protection of each accepted connection. */
const noteConnections = (server: Server) =>
  Effect.map(Overload.Overload, ({ control }) => server.on("connection", () => control.accepted()))

/** How long the last bytes may take to reach their clients once no call is running. */
const closeGrace = Duration.seconds(1)

/**
 * Drains on close and ends the shadow calls that are left, then closes connections that become idle, and after `closeGrace` all others. Node closes only connections
 * that are idle when it stops listening, and waits without limit for clients that do not read.
 */
const drainOnClose = Effect.fnUntraced(function* (server: Server, policy: Drain.Policy) {
  const drain = yield* Drain.Drain
  const router = yield* Router
  let closed = false
  server.once("close", () => (closed = true))
  const closeIdle = Effect.repeat(
    Effect.sync(() => server.closeIdleConnections()),
    { schedule: Schedule.spaced("20 millis"), until: () => closed },
  )
  const closeAll = Effect.andThen(
    Effect.timeoutOption(closeIdle, closeGrace),
    Effect.sync(() => server.closeAllConnections()),
  )
  yield* Effect.addFinalizer(() =>
    Effect.all([drain.run(policy), router.stopShadows, Effect.forkDetach(closeAll)], { discard: true }),
  )
})
