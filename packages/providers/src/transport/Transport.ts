/**
 * One pooled HTTP transport for the vendors whose SDKs can be told where to send: a request prepared once by the SDK, its
 * body sent by undici's dispatcher, and interrupted with its fibre. Nothing is built between: neither a `Request`, a
 * `Response`, a signal nor a promise (docs/performance.md says what that is worth).
 *
 * undici's own time limits on headers and bodies are off: the engine keeps time.
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
import type { Dispatcher } from "undici"
import type { Limits } from "./AnswerLimits.ts"
import * as AnswerLimits from "./AnswerLimits.ts"
import type { Agents } from "./Connections.ts"
import * as Connections from "./Connections.ts"
import type { Head, Headers, Dispatch } from "./Exchange.ts"
import { Exchange } from "./Exchange.ts"
import type { RequestTemplate } from "./RequestTemplate.ts"
import type * as Proxy from "./Proxy.ts"

export type { Headers } from "./Exchange.ts"

/** The connection never stood, or broke. What it was is in `cause`: see `NetworkError`. */
export class TransportFailure extends Data.TaggedError("TransportFailure")<{ readonly cause: unknown }> {}

/** A whole answer, whatever its status. Header names are lower-case. */
export interface HttpResponse {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** An answer whose body is still to come, as it arrives. */
export interface StreamingResponse {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Stream.Stream<Uint8Array, TransportFailure>
}

/** How requests are sent by one provider. */
export interface HttpSender {
  /** POSTs a body and reads the answer to its end. Interruption closes the connection. */
  readonly send: (request: RequestTemplate, body: string) => Effect.Effect<HttpResponse, TransportFailure>
  /** POSTs a body. The connection is closed with the scope, unless the answer has ended by then. */
  readonly open: (
    request: RequestTemplate,
    body: string,
  ) => Effect.Effect<StreamingResponse, TransportFailure, Scope.Scope>
}

export interface SenderOptions {
  /** Connections must stand within this time: 5 seconds if not said. */
  readonly connectTimeout?: Duration.Input | undefined
  /** Where connections go through; straight to the vendor if not said. */
  readonly proxy?: Proxy.Proxy | undefined
  /** How much of an answer is taken; the defaults if not said. */
  readonly limits?: Limits | undefined
}

/** Connections, kept open and shared by origin. */
export interface Pool {
  readonly sender: (options?: SenderOptions) => HttpSender
}

/**
 * The pool that providers take when their layers are built: one for the process unless another is provided. Its idle
 * connections keep no process alive.
 */
export const Transport: Context.Reference<Pool> = Context.Reference<Pool>("@understudy/providers/Transport", {
  defaultValue: () => make().pool,
})

/** A pool of its own, whose connections are closed with the layer. */
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
    Effect.callback((resume) => {
      const chunks: Array<Buffer> = []
      const exchange = new Exchange(sending(agents, request, body), limits, {
        started: () => {},
        data: (chunk) => void chunks.push(chunk),
        ended: ({ headers, status }) => resume(Effect.succeed({ status, headers, text: decode(chunks) })),
        failed: (cause) => resume(Effect.fail(new TransportFailure({ cause }))),
      })
      exchange.start()
      return Effect.sync(() => exchange.stop())
    }),
  open: (request, body) =>
    Effect.flatMap(Effect.scope, (scope) =>
      Effect.suspend(() => {
        const flow = new Flow(sending(agents, request, body), limits)
        return Effect.andThen(
          Scope.addFinalizer(
            scope,
            Effect.sync(() => flow.exchange.stop()),
          ),
          Effect.callback<StreamingResponse, TransportFailure>((resume) => {
            flow.onStart = ({ headers, status }) => resume(Effect.succeed({ status, headers, bytes: flow.bytes }))
            flow.onFailure = (cause) => resume(Effect.fail(new TransportFailure({ cause })))
            flow.exchange.start()
          }),
        )
      }),
    ),
})

const sending =
  (agents: Agents, request: RequestTemplate, body: string): Dispatch =>
  (exchange, over) =>
    void agents[over].dispatch(options(request, body), exchange)

const options = ({ headers, origin, path }: RequestTemplate, body: string): Dispatcher.DispatchOptions => ({
  origin,
  path,
  method: "POST",
  headers: headers as Array<string>,
  body,
})

const decode = (chunks: ReadonlyArray<Buffer>): string =>
  chunks.length === 1 ? chunks[0]!.toString() : Buffer.concat(chunks).toString()

/** The text of an answer that was opened as a stream: for errors, which come whole. */
export const text = (opened: StreamingResponse): Effect.Effect<string, TransportFailure> =>
  Effect.map(Stream.runCollect(opened.bytes), (chunks) => Buffer.concat(chunks).toString())

/** How much is buffered for a reader that is slower than the upstream, before the upstream is made to wait. */
const highWater = 256 * 1024

type Chunks = Arr.NonEmptyReadonlyArray<Uint8Array>

/** The bytes of an exchange between its arrival and its reader. */
class Flow {
  readonly exchange: Exchange
  onStart: (head: Head) => void = () => {}
  onFailure: (cause: unknown) => void = () => {}
  #chunks: Array<Uint8Array> = []
  #size = 0
  #paused = false
  #stirring = false
  #end: Effect.Effect<never, TransportFailure | Cause.Done> | undefined
  #wake: (() => void) | undefined

  constructor(send: Dispatch, limits: Limits) {
    this.exchange = new Exchange(send, limits, {
      started: (head) => this.onStart(head),
      data: (chunk) => {
        this.#chunks.push(chunk)
        this.#size += chunk.length
        if (this.#size > highWater && !this.#paused) {
          this.#paused = true
          this.exchange.pause()
        }
        this.#stir()
      },
      ended: () => this.#finish(Cause.done()),
      failed: (cause) => {
        this.onFailure(cause)
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

  /** Wakes the reader after all that came in one read of the socket, so that it is passed on in one piece. */
  #stir(): void {
    if (this.#stirring || this.#wake === undefined) return
    this.#stirring = true
    process.nextTick(this.#rouse)
  }

  readonly #rouse = (): void => {
    this.#stirring = false
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
