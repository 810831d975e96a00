/**
 * A local server that simulates providers and fails on demand. It has the APIs of OpenAI (two), Anthropic, Bedrock, Gemini and
 * Vertex AI on one loopback port. A model's requests follow its script, or the script of its name (`"429-once"`, see `FaultName.ts`).
 * Other models get a response.
 *
 * ```ts
 * const server = yield* FaultServer.make()
 * yield* server.script("primary", [Behavior.cut(3), Behavior.answer()])
 * const provider = OpenAi.layer({ baseUrl: `${server.url}/v1`, apiKey: Redacted.make("test") })
 * ```
 *
 * The base URL is `${url}/v1` for OpenAI's clients, `url` for others. A prefix of the path, such as `${url}/east/v1`, is
 * ignored.
 */
import { Buffer } from "node:buffer"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import { anthropic } from "./Anthropic.ts"
import { bedrock } from "./Bedrock.ts"
import * as Behavior from "./Behavior.ts"
import type { ConnectionEnd, Request } from "./RequestLog.ts"
import { gemini } from "./Gemini.ts"
import * as RequestLog from "./RequestLog.ts"
import * as FaultName from "./FaultName.ts"
import * as Multipart from "./Multipart.ts"
import { openAi } from "./OpenAi.ts"
import { operations } from "./Operations.ts"
import type { Pace } from "./FaultPlayer.ts"
import * as FaultPlayer from "./FaultPlayer.ts"
import { responses } from "./Responses.ts"
import { vertex } from "./Vertex.ts"
import type { WireRequest, Fields, Wire } from "./Wire.ts"
import { fields, json } from "./Wire.ts"

export type { ConnectionEnd as Ending, Request } from "./RequestLog.ts"
export { line } from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options
// ---------------------------------------------------------------------------------------------------------------------

/** The settings of the server. */
export interface Options {
  /** Delays in milliseconds of real time. Default: `gap` 0, `settle` 20, `ping` 20. */
  readonly pace?: Partial<Pace> | undefined
  /** The number of requests in the log. Default: 10,000. */
  readonly history?: number | undefined
}

const defaultPace: Pace = { gap: 0, settle: 20, ping: 20 }

// ---------------------------------------------------------------------------------------------------------------------
// The server
// ---------------------------------------------------------------------------------------------------------------------

/** A running server. */
export interface FaultServer {
  /** `http://127.0.0.1:port` */
  readonly url: string
  /**
   * Sets the script of a model, from its first step: a list whose last behavior repeats, a `Script`, or a name. Each vendor
   * follows it separately. Dies on an unknown name or an empty list.
   */
  readonly script: (
    model: string,
    script: ReadonlyArray<Behavior.Behavior> | Behavior.Script | string,
  ) => Effect.Effect<void>
  /** The requests, oldest first. */
  readonly requests: Effect.Effect<ReadonlyArray<Request>>
  /** The number of requests for the model. */
  readonly attempts: (model: string) => Effect.Effect<number>
  /** Waits for the model's request of that number. Default: 1. */
  readonly received: (model: string, attempt?: number) => Effect.Effect<Request>
  /** Waits until the request has ended. */
  readonly closed: (request: Request) => Effect.Effect<ConnectionEnd>
  /** The number of open requests. */
  readonly inFlight: Effect.Effect<number>
  /** Waits until no request is open. */
  readonly idle: Effect.Effect<void>
  /** The number of open connections, idle ones included. */
  readonly openSockets: Effect.Effect<number>
  /** Waits until no connection is open. */
  readonly drained: Effect.Effect<void>
}

