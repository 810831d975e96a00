/** A client with no opinions: bytes as they came, how the answer ended, and each vendor's events by name. */
import { Buffer } from "node:buffer"
import * as Effect from "effect/Effect"
import { Agent, request } from "undici"
import type { FaultServer } from "../../src/testing/FaultServer.ts"

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly bytes: Buffer
  /** The code of the error in which it ended, if it did. */
  readonly broken: string | undefined
}

export interface Vendor {
  readonly name: "openai" | "responses" | "anthropic" | "bedrock" | "gemini"
  readonly path: (model: string, stream: boolean) => string
  readonly body: (model: string, stream: boolean) => unknown
  readonly events: (bytes: Buffer) => ReadonlyArray<string>
  /** What a stream's stages are called in `events`. */
  readonly preamble: ReadonlyArray<string>
  readonly output: string
  readonly finish: ReadonlyArray<string>
  readonly done: ReadonlyArray<string>
}

const messages = [{ role: "user", content: "Who is there?" }]

const sse = (bytes: Buffer): ReadonlyArray<string> => bytes.toString().split("\n\n").slice(0, -1)

const parsed = (text: string): Record<string, unknown> | undefined => {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined
  }
}

interface Chunk {
  readonly choices: ReadonlyArray<{ readonly delta: { readonly role?: string }; readonly finish_reason: string | null }>
}

const openAiEvent = (text: string): string => {
  if (text.startsWith(":")) return "comment"
  const data = text.slice("data: ".length)
  if (data === "[DONE]") return data
  const event = parsed(data)
  if (event === undefined) return "malformed"
  if ("error" in event) return "error"
  const [choice] = (event as unknown as Chunk).choices
  if (choice === undefined) return "usage"
  if (choice.finish_reason !== null) return "finish"
  return choice.delta.role === undefined ? "delta" : "role"
}

const geminiEvent = (text: string): string => {
  const chunk = parsed(text.slice("data: ".length))
  if (chunk === undefined) return "malformed"
  if ("error" in chunk) return "error"
  const [candidate] = chunk["candidates"] as ReadonlyArray<{ readonly finishReason?: string }>
  return candidate?.finishReason === undefined ? "text" : "finish"
}

/** Of a wire whose events have names. */
const namedEvent = (text: string): string => {
  if (text.startsWith(":")) return "comment"
  const [name = "", data = ""] = text.split("\n")
  return parsed(data.slice("data: ".length)) === undefined ? "malformed" : name.slice("event: ".length)
}

/** The whole frames at the beginning of the bytes: their headers, and their payload as text. */
export const frames = (
  bytes: Buffer,
): ReadonlyArray<{ readonly headers: Record<string, string>; readonly payload: string }> => {
  if (bytes.length < 16 || bytes.length < bytes.readUInt32BE(0)) return []
  const total = bytes.readUInt32BE(0)
  const headersEnd = 12 + bytes.readUInt32BE(4)
  const headers: Record<string, string> = {}
  for (let at = 12; at < headersEnd;) {
    const nameEnd = at + 1 + bytes.readUInt8(at)
    const valueEnd = nameEnd + 3 + bytes.readUInt16BE(nameEnd + 1)
    headers[bytes.toString("utf8", at + 1, nameEnd)] = bytes.toString("utf8", nameEnd + 3, valueEnd)
    at = valueEnd
  }
  return [{ headers, payload: bytes.toString("utf8", headersEnd, total - 4) }, ...frames(bytes.subarray(total))]
}

