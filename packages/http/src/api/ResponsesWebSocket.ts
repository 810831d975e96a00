/**
 * OpenAI's WebSocket mode for Responses: `GET /v1/responses` as a WebSocket. Each `response.create` is the call that
 * `POST /v1/responses` with its body would be, by the key as it is then, one after the other, and its events are messages.
 *
 * The connection remembers the conversation of its last response that is not stored, so that the next message may continue it by
 * `previous_response_id` and send new items alone. If the client disconnects, its call ends.
 */
import type { Connection } from "@understudy/providers/internal/transport/WebSocket"
import { Closed } from "@understudy/providers/internal/transport/WebSocket"
import * as Json from "@understudy/providers/internal/protocols/Json"
import * as Responses from "@understudy/providers/protocols/responses"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Duration from "effect/Duration"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import { Drain } from "../Drain.ts"
import * as Items from "../responses/Items.ts"
import * as WebSocketUpgrade from "../WebSocketUpgrade.ts"
import * as BodyBudget from "./BodyBudget.ts"
import type * as Endpoint from "./Endpoint.ts"
import * as HttpReply from "./HttpReply.ts"
import * as Reauthentication from "./Reauthentication.ts"
import * as SocketMessages from "./SocketMessages.ts"
import * as WebSocketProblem from "./WebSocketProblem.ts"

/** Whether WebSockets are accepted: the setting `responses.webSocket`. */
export const Accepts = Context.Reference<boolean>("@understudy/http/ResponsesWebSocket", { defaultValue: () => true })

/** How long a connection may take new calls, as in OpenAI's API. */
const lifetime = Duration.minutes(60)

/** Messages that wait while a call runs. */
const maxWaiting = 16

/** The headers of the request that are those of each of its calls, except these. */
const ofConnection = /^(?:connection|upgrade|host|content-.*|transfer-encoding|expect|sec-websocket-.*)$/

/** The last response of a connection, with its conversation. */
interface Remembered {
  readonly id: string
  readonly items: ReadonlyArray<unknown>
}

/** Handles a request for a WebSocket. `create` is the handler of `POST /v1/responses`; `stores`: whether responses are stored. */
export const handle = (create: Endpoint.Handler, stores: boolean): Endpoint.Handler =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const problem = WebSocketProblem.of(request)
    if (problem !== undefined) return HttpReply.error(problem, Responses)
    const maxMessage = Number((yield* MaxBodySize) ?? Infinity)
    const connection = yield* WebSocketUpgrade.accept(
      request,
      { headers: {}, maxMessage, cut: (open) => open.close(1001, "The gateway is shutting down.") },
      yield* Effect.scope,
    )
    return yield* serve(connection, { create, headers: headersOf(request), maxMessage, stores })
  }).pipe(Effect.catchTag("Closed", () => Effect.succeed(HttpServerResponse.empty())))

const headersOf = ({ headers }: HttpServerRequest.HttpServerRequest): Record<string, string> => ({
  ...Object.fromEntries(Object.entries(headers).filter(([name]) => !ofConnection.test(name))),
  "content-type": "application/json",
})

interface Options {
  readonly create: Endpoint.Handler
  readonly headers: Record<string, string>
  readonly maxMessage: number
  readonly stores: boolean
}

/** Serves the calls of a connection until it is closed. */
const serve = Effect.fnUntraced(function* (connection: Connection, options: Options) {
  const openedAt = yield* Clock.currentTimeMillis
  const messages = yield* Queue.unbounded<string>()
  let waitingBytes = 0
  const drain = yield* Effect.serviceOption(Drain)
  const { limits } = yield* BodyBudget.Current
  const { authenticate } = yield* Reauthentication.Current
  let remembered: Remembered | undefined
  const send = (text: string) => connection.send({ data: Buffer.from(text), isBinary: false })

  const reading = Effect.forever(
    Effect.flatMap(connection.pull, (received) =>
      Effect.sync(() => {
        for (const { data, isBinary } of received) {
          if (Queue.sizeUnsafe(messages) >= maxWaiting || waitingBytes > options.maxMessage) {
            return connection.close(1008, "Too many messages wait for a response.")
          }
          const text = isBinary ? "" : Buffer.from(data).toString()
          waitingBytes += Buffer.byteLength(text)
          Queue.offerUnsafe(messages, text)
        }
        return undefined
      }),
    ),
  )
  const next = Option.isNone(drain)
    ? Queue.take(messages)
    : // A connection without a call does not keep the gateway from stopping.
      Effect.raceFirst(
        Queue.take(messages),
        Effect.andThen(
          drain.value.begun,
          Effect.suspend(() => close(connection, 1001, "The gateway is shutting down.")),
        ),
      )
  const answering = Effect.forever(
    Effect.gen(function* () {
      const text = yield* next
      waitingBytes -= Buffer.byteLength(text)
      const message = SocketMessages.read(text, limits)
      if (message._tag === "Ignored") return
      if (message._tag === "Invalid") {
        return yield* send(
          SocketMessages.withStream(SocketMessages.invalid("invalid_message", message.message), message.streamId),
        )
      }
      if ((yield* Clock.currentTimeMillis) - openedAt > Duration.toMillis(lifetime)) {
        yield* send(SocketMessages.withStream(tooOld, message.streamId))
        return yield* close(connection, 1000, "The connection has reached its limit of 60 minutes.")
      }
      const authenticated = yield* Effect.result(authenticate)
      if (Result.isFailure(authenticated)) {
        const error = authenticated.failure
        yield* send(SocketMessages.withStream(errorEvent(HttpReply.error(error, Responses)), message.streamId))
        return yield* close(connection, 1008, error.message)
      }
      const before = remembered
      remembered = undefined
      remembered = yield* Effect.provideContext(answer(message, before, send, options), authenticated.success)
    }),
  )
  return yield* Effect.raceFirst(reading, answering)
})

