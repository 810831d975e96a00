/**
 * An OpenAI upstream that counts what it serves, in US dollars: the prompt of each request that it answers, and each token that
 * it writes. Some of its streams break, and some of its answers are errors, which cost nothing.
 */
import { createServer } from "node:http"
import type { ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

/** US dollars per million tokens, as the configuration of the deployments has them. */
export const price = { input: 50, output: 100 }

export interface Metered {
  readonly url: string
  /** What was served, in US dollars. */
  readonly cost: () => number
  /** Requests that were answered, in full or in part. */
  readonly served: () => number
  readonly close: () => void
}

/** Draws numbers between 0 and 1 that a seed determines. */
export const random = (seed: number) => () => {
  seed = (seed * 1_664_525 + 1_013_904_223) % 4_294_967_296
  return seed / 4_294_967_296
}

const promptTokens = 3

export const start = (seed: number): Promise<Metered> => {
  const draw = random(seed)
  let inputTokens = 0
  let outputTokens = 0
  let served = 0

  const event = (delta: object, finish: string | null = null) =>
    `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`

  const stream = (response: ServerResponse, tokens: number, breaksAfter: number) => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    served++
    inputTokens += promptTokens
    let written = 0
    const write = () => {
      if (response.destroyed) return
      if (written === breaksAfter) return void response.destroy()
      if (written === tokens) {
        response.write(event({}, "stop"))
        response.end(
          `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [], usage: { prompt_tokens: promptTokens, completion_tokens: tokens, total_tokens: promptTokens + tokens } })}\n\ndata: [DONE]\n\n`,
        )
        return undefined
      }
      response.write(event({ content: "word " }))
      written++
      outputTokens++
      setTimeout(write, 1 + draw() * 3)
      return undefined
    }
    write()
  }

  const whole = (response: ServerResponse, tokens: number) =>
    setTimeout(
      () => {
        if (response.destroyed) return
        served++
        inputTokens += promptTokens
        outputTokens += tokens
        response.writeHead(200, { "content-type": "application/json" })
        response.end(
          JSON.stringify({
            id: "c",
            object: "chat.completion",
            created: 1,
            model: "m",
            choices: [
              { index: 0, message: { role: "assistant", content: "word ".repeat(tokens) }, finish_reason: "stop" },
            ],
            usage: { prompt_tokens: promptTokens, completion_tokens: tokens, total_tokens: promptTokens + tokens },
          }),
        )
      },
      5 + draw() * 15,
    )

  const server = createServer((request, response) => {
    let body = ""
    request.on("data", (chunk) => (body += chunk))
    request.on("end", () => {
      const tokens = 5 + Math.floor(draw() * 20)
      if (draw() < 0.05) {
        response.writeHead(500, { "content-type": "application/json" }).end('{"error":{"message":"broken"}}')
      } else if (JSON.parse(body).stream === true) {
        stream(response, tokens, draw() < 0.1 ? Math.floor(tokens / 2) : -1)
      } else whole(response, tokens)
    })
  })
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () =>
      resolve({
        url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
        cost: () => (inputTokens * price.input + outputTokens * price.output) / 1_000_000,
        served: () => served,
        close: () => {
          server.closeAllConnections()
          server.close()
        },
      }),
    )
  })
}
