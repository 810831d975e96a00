/**
 * OpenAI's Realtime API: `GET /v1/realtime?model=ROUTE`, a WebSocket. The session begins at the first deployment of the route that
 * gives one. Only then the client's WebSocket is accepted: until then it is refused with a response of HTTP. After that, messages
 * pass in both directions as they are, until one end closes it or a limit ends it, with an event `error` and a close code.
 */
import type * as Operation from "@understudy/core/Operation"
import type { Operating } from "@understudy/core/Router"
import { Router } from "@understudy/core/Router"
import type { RouterError } from "@understudy/core/RouterError"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import type { ClientProtocol } from "@understudy/providers/internal/protocols/ClientProtocol"
import * as Events from "@understudy/providers/internal/protocols/realtime/Events"
import type { Connection } from "@understudy/providers/internal/transport/WebSocket"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import { Caller } from "../auth/Caller.ts"
import { Expose } from "../auth/Expose.ts"
import * as VirtualKey from "../auth/VirtualKey.ts"
import { Drain } from "../Drain.ts"
import * as KeyedRouter from "../keys/KeyedRouter.ts"
import * as SessionLog from "../observe/SessionLog.ts"
import * as RealtimeSettings from "../RealtimeSettings.ts"
import * as WebSocketUpgrade from "../WebSocketUpgrade.ts"
import * as WriteTimeout from "../WriteTimeout.ts"
import * as ApiError from "./ApiError.ts"
import * as Endpoint from "./Endpoint.ts"
import * as HttpReply from "./HttpReply.ts"
import * as Reauthentication from "./Reauthentication.ts"
import { sessionEnded } from "./Unavailable.ts"
import * as WebSocketProblem from "./WebSocketProblem.ts"

/** Adds the endpoint to the `HttpRouter` in context. */
export const layer = HttpRouter.use((http) =>
  Effect.gen(function* () {
    const router = yield* Router
    const draining = Option.match(yield* Effect.serviceOption(Drain), {
      onNone: () => Effect.never,
      onSome: ({ begun }) => begun,
    })
    const handler = Endpoint.called(protocol, decoded, (call) => answer(router, draining, call))
    yield* http.add("GET", "/v1/realtime", Effect.map(handler, WebSocketUpgrade.refusal))
  }),
)

/** Errors in OpenAI's shape. */
const protocol: ClientProtocol = { ...ChatCompletions, protocol: Events.protocol }

// ---------------------------------------------------------------------------------------------------------------------
// The request
// ---------------------------------------------------------------------------------------------------------------------

/** A request for a session. Its messages come once `client` is there. */
interface Requested {
  readonly request: Operation.Request
  readonly client: Deferred.Deferred<Connection>
  readonly settings: RealtimeSettings.Settings
}

const decoded: Effect.Effect<Requested, ApiError.ApiError, HttpServerRequest.HttpServerRequest> = Effect.gen(
  function* () {
    const http = yield* HttpServerRequest.HttpServerRequest
    const settings = yield* RealtimeSettings.Current
    if (settings === false) return yield* Effect.fail(switchedOff)
    const problem = WebSocketProblem.of(http)
    if (problem !== undefined) return yield* Effect.fail(problem)
    const query = new URLSearchParams(http.url.slice(http.url.indexOf("?") + 1))
    if (query.has("call_id")) return yield* Effect.fail(joined)
    const model = query.get("model") ?? ""
    if (model === "") return yield* Effect.fail(query.has("intent") ? noTranscriptionModel : noModel)
    const client = yield* Deferred.make<Connection>()
    const messages = Effect.flatMap(Deferred.await(client), ({ pull }) =>
      Effect.matchEffect(pull, {
        onSuccess: (batch) =>
          Effect.succeed(
            Arr.map(batch, ({ data, isBinary }): Operation.Message => (isBinary ? data : Buffer.from(data).toString())),
          ),
        // A client that has disappeared did not end its session: the call is cancelled.
        onFailure: ({ code }) => (code === lost ? Effect.never : Cause.done()),
      }),
    )
    return {
      client,
      settings,
      request: {
        operation: "realtime",
        model,
        body: { type: "session", messages },
        streaming: true,
        native: { protocol: Events.protocol, body: { model } },
      },
    }
  },
)

const switchedOff = ApiError.invalid("Realtime sessions are switched off on this gateway (server.realtime).", {
  status: 404,
  code: "not_found",
})

const noModel = ApiError.invalid(
  "Missing required parameter: 'model'. Add ?model= to the address, with the name of a route of this gateway.",
  { param: "model" },
)

const noTranscriptionModel = ApiError.invalid(
  "Missing required parameter: 'model'. Add &model= to the address, with the name of a route of this gateway, also for " +
    "intent=transcription: it chooses the vendor.",
  { param: "model" },
)

