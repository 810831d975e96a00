/**
 * Answers of every vendor as its documentation shows them (the matrix has them), and what becomes of them: JSON, events and
 * frames with changes, bytes with changes, cut, garbled, reordered, under odd statuses and headers, compressed or not.
 */
import { chatCompletions } from "../../packages/http/test/matrix/upstreams/ChatCompletions.ts"
import { converse } from "../../packages/http/test/matrix/upstreams/Converse.ts"
import { gemini } from "../../packages/http/test/matrix/upstreams/Gemini.ts"
import { claudeOnVertex, messages } from "../../packages/http/test/matrix/upstreams/Messages.ts"
import { responses } from "../../packages/http/test/matrix/upstreams/Responses.ts"
import type { Upstream } from "../../packages/http/test/matrix/upstreams/Upstream.ts"
import * as EventStream from "@understudy/providers/internal/testing/EventStream"
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib"
import { parsed } from "../Json.ts"
import type { Draw } from "./Draw.ts"
import * as Mutation from "./Mutation.ts"

/** `broken`: the connection is destroyed after the last chunk. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly chunks: ReadonlyArray<Uint8Array>
  readonly broken: boolean
}

const upstreams: ReadonlyArray<Upstream> = [chatCompletions, responses, messages, claudeOnVertex, converse, gemini]

const said = ["text", "call", "calls", "json", "reasoning", "stop", "length", "refusal"] as const

/** Whose request that is, by its path. */
const upstreamOf = (path: string): Upstream | undefined =>
  upstreams.find(({ paths }) => paths.plain.test(path) || paths.stream.test(path))

/** The answer that nothing was done to. */
export const sound = (url: string, body: Record<string, unknown>): Answer => {
  const [path = ""] = url.split("?")
  const upstream = upstreamOf(path)
  if (upstream === undefined) return whole(counted(path, body))
  if (!upstream.isStream(path, body)) return whole(upstream.plain("text"))
  const chunks = upstream.stream("text").map((event) => Buffer.from(event))
  return { status: 200, headers: { "content-type": upstream.contentType }, chunks, broken: false }
}

/** The answer that this draw makes of it. */
export const mutated = (url: string, body: Record<string, unknown>, draw: Draw): Answer => {
  const [path = ""] = url.split("?")
  const upstream = upstreamOf(path)
  if (upstream === undefined || draw.chance(0.1)) return failed(upstream, draw)
  const words = draw.one(said)
  const isStream = upstream.isStream(path, body)
  const chunks = isStream ? streamed(upstream, upstream.stream(words), draw) : [plain(upstream.plain(words), draw)]
  const type = isStream ? upstream.contentType : "application/json"
  return delivered(200, { "content-type": draw.chance(0.05) ? draw.one(types) : type }, chunks, draw)
}

// ---------------------------------------------------------------------------------------------------------------------
// Whole answers
// ---------------------------------------------------------------------------------------------------------------------

const whole = (body: unknown): Answer => ({
  status: 200,
  headers: { "content-type": "application/json" },
  chunks: [Buffer.from(JSON.stringify(body))],
  broken: false,
})

/** What is asked beside an answer: tokens, and vectors. */
const counted = (path: string, { input, requests }: Record<string, unknown>): unknown => {
  // A list of numbers is one input, of tokens.
  const list = Array.isArray(input) && typeof input[0] !== "number" ? input : [input]
  const inputs = Array.isArray(requests) ? requests : list
  if (path.endsWith(":batchEmbedContents")) return { embeddings: inputs.map(() => ({ values: [0.1, 0.2, 0.3] })) }
  if (!path.endsWith("/embeddings")) return { input_tokens: 5, inputTokens: 5, totalTokens: 5 }
  return {
    object: "list",
    model: "e",
    data: inputs.map((_, index) => ({ object: "embedding", index, embedding: [0.1, 0.2, 0.3] })),
    usage: { prompt_tokens: 5, total_tokens: 5 },
  }
}

const plain = (body: unknown, draw: Draw): Buffer => {
  const changed = Buffer.from(draw.chance(0.85) ? Mutation.json(body, draw) : JSON.stringify(body))
  return draw.chance(0.2) ? Mutation.bytes(changed, draw) : changed
}

const statuses = [400, 401, 403, 404, 408, 409, 413, 418, 422, 429, 451, 500, 501, 502, 503, 504, 529, 599] as const

const failed = (upstream: Upstream | undefined, draw: Draw): Answer => {
  const { body, headers } = upstream?.error ?? chatCompletions.error
  const status = draw.one(statuses)
  const wait = draw.chance(0.3) ? { [draw.one(waits)]: draw.one([...Mutation.numbers, "soon", "", "1s"]) } : undefined
  return delivered(status, { "content-type": "application/json", ...headers, ...wait }, [plain(body, draw)], draw)
}

const waits = [
  "retry-after",
  "retry-after-ms",
  "x-ratelimit-reset-requests",
  "anthropic-ratelimit-tokens-reset",
] as const