export const vendors: ReadonlyArray<Vendor> = [
  {
    name: "openai",
    path: () => "/v1/chat/completions",
    body: (model, stream) => ({ model, stream, messages }),
    events: (bytes) => sse(bytes).map(openAiEvent),
    preamble: ["role"],
    output: "delta",
    finish: ["finish"],
    done: ["[DONE]"],
  },
  {
    name: "anthropic",
    path: () => "/v1/messages?beta=true",
    body: (model, stream) => ({ model, stream, messages, max_tokens: 100 }),
    events: (bytes) => sse(bytes).map(namedEvent),
    preamble: ["message_start", "content_block_start", "ping"],
    output: "content_block_delta",
    finish: ["content_block_stop", "message_delta"],
    done: ["message_stop"],
  },
  {
    name: "bedrock",
    path: (model, stream) => `/model/${encodeURIComponent(model)}/${stream ? "converse-stream" : "converse"}`,
    body: () => ({ messages: [{ role: "user", content: [{ text: "Who is there?" }] }] }),
    events: (bytes) =>
      frames(bytes).map(({ headers, payload }) =>
        parsed(payload) === undefined ? "malformed" : (headers[":event-type"] ?? headers[":exception-type"] ?? ""),
      ),
    preamble: ["messageStart"],
    output: "contentBlockDelta",
    finish: ["contentBlockStop", "messageStop"],
    done: ["metadata"],
  },
  {
    name: "gemini",
    path: (model, stream) =>
      `/v1beta/models/${encodeURIComponent(model)}:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    body: () => ({ contents: [{ role: "user", parts: [{ text: "Who is there?" }] }] }),
    events: (bytes) => sse(bytes).map(geminiEvent),
    preamble: [],
    output: "text",
    finish: ["finish"],
    done: [],
  },
  {
    name: "responses",
    path: () => "/v1/responses",
    body: (model, stream) => ({ model, stream, input: messages }),
    events: (bytes) => sse(bytes).map(namedEvent),
    preamble: ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"],
    output: "response.output_text.delta",
    finish: [
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ],
    done: [],
  },
]

const codeOf = (error: unknown): string => String((error as { readonly code?: unknown }).code ?? error)

/** A connection pool of its own, closed with its scope. */
export const agent = Effect.acquireRelease(
  Effect.sync(() => new Agent()),
  (agent) => Effect.promise(() => agent.destroy()),
)

/** Asks and reads to the end, or until `enough` has come; then it leaves. Interruption leaves too. */
export const ask = (
  server: FaultServer,
  vendor: Vendor,
  model: string,
  options: { readonly stream?: boolean; readonly enough?: (bytes: Buffer) => boolean; readonly body?: unknown } = {},
): Effect.Effect<Answer> =>
  Effect.gen(function* () {
    const dispatcher = yield* agent
    const stream = options.stream ?? false
    return yield* Effect.promise(async (signal): Promise<Answer> => {
      const chunks: Array<Buffer> = []
      let status = 0
      let headers: Answer["headers"] = {}
      try {
        const response = await request(server.url + vendor.path(model, stream), {
          dispatcher,
          signal,
          method: "POST",
          headers: { "content-type": "application/json", authorization: "Bearer sk-secret" },
          body: JSON.stringify(options.body ?? vendor.body(model, stream)),
        })
        status = response.statusCode
        headers = response.headers
        for await (const chunk of response.body) {
          chunks.push(chunk as Buffer)
          if (options.enough?.(Buffer.concat(chunks)) === true) break
        }
        return { status, headers, bytes: Buffer.concat(chunks), broken: undefined }
      } catch (error) {
        return { status, headers, bytes: Buffer.concat(chunks), broken: codeOf(error) }
      }
    })
  }).pipe(Effect.scoped)

/** All that an SDK's stream gives. */
export const collected = async <A>(stream: AsyncIterable<A>): Promise<ReadonlyArray<A>> => {
  const all: Array<A> = []
  for await (const event of stream) all.push(event)
  return all
}

/** What a promise is rejected with; dies if it is not. */
export const rejection = <E>(run: () => Promise<unknown>): Effect.Effect<E> =>
  Effect.promise(() =>
    run().then(
      () => Promise.reject(new Error("It did not fail.")),
      (error: unknown) => error as E,
    ),
  )
