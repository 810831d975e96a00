/** A gateway over a database, on a free port, with simulated deployments, and a client of its `/admin` and of its calls. */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as App from "../../../src/App.ts"
import * as Keyring from "../../../src/auth/Keyring.ts"
import * as Config from "../../../src/Config.ts"
import { text } from "../../../src/config/DatabaseSection.ts"
import type { Database } from "../../../src/store/Store.ts"

const yaml = (
  database: Database | undefined,
  { budgets, deployments, keys, routes }: Record<"budgets" | "deployments" | "keys" | "routes", string>,
) => `
deployments:
  demo: { provider: simulated, model: any, price: { input: 1, output: 1 } }
  cheap: { provider: simulated, model: any }
  ${deployments}
routes: { assistant: [demo, cheap], ${routes} }
keys: ${keys}
${budgets === "" ? "" : `budgets: { list: ${budgets} }`}
${database === undefined ? "" : `database: ${JSON.stringify(text(database))}`}
`

export interface Reply {
  readonly status: number
  readonly headers: Headers
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any
}

export interface Sent {
  /** The key that is sent; `null` for none. Default: the operator's. */
  readonly key?: string | null | undefined
  readonly headers?: Record<string, string>
}

export const operatorKey = "sk-operator"

/** Serves until the scope closes. `keys`, `budgets`, `routes`, `deployments`: those of the configuration, in
 * YAML, the routes besides `assistant`, and one more deployment. */
export const make = Effect.fnUntraced(function* (
  database: Database | undefined,
  {
    budgets = "",
    deployments = "",
    isOpen = false,
    keys = "[]",
    routes = "",
  }: {
    readonly keys?: string
    readonly budgets?: string
    readonly routes?: string
    readonly deployments?: string
    readonly isOpen?: boolean
  } = {},
) {
  const configuration = yield* Effect.provide(
    Config.parse(yaml(database, { budgets, deployments, keys, routes }), "understudy.yaml"),
    ConfigProvider.layer(ConfigProvider.fromUnknown({})),
  )
  const ring = new Keyring.Keyring(
    [...(isOpen ? [] : [Keyring.operator(Redacted.make(operatorKey))]), ...configuration.keys.map(Keyring.configured)],
    database !== undefined,
  )
  const context = yield* Layer.build(
    App.layer(configuration, {
      server: {
        ...configuration.server,
        port: 0,
        drain: { delay: Duration.zero, timeout: Duration.seconds(5) },
      },
      auth: { keys: ring, hosts: [], origins: [], sessions: Redacted.make("of the sessions, with 32 characters") },
      logContent: false,
    }).pipe(Layer.provide(Layer.succeed(References.MinimumLogLevel, "None"))),
  )
  const url = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)

  const authorization = ({ key = operatorKey }: Sent): Record<string, string> =>
    key === null ? {} : { authorization: `Bearer ${key}` }

  const send = (method: string, path: string, body: unknown, sent: Sent): Effect.Effect<Reply> =>
    Effect.promise(async (signal) => {
      const answer = await fetch(`${url}${path}`, {
        method,
        headers: {
          ...authorization(sent),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...sent.headers,
        },
        ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
        signal,
      })
      const read = await answer.text()
      const isJson = answer.headers.get("content-type")?.includes("json") === true
      return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(read) : read }
    })

  return {
    url,
    ring,
    get: (path: string, sent: Sent = {}) => send("GET", path, undefined, sent),
    post: (path: string, body?: unknown, sent: Sent = {}) => send("POST", path, body, sent),
    patch: (path: string, body: unknown, sent: Sent = {}) => send("PATCH", path, body, sent),
    delete: (path: string, sent: Sent = {}) => send("DELETE", path, undefined, sent),
    /** What a call with a key gets. */
    call: (key: string, model = "assistant") =>
      send("POST", "/v1/chat/completions", { model, messages: [{ role: "user", content: "Hello?" }] }, { key }),
  }
})

export type AdminGateway = Effect.Success<ReturnType<typeof make>>