const joined = ApiError.invalid(
  "A call cannot be joined by its 'call_id': it lives with its vendor, which this gateway does not know. Connect to the vendor.",
  { param: "call_id" },
)

// ---------------------------------------------------------------------------------------------------------------------
// The session
// ---------------------------------------------------------------------------------------------------------------------

const answer = (
  router: Router["Service"],
  draining: Effect.Effect<void>,
  call: Requested & Endpoint.Incoming,
): Effect.Effect<HttpServerResponse.HttpServerResponse, ApiError.ApiError, Scope.Scope> =>
  Effect.gen(function* () {
    const { http, level, settings } = call
    const operating = yield* Effect.mapError(router.operate(call.request, call.options), (error) =>
      ApiError.make(error, level),
    )
    const acceptance: WebSocketUpgrade.Acceptance = {
      headers: HttpReply.headers(operating.receipt, level),
      maxMessage: Number(settings.maxMessage),
      cut: (connection) => connection.close(ends.shutdown.code, ends.shutdown.reason),
    }
    const accepted = yield* Effect.option(WebSocketUpgrade.accept(http, acceptance, yield* Effect.scope))
    if (Option.isSome(accepted)) {
      WriteTimeout.limitWebSocket(http, operating.write)
      const { revoked } = yield* Reauthentication.Current
      const signals = { draining, revoked: revoked(mayCall(router.canonicalName(call.request.model))) }
      yield* run(accepted.value, operating, signals, call)
    }
    return HttpServerResponse.empty()
  })

/** The code of a connection that was lost. */
const lost = 1006

/** Fails unless the caller may call the route or the deployment with this name. */
const mayCall = (name: string): Effect.Effect<void, ApiError.ApiError> =>
  Effect.flatMap(Effect.zip(Caller, Expose), ([caller, level]) =>
    caller === undefined || VirtualKey.mayCall(caller, name)
      ? Effect.void
      : Effect.fail(ApiError.make(KeyedRouter.forbidden(caller, name), level)),
  )

/** What ends a session from the outside, besides its limits. */
interface Signals {
  /** Waits until the gateway drains. */
  readonly draining: Effect.Effect<void>
  /** Waits until the key is revoked, and succeeds with the error that says so. */
  readonly revoked: Effect.Effect<ApiError.ApiError>
}

/** Relays the messages of both ends until the session has ended. */
const run = Effect.fnUntraced(function* (
  connection: Connection,
  { frames, receipt }: Operating,
  signals: Signals,
  { client, level, settings }: Requested & Endpoint.Incoming,
) {
  const session = new Session(connection, receipt.id)
  const failed = (failure: RouterError): End => {
    const error = ApiError.make(failure, level)
    return { by: "provider", error, code: 1011, reason: error.message }
  }
  yield* Effect.forkScoped(session.keepLimits(settings, signals))
  yield* Deferred.succeed(client, connection)
  const relayed = Effect.catch(
    Stream.runForEach(frames, (frame) => session.relay(frame)),
    (error) => session.end(failed(error)),
  )
  const gone = Effect.flatMap(connection.closed, ({ code }) => (code === lost ? Effect.void : Effect.never))
  yield* Effect.raceFirst(relayed, gone)
  const { code, reason } = yield* connection.closed
  yield* SessionLog.log({ call: receipt.id, by: session.endedBy, code, reason })
})

/** Why a session ends: what its client is told, by an event and in the close frame. */
interface End {
  readonly by: SessionLog.ClosedSession["by"]
  readonly error?: ApiError.ApiError
  readonly code: number
  readonly reason: string
}

const ends = {
  shutdown: { by: "gateway", error: sessionEnded, code: 1001, reason: sessionEnded.message },
  expired: (limit: Duration.Duration): End => expired(`Your session hit the maximum duration of ${format(limit)}.`),
  idle: (limit: Duration.Duration): End => expired(`Your session was idle for ${format(limit)}.`),
  revoked: (error: ApiError.ApiError): End => ({ by: "gateway", error, code: 1008, reason: error.message }),
  overBudget: (budget: string): End => {
    const message = `Budget "${budget}" does not cover another response.`
    return {
      by: "gateway",
      code: 1008,
      reason: message,
      error: { status: 429, type: "rate_limit_error", code: "budget_exceeded", message },
    }
  },
} as const satisfies Record<string, End | ((...args: ReadonlyArray<never>) => End)>

const expired = (message: string): End => ({
  by: "gateway",
  code: 1001,
  reason: message,
  // OpenAI's error.
  error: ApiError.invalid(message, { code: "session_expired" }),
})

