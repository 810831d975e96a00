/** A stand-in for an OpenAI-compatible server: it says its name, and which key it was sent; its streams end when told to. */
import { once } from "node:events"
import { createServer } from "node:http"
import type { Server } from "node:http"
import type { AddressInfo } from "node:net"

const servers: Array<Server> = []

/** Closes all of them: for `afterAll`. */
export const close = () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
}

export interface Upstream {
  readonly baseUrl: string
  /** Ends the streams that are open. */
  readonly endStreams: () => void
}

export const start = async (name: string): Promise<Upstream> => {
  let streams: Array<() => void> = []
  const server = createServer((request, response) => {
    let body = ""
    request.on("data", (chunk) => (body += chunk))
    request.on("end", () => {
      const text = `${name} by ${request.headers.authorization?.replace("Bearer ", "")}`
      const choice = (delta: object, finish_reason: string | null) => ({ index: 0, delta, finish_reason })
      if (body.includes('"stream":true')) {
        const chunk = (choices: object) =>
          `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [choices] })}\n\n`
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.write(chunk(choice({ role: "assistant", content: text }, null)))
        streams.push(() => response.end(`${chunk(choice({}, "stop"))}data: [DONE]\n\n`))
        return
      }
      response.writeHead(200, { "content-type": "application/json" })
      response.end(
        JSON.stringify({
          id: "c",
          object: "chat.completion",
          created: 1,
          model: "m",
          choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: "stop" }],
          usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
        }),
      )
    })
  })
  servers.push(server)
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    endStreams: () => {
      for (const end of streams) end()
      streams = []
    },
  }
}
