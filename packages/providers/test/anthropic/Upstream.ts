/**
 * A server that sends fixed bytes as every response, for cases that a `FaultServer` does not have. It records requests.
 */
import * as Effect from "effect/Effect"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"

export interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** An object is sent as JSON; an array as server-sent events, one write each. */
  readonly body: object | string | ReadonlyArray<{ readonly type: string }>
}

export interface Asked {
  readonly path: string
  readonly headers: Http.IncomingHttpHeaders
  readonly body: Record<string, unknown>
}

export const make = (answer: Answer) =>
  Effect.gen(function* () {
    const asked: Array<Asked> = []
    const server = Http.createServer((request, response) => {
      let text = ""
      request.setEncoding("utf8")
      request.on("data", (chunk: string) => (text += chunk))
      request.on("end", () => {
        asked.push({ path: request.url ?? "", headers: request.headers, body: JSON.parse(text) })
        const { body } = answer
        const type = Array.isArray(body) ? "text/event-stream" : "application/json"
        response.writeHead(answer.status ?? 200, { "content-type": type, "request-id": "req_1", ...answer.headers })
        if (Array.isArray(body)) {
          for (const event of body) response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
          response.end()
        } else response.end(typeof body === "string" ? body : JSON.stringify(body))
      })
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        }),
    )
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
  })