const format = (limit: Duration.Duration): string => Duration.format(limit)

/** The client's end of a session. */
class Session {
  readonly #connection: Connection
  readonly #id: string
  #endedBy: SessionLog.ClosedSession["by"] = "client"
  /** Why the gateway ends it. */
  #left: End | undefined
  /** Whether the client is told of its end: it gets nothing after that. */
  #hasEnded = false
  #responses = 0
  /** The messages of the provider. */
  #messages = 0

  constructor(connection: Connection, id: string) {
    this.#connection = connection
    this.#id = id
  }

  get endedBy(): SessionLog.ClosedSession["by"] {
    return this.#endedBy
  }

  /** Sends a message of the provider, or ends the session as its last frame says. */
  relay({ data, end }: Operation.Frame): Effect.Effect<void> {
    if (end?.type === "closed") return this.end(this.#left ?? { by: "provider", code: end.code, reason: end.reason })
    if (end !== undefined) return this.end(ends.overBudget(end.budget))
    if (this.#hasEnded) return Effect.void
    this.#messages++
    if (typeof data !== "string") return this.#send({ data, isBinary: true })
    if (data.includes('"response.created"')) this.#responses++
    else if (data.includes('"response.done"')) this.#responses--
    return this.#send({ data: Buffer.from(data), isBinary: false })
  }

  /**
   * Ends the session at its limits, when its key is revoked, and when the gateway shuts down: then after the response that is under
   * way.
   */
  keepLimits({ idle, maxDuration }: RealtimeSettings.Settings, { draining, revoked }: Signals): Effect.Effect<void> {
    const limits: ReadonlyArray<Effect.Effect<End>> = [
      ...(Duration.isFinite(maxDuration) ? [Effect.as(Effect.sleep(maxDuration), ends.expired(maxDuration))] : []),
      ...(Duration.isFinite(idle) ? [Effect.as(this.#idle(idle), ends.idle(idle))] : []),
      Effect.as(Effect.andThen(draining, this.#settled), ends.shutdown),
    ]
    return Effect.raceFirst(
      Effect.map(Effect.raceAllFirst(limits), (end) => this.#leave(end)),
      Effect.flatMap(revoked, (error) => this.#cut(ends.revoked(error))),
    )
  }

  /** Leaves the provider as a client does that closes its end. The client's end is closed when the provider's is. */
  #leave(end: End): void {
    this.#left = end
    this.#connection.endInput()
  }

  /** Leaves the provider, and tells the client at once: the rest of a response that is under way is counted, but not sent. */
  #cut(end: End): Effect.Effect<void> {
    this.#leave(end)
    return this.end(end)
  }

  /** Tells the client why, and closes its WebSocket. Only the first end counts. */
  end(end: End): Effect.Effect<void> {
    const { code, error, reason } = end
    if (this.#hasEnded || this.#connection.isClosing) return Effect.void
    this.#hasEnded = true
    this.#endedBy = end.by
    const told = error === undefined ? Effect.void : this.#send(this.#event(error))
    return Effect.andThen(
      told,
      Effect.sync(() => this.#connection.close(code, reason)),
    )
  }

  /** Waits until no response is under way. */
  readonly #settled: Effect.Effect<void> = Effect.suspend(() =>
    this.#responses <= 0 ? Effect.void : Effect.andThen(Effect.sleep(settleInterval), this.#settled),
  )

  /** Waits until there was no message for so long, or up to a quarter longer. */
  #idle(limit: Duration.Duration): Effect.Effect<void> {
    const quarter = Duration.times(limit, 0.25)
    const wait = (before: number, quiet: number): Effect.Effect<void> =>
      Effect.flatMap(Effect.sleep(quarter), () => {
        const count = this.#count
        if (count !== before) return wait(count, 0)
        return quiet === 4 ? Effect.void : wait(count, quiet + 1)
      })
    return Effect.suspend(() => wait(this.#count, 1))
  }

  get #count(): number {
    return this.#messages + this.#connection.received
  }

  #event(error: ApiError.ApiError): { readonly data: Uint8Array; readonly isBinary: false } {
    const { code, message, param = null, type } = error
    const event = {
      type: "error",
      event_id: `event_${randomUUID()}`,
      error: { type, code, message, param, event_id: null, request_id: this.#id },
    }
    return { data: Buffer.from(JSON.stringify(event)), isBinary: false }
  }

  /** A client that is gone has ended its session: nothing is to be told. */
  #send(message: Parameters<Connection["send"]>[0]): Effect.Effect<void> {
    return Effect.ignore(this.#connection.send(message))
  }
}

/** How often a draining gateway looks whether a response has ended. */
const settleInterval = Duration.millis(50)
