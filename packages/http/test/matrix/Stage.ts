/**
 * The matrix's stage: an upstream on a socket that answers as a vendor's documentation shows, and the gateway in front of
 * it, with a backup of the same dialect for those tests in which the primary fails.
 */
import * as Deployment from "@understudy/core/Deployment"
import * as Route from "@understudy/core/Route"
import * as Router from "@understudy/core/Router"
import type { Provider } from "@understudy/core/Provider"
import * as Transport from "@understudy/providers/transport"
import type { ProviderStartError } from "@understudy/providers/ProviderStartError"
import * as ByteSize from "effect/ByteSize"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { Drain } from "../../src/Drain.ts"
import { Keyring } from "../../src/auth/Keyring.ts"
import * as Server from "../../src/Server.ts"
import type { Asked, Feature } from "./Feature.ts"
import { saidTo } from "./Feature.ts"
import type { Upstream } from "./upstreams/Upstream.ts"

/** A provider of the upstream's dialect at this URL. */
export type Layered = (url: string) => Layer.Layer<Provider, ProviderStartError | Config.ConfigError>

/** What the upstream is to do next, and what it was asked since. */
interface Play {
  feature: Feature
  asked: Array<Asked>
}

/** A failure of one cell is no reason to pass the primary over in the next. */
const never = { failures: Number.MAX_SAFE_INTEGER }

/** Serves until the scope closes. */
export const make = Effect.fnUntraced(function* (upstream: Upstream, layer: Layered, model: string) {
  const play: Play = { feature: "text", asked: [] }
  const server = yield* listen(upstream, play)
  const at = (path: string) => Layer.provide(layer(`${server}${path}`), Transport.layer)
  const RouterLive = Router.layer({
    deployments: {
      primary: Deployment.make({ model, provider: at("/primary"), circuit: never }),
      backup: Deployment.make({ model, provider: at("/backup"), circuit: never }),
    },
    routes: { assistant: Route.fallback("primary", "backup").pipe(Route.retry({ times: 0 })) },
  })
  const ServerLive = Server.layer({
    host: "127.0.0.1",
    port: 0,
    auth: { keys: new Keyring([]), hosts: [], origins: [] },
    maxBody: ByteSize.mebibytes(1),
    drain: { delay: Duration.zero, timeout: Duration.seconds(1) },
  }).pipe(Layer.provide([RouterLive, Drain.layer]), Layer.provide(Layer.succeed(References.MinimumLogLevel, "None")))
  const context = yield* Layer.build(ServerLive)
  const url = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
  return {
    url,
    /** Sets what the upstream is to do, and forgets what it was asked. */
    expect: (feature: Feature): void => {
      play.feature = feature
      play.asked = []
    },
    /** The requests since then that were answered. */
    asked: (): ReadonlyArray<Asked> => play.asked,
  }
})

const listen = (upstream: Upstream, play: Play) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<Http.Server>((resume) => {
        const server = Http.createServer((request, response) => {
          let sent = ""
          request.setEncoding("utf8")
          request.on("data", (chunk: string) => (sent += chunk))
          request.on("end", () => answer(upstream, play, request.url ?? "", sent, response))
        })
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        }),
    ),
    (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  )

const answer = (upstream: Upstream, play: Play, url: string, sent: string, response: Http.ServerResponse): void => {
  const [path = ""] = url.split("?")
  const body = JSON.parse(sent) as Record<string, unknown>
  const stream = upstream.isStream(path, body)
  if (!upstream.paths[stream ? "stream" : "plain"].test(path)) return void response.writeHead(404).end()
  const first = path.startsWith("/primary")
  if (first && play.feature === "error before the first token") {
    const { body, headers, status } = upstream.error
    return void response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body))
  }
  play.asked.push(upstream.asked(body))
  const said = saidTo[play.feature]
  const fails = play.feature === "error after the first token"
  if (!stream) {
    const whole = JSON.stringify(upstream.plain(said))
    response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(whole) })
    // A plain answer breaks in its middle.
    if (fails && first) return void response.write(whole.slice(0, 20), () => response.destroy())
    return void response.end(whole)
  }
  response.writeHead(200, { "content-type": upstream.contentType })
  const events = upstream.stream(said)
  const shown = fails ? [...events.slice(0, Math.ceil(events.length / 2)), upstream.broken] : events
  for (const event of shown) response.write(event)
  response.end()
}
