/**
 * A local server with OpenAI's Realtime API that fails on demand: `GET /v1/realtime?model=MODEL` on a loopback port. Each session of
 * a model follows the next behavior of its script; the last one repeats. Other models get a session.
 *
 * A session answers `response.create` with `session.model` in its transcript and in audio, and reports the usage of its script.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createServer } from "node:http"
import type { AddressInfo, Socket } from "node:net"
import { type WebSocket, WebSocketServer } from "ws"
import * as Json from "../protocols/Json.ts"

/** What a session does. */
export type Behavior =
  /** Refuses with a response of HTTP. */
  | {
      readonly type: "refuse"
      readonly status: number
      readonly error: object
      readonly headers?: Record<string, string>
    }
  /** Accepts, and sends nothing. */
  | { readonly type: "stall" }
  /** Accepts, and closes before the first event; without a code the connection is cut. */
  | { readonly type: "close"; readonly code?: number; readonly reason?: string }
  /** Accepts, and sends an error as the first event. */
  | { readonly type: "error"; readonly error: object }
  | ({ readonly type: "session" } & SessionBehavior)

export interface SessionBehavior {
  /** How it ends by itself: in the middle of the response of this number, from 1. Without a code the connection is cut. */
  readonly endIn?: { readonly response: number; readonly code?: number; readonly reason?: string }
  /** The usage of each response. */
  readonly usage?: object
  /** The number of audio events of each response, and the size of each in bytes. */
  readonly audio?: { readonly events: number; readonly size: number }
  /** Whether it reads nothing after the first message. */
  readonly deaf?: boolean
  /** The type of the first event. Default: `session.created`. */
  readonly first?: string
}

/** A request for a session, and what became of it. */
export interface Connected {
  readonly model: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  /** The events of the client, and its binary messages. */
  readonly received: ReadonlyArray<unknown>
  /** The code with which it was closed. */
  readonly closed: Deferred.Deferred<number>
}

export interface RealtimeServer {
  /** `http://127.0.0.1:port` */
  readonly url: string
  readonly script: (model: string, behaviors: readonly [Behavior, ...ReadonlyArray<Behavior>]) => void
  /** All requests, oldest first. */
  readonly connections: ReadonlyArray<Connected>
  /** The number of open WebSockets. */
  readonly open: () => number
  /** The bytes that the sessions have to send, and that their clients do not read. */
  readonly buffered: () => number
}

const defaultUsage = {
  total_tokens: 30,
  input_tokens: 20,
  output_tokens: 10,
  input_token_details: { text_tokens: 5, audio_tokens: 15, cached_tokens: 0 },
  output_token_details: { text_tokens: 2, audio_tokens: 8 },
}

/** A listening server. The scope closes it with all its connections. */
export const make: Effect.Effect<RealtimeServer, never, Scope.Scope> = Effect.gen(function* () {
  const scripts = new Map<string, ReadonlyArray<Behavior>>()
  const turns = new Map<string, number>()
  const connections: Array<Connected & { readonly received: Array<unknown> }> = []
  const sockets = new Set<Socket>()
  const sessions = new Set<WebSocket>()
  const acceptor = new WebSocketServer({ noServer: true, perMessageDeflate: false })
  const server = createServer((_, response) => response.writeHead(404).end("{}"))
  server.on("connection", (socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
  })
  server.on("upgrade", (request, socket, head) => {
    const url = new URL(request.url ?? "", "http://upstream")
    const model = url.searchParams.get("model") ?? url.searchParams.get("deployment") ?? ""
    const turn = turns.get(model) ?? 0
    turns.set(model, turn + 1)
    const script = scripts.get(model)
    const behavior: Behavior = script?.[Math.min(turn, script.length - 1)] ?? { type: "session" }
    const connected = {
      model,
      query: Object.fromEntries(url.searchParams),
      headers: { ...request.headers, path: url.pathname },
      received: [],
      closed: Deferred.makeUnsafe<number>(),
    }
    connections.push(connected)
    if (behavior.type === "refuse") {
      const body = JSON.stringify({ error: behavior.error })
      const headers = { "content-type": "application/json", "content-length": body.length, ...behavior.headers }
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
      socket.end([`HTTP/1.1 ${behavior.status} Refused`, ...lines, "connection: close", "", body].join("\r\n"))
      return
    }
    acceptor.handleUpgrade(request, socket, head, (ws) => {
      ws.on("error", () => {})
      sessions.add(ws)
      ws.once("close", (code) => {
        sessions.delete(ws)
        Deferred.doneUnsafe(connected.closed, Effect.succeed(code))
      })
      begin(ws, model, behavior, connected)
    })
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const socket of sockets) socket.destroy()
      }),
  )
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    script: (model, behaviors) => {
      scripts.set(model, behaviors)
      turns.delete(model)
    },
    connections,
    open: () => sockets.size,
    buffered: () => [...sessions].reduce((sum, { bufferedAmount }) => sum + bufferedAmount, 0),
  }
})

const begin = (
  ws: WebSocket,
  model: string,
  behavior: Exclude<Behavior, { readonly type: "refuse" }>,
  { received }: { readonly received: Array<unknown> },
): void => {
  let events = 0
  const send = (event: object) => ws.send(JSON.stringify({ event_id: `event_${++events}`, ...event }))
  const end = ({ code, reason }: { readonly code?: number; readonly reason?: string }) =>
    code === undefined ? ws.terminate() : ws.close(code, reason)
  if (behavior.type === "stall") return
  if (behavior.type === "close") return end(behavior)
  if (behavior.type === "error") {
    send({ type: "error", error: behavior.error })
    return ws.close(1000)
  }
  const { audio = { events: 2, size: 12 }, deaf, endIn, first = "session.created", usage = defaultUsage } = behavior
  send({ type: first, session: { type: "realtime", object: "realtime.session", id: "sess_1", model } })
  let responses = 0
  ws.on("message", (data, isBinary) => {
    if (deaf === true) ws.pause()
    if (isBinary) {
      received.push(data)
      ws.send(data, { binary: true })
      return
    }
    const event = Json.fields(Json.parse(String(data)))
    received.push(event)
    if (event["type"] === "session.update") send({ type: "session.updated", session: event["session"] })
    if (event["type"] !== "response.create") return
    const id = `resp_${++responses}`
    send({ type: "response.created", response: { id, status: "in_progress" } })
    for (let at = 0; at < audio.events; at++) {
      const delta = Buffer.alloc(audio.size, at).toString("base64")
      send({ type: "response.output_audio.delta", response_id: id, delta })
      if (endIn?.response === responses && at === audio.events - 1) return end(endIn)
    }
    send({ type: "response.output_audio_transcript.done", response_id: id, transcript: `I am ${model}.` })
    send({ type: "response.done", response: { id, status: "completed", usage } })
  })
}
