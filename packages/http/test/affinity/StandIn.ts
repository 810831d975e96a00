/**
 * A vendor's account as a server, with a prompt cache of its own that accounts as the vendor documents:
 *
 * - OpenAI: the longest beginning that an earlier request had, from 1,024 tokens on, in steps of 128.
 * - Anthropic: up to each block with `cache_control` the prompt is written, if it has 1,024 tokens or more; the longest that was
 *   written before is read, up to 20 blocks before a breakpoint. Tools come first, then the system prompt, then messages.
 *
 * A token is four characters. Each answers with a call of the tool `read_file`, which the agent of `Session.ts` goes on from.
 */
import { createHash } from "node:crypto"
import type { ServerResponse } from "node:http"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

const charactersPerToken = 4
const minimum = 1024
const step = 128
const lookback = 20

/** What was counted of one request, in tokens. */
export interface Counted {
  readonly prompt: number
  readonly read: number
  readonly written: number
}

export interface StandIn {
  readonly url: string
  /** What was counted of each request that was answered. */
  readonly counted: ReadonlyArray<Counted>
  /** Whether it answers every request with a 503. */
  isDown: boolean
  readonly close: () => Promise<void>
}

type Body = Readonly<Record<string, unknown>>

/** The account of a vendor, on a free port. */
export const start = async (): Promise<StandIn> => {
  const cached = new Set<string>()
  const counted: Array<Counted> = []
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      if (standIn.isDown) return reply(response, { error: { message: "overloaded", type: "server_error" } }, 503)
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Body
      const isMessages = request.url?.startsWith("/v1/messages") === true
      const count = isMessages ? countMessages(body, cached) : countChat(body, cached)
      counted.push(count)
      return isMessages
        ? replyMessage(response, body, count, counted.length)
        : replyChat(response, body, count, counted.length)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const standIn: StandIn = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counted,
    isDown: false,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return standIn
}

// ---------------------------------------------------------------------------------------------------------------------
// Prompt caches
// ---------------------------------------------------------------------------------------------------------------------

const chained = (before: string, text: string): string =>
  createHash("sha1").update(before).update(text).digest("base64")

const countChat = (body: Body, cached: Set<string>): Counted => {
  const text = JSON.stringify([body["tools"], body["messages"]])
  const prompt = Math.ceil(text.length / charactersPerToken)
  let [hash, read, at] = ["", 0, 0]
  for (let tokens = minimum; tokens <= prompt; tokens += step) {
    const to = tokens * charactersPerToken
    hash = chained(hash, text.slice(at, to))
    at = to
    if (cached.has(hash)) read = tokens
    cached.add(hash)
  }
  return { prompt, read, written: 0 }
}

const countMessages = (body: Body, cached: Set<string>): Counted => {
  const blocks = [
    ...list(body["tools"]),
    ...list(body["system"]),
    ...list(body["messages"]).flatMap((message) => list(message["content"])),
  ]
  let [hash, tokens] = ["", 0]
  const places = blocks.map(({ cache_control: breakpoint, ...block }) => {
    const text = JSON.stringify(block)
    hash = chained(hash, text)
    tokens += Math.ceil(text.length / charactersPerToken)
    return { hash, tokens, isBreakpoint: breakpoint !== undefined }
  })
  let [read, written] = [0, 0]
  for (const [index, { isBreakpoint }] of places.entries()) {
    if (!isBreakpoint) continue
    for (const earlier of places.slice(Math.max(0, index - lookback), index + 1)) {
      if (cached.has(earlier.hash)) read = Math.max(read, earlier.tokens)
    }
  }
  for (const place of places) {
    if (!place.isBreakpoint || place.tokens < minimum) continue
    cached.add(place.hash)
    written = Math.max(written, place.tokens - read)
  }
  return { prompt: tokens, read, written }
}

const list = (value: unknown): ReadonlyArray<Body> =>
  Array.isArray(value)
    ? (value as ReadonlyArray<Body>)
    : typeof value === "string"
      ? [{ type: "text", text: value }]
      : []

// ---------------------------------------------------------------------------------------------------------------------
// Responses
// ---------------------------------------------------------------------------------------------------------------------

const reply = (response: ServerResponse, body: object, status = 200): void => {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
}

/** The events of a stream. */
const replyStream = (
  response: ServerResponse,
  events: ReadonlyArray<readonly [name: string | undefined, data: unknown]>,
) => {
  response.writeHead(200, { "content-type": "text/event-stream" })
  for (const [name, data] of events) {
    response.write(
      `${name === undefined ? "" : `event: ${name}\n`}data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`,
    )
  }
  response.end()
}

const argumentsOf = (turn: number) => ({ path: `src/part-${turn}.ts` })

const replyChat = (
  response: ServerResponse,
  { model, stream }: Body,
  { prompt, read }: Counted,
  turn: number,
): void => {
  const base = { id: `chatcmpl-${turn}`, created: 1, model }
  const call = {
    id: `call_${turn}`,
    type: "function",
    function: { name: "read_file", arguments: JSON.stringify(argumentsOf(turn)) },
  }
  const usage = {
    prompt_tokens: prompt,
    completion_tokens: 20,
    total_tokens: prompt + 20,
    prompt_tokens_details: { cached_tokens: read },
  }
  if (stream !== true) {
    const message = { role: "assistant", content: null, tool_calls: [call] }
    const choices = [{ index: 0, message, finish_reason: "tool_calls", logprobs: null }]
    return reply(response, { ...base, object: "chat.completion", choices, usage })
  }
  const chunk = (delta: object, finish: string | null) => ({
    ...base,
    object: "chat.completion.chunk",
    choices: [{ index: 0, delta, finish_reason: finish }],
  })
  return replyStream(response, [
    [undefined, chunk({ role: "assistant", content: null, tool_calls: [{ index: 0, ...call }] }, null)],
    [undefined, chunk({}, "tool_calls")],
    [undefined, { ...base, object: "chat.completion.chunk", choices: [], usage }],
    [undefined, "[DONE]"],
  ])
}

const replyMessage = (
  response: ServerResponse,
  { model, stream }: Body,
  { prompt, read, written }: Counted,
  turn: number,
): void => {
  const message = { id: `msg_${turn}`, type: "message", role: "assistant", model, stop_sequence: null }
  const tool = { type: "tool_use", id: `toolu_${turn}`, name: "read_file" }
  const usage = {
    input_tokens: prompt - read - written,
    cache_read_input_tokens: read,
    cache_creation_input_tokens: written,
    output_tokens: 20,
  }
  if (stream !== true) {
    const content = [{ ...tool, input: argumentsOf(turn) }]
    return reply(response, { ...message, content, stop_reason: "tool_use", usage })
  }
  const delta = { type: "input_json_delta", partial_json: JSON.stringify(argumentsOf(turn)) }
  return replyStream(response, [
    ["message_start", { type: "message_start", message: { ...message, content: [], stop_reason: null, usage } }],
    ["content_block_start", { type: "content_block_start", index: 0, content_block: { ...tool, input: {} } }],
    ["content_block_delta", { type: "content_block_delta", index: 0, delta }],
    ["content_block_stop", { type: "content_block_stop", index: 0 }],
    [
      "message_delta",
      { type: "message_delta", delta: { stop_reason: "tool_use", stop_sequence: null }, usage: { output_tokens: 20 } },
    ],
    ["message_stop", { type: "message_stop" }],
  ])
}
