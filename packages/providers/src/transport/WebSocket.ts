/**
 * An open WebSocket, of either end: messages as they arrive, text and binary, with backpressure in both directions.
 *
 * A socket whose messages are not pulled is paused once 64 KiB are buffered, and `send` waits while as much has not been
 * written. Pings are answered, and sent every 20 seconds: a peer that answers none for a minute is cut off, and so is one that reads
 * nothing.
 *
 * Over `ws`: `effect/socket` writes to a WebSocket without waiting (see findings/websocket-writer-unbounded.sh).
 */
import type * as Arr from "effect/Array"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { RawData, WebSocket } from "ws"

/** A message as it arrived. `data` of a text message is UTF-8. */
export interface Message {
  readonly data: Uint8Array
  readonly isBinary: boolean
}

export type Messages = Arr.NonEmptyReadonlyArray<Message>

/**
 * Why a socket is closed: the code and the reason of its close frame. Code 1006 stands for a connection that was cut, `cause` is
 * then the error, if there was one.
 */
export class Closed extends Data.TaggedError("Closed")<{
  readonly code: number
  readonly reason: string
  readonly cause?: unknown
}> {}

/** Bytes that are buffered of each direction. */
const highWaterMark = 64 * 1024

/** Milliseconds between pings. A load balancer closes connections that are idle for longer, mostly after 60 s. */
const pingInterval = 20_000

/** Milliseconds that a peer may take to answer a close frame, before the connection is cut. */
export const closeTimeout = 2000

/** The options of every `ws` socket. Compression would cost more than it saves: audio does not compress. */
export const options = {
  perMessageDeflate: false,
  closeTimeout,
  // Several messages of one read are delivered in one turn: the reader takes them together.
  allowSynchronousEvents: true,
}

/** An open socket. Its listeners are attached at once, so that no message is lost. */
export class Connection {
  readonly #ws: WebSocket
  /** The number of messages that have arrived. */
  received = 0
  #received: Array<Message> = []
  #size = 0
  #waiting: ((received: Effect.Effect<Messages, Closed>) => void) | undefined
  readonly #whenClosed = Deferred.makeUnsafe<Closed>()
  #inputEnd: Closed | undefined
  #closed: Closed | undefined
  #cause: unknown
  /** Pings since the peer was last heard, and since anything was written although something had to be. */
  #unanswered = 0
  #stalled = 0
  readonly #pings: NodeJS.Timeout

  constructor(ws: WebSocket) {
    this.#ws = ws
    ws.on("message", (received, isBinary) => {
      this.#unanswered = 0
      const data = bytesOf(received)
      this.received++
      this.#received.push({ data, isBinary })
      this.#size += data.length
      const waiting = this.#waiting
      if (waiting === undefined) {
        if (this.#size >= highWaterMark) ws.pause()
        return
      }
      this.#waiting = undefined
      // After the other messages of this read.
      queueMicrotask(() => waiting(this.#take()))
    })
    ws.on("error", (cause) => (this.#cause ??= cause))
    ws.once("close", (code, reason) => {
      clearInterval(this.#pings)
      const closed = (this.#closed = new Closed({ code, reason: reason.toString(), cause: this.#cause }))
      Deferred.doneUnsafe(this.#whenClosed, Effect.succeed(closed))
      const waiting = this.#waiting
      this.#waiting = undefined
      waiting?.(Effect.fail(closed))
    })
    const heard = () => (this.#unanswered = 0)
    ws.on("pong", heard).on("ping", heard)
    this.#pings = setInterval(() => this.#ping(), pingInterval).unref()
  }

  /** The next messages, those that arrived together in one array. Fails once all are read and the socket is closed. */
  readonly pull: Effect.Effect<Messages, Closed> = Effect.callback((resume) => {
    if (this.#received.length > 0) return resume(this.#take())
    const end = this.#inputEnd ?? this.#closed
    if (end !== undefined) return resume(Effect.fail(end))
    this.#waiting = resume
    return Effect.sync(() => {
      if (this.#waiting === resume) this.#waiting = undefined
    })
  })

  /** Ends what `pull` gives, as if the peer had closed the socket in order. The socket stays open, and is not read any more. */
  endInput(): void {
    this.#inputEnd ??= new Closed({ code: 1000, reason: "" })
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.(Effect.fail(this.#inputEnd))
  }

  /** Sends a message, and waits while too much of what was sent has not been written. Fails once the socket is closed. */
  send({ data, isBinary }: Message): Effect.Effect<void, Closed> {
    return Effect.suspend(() => {
      if (this.#closed !== undefined) return Effect.fail(this.#closed)
      let isWritten = false
      let written = () => {
        isWritten = true
      }
      this.#ws.send(data, { binary: isBinary }, () => {
        this.#stalled = 0
        written()
      })
      if (this.#ws.bufferedAmount < highWaterMark) return Effect.void
      return Effect.callback<void>((resume) => {
        if (isWritten) return resume(Effect.void)
        written = () => resume(Effect.void)
      })
    })
  }

  /** Closes the socket, after what was sent. A peer that does not answer is cut off after `closeTimeout`. */
  close(code: number, reason: string): void {
    const ws = this.#ws
    if (ws.readyState === ws.OPEN) ws.close(code, truncated(reason))
    // What is paused would not see the peer's close frame.
    ws.resume()
  }

  /** Cuts the connection. */
  terminate(): void {
    this.#ws.terminate()
  }

  /** Waits until the socket is closed, and gives how. */
  get closed(): Effect.Effect<Closed> {
    return Deferred.await(this.#whenClosed)
  }

  /** Whether the close frame was sent or received. */
  get isClosing(): boolean {
    return this.#ws.readyState !== this.#ws.OPEN
  }

  #take(): Effect.Effect<Messages, Closed> {
    const [first, ...rest] = this.#received
    if (first === undefined) return this.pull
    this.#received = []
    this.#size = 0
    if (this.#ws.isPaused && this.#closed === undefined) this.#ws.resume()
    return Effect.succeed([first, ...rest])
  }

  #ping(): void {
    const ws = this.#ws
    if (ws.readyState !== ws.OPEN) return
    this.#stalled = ws.bufferedAmount === 0 ? 0 : this.#stalled + 1
    if (this.#stalled > 2) return ws.terminate()
    // A paused socket hears nothing.
    if (ws.isPaused) this.#unanswered = 0
    else if (++this.#unanswered > 2) return ws.terminate()
    ws.ping()
  }
}

/** `ws` gives a buffer, unless its `binaryType` is set. */
const bytesOf = (received: RawData): Buffer =>
  Buffer.isBuffer(received) ? received : Array.isArray(received) ? Buffer.concat(received) : Buffer.from(received)

/** The longest reason of a close frame, in bytes. */
const maxReason = 123

/** A reason in at most 123 bytes of UTF-8, as RFC 6455 allows. */
export const truncated = (reason: string): string => {
  const bytes = Buffer.from(reason)
  if (bytes.length <= maxReason) return reason
  let end = maxReason
  while ((bytes[end]! & 0xc0) === 0x80) end--
  return bytes.toString("utf8", 0, end)
}