const close = (connection: Connection, code: number, reason: string): Effect.Effect<never, Closed> =>
  Effect.suspend(() => {
    connection.close(code, reason)
    return Effect.fail(new Closed({ code, reason }))
  })

const tooOld = SocketMessages.invalid(
  "websocket_connection_limit_reached",
  "This connection has been open for 60 minutes, its limit. Open another, and send the request again.",
)

/** Answers a message, and succeeds with what the connection is to remember. */
const answer = Effect.fnUntraced(function* (
  { body, isGenerated, streamId }: SocketMessages.ClientMessage & { readonly _tag: "Create" },
  before: Remembered | undefined,
  send: (text: string) => Effect.Effect<void, Closed>,
  { create, headers, maxMessage, stores }: Options,
) {
  const reply = (json: string) => send(SocketMessages.withStream(json, streamId))
  const { previous_response_id: previous, ...rest } = body
  const continues = before !== undefined && previous === before.id
  if (!continues && !stores && Json.isNonEmptyString(previous)) {
    yield* reply(SocketMessages.invalid("previous_response_not_found", notFound(previous), "previous_response_id"))
    return undefined
  }
  const input = [...(continues ? before.items : []), ...Items.ofInput(rest["input"])]
  const sent = continues ? { ...rest, input } : body
  if (!isGenerated) return yield* warm(sent, input, reply)
  let ended: Json.Fields | undefined
  const request = HttpServerRequest.fromWeb(
    new Request("http://localhost/v1/responses", {
      method: "POST",
      headers,
      body: JSON.stringify({ ...sent, stream: true }),
    }),
  )
  yield* Effect.scoped(
    Effect.flatMap(Effect.provideService(create, HttpServerRequest.HttpServerRequest, request), (response) => {
      const { body: content } = response
      if (content._tag !== "Stream") return reply(errorEvent(response))
      return Stream.runForEach(Stream.orDie(content.stream), (bytes) =>
        Effect.forEach(
          SocketMessages.eventsIn(Buffer.from(bytes).toString()),
          (event) => {
            if (isEnd.test(event)) ended = Json.fields(Json.fields(Json.parseExact(event))["response"])
            return reply(event)
          },
          { discard: true },
        ),
      )
    }),
  )
  const id = Json.nonEmptyString(ended?.["id"])
  // A stored response is continued by its id, on any connection.
  if (ended === undefined || id === undefined || (stores && ended["store"] === true)) return undefined
  return remember(id, [...input, ...Json.list(ended["output"])], maxMessage)
})

/** The event for the response of a call that has failed before its first event. */
const errorEvent = ({ body, headers, status }: HttpServerResponse.HttpServerResponse): string =>
  SocketMessages.errorOf(status, body._tag === "Uint8Array" ? Buffer.from(body.body).toString() : "", headers)

/** The events that end a response, by the beginning of their JSON. */
const isEnd = /^\{\s*"type"\s*:\s*"response\.(?:completed|incomplete)"/

const notFound = (id: string): string => `Previous response with id '${id.slice(0, 100)}' not found.`

const remember = (id: string, items: ReadonlyArray<unknown>, maxSize: number): Remembered | undefined =>
  JSON.stringify(items).length > maxSize ? undefined : { id, items }

/** Answers a message that is not to be generated: its conversation is remembered, for messages that continue it. */
const warm = Effect.fnUntraced(function* (
  body: Readonly<Record<string, unknown>>,
  input: ReadonlyArray<unknown>,
  reply: (json: string) => Effect.Effect<void, Closed>,
) {
  const decoded = Responses.Request.decodeReferring({ ...body, input: input.length === 0 ? "" : input })
  if (Result.isFailure(decoded)) {
    const { code = "invalid_request", message, path } = decoded.failure
    yield* reply(SocketMessages.invalid(code, message, path))
    return undefined
  }
  const id = randomUUID().replaceAll("-", "")
  const created = Math.floor((yield* Clock.currentTimeMillis) / 1000)
  const events = Responses.Stream.encoder({ request: decoded.success, id, created }).end()
  yield* Effect.forEach(SocketMessages.eventsIn(events), reply, { discard: true })
  return { id: `resp_${id}`, items: input }
})
