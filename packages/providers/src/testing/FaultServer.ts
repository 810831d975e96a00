/**
 * A stand-in upstream that fails on demand: it speaks OpenAI's two wires, Anthropic's, Bedrock's and Gemini's on one
 * loopback port, and does to each model's requests what its script says, or what the model's own name says (`"429-once"`, see
 * `FaultName.ts`). A model with neither is answered.
 *
 * ```ts
 * const server = yield* FaultServer.make()
 * yield* server.script("primary", [Behavior.cut(3), Behavior.answer()])
 * const provider = OpenAi.layer({ baseUrl: `${server.url}/v1`, apiKey: Redacted.make("test") })
 * ```
 *
 * The base URL is `${url}/v1` for OpenAI's clients, `url` for everybody else's. A path before these, such as
 * `${url}/east/v1`, changes nothing.
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
import { openAi } from "./OpenAi.ts"
import type { Pace } from "./FaultPlayer.ts"
import * as FaultPlayer from "./FaultPlayer.ts"
import { responses } from "./Responses.ts"
import type { Asked, Fields, Wire } from "./Wire.ts"
import { fields, json } from "./Wire.ts"

export type { ConnectionEnd as Ending, Request } from "./RequestLog.ts"
export { line } from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Options
// ---------------------------------------------------------------------------------------------------------------------

/** The pace is milliseconds of real time, whatever Effect's clock says. */
export interface Options {
  /** By default `gap` 0, `settle` 20, `ping` 20. */
  readonly pace?: Partial<Pace> | undefined
  /** How many of the newest requests are kept; 10,000 if not said. */
  readonly history?: number | undefined
}

const defaultPace: Pace = { gap: 0, settle: 20, ping: 20 }

// ---------------------------------------------------------------------------------------------------------------------
// The server
// ---------------------------------------------------------------------------------------------------------------------

export interface FaultServer {
  /** `http://127.0.0.1:port` */
  readonly url: string
  /**
   * What becomes of the model's requests from now on, beginning with its first step: a list whose last one repeats, a
   * `Script`, or a name. Each vendor goes through it by itself. Dies of a name that is none, or an empty list.
   */
  readonly script: (
    model: string,
    script: ReadonlyArray<Behavior.Behavior> | Behavior.Script | string,
  ) => Effect.Effect<void>
  /** The requests seen, oldest first. */
  readonly requests: Effect.Effect<ReadonlyArray<Request>>
  /** How many requests there were for the model. */
  readonly attempts: (model: string) => Effect.Effect<number>
  /** Waits for the model's request of that number, 1 if not said, and gives it. */
  readonly received: (model: string, attempt?: number) => Effect.Effect<Request>
  /** Waits until the request's exchange is over, and says how it ended. */
  readonly closed: (request: Request) => Effect.Effect<ConnectionEnd>
  /** How many exchanges are going on. */
  readonly inFlight: Effect.Effect<number>
  /** Waits until none is. */
  readonly idle: Effect.Effect<void>
  /** How many connections are open, those kept alive included. */
  readonly openSockets: Effect.Effect<number>
  /** Waits until none is. */
  readonly drained: Effect.Effect<void>
}

