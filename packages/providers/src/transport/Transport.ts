/**
 * The HTTP transport: a shared connection pool for vendors whose SDKs let the caller send requests. The SDK builds a
 * request once, undici's dispatcher sends each body, and interrupting the fibre closes the connection. No `Request`,
 * `Response`, signal or promise is created per call (see docs/performance.md).
 *
 * undici's own timeouts on headers and bodies are off: the engine enforces timeouts.
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Readable } from "node:stream"
import type { Dispatcher } from "undici"
import type { Limits } from "./AnswerLimits.ts"
import * as AnswerLimits from "./AnswerLimits.ts"
import type { Agents } from "./Connections.ts"
import * as Connections from "./Connections.ts"
import type { Head, Headers, Dispatch } from "./Exchange.ts"
import { Exchange } from "./Exchange.ts"
import type { RequestTemplate } from "./RequestTemplate.ts"
import * as TraceHeaders from "./TraceHeaders.ts"
import type * as Proxy from "./Proxy.ts"

export { AnswerLimits } from "./AnswerLimits.ts"

export type { Headers } from "./Exchange.ts"

/** The connection could not be opened, or broke. `cause` is classified by `NetworkError`. */
export class TransportFailure extends Data.TaggedError("TransportFailure")<{ readonly cause: unknown }> {}

/** A complete response with any status. Header names are lower-case. */
export interface HttpResponse {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** A response whose body is still arriving. */
export interface StreamingResponse {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Stream.Stream<Uint8Array, TransportFailure>
}

/** The body of a request: bytes, what opens them for each sending, or none. */
export type Body = string | Uint8Array | (() => Readable) | undefined

/** Sends the requests of one provider. */
export interface HttpSender {
  /** POSTs a body and reads the complete response. Interruption closes the connection. */
  readonly send: (request: RequestTemplate, body: string | Uint8Array) => Effect.Effect<HttpResponse, TransportFailure>
  /**
   * POSTs a body and returns as soon as the headers arrive. Closing the scope closes the connection if the response has
   * not ended.
   */
  readonly open: (
    request: RequestTemplate,
    body: Body,
    scope: Scope.Scope,
  ) => Effect.Effect<StreamingResponse, TransportFailure>
}

export interface SenderOptions {
  /** The time limit for opening a connection. Default: 5 seconds. */
  readonly connectTimeout?: Duration.Input | undefined
  /** The proxy. Default: none. */
  readonly proxy?: Proxy.Proxy | undefined
  /** Limits on the size of responses. Default: `AnswerLimits.defaults`. */
  readonly limits?: Limits | undefined
}

/** Open connections, shared by origin. */
export interface Pool {
  readonly sender: (options?: SenderOptions) => HttpSender
}

/**
 * The pool that provider layers read when they are built. Default: one pool for the process, whose idle connections do
 * not keep the process alive.
 */
export const Transport: Context.Reference<Pool> = Context.Reference<Pool>("@understudy/providers/Transport", {
  defaultValue: () => make().pool,
})

/** A separate pool, whose connections are closed with the layer. */
export const layer: Layer.Layer<never> = Layer.effect(
  Transport,
  Effect.map(
    Effect.acquireRelease(Effect.sync(make), ({ close }) => Effect.promise(close)),
    ({ pool }) => pool,
  ),
)

const defaultConnectTimeout = Duration.seconds(5)

function make(): { readonly pool: Pool; readonly close: () => Promise<void> } {
  const all = new Map<string, Agents>()
  const agents = ({ connectTimeout = defaultConnectTimeout, proxy }: SenderOptions): Agents => {
    const timeout = Duration.toMillis(Duration.fromInputUnsafe(connectTimeout))
    const key = `${timeout} ${proxy === undefined ? "" : Redacted.value(proxy)}`
    let found = all.get(key)
    if (found === undefined) {
      found = Connections.make(timeout, proxy)
      all.set(key, found)
    }
    return found
  }
  return {
    pool: { sender: (options = {}) => senderOver(agents(options), options.limits ?? AnswerLimits.defaults) },
    close: () => Promise.all([...all.values()].map(Connections.close)).then(() => undefined),
  }
}

const senderOver = (agents: Agents, limits: Limits): HttpSender => ({
  send: (request, body) =>
    Effect.withFiber(({ context }) =>
      Effect.callback((resume) => {
        const chunks: Array<Buffer> = []
        const exchange = new Exchange(sending(agents, TraceHeaders.add(request, context), body), limits, {
          started: () => {},
          data: (chunk) => void chunks.push(chunk),
          ended: ({ headers, status }) => resume(Effect.succeed({ status, headers, text: decode(chunks) })),
          failed: (cause) => resume(Effect.fail(new TransportFailure({ cause }))),
        })
        exchange.start()
        return Effect.sync(() => exchange.stop())
      }),
    ),
  open: (request, body, scope) =>
    Effect.withFiber(({ context }) => {
      const responseBody = new ResponseBody(sending(agents, TraceHeaders.add(request, context), body), limits)
      const stop = Effect.sync(() => responseBody.exchange.stop())
      const opened = Effect.callback<StreamingResponse, TransportFailure>((resume) => {
        responseBody.onStart = ({ headers, status }) =>
          resume(Effect.succeed({ status, headers, bytes: responseBody.bytes }))
        responseBody.onFailure = (cause) => resume(Effect.fail(new TransportFailure({ cause })))
        responseBody.exchange.start()
      })
      return Effect.flatMap(Scope.addFinalizer(scope, stop), () => opened)
    }),
})

const sending =
  (agents: Agents, request: RequestTemplate, body: Body): Dispatch =>
  (exchange, via) =>
    void agents[via].dispatch(options(request, body), exchange)

const options = (
  { headers, method = "POST", origin, path }: RequestTemplate,
  body: Body,
): Dispatcher.DispatchOptions => ({
  origin,
  path,
  method,
  headers: headers as Array<string>,
  body: (typeof body === "function" ? body() : body) ?? null,
})

const decode = (chunks: ReadonlyArray<Buffer>): string =>
  chunks.length === 1 ? chunks[0]!.toString() : Buffer.concat(chunks).toString()

/** The complete text of an opened response, for errors. */
export const text = (opened: StreamingResponse): Effect.Effect<string, TransportFailure> =>
  Effect.map(Stream.runCollect(opened.bytes), (chunks) => Buffer.concat(chunks).toString())

/** A response that was opened without a limit, with a body that fails above the limit of its status. */
export const bounded = (response: StreamingResponse, limits: Limits = AnswerLimits.defaults): StreamingResponse => {
  let remaining = AnswerLimits.limitOf(limits, response.status)
  const bytes = Stream.mapEffect(response.bytes, (chunk) => {
    remaining -= chunk.length
    return remaining < 0
      ? Effect.fail(new TransportFailure({ cause: AnswerLimits.tooLarge(limits, response.status) }))
      : Effect.succeed(chunk)
  })
  return { ...response, bytes }
}

/** How many bytes are buffered for a slow reader before the upstream is paused. */
const highWaterMark = 256 * 1024

type Chunks = Arr.NonEmptyReadonlyArray<Uint8Array>

/** Buffers the bytes of an exchange until they are read. */
class ResponseBody {
  readonly exchange: Exchange
  onStart: ((head: Head) => void) | undefined
  onFailure: ((cause: unknown) => void) | undefined
  #chunks: Array<Uint8Array> = []
  #size = 0
  #paused = false
  #wakeScheduled = false
  #end: Effect.Effect<never, TransportFailure | Cause.Done> | undefined
  #wake: (() => void) | undefined

