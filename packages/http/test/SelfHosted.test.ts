/**
 * A server that refuses one caller's request in its own way, whatever the status: one attempt each time, answered by the
 * next deployment, and the server is there for everybody else.
 */
import { assert, describe, it } from "@effect/vitest"
import * as OpenAi from "@understudy/providers/openai"
import * as Transport from "@understudy/providers/transport"
import { Route } from "@understudy/core"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as TestGateway from "./TestGateway.ts"

interface Refusal {
  readonly title: string
  readonly status: number
  /** The whole answer, or what stands in the first event of a stream that is a 200. */
  readonly body: object
}

const image = "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"
const long = "input (11580 tokens) is too large to process. increase the physical batch size (current batch size: 512)"

const refusals: ReadonlyArray<Refusal> = [
  { title: "llama.cpp: an image", status: 500, body: { error: { code: 500, message: image, type: "server_error" } } },
  {
    title: "llama.cpp: a long input",
    status: 500,
    body: { error: { code: 500, message: long, type: "server_error" } },
  },
  {
    title: "LiteLLM in front of it",
    status: 500,
    body: {
      error: { message: `litellm.InternalServerError: InternalServerError: OpenAIException - ${image}`, code: "500" },
    },
  },
  {
    title: "llama.cpp: two answers",
    status: 400,
    body: { error: { code: 400, message: "Field 'n': Value must be between 1 <= value <= 1, but got 2" } },
  },
  { title: "transformers: a field", status: 422, body: { detail: "Unexpected fields in the request: {'wibble'}" } },
  { title: "in a 200", status: 200, body: { error: { code: 500, message: image, type: "server_error" } } },
]

/** A server that refuses what has the word in it, and answers all else; it counts both. */
const serve = ({ body, status }: Refusal) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<{ readonly server: Http.Server; readonly asked: () => number }>((resolve) => {
          let asked = 0
          const server = Http.createServer((request, response) => {
            let text = ""
            request.on("data", (chunk) => (text += String(chunk)))
            request.on("end", () => {
              asked++
              const stream = text.includes('"stream":true')
              const refuses = text.includes("peculiar")
              response.writeHead(refuses ? status : 200, {
                "content-type": stream && (!refuses || status === 200) ? "text/event-stream" : "application/json",
              })
              const message = { role: "assistant", content: "Fine." }
              const choice = { index: 0, finish_reason: "stop", ...(stream ? { delta: message } : { message }) }
              const answer = JSON.stringify(refuses ? body : { id: "1", model: "m", choices: [choice] })
              response.end(stream && (!refuses || status === 200) ? `data: ${answer}\n\ndata: [DONE]\n\n` : answer)
            })
          })
          server.listen(0, "127.0.0.1", () => resolve({ server, asked: () => asked }))
        }),
    ),
    ({ server }) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      }),
  ).pipe(
    Effect.map(({ asked, server }) => ({
      asked,
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    })),
  )

const body = (content: string, stream: boolean) =>
  JSON.stringify({ model: "assistant", messages: [{ role: "user", content }], stream })

describe("a request that a server of one's own does not serve", () => {
  for (const refusal of refusals) {
    for (const stream of [false, true]) {
      it.live(
        `${refusal.title}, ${stream ? "streamed" : "plain"}: costs one attempt, and leaves the server to others`,
        () =>
          Effect.gen(function* () {
            const server = yield* serve(refusal)
            const { url } = yield* TestGateway.make({
              provider: () => Layer.provide(OpenAi.layer({ baseUrl: server.url }), Transport.layer),
              backup: "responses",
              primary: { circuit: { failures: 2 } },
              route: Route.fallback("primary", "backup").pipe(Route.retry({ times: 2, base: "1 millis" })),
            })
            const ask = (content: string) =>
              Effect.map(
                Effect.promise(() => TestGateway.post(url, body(content, stream))),
                ({ headers, status }) => [status, headers.get("x-understudy-deployment")],
              )
            for (let call = 1; call <= 5; call++) {
              assert.deepStrictEqual(yield* ask("something peculiar"), [200, "backup"])
              assert.strictEqual(server.asked(), call)
            }
            assert.deepStrictEqual(yield* ask("Hello?"), [200, "primary"])
          }),
      )
    }
  }
})