// ---------------------------------------------------------------------------------------------------------------------
// Streams
// ---------------------------------------------------------------------------------------------------------------------

type Event = string | Uint8Array

/** Events of which some are changed, and which come in another order, twice, or not at all. */
const streamed = (upstream: Upstream, events: ReadonlyArray<Event>, draw: Draw): ReadonlyArray<Uint8Array> => {
  const share = draw.one([0, 0.1, 0.5])
  const changed = events.map((each) => (draw.chance(share) ? event(each, draw) : each))
  const times = draw.below(3)
  for (let count = 0; count < times; count++) {
    const place = draw.below(changed.length)
    const other = draw.below(changed.length)
    const [one = ""] = changed.slice(place, place + 1)
    switch (draw.below(5)) {
      case 0:
        changed.splice(place, 1)
        break
      case 1:
        changed.splice(other, 0, one)
        break
      case 2:
        changed.splice(other, 0, ...changed.splice(place, 1))
        break
      case 3:
        changed.splice(place, 0, upstream.broken)
        break
      default:
        changed.splice(place, 0, typeof one === "string" ? draw.one(oddEvents) : EventStream.rawEvent("ping", "{}"))
    }
  }
  const bytes = Buffer.concat(changed.map((each) => Buffer.from(each)))
  return pieces(draw.chance(0.2) ? Mutation.bytes(bytes, draw) : bytes, draw)
}

const oddEvents = [
  ": a comment\n\n",
  "data\n\n",
  "data:\n\n",
  "\n\n\n\n",
  "data: [DONE]\n\n",
  "event: ping\ndata: {}\n\n",
  "event: error\ndata: \n\n",
  "id: 1\nretry: 99999999999999999999\ndata: {}\n\n",
  "data: {\ndata: }\n\n",
  "data: null\n\n",
  "data: []\n\n",
  'data: {"error":null}\n\n',
  'data: {"error":{"message":null}}\n\n',
  "\ufeffdata: {}\r\n\r\n",
] as const

/** An event, or a frame, with another payload; its frame is right again. */
const event = (whole: Event, draw: Draw): Event => {
  if (typeof whole !== "string") {
    const frame = Buffer.from(whole)
    const from = 12 + frame.readUInt32BE(4)
    const payload: unknown = parsed(frame.toString("utf8", from, frame.length - 4))
    const type = draw.chance(0.1)
      ? draw.one(["contentBlockDelta", "contentBlockStop", "messageStop", "metadata", "", "x"])
      : eventType(frame)
    return draw.chance(0.05)
      ? EventStream.exception(
          draw.one(["throttlingException", "modelStreamErrorException", "x"]),
          draw.one(Mutation.texts),
        )
      : EventStream.rawEvent(type, Mutation.json(payload, draw))
  }
  return whole.replace(/^data: (.*)$/m, (line, data: string) => {
    const payload = parsed<unknown>(data)
    return payload === undefined ? line : `data: ${Mutation.json(payload, draw)}`
  })
}

/** The text of the header `:event-type`, which comes first. */
const eventType = (frame: Buffer): string => {
  const name = frame.indexOf(":event-type")
  const from = name + ":event-type".length + 1
  return name === -1 ? "" : frame.toString("utf8", from + 2, from + 2 + frame.readUInt16BE(from))
}

/** Cut anywhere, within a character too. */
const pieces = (bytes: Buffer, draw: Draw): ReadonlyArray<Uint8Array> => {
  const all: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length;) {
    const length = 1 + draw.below(draw.one([20, 500, 5000]))
    all.push(bytes.subarray(at, at + length))
    at += length
  }
  return all
}

// ---------------------------------------------------------------------------------------------------------------------
// On the wire
// ---------------------------------------------------------------------------------------------------------------------

const types = [
  "text/html",
  "text/plain; charset=utf-16",
  "text/event-stream",
  "application/json",
  "application/json; charset=iso-8859-1",
  "application/vnd.amazon.eventstream",
  "application/x-ndjson",
  "multipart/mixed",
  "",
] as const

const encodings: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
  identity: (bytes) => bytes,
  "x-odd": (bytes) => bytes,
}

const delivered = (
  status: number,
  headers: Readonly<Record<string, string>>,
  chunks: ReadonlyArray<Uint8Array>,
  draw: Draw,
): Answer => {
  const broken = draw.chance(0.05)
  const odd = draw.chance(0.02) ? draw.one([200, 201, 204, 206, 302, 400, 500]) : status
  if (!draw.chance(0.06)) return { status: odd, headers, chunks, broken }
  const name = draw.one(["gzip", "deflate", "br", "zstd", "identity", "x-odd"])
  const bytes = Buffer.concat(chunks)
  const packed = draw.chance(0.5) ? (encodings[name]?.(bytes) ?? bytes) : bytes
  return {
    status: odd,
    headers: { ...headers, "content-encoding": name },
    chunks: pieces(draw.chance(0.3) ? Mutation.bytes(packed, draw) : packed, draw),
    broken,
  }
}