/** The server, listening; closed with all its connections when its scope closes. */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const clock = yield* Clock.Clock
  const pace = { ...defaultPace, ...options.pace }
  const ledger = RequestLog.make(options.history ?? 10_000)
  const scripts = new Map<string, Behavior.Script>()
  const turns = new Map<string, number>()

  const nextBehaviour = (vendor: Wire["vendor"], model: string): Behavior.Behavior => {
    const script = scripts.get(model) ?? FaultName.script(model)
    if (script === undefined) return Behavior.answer()
    const turn = turns.get(`${vendor} ${model}`) ?? 0
    turns.set(`${vendor} ${model}`, turn + 1)
    return Behavior.at(script, turn)
  }

  const onRequest = (incoming: Http.IncomingMessage, text: string, response: Http.ServerResponse): void => {
    const { method = "", url: path = "", headers } = incoming
    const now = clock.currentTimeMillisUnsafe()
    const parsed = json(text)
    const understood = method === "POST" ? read(path, fields(parsed)) : undefined
    const sound = Predicate.isObject(parsed) && understood !== undefined && understood.asked.model !== ""
    const behaviour = sound
      ? nextBehaviour(understood.wire.vendor, understood.asked.model)
      : Behavior.refuse("invalid-request")
    const { request, end } = ledger.begin({
      vendor: understood?.wire.vendor,
      method,
      path,
      headers,
      body: parsed ?? text,
      model: understood?.asked.model ?? "",
      stream: understood?.asked.stream ?? false,
      kept: ledger.carries(incoming.socket),
      behaviour,
      arrived: now,
    })
    let ending: ConnectionEnd | undefined
    response.on("finish", () => (ending ??= "answered"))
    response.on("close", () => end(ending ?? "left", clock.currentTimeMillisUnsafe()))
    const steps =
      understood === undefined
        ? FaultPlayer.notFound(method, path)
        : FaultPlayer.steps(
            behaviour,
            understood.wire,
            understood.asked,
            { serial: request.serial, now, key: credential(headers) },
            pace,
          )
    FaultPlayer.play(steps, response, () => (ending = "broken"))
  }

  const url = yield* listen(onRequest, ledger)
  const server: FaultServer = {
    url,
    script: (model, script) =>
      Effect.suspend(() => {
        const meant = scriptOf(script)
        if (meant === undefined)
          return Effect.die(new Error(`No script: ${JSON.stringify(script)}. FaultName.names has the names.`))
        scripts.set(model, meant)
        for (const { vendor } of wires) turns.delete(`${vendor} ${model}`)
        return Effect.void
      }),
    requests: Effect.sync(() => [...ledger.requests]),
    attempts: (model) => Effect.sync(() => ledger.attempts(model)),
    received: (model, attempt = 1) =>
      ledger.until(() => ledger.requests.find((request) => request.model === model && request.attempt === attempt)),
    closed: (request) => ledger.until(() => request.ended?.how),
    inFlight: Effect.sync(ledger.inFlight),
    idle: Effect.asVoid(ledger.until(() => (ledger.inFlight() === 0 ? true : undefined))),
    openSockets: Effect.sync(() => ledger.sockets.size),
    drained: Effect.asVoid(ledger.until(() => (ledger.sockets.size === 0 ? true : undefined))),
  }
  return server
})

// ---------------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------------

const wires: ReadonlyArray<Wire> = [openAi, responses, anthropic, bedrock, gemini]

const read = (path: string, body: Fields): { readonly wire: Wire; readonly asked: Asked } | undefined => {
  const [bare = path] = path.split("?", 1)
  for (const wire of wires) {
    const asked = wire.read(bare, body)
    if (asked !== undefined) return { wire, asked }
  }
  return undefined
}

/** The key, the bearer token or the AWS access key's id that came with a request. */
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

/** Listens on a free loopback port for as long as the scope is open, and gives the URL. */
const listen = (
  onRequest: (incoming: Http.IncomingMessage, text: string, response: Http.ServerResponse) => void,
  ledger: RequestLog.RequestLog,
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Http.Server>((resume) => {
      const server = Http.createServer((incoming, response) => {
        const chunks: Array<Buffer> = []
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
        incoming.on("end", () => onRequest(incoming, Buffer.concat(chunks).toString(), response))
      })
      // Only a script or a client ends a connection here: node's own limits would be faults that nobody asked for.
      server.keepAliveTimeout = 0
      server.requestTimeout = 0
      server.headersTimeout = 0
      server.on("connection", ledger.opened)
      server.on("error", (error) => resume(Effect.die(error)))
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const socket of ledger.sockets) socket.destroy()
      }),
  ).pipe(Effect.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`))
