/**
 * The setup of every trial: a fault server, and the real gateway in front of it, in one process, on free loopback ports. All
 * deployments use one fault server. The name of their model is their fault.
 */
import type { Defaults } from "@understudy/core/Policies"
import * as Deployment from "@understudy/core/Deployment"
import type { Route } from "@understudy/core/Route"
import * as Router from "@understudy/core/Router"
import { Drain } from "@understudy/http/internal/Drain"
import { Keyring } from "@understudy/http/Auth"
import * as Server from "@understudy/http/Server"
import * as FaultServer from "@understudy/providers/testing"
import * as Transport from "@understudy/providers/transport"
import * as ByteSize from "effect/ByteSize"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Vendor from "./Vendor.ts"

/**
 * Limits short enough to try everything in seconds, and long enough that a busy machine is not taken for a silent
 * provider, in milliseconds. A retry waits 20, then 40, varied by a fifth; 50 of Retry-After are waited for, a second is
 * not.
 */
export const limits = { base: 20, maxRetryAfter: 200, silence: 1_500 }

export const defaults: Defaults = {
  retry: { times: 2, base: limits.base, max: 200, maxRetryAfter: limits.maxRetryAfter },
  timeout: { connect: 5_000, firstToken: limits.silence, idle: limits.silence, attempt: limits.silence, total: 30_000 },
}

/** A deployment: whose shape it has, and the model it asks for. */
export interface Player extends Partial<Deployment.Options> {
  readonly vendor: Vendor.Vendor
  readonly model: string
}

export interface Cast {
  readonly players: Readonly<Record<string, Player>>
  readonly routes: Readonly<Record<string, Route>>
}

/** `Upstream` is whatever answers behind the gateway. */
export interface Stage<Upstream = FaultServer.FaultServer> {
  readonly upstream: Upstream
  readonly url: string
  readonly router: Router.Router["Service"]
}

/** A fault server of its own and the gateway, until the scope closes. */
export const make = Effect.fnUntraced(function* (cast: Cast, options: FaultServer.Options = {}) {
  return yield* open(yield* Effect.provideService(FaultServer.make(options), Clock.Clock, yield* fineClock), cast)
})

/** The gateway alone, in front of a server that answers as every vendor does, until the scope closes. */
export const open = Effect.fnUntraced(function* <Upstream extends { readonly url: string }>(
  upstream: Upstream,
  { players, routes }: Cast,
) {
  const deployments: Record<string, Deployment.Deployment> = {}
  for (const [vendor, own] of Map.groupBy(Object.entries(players), ([, { vendor }]) => vendor)) {
    const provider = yield* connect(vendor, upstream.url)
    for (const [name, { vendor: _, ...player }] of own) deployments[name] = Deployment.make({ ...player, provider })
  }
  const RouterLive = Router.layer({ deployments, routes, defaults })
  const ServerLive = Server.layer({
    host: "127.0.0.1",
    port: 0,
    auth: { keys: new Keyring([]), hosts: [], origins: [] },
    maxBody: ByteSize.fromInputUnsafe(1_000_000),
    drain: { delay: Duration.zero, timeout: Duration.seconds(5) },
  }).pipe(
    Layer.provideMerge(RouterLive),
    Layer.provide([Drain.layer, Layer.succeed(References.MinimumLogLevel, "None")]),
  )
  const context = yield* Layer.build(ServerLive)
  const stage: Stage<Upstream> = {
    upstream,
    url: HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address),
    router: Context.get(context, Router.Router),
  }
  return stage
})

/** One client of the vendor's for all its deployments: hundreds of them would take longer to start than to be tried. */
const connect = (vendor: Vendor.Vendor, url: string) =>
  Effect.map(Layer.build(Layer.provide(Vendor.entries[vendor].layer(url), Transport.layer)), (context) =>
    Layer.succeedContext(context),
  )

/** A clock with fractions of milliseconds: a fallback takes about one millisecond. */
const fineClock = Effect.map(Clock.Clock, (clock): Clock.Clock => {
  const now = (): number => performance.timeOrigin + performance.now()
  return {
    currentTimeMillisUnsafe: now,
    currentTimeMillis: Effect.sync(now),
    currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
    currentTimeNanos: clock.currentTimeNanos,
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration),
  }
})