  constructor(send: Dispatch, limits: Limits) {
    this.exchange = new Exchange(send, limits, {
      // After the rest of the socket's read, so that the reader finds the bytes that came with the head.
      started: (head) => {
        const { onStart } = this
        // They would hold the request, and what the fibre that opened the response has read, as long as the body lasts.
        this.onStart = undefined
        this.onFailure = undefined
        if (onStart !== undefined) process.nextTick(onStart, head)
      },
      data: (chunk) => {
        this.#chunks.push(chunk)
        this.#size += chunk.length
        if (this.#size > highWaterMark && !this.#paused) {
          this.#paused = true
          this.exchange.pause()
        }
        this.#scheduleWake()
      },
      ended: () => this.#finish(Cause.done()),
      failed: (cause) => {
        this.onFailure?.(cause)
        this.#finish(Effect.fail(new TransportFailure({ cause })))
      },
    })
  }

  readonly bytes: Stream.Stream<Uint8Array, TransportFailure> = Stream.fromPull(
    Effect.succeed(
      Effect.suspend(
        () =>
          this.#take() ??
          Effect.callback<Chunks, TransportFailure | Cause.Done>((resume) => {
            this.#wake = () => {
              const taken = this.#take()
              if (taken === undefined) return
              this.#wake = undefined
              resume(taken)
            }
            return Effect.sync(() => {
              this.#wake = undefined
            })
          }),
      ),
    ),
  )

  /** Wakes the reader once per read of the socket, so that all of its bytes are passed on together. */
  #scheduleWake(): void {
    if (this.#wakeScheduled || this.#wake === undefined) return
    this.#wakeScheduled = true
    process.nextTick(this.#wakeReader)
  }

  readonly #wakeReader = (): void => {
    this.#wakeScheduled = false
    this.#wake?.()
  }

  #finish(end: Effect.Effect<never, TransportFailure | Cause.Done>): void {
    this.#end = end
    this.#wake?.()
  }

  #take(): Effect.Effect<Chunks, TransportFailure | Cause.Done> | undefined {
    const [first, ...others] = this.#chunks
    if (first === undefined) return this.#end
    this.#chunks = []
    this.#size = 0
    if (this.#paused) {
      this.#paused = false
      this.exchange.resume()
    }
    return Effect.succeed([first, ...others])
  }
}
