/**
 * Exports ended spans in batches, as OpenTelemetry's batch span processor does: one request at a time, from a queue that
 * never grows beyond its bound. A collector that is down, slow or rejects costs calls nothing: spans that find the queue
 * full are dropped and counted.
 *
 * The exporter of `effect/observability` would start a request for each thousand spans, in any number and without a timeout
 * (see `findings/otlp-exporter-hung-collector.sh`).
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type { HttpClientResponse } from "effect/http/HttpClientResponse"
import type { Resource } from "effect/observability/OtlpResource"
import { OtlpSerialization } from "effect/observability/OtlpSerialization"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { limited, Reachability, reasonOf } from "./Endpoint.ts"
import type { Batching, Endpoint } from "./Settings.ts"
import type { RecordedSpan } from "./Spans.ts"
import { encode } from "./Spans.ts"

export interface Options {
  readonly endpoint: Endpoint
  readonly batching: Batching
  readonly resource: Resource
  /** The name and the version of what makes the spans. */
  readonly scope: { readonly name: string; readonly version: string }
  readonly schemaUrl: string
}

/** The time in which what is queued is still exported when the exporter closes. */
const shutdownTimeout = Duration.seconds(3)

/** Starts the exporter, and gives the function that takes an ended span. It exports until the scope closes. */
export const make = Effect.fnUntraced(function* (
  options: Options,
): Effect.fn.Return<(span: RecordedSpan) => void, never, HttpClient.HttpClient | OtlpSerialization | Scope.Scope> {
  const { batching } = options
  const queue = new SpanQueue(batching)
  const send = yield* sender(options)
  const exportBatch = Effect.suspend(() => send(queue.take(), queue.dropped))
  const one = Semaphore.makeUnsafe(1)
  const drain = one.withPermits(1)(
    Effect.whileLoop({ while: () => queue.size > 0, body: () => exportBatch, step: () => {} }),
  )
  const wakes = yield* Queue.sliding<void>(1)
  queue.onFull = () => void Queue.offerUnsafe(wakes, undefined)
  // Detached, so that the batch that it sends when the scope closes is not lost.
  const worker = yield* Effect.raceFirst(Effect.sleep(batching.delay), Queue.take(wakes)).pipe(
    Effect.andThen(drain),
    Effect.forever,
    Effect.forkDetach,
  )
  yield* Effect.addFinalizer(() =>
    Effect.andThen(Effect.timeoutOption(drain, shutdownTimeout), Fiber.interrupt(worker)),
  )
  return (span) => queue.push(span)
})

class SpanQueue {
  readonly #size: number
  readonly #bound: number
  #spans: Array<RecordedSpan> = []
  /** How many spans found the queue full. */
  dropped = 0
  onFull: () => void = () => {}

  constructor({ queue, size }: Batching) {
    this.#size = size
    this.#bound = queue
  }

  get size(): number {
    return this.#spans.length
  }

  push(span: RecordedSpan): void {
    if (this.#spans.length >= this.#bound) {
      this.dropped++
      return
    }
    this.#spans.push(span)
    if (this.#spans.length === this.#size) this.onFull()
  }

  /** The oldest spans, as many as fit into a request. */
  take(): ReadonlyArray<RecordedSpan> {
    return this.#spans.splice(0, this.#size)
  }
}

/** Sends a batch until it is taken or rejected, or the endpoint's timeout has passed. `dropped`: the spans dropped so far. */
type Send = (spans: ReadonlyArray<RecordedSpan>, dropped: number) => Effect.Effect<void>

const sender = Effect.fnUntraced(function* ({
  endpoint,
  resource,
  schemaUrl,
  scope,
}: Options): Effect.fn.Return<Send, never, HttpClient.HttpClient | OtlpSerialization> {
  const client = limited(yield* HttpClient.HttpClient, endpoint)
  const serialization = yield* OtlpSerialization
  const clock = yield* Clock.Clock
  const reachability = new Reachability("spans", endpoint.url)
  const post = HttpClientRequest.post(endpoint.url, { headers: endpoint.headers })
  let lost = 0
  let droppedBefore = 0

  const requestOf = (spans: ReadonlyArray<RecordedSpan>) => {
    const body = serialization.traces({
      resourceSpans: [{ resource, schemaUrl, scopeSpans: [{ scope, schemaUrl, spans: spans.map(encode) }] }],
    })
    const request = HttpClientRequest.setBody(post, body)
    return endpoint.compression === "gzip" ? HttpClientRequest.compressBody(request, "gzip") : Effect.succeed(request)
  }

  /** The outcome of one request: nothing, or why it failed, and after how many milliseconds another may succeed. */
  const outcomeOf = (response: HttpClientResponse, wait: number) => {
    if (response.status >= 200 && response.status < 300) return undefined
    const reason = `it answers with status ${response.status}`
    return { reason, wait: retryable.has(response.status) ? (retryAfter(response, clock) ?? wait) : undefined }
  }

  const attempt = (
    request: HttpClientRequest.HttpClientRequest,
    wait: number,
    deadline: number,
  ): Effect.Effect<string | undefined> =>
    Effect.flatMap(
      Effect.match(
        Effect.scoped(
          Effect.flatMap(client.execute(request), (response) =>
            Effect.as(Effect.ignore(response.arrayBuffer), outcomeOf(response, wait)),
          ),
        ),
        { onSuccess: (failure) => failure, onFailure: (error) => ({ reason: reasonOf(error), wait }) },
      ),
      (failure) => {
        if (failure === undefined) return Effect.undefined
        const { reason, wait: pause } = failure
        return pause === undefined || clock.currentTimeMillisUnsafe() + pause >= deadline
          ? Effect.succeed(reason)
          : Effect.andThen(Effect.sleep(pause), attempt(request, wait * 2, deadline))
      },
    )

  return (spans, dropped) =>
    Effect.gen(function* () {
      const request = yield* requestOf(spans)
      const deadline = clock.currentTimeMillisUnsafe() + Duration.toMillis(endpoint.timeout)
      const failure = yield* attempt(request, firstWait, deadline)
      lost += dropped - droppedBefore
      droppedBefore = dropped
      if (failure !== undefined) {
        lost += spans.length
        return yield* reachability.failed(failure)
      }
      yield* reachability.succeeded(lost)
      lost = 0
    }).pipe(Effect.catchCause((cause) => Effect.logError("Spans could not be exported", cause)))
})

/** Statuses after which OTLP allows a retry. */
const retryable: ReadonlySet<number> = new Set([429, 502, 503, 504])

/** Milliseconds until the first retry. Each further wait is twice as long. */
const firstWait = 1000

const retryAfter = ({ headers }: HttpClientResponse, clock: Clock.Clock): number | undefined => {
  const header = headers["retry-after"]
  const parsed = header === undefined ? undefined : Headers.parseRetryAfter(header)
  return parsed === undefined || Result.isFailure(parsed)
    ? undefined
    : Duration.toMillis(Headers.retryAfterDelay(parsed.success, clock.currentTimeMillisUnsafe()))
}
