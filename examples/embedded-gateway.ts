/** The gateway's endpoints in the HttpRouter of an application, beside the application's own routes. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Deployment, Route, Router } from "@understudy/core"
import * as Gateway from "@understudy/http/Gateway"
import * as Simulated from "@understudy/providers/simulated"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import { createServer } from "node:http"
import OpenAI from "openai"

const RouterLive = Router.layer({
  deployments: { sim: Deployment.make({ model: "any", provider: Simulated.layer({ name: "sim" }) }) },
  routes: { assistant: Route.fallback("sim") },
})

const AppLive = Layer.mergeAll(
  HttpRouter.add("GET", "/", HttpServerResponse.text("an application of its own")),
  Gateway.layer,
)

const ServerLive = HttpRouter.serve(AppLive, { disableLogger: true, disableListenLog: true }).pipe(
  Layer.provide(RouterLive),
  Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
)

const program = Effect.gen(function* () {
  const { address } = yield* HttpServer.HttpServer
  const url = HttpServer.formatAddress(address)
  console.log(yield* Effect.promise(() => fetch(url).then((answer) => answer.text())))
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "anything", maxRetries: 0 })
  const answer = yield* Effect.promise(() =>
    client.chat.completions.create({ model: "assistant", messages: [{ role: "user", content: "Hello?" }] }),
  )
  console.log(answer.choices[0]?.message.content)
})

await Effect.runPromise(Effect.provide(program, ServerLive))
