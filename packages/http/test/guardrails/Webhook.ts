/** Stand-ins for the webhooks of guardrails, and a gateway in this process that asks them. */
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import type { IncomingHttpHeaders, ServerResponse } from "node:http"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import * as App from "../../src/App.ts"
import * as Keyring from "../../src/auth/Keyring.ts"
import * as Config from "../../src/Config.ts"

export interface Asked {
  readonly headers: IncomingHttpHeaders
  readonly text: string
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any
}

/** What a webhook answers: a value as JSON, or anything. */
export type Answer = object | ((response: ServerResponse) => void)

/** A webhook that answers what `decide` says. */
export const webhook = Effect.fnUntraced(function* (decide: (asked: Asked) => Answer) {
  const asked: Array<Asked> = []
  let connections = 0
  const closed: Array<() => void> = []
  const server = createServer((request, response) => {
    let text = ""
    request.on("data", (chunk) => (text += chunk))
    request.on("end", () => {
      const each = { headers: request.headers, text, body: JSON.parse(text) }
      asked.push(each)
      const answer = decide(each)
      if (typeof answer === "function") answer(response)
      else response.setHeader("content-type", "application/json").end(JSON.stringify(answer))
    })
    response.on("close", () => {
      if (!response.writableEnded) for (const each of closed) each()
    })
  })
  server.on("connection", () => connections++)
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      }),
  )
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/check`,
    asked,
    connections: () => connections,
    /** Resolves when a request is closed before its answer. */
    abandoned: new Promise<void>((resolve) => void closed.push(resolve)),
  }
})

/** A gateway with this configuration, and what it logs. */
export const gateway = Effect.fnUntraced(function* (yaml: string) {
  const configuration = yield* Effect.provide(
    Config.parse(yaml, "understudy.yaml"),
    ConfigProvider.layer(ConfigProvider.fromUnknown({})),
  )
  const logged: Array<string> = []
  const logger = Logger.make(({ message }) => void logged.push(String(message)))
  const context = yield* Layer.build(
    App.layer(configuration, {
      server: {
        ...configuration.server,
        port: 0,
        drain: { delay: Duration.zero, timeout: Duration.seconds(5) },
      },
      auth: {
        keys: new Keyring.Keyring(configuration.keys.map(Keyring.configured), configuration.database !== undefined),
        hosts: [],
        origins: [],
        sessions: Redacted.make("of the sessions, with 32 characters"),
      },
      logContent: false,
    }).pipe(Layer.provide(Logger.layer([logger]))),
  )
  return { url: HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address), logged }
})

/** Waits for something that happens soon after what a client sees. */
export const until = (happened: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (happened() ? Effect.void : Effect.andThen(Effect.sleep(5), until(happened))))
