/**
 * The stand-in upstream: OpenAI's chat completions, answered at once and for nothing.
 *
 * `max_tokens` is the number of content chunks in a stream, `metadata.pace` the milliseconds between them. Every chunk
 * leaves in a turn of the event loop of its own, so it reaches the proxy as a write of its own, as tokens do. The role and
 * the first content leave together, as they do from OpenAI.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { announce } from "./children.ts"

interface Body {
  readonly stream?: boolean
  readonly max_tokens?: number
  readonly metadata?: { readonly pace?: string }
  readonly stream_options?: { readonly include_usage?: boolean }
}

const usage = { prompt_tokens: 24, completion_tokens: 32, total_tokens: 56 }
const answer = Buffer.from(
  JSON.stringify({
    id: "chatcmpl-bench",
    object: "chat.completion",
    created: 1_760_000_000,
    model: "stand-in",
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: "The understudy knows every line of the part, waits in the wings, and goes on when the lead cannot.",
          refusal: null,
        },
        logprobs: null,
        finish_reason: "stop",
      },
    ],
    usage,
    system_fingerprint: "fp_bench",
  }),
)

const event = (choice: object | undefined, rest: object = {}) =>
  `data: ${JSON.stringify({
    id: "chatcmpl-bench",
    object: "chat.completion.chunk",
    created: 1_760_000_000,
    model: "stand-in",
    system_fingerprint: "fp_bench",
    choices: choice === undefined ? [] : [{ index: 0, logprobs: null, finish_reason: null, ...choice }],
    ...rest,
  })}\n\n`
/** Text in HTTP's chunked framing, ready for the socket: the stand-in must cost less than what it measures. */
const framed = (text: string) => Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`)

const content = framed(event({ delta: { content: " understudy" } }))
const opening = Buffer.concat([framed(event({ delta: { role: "assistant", content: "" } })), content])
const finish = event({ delta: {}, finish_reason: "stop" })
const done = "data: [DONE]\n\n"
const end = Buffer.from("0\r\n\r\n")
const ending = Buffer.concat([framed(finish + done), end])
const endingWithUsage = Buffer.concat([framed(finish + event(undefined, { usage }) + done), end])

const streamAnswer = (response: ServerResponse, body: Body) => {
  const chunks = body.max_tokens ?? 16
  const pace = Number(body.metadata?.pace ?? 0)
  const next = pace > 0 ? (step: () => void) => setTimeout(step, pace) : setImmediate
  let sent = 1
  const step = () => {
    if (response.destroyed) return
    if (sent === chunks) {
      response.end(body.stream_options?.include_usage === true ? endingWithUsage : ending)
      return
    }
    sent += 1
    // A proxy that reads slowly holds the upstream back, as it would a real one.
    if (response.write(content)) next(step)
    else response.once("drain", step)
  }
  response.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "x-request-id": "req_bench",
    "transfer-encoding": "chunked",
  })
  response.chunkedEncoding = false
  response.write(opening)
  next(step)
}

const respond = (request: IncomingMessage, response: ServerResponse) => {
  const read: Array<Buffer> = []
  request.on("data", (bytes: Buffer) => read.push(bytes))
  request.on("end", () => {
    const body = JSON.parse((read.length === 1 ? read[0]! : Buffer.concat(read)).toString()) as Body
    if (body.stream === true) return streamAnswer(response, body)
    response.writeHead(200, {
      "content-type": "application/json",
      "content-length": answer.length,
      "x-request-id": "req_bench",
    })
    response.end(answer)
  })
}

announce(createServer({ keepAliveTimeout: 600_000, requestTimeout: 0 }, respond))
