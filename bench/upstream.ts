/**
 * The stand-in upstream: OpenAI's chat completions and Anthropic's messages, answered at once and for nothing.
 *
 * `max_tokens` is the number of content chunks in a stream, the user's id the milliseconds between them: both protocols
 * have a place for it. Every chunk leaves in a turn of the event loop of its own, so it reaches the proxy as a write of its
 * own, as tokens do. Traces that are sent to it are dropped.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { announce } from "./children.ts"
import { chatCompletions, messages, type Wire } from "./wires.ts"

interface Body {
  readonly stream?: boolean
  readonly max_tokens?: number
  readonly user?: string
  readonly metadata?: { readonly user_id?: string }
  readonly stream_options?: { readonly include_usage?: boolean }
}

const streamAnswer = (wire: Wire, response: ServerResponse, body: Body) => {
  const chunks = body.max_tokens ?? 16
  const pace = Number(body.user ?? body.metadata?.user_id ?? 0)
  const next = pace > 0 ? (step: () => void) => setTimeout(step, pace) : setImmediate
  let sent = 1
  const step = () => {
    if (response.destroyed) return
    if (sent === chunks) {
      response.end(wire.ending(body.stream_options?.include_usage === true))
      return
    }
    sent += 1
    // A proxy that reads slowly holds the upstream back, as it would a real one.
    if (response.write(wire.content)) next(step)
    else response.once("drain", step)
  }
  response.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "x-request-id": "req_bench",
    "transfer-encoding": "chunked",
  })
  response.chunkedEncoding = false
  response.write(wire.opening)
  next(step)
}

const respond = (request: IncomingMessage, response: ServerResponse) => {
  // Some gateways look for models.
  if (request.method !== "POST") return void response.writeHead(404).end()
  const read: Array<Buffer> = []
  request.on("data", (bytes: Buffer) => read.push(bytes))
  request.on("end", () => {
    if (request.url === "/v1/traces") return void response.writeHead(200, { "content-length": 0 }).end()
    // A long body is not streamed, and parsing it would cost more than forwarding it does.
    const long = Number(request.headers["content-length"]) > 50_000
    const body = long ? {} : (JSON.parse((read.length === 1 ? read[0]! : Buffer.concat(read)).toString()) as Body)
    const wire = request.url === "/v1/messages" ? messages : chatCompletions
    if (body.stream === true) return streamAnswer(wire, response, body)
    response.writeHead(200, {
      "content-type": "application/json",
      "content-length": wire.answer.length,
      "x-request-id": "req_bench",
    })
    response.end(wire.answer)
  })
}

announce(createServer({ keepAliveTimeout: 600_000, requestTimeout: 0 }, respond))