/** A listening server. The scope closes it with all its connections. */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const clock = yield* Clock.Clock
  const pace = { ...defaultPace, ...options.pace }
  const log = RequestLog.make(options.history ?? 10_000)
  const scripts = new Map<string, Behavior.Script>()
  const turns = new Map<string, number>()

  const nextBehavior = (vendor: Wire["vendor"], model: string): Behavior.Behavior => {
    const script = scripts.get(model) ?? FaultName.script(model)
    if (script === undefined) return Behavior.answer()
    const turn = turns.get(`${vendor} ${model}`) ?? 0
    turns.set(`${vendor} ${model}`, turn + 1)
    return Behavior.at(script, turn)
  }

  const onRequest = (incoming: Http.IncomingMessage, bytes: Buffer, response: Http.ServerResponse): void => {
    const { method = "", url: path = "", headers } = incoming
    const now = clock.currentTimeMillisUnsafe()
    const form = Multipart.fieldsOf(headers["content-type"] ?? "", bytes)
    const text = form === undefined ? bytes.toString() : ""
    const parsed = form ?? json(text)
    const recognized = method === "POST" ? read(path, fields(parsed)) : undefined
    const isValid = Predicate.isObject(parsed) && recognized !== undefined && recognized.asked.model !== ""
    const behavior = isValid
      ? nextBehavior(recognized.wire.vendor, recognized.asked.model)
      : Behavior.refuse("invalid-request")
    const { request, end } = log.begin({
      vendor: recognized?.wire.vendor,
      method,
      path,
      headers,
      body: parsed ?? text,
      model: recognized?.asked.model ?? "",
      stream: recognized?.asked.stream ?? false,
      kept: log.isReused(incoming.socket),
      behavior,
      arrived: now,
    })
    let ending: ConnectionEnd | undefined
    response.on("finish", () => (ending ??= "answered"))
    response.on("close", () => end(ending ?? "left", clock.currentTimeMillisUnsafe()))
    const steps =
      recognized === undefined
        ? FaultPlayer.notFound(method, path)
        : FaultPlayer.steps(
            behavior,
            recognized.wire,
            recognized.asked,
            { serial: request.serial, now, key: credential(headers) },
            pace,
          )
    FaultPlayer.play(steps, response, () => (ending = "broken"))
  }

  const url = yield* listen(onRequest, log)
  const server: FaultServer = {
    url,
    script: (model, script) =>
      Effect.suspend(() => {
        const steps = scriptOf(script)
        if (steps === undefined)
          return Effect.die(new Error(`Unknown script ${JSON.stringify(script)}: see FaultName.names`))
        scripts.set(model, steps)
        for (const { vendor } of wires) turns.delete(`${vendor} ${model}`)
        return Effect.void
      }),
    requests: Effect.sync(() => [...log.requests]),
    attempts: (model) => Effect.sync(() => log.attempts(model)),
    received: (model, attempt = 1) =>
      log.until(() => log.requests.find((request) => request.model === model && request.attempt === attempt)),
    closed: (request) => log.until(() => request.ended?.how),
    inFlight: Effect.sync(log.inFlight),
    idle: Effect.asVoid(log.until(() => (log.inFlight() === 0 ? true : undefined))),
    openSockets: Effect.sync(() => log.sockets.size),
    drained: Effect.asVoid(log.until(() => (log.sockets.size === 0 ? true : undefined))),
  }
  return server
})

// ---------------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------------

const wires: ReadonlyArray<Wire> = [...vertex, openAi, operations, responses, anthropic, bedrock, gemini]

const read = (path: string, body: Fields): { readonly wire: Wire; readonly asked: WireRequest } | undefined => {
  const [bare = path] = path.split("?", 1)
  for (const wire of wires) {
    const asked = wire.read(bare, body)
    if (asked !== undefined) return { wire, asked }
  }
  return undefined
}

/** The key, bearer token or AWS access key id of a request. */
const credential = (headers: Http.IncomingHttpHeaders): string => {
  const key = headers["x-api-key"] ?? headers["x-goog-api-key"]
  if (Predicate.isString(key)) return key
  const authorization = headers.authorization ?? ""
  return /Credential=([^/]+)/.exec(authorization)?.[1] ?? authorization.replace(/^Bearer /i, "")
}

const scriptOf = (script: ReadonlyArray<Behavior.Behavior> | Behavior.Script | string): Behavior.Script | undefined => {
  if (Predicate.isString(script)) return FaultName.script(script)
  if ("steps" in script) return script
  const [first, ...rest] = script
  return first === undefined ? undefined : { steps: [first, ...rest], repeat: "last" }
}

// ---------------------------------------------------------------------------------------------------------------------
// Listening
// ---------------------------------------------------------------------------------------------------------------------

/** Listens on a free loopback port until the scope closes. Returns the URL. */
const listen = (
  onRequest: (incoming: Http.IncomingMessage, body: Buffer, response: Http.ServerResponse) => void,
  log: RequestLog.RequestLog,
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Http.Server>((resume) => {
      const server = Http.createServer((incoming, response) => {
        const chunks: Array<Buffer> = []
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
        incoming.on("end", () => onRequest(incoming, Buffer.concat(chunks), response))
      })
      // Only scripts and clients end connections: Node's timeouts are off.
      server.keepAliveTimeout = 0
      server.requestTimeout = 0
      server.headersTimeout = 0
      server.on("connection", log.opened)
      server.on("error", (error) => resume(Effect.die(error)))
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const socket of log.sockets) socket.destroy()
      }),
  ).pipe(Effect.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`))
