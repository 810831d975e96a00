/**
 * A tracer whose spans are exported as OTLP. A span that is not sampled has ids, to be handed on, and nothing else.
 */
import { TraceState } from "@understudy/core/Telemetry"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import type { KeyValue } from "effect/observability/OtlpResource"
import { unknownToAttributeValue } from "effect/observability/OtlpResource"
import type { ScopeSpan } from "effect/observability/OtlpTracer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Tracer from "effect/Tracer"
import { randomFillSync } from "node:crypto"
import type { Sampler } from "./Sampler.ts"
import { isSampled } from "./Sampler.ts"

/** The tracer within a trace that is recorded. Each sampled span is given to `ended` once, when it ends. */
export const tracer = (ended: (span: RecordedSpan) => void): Tracer.Tracer =>
  Tracer.make({
    span: (options) => {
      const parent = Option.getOrUndefined(options.parent)
      const sampled = options.sampled && parent?.sampled !== false
      return new RecordedSpan(options, parent?.traceId ?? randomHex(16), sampled, ended)
    },
  })

/** Starts the first span of the gateway in a trace. `options` is called only if the trace is recorded. */
export const root =
  (sampler: Sampler, ended: (span: RecordedSpan) => void) =>
  (parent: Tracer.AnySpan | undefined, options: () => Omit<Options, "parent">): RecordedSpan | Tracer.ExternalSpan => {
    const traceId = parent?.traceId ?? randomHex(16)
    return isSampled(sampler, traceId, parent)
      ? new RecordedSpan({ ...options(), parent: Option.fromUndefinedOr(parent) }, traceId, true, ended)
      : Tracer.externalSpan({
          traceId,
          spanId: randomHex(8),
          sampled: false,
          annotations: parent?.annotations ?? Context.empty(),
        })
  }

type Options = Parameters<Tracer.Tracer["span"]>[0]

type Event = readonly [name: string, time: bigint, attributes: Readonly<Record<string, unknown>> | undefined]

/** A span as the tracer makes it. What is added after its end is ignored. */
export class RecordedSpan implements Tracer.Span {
  readonly _tag = "Span"
  readonly name: string
  readonly traceId: string
  readonly parent: Option.Option<Tracer.AnySpan>
  readonly annotations: Context.Context<never>
  readonly sampled: boolean
  readonly kind: Tracer.SpanKind
  readonly attributes: Map<string, unknown>
  readonly events: Array<Event> = []
  readonly links: Array<Tracer.SpanLink>
  status: Tracer.SpanStatus
  readonly #ended: (span: RecordedSpan) => void
  #spanId: string | undefined = undefined

  constructor(options: Options, traceId: string, sampled: boolean, ended: (span: RecordedSpan) => void) {
    this.name = options.name
    this.traceId = traceId
    this.parent = options.parent
    this.annotations = options.annotations
    this.sampled = sampled
    this.attributes = sampled ? new Map() : noAttributes
    this.kind = options.kind
    this.links = options.links
    this.status = { _tag: "Started", startTime: options.startTime }
    this.#ended = ended
  }

  get spanId(): string {
    return (this.#spanId ??= randomHex(8))
  }

  #isOpen(): boolean {
    return this.sampled && this.status._tag === "Started"
  }

  attribute(key: string, value: unknown): void {
    if (this.#isOpen()) this.attributes.set(key, value)
  }

  event(name: string, time: bigint, attributes?: Record<string, unknown>): void {
    if (this.#isOpen() && this.events.length < maxEvents) this.events.push([name, time, attributes])
  }

  addLinks(links: ReadonlyArray<Tracer.SpanLink>): void {
    if (this.#isOpen()) for (const link of links) this.links.push(link)
  }

  end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    if (!this.#isOpen()) return
    this.status = { _tag: "Ended", startTime: this.status.startTime, endTime, exit }
    this.#ended(this)
  }
}

/** Of spans that are not sampled, which never get one. */
const noAttributes = new Map<string, unknown>()

/** OpenTelemetry's default limit of events in a span. */
const maxEvents = 128

// ---------------------------------------------------------------------------------------------------------------------
// OTLP
// ---------------------------------------------------------------------------------------------------------------------

/** A span as the serialization of `effect/observability` takes it, with two fields that its own tracer leaves out. */
export type OtlpSpan = ScopeSpan["spans"][number] & {
  readonly traceState: string | undefined
  readonly flags: number
}

const kinds = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const satisfies Record<
  Tracer.SpanKind,
  number
>

/** Flags of OTLP: whether it is known that the parent is in another process, and whether it is. */
const hasRemote = 0x100
const isRemote = 0x200

/** The span in OTLP's model. */
export const encode = (span: RecordedSpan): OtlpSpan => {
  const parent = Option.getOrUndefined(span.parent)
  const { status } = span
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    traceState: Context.get(span.annotations, TraceState),
    parentSpanId: parent?.spanId,
    flags: 1 | hasRemote | (parent?._tag === "ExternalSpan" ? isRemote : 0),
    name: span.name,
    kind: kinds[span.kind],
    startTimeUnixNano: String(status.startTime),
    endTimeUnixNano: String(status._tag === "Ended" ? status.endTime : status.startTime),
    attributes: attributesOf(span.attributes),
    droppedAttributesCount: 0,
    events: span.events.map(([name, time, attributes]) => ({
      name,
      timeUnixNano: String(time),
      attributes: attributesOf(Object.entries(attributes ?? {})),
      droppedAttributesCount: 0,
    })),
    droppedEventsCount: 0,
    status: status._tag === "Ended" ? statusOf(status.exit) : { code: 0 },
    links: span.links.map(({ attributes, span }) => ({
      traceId: span.traceId,
      spanId: span.spanId,
      attributes: attributesOf(Object.entries(attributes)),
      droppedAttributesCount: 0,
    })),
    droppedLinksCount: 0,
  }
}

/** Unset for success and cancellation, as the specification asks of instrumentations; else the error's message, no stack. */
const statusOf = (exit: Exit.Exit<unknown, unknown>): OtlpSpan["status"] => {
  if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return { code: 0 }
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  const message = Predicate.isString(error) ? error : Predicate.isError(error) ? error.message : undefined
  return message === undefined ? { code: 2 } : { code: 2, message: message.slice(0, maxMessage) }
}

/** The longest message of a status. */
const maxMessage = 1000

const attributesOf = (entries: Iterable<readonly [string, unknown]>): Array<KeyValue> => {
  const attributes: Array<KeyValue> = []
  for (const [key, value] of entries) {
    attributes.push({
      key,
      // A number without a fraction would become an integer, of another type than the same attribute elsewhere.
      value: Predicate.isNumber(value) && doubles.has(key) ? { doubleValue: value } : unknownToAttributeValue(value),
    })
  }
  return attributes
}

const doubles: ReadonlySet<string> = new Set([
  "gen_ai.request.frequency_penalty",
  "gen_ai.request.presence_penalty",
  "gen_ai.request.temperature",
  "gen_ai.request.top_p",
  "gen_ai.response.time_to_first_chunk",
  "understudy.cost.usd",
])

// ---------------------------------------------------------------------------------------------------------------------
// Ids
// ---------------------------------------------------------------------------------------------------------------------

const pool = Buffer.alloc(8192)
let used = pool.length

/** Random bytes in hexadecimal. */
const randomHex = (bytes: number): string => {
  if (used + bytes > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  return pool.toString("hex", used, (used += bytes))
}
