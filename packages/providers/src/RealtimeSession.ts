/**
 * A session of a provider over a WebSocket: the client's messages go to the vendor, the vendor's are its frames. Either end may close
 * it. It has begun with the vendor's first message; an error instead of that is one of the attempt, and the client sees nothing of it.
 */
import type * as Operation from "@understudy/core/Operation"
import { ProviderError } from "@understudy/core/ProviderError"
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Events from "./protocols/realtime/Events.ts"
import type { RequestTemplate } from "./transport/RequestTemplate.ts"
import type { Closed, Connection, Message } from "./transport/WebSocket.ts"

/** How sessions are opened: see `HttpProvider`. */
export interface Opening {
  readonly connect: (
    template: RequestTemplate,
    request: Operation.Request,
    scope: Scope.Scope,
  ) => Effect.Effect<Connection, ProviderError>
  /** The error in the text of an error event. */
  readonly errorOf: (text: string) => ProviderError
  /** Removes the deployment's secrets from a message. */
  readonly redact: (text: string) => string
}

type Messages = Extract<Operation.Body, { readonly type: "session" }>["messages"]
type Frames = Arr.NonEmptyReadonlyArray<Operation.Frame>

/** The messages of a session. Its request names the route in `native.body.model`. */
export const frames = (
  template: RequestTemplate,
  request: Operation.Request,
  messages: Messages,
  opening: Opening,
): Stream.Stream<Operation.Frame, ProviderError> => {
  const { model, native } = request
  const route = native?.body["model"]
  const toVendor = (text: string) => (typeof route === "string" ? Events.withModel(text, route, model) : text)
  return Stream.fromChannel(
    Channel.fromTransform((_, scope) =>
      Effect.flatMap(opening.connect(template, request, scope), (connection) => {
        const session = new Session(connection, opening)
        return Effect.as(Effect.forkIn(session.sendAll(messages, toVendor), scope), session.pull)
      }),
    ),
  )
}

class Session {
  readonly #connection: Connection
  readonly #opening: Opening
  #hasBegun = false
  /** Whether the client has ended it. */
  #isLeft = false
  #hasEnded = false

  constructor(connection: Connection, opening: Opening) {
    this.#connection = connection
    this.#opening = opening
  }

  /** Sends the client's messages, and closes the connection after the last. */
  sendAll(messages: Messages, toVendor: (text: string) => string): Effect.Effect<void> {
    const connection = this.#connection
    const send = (message: Operation.Message) =>
      connection.send(
        typeof message === "string"
          ? { data: Buffer.from(toVendor(message)), isBinary: false }
          : { data: message, isBinary: true },
      )
    const next = Effect.flatMap(messages, (batch) => Effect.forEach(batch, send, { discard: true }))
    return Effect.catch(Effect.forever(next, { disableYield: true }), (end) =>
      Effect.sync(() => {
        // A connection that is closed has told the reader why.
        if (!Cause.isDone(end)) return
        this.#isLeft = true
        connection.close(1000, "")
      }),
    )
  }

  /** The vendor's messages, and at last how the session ended. */
  readonly pull: Pull.Pull<Frames, ProviderError> = Effect.suspend((): Pull.Pull<Frames, ProviderError> =>
    this.#hasEnded
      ? Cause.done()
      : Effect.matchEffect(this.#connection.pull, {
          onSuccess: (messages) => this.#received(messages),
          onFailure: (closed) => this.#closed(closed),
        }),
  )

  #received([first, ...others]: Arr.NonEmptyReadonlyArray<Message>): Effect.Effect<Frames, ProviderError> {
    const frame = this.#frameOf(first)
    if (!this.#hasBegun && typeof frame.data === "string" && Events.isError(frame.data)) {
      return Effect.fail(this.#opening.errorOf(frame.data))
    }
    this.#hasBegun = true
    return Effect.succeed([frame, ...others.map((message) => this.#frameOf(message))])
  }

  #frameOf({ data, isBinary }: Message): Operation.Frame {
    if (isBinary) return { data }
    const text = this.#opening.redact(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString())
    return { data: text, usage: Events.usage(text) }
  }

  #closed({ cause, code, reason }: Closed): Effect.Effect<Frames, ProviderError> {
    const text = this.#opening.redact(reason)
    if (this.#hasBegun && (this.#isLeft || isOrderly(code))) {
      this.#hasEnded = true
      const end = { type: "closed", code: this.#isLeft ? 1000 : code, reason: text } as const
      return Effect.succeed([{ data: "", isLast: true, end }])
    }
    const named = this.#hasBegun ? undefined : Events.errorOfReason(text)
    return Effect.fail(
      named === undefined
        ? new ProviderError({ reason: { _tag: "Network" }, message: describe(code, text, this.#hasBegun), cause })
        : this.#opening.errorOf(named),
    )
  }
}

/** Whether a vendor ends a session so that has come to its end: OpenAI's has after an hour, with 1001. */
const isOrderly = (code: number): boolean => code === 1000 || code === 1001

const describe = (code: number, reason: string, hasBegun: boolean): string => {
  const what = hasBegun ? "the session" : "the session before it had begun"
  if (code === 1006) return `the provider cut ${what}`
  return `the provider closed ${what}: ${code === 1005 ? "no code" : code}${reason === "" ? "" : ` ${reason}`}`
}
