/**
 * The spans of a call and of its attempts. They appear when the fibre of the call has a tracer other than Effect's own, which
 * records nowhere; without one, a call costs one look at its fibre's context.
 *
 * The span of a call is the parent of those of its attempts. The sampling decision is the tracer's, made for the call before
 * any work; a call that is not sampled has no further spans, and its trace is still handed on to providers.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import type { Candidate } from "../deployment/Candidate.ts"
import type { AnyRequest, Call, Operation } from "../model/Call.ts"
import type * as Chat from "../model/Chat.ts"
import type * as Embedding from "../model/Embedding.ts"
import type { ProviderError, ReasonTag } from "../model/ProviderError.ts"
import { snakeCase } from "../model/SnakeCase.ts"
import { StreamedResponse } from "../model/StreamedResponse.ts"
import type { Departure } from "../queue/AdmissionQueue.ts"
import type { Attempt, AttemptType, Receipt, Skipped } from "../receipt/Receipt.ts"
import * as GenAi from "./GenAi.ts"
import * as MessageContent from "./MessageContent.ts"
import { CaptureContent, PropagatedSpan } from "./Telemetry.ts"

/** The trace of a call in this context; `undefined` if its fibre has neither a tracer nor a span to hand on. */
export const begin = (
  context: Context.Context<never>,
  clock: Clock.Clock,
  route: string,
  call: Call,
): CallTrace | undefined => {
  const propagated = Context.getOrUndefined(context, PropagatedSpan)
  if (propagated?.sampled === false) return new CallTrace(propagated, undefined, true)
  // Without the default: Effect's own tracer is not in the context.
  const tracer = Context.getOrUndefined(context, Tracer.Tracer)
  return tracer === undefined || tracer === Tracer.nativeTracer
    ? undefined
    : beginWith(tracer, context, clock, route, call)
}

const beginWith = (
  tracer: Tracer.Tracer,
  context: Context.Context<never>,
  clock: Clock.Clock,
  route: string,
  call: Call,
): CallTrace | undefined => {
  const parent = Context.getOrUndefined(context, Tracer.ParentSpan)
  const annotations = parent?.annotations ?? Context.empty()
  if (!Context.get(context, References.TracerEnabled) || Context.get(annotations, Tracer.DisablePropagation)) {
    return undefined
  }
  if (parent?.sampled === false) return new CallTrace(parent, undefined)
  const { request } = call
  const operation = GenAi.operationName(call.operation)
  const tracing: Tracing = {
    tracer,
    clock,
    annotations,
    attributes: Context.get(context, References.TracerSpanAnnotations),
    content: Context.get(context, CaptureContent),
    call,
  }
  const span = start(tracing, parent, `${operation} ${request.model}`, "internal")
  if (!span.sampled) return new CallTrace(span, undefined)
  const set: GenAi.Set = (name, value) => span.attribute(name, value)
  set("gen_ai.operation.name", operation)
  set("gen_ai.provider.name", "understudy")
  set("gen_ai.request.model", request.model)
  set("understudy.route", route)
  GenAi.setRequest(set, request, call.streaming)
  return new CallTrace(span, { ...tracing, span, set })
}

const within = <A, E, R>(span: Tracer.AnySpan, self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.updateContext(self, (context: Context.Context<R>) =>
    Context.add(Context.add(context, Tracer.ParentSpan, span), PropagatedSpan, span),
  )

/** What the spans of one call share. */
interface Tracing {
  readonly tracer: Tracer.Tracer
  readonly clock: Clock.Clock
  readonly annotations: Context.Context<never>
  readonly attributes: Readonly<Record<string, unknown>>
  readonly content: boolean
  readonly call: Call
}

const start = (
  { annotations, attributes, clock, tracer }: Tracing,
  parent: Tracer.AnySpan | undefined,
  name: string,
  kind: Tracer.SpanKind,
): Tracer.Span => {
  const span = tracer.span({
    name,
    parent: Option.fromUndefinedOr(parent),
    annotations,
    links: [],
    startTime: clock.currentTimeNanosUnsafe(),
    kind,
    root: false,
    sampled: true,
  })
  for (const key in attributes) span.attribute(key, attributes[key])
  return span
}

/** The span of a call that is sampled. */
interface Recording extends Tracing {
  readonly span: Tracer.Span
  readonly set: GenAi.Set
}

/** The trace of one call. */
export class CallTrace {
  /** The span of the call, or, if it is not sampled, the one that providers are handed. */
  readonly span: Tracer.AnySpan
  readonly #recording: Recording | undefined
  /** Whether the fibre of the call hands on `span` already. */
  readonly #isPropagated: boolean
  #attempts = 0

  constructor(span: Tracer.AnySpan, recording: Recording | undefined, isPropagated = false) {
    this.span = span
    this.#recording = recording
    this.#isPropagated = isPropagated
  }

  /** Runs the call with its span as the parent of others, and as the one that providers hand on. */
  around<A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return this.#isPropagated ? self : within(this.span, self)
  }

  /** As `around`, in any fibre: the reader of a stream has another than the call. */
  aroundElsewhere<A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return within(this.span, self)
  }

  /** The span of an attempt that starts now. */
  attempt(candidate: Candidate, request: AnyRequest, type: AttemptType): AttemptTrace | undefined {
    const recording = this.#recording
    if (recording === undefined) return undefined
    return attemptTrace(recording, candidate, request, type, ++this.#attempts)
  }

  /** The record's receipt: how the call is found in logs, and who made it. */
  opened({ caller, id, protocol, shadowOf, tags, team }: Receipt): void {
    const recording = this.#recording
    if (recording === undefined) return
    const { set } = recording
    set("understudy.call.id", id)
    if (caller !== undefined) set("understudy.caller", caller)
    if (team !== undefined) set("understudy.team", team)
    if (protocol !== undefined) set("understudy.client.protocol", protocol)
    if (tags.length > 0) set("understudy.tags", tags)
    if (shadowOf !== undefined) set("understudy.shadow_of", shadowOf)
  }

  takesArm(arm: string): void {
    this.#recording?.set("understudy.split.arm", arm)
  }

  skipped({ account, deployment, reason }: Skipped): void {
    this.#event("understudy.skip", {
      "understudy.deployment": deployment,
      ...(account === undefined ? undefined : { "understudy.account": account }),
      "understudy.skip.reason": snakeCase(reason._tag),
    })
  }

  queued(deployment: string): void {
    this.#event("understudy.queued", { "understudy.deployment": deployment })
  }

  leftQueue(deployment: string, departure: Departure, millis: number): void {
    this.#event("understudy.queue.left", {
      "understudy.deployment": deployment,
      "understudy.queue.departure": departure,
      "understudy.queue.wait_ms": millis,
    })
  }

  failover(from: string, to: string, reason: ReasonTag): void {
    this.#event("understudy.failover", {
      "understudy.failover.from": from,
      "understudy.failover.to": to,
      "error.type": snakeCase(reason),
    })
  }

  hedged(from: string, to: string): void {
    this.#event("understudy.hedge", { "understudy.hedge.from": from, "understudy.hedge.to": to })
  }

  #event(name: string, attributes: Record<string, unknown>): void {
    this.#recording?.span.event(name, this.#recording.clock.currentTimeNanosUnsafe(), attributes)
  }

  /** Ends the span. `exit` has the error of the call, if it failed and has one of its own. */
  end(receipt: Receipt, exit: Exit.Exit<unknown, unknown> | undefined): void {
    const recording = this.#recording
    if (recording === undefined) return
    const error = exit && errorOf(exit)
    const { clock, set, span } = recording
    const { affinity, attempts, cache, deployment, droppedParams, firstTokenMillis, outcome } = receipt
    const answered = attempts.findLast((attempt) => attempt.deployment === deployment && attempt.outcome === "success")
    set("understudy.outcome", outcome)
    set("understudy.attempts", attempts.length)
    if (deployment !== undefined) set("understudy.deployment", deployment)
    if (answered !== undefined) set("gen_ai.response.model", answered.model)
    if (cache !== undefined) set("understudy.cache", cache)
    if (affinity !== undefined) {
      set("understudy.affinity.result", affinity.result)
      if (affinity.reason !== undefined) set("understudy.affinity.reason", snakeCase(affinity.reason))
    }
    if (droppedParams !== undefined) set("understudy.dropped_params", droppedParams)
    if (firstTokenMillis !== undefined) set("gen_ai.response.time_to_first_chunk", firstTokenMillis / 1000)
    const cost = costOf(attempts)
    if (cost !== undefined) set("understudy.cost.usd", cost)
    if (outcome === "cancelled") set("error.type", cancelled)
    else if (outcome !== "success") set("error.type", kindOf(error))
    span.end(clock.currentTimeNanosUnsafe(), exitOf(outcome, error ?? messageOf(attempts)))
  }
}

const errorOf = (exit: Exit.Exit<unknown, unknown>): unknown =>
  Exit.isSuccess(exit) ? undefined : Option.getOrUndefined(Cause.findErrorOption(exit.cause))

/** `error.type` of what was cancelled: it has no other error. */
const cancelled = "cancelled"

const costOf = (attempts: ReadonlyArray<Attempt>): number | undefined =>
  attempts.reduce<number | undefined>((sum, { cost }) => (cost === undefined ? sum : (sum ?? 0) + cost), undefined)

/** A `RouterError` has a kind. The end of a stream after its first output has no error of its own. */
const kindOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "kind" in error ? snakeCase(String(error.kind)) : "stream_interrupted"

const messageOf = (attempts: ReadonlyArray<Attempt>): unknown =>
  attempts.findLast(({ outcome }) => outcome === "failure")?.message ?? "the stream broke off"

const exitOf = (outcome: Receipt["outcome"], error: unknown): Exit.Exit<unknown, unknown> =>
  outcome === "success" ? Exit.void : outcome === "cancelled" ? Exit.interrupt() : Exit.fail(error)

// ---------------------------------------------------------------------------------------------------------------------
// Attempts
// ---------------------------------------------------------------------------------------------------------------------

const attemptTrace = (
  recording: Recording,
  candidate: Candidate,
  request: AnyRequest,
  type: AttemptType,
  number: number,
): AttemptTrace => {
  const { call, content } = recording
  const operation = GenAi.operationName(call.operation)
  const span = start(recording, recording.span, `${operation} ${request.model}`, "client")
  const set: GenAi.Set = (name, value) => span.attribute(name, value)
  const { origin } = candidate
  set("gen_ai.operation.name", operation)
  set("gen_ai.provider.name", origin.name)
  set("gen_ai.request.model", request.model)
  if (origin.address !== undefined) set("server.address", origin.address)
  if (origin.port !== undefined) set("server.port", origin.port)
  set("understudy.deployment", candidate.name)
  if (candidate.account !== undefined) set("understudy.account", candidate.account)
  set("understudy.attempt.number", number)
  set("understudy.attempt.type", type)
  GenAi.setRequest(set, request, call.streaming)
  if (content && "messages" in request) MessageContent.setInput(set, request)
  return new AttemptTrace(span, recording, set)
}

/** The span of one attempt. */
export class AttemptTrace {
  readonly #span: Tracer.Span
  readonly #clock: Clock.Clock
  readonly #operation: Operation
  readonly #content: boolean
  readonly #set: GenAi.Set
  /** The answer of a stream, if its content is asked for. */
  #answer: StreamedResponse | undefined

  constructor(span: Tracer.Span, { call, clock, content }: Recording, set: GenAi.Set) {
    this.#span = span
    this.#clock = clock
    this.#operation = call.operation
    this.#content = content
    this.#set = set
  }

  /** Runs the call of the provider with this span as the parent of others, and as the one that it hands on. */
  around<A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return within(this.#span, self)
  }

  /** A complete response. */
  response(response: Chat.Response | Embedding.Response): void {
    this.#answered(response)
    if (!("finishReason" in response)) return
    const choices = [response, ...(response.alternatives ?? [])]
    this.#finished(choices.map(({ finishReason }) => finishReason))
    if (this.#content) MessageContent.setOutput(this.#set, choices)
  }

  /** A stream's frames up to its first output, which came after these milliseconds. */
  firstOutput(held: ReadonlyArray<Chat.Frame>, millis: number): void {
    this.#set("gen_ai.response.time_to_first_chunk", millis / 1000)
    for (const { parts } of held) for (const part of parts) if (part.type === "start") this.#answered(part)
    if (this.#content) (this.#answer = new StreamedResponse()).take(held)
  }

  /** Whether the frames after the first output are read too. */
  get readsFrames(): boolean {
    return this.#answer !== undefined
  }

  frames(frames: ReadonlyArray<Chat.Frame>): void {
    this.#answer?.take(frames)
  }

  /** A stream that has ended, with the finish reasons of its choices. */
  streamed(choices: number, reasons: ReadonlyMap<number, Chat.FinishReason>): void {
    this.#finished(Array.from({ length: Math.min(choices, maxChoices) }, (_, choice) => reasons.get(choice)))
    if (this.#answer === undefined) return
    const answers = this.#answer.choices.map((each, choice) => ({ ...each, finishReason: reasons.get(choice) }))
    MessageContent.setOutput(this.#set, answers)
  }

  #answered({ id, model }: { readonly id?: string | undefined; readonly model?: string | undefined }): void {
    if (id !== undefined) this.#set("gen_ai.response.id", id)
    if (model !== undefined) this.#set("gen_ai.response.model", model)
  }

  #finished(reasons: ReadonlyArray<Chat.FinishReason | undefined>): void {
    this.#set("gen_ai.response.finish_reasons", reasons.map(GenAi.finishReason))
  }

  /** Ends the span as the attempt has ended. */
  end(
    { cost, estimated, injected, outcome, reason, status, usage }: Attempt,
    exit: Exit.Exit<unknown, ProviderError>,
  ): void {
    const set = this.#set
    set("understudy.outcome", outcome)
    if (usage !== undefined) GenAi.setUsage(set, usage, this.#operation)
    if (estimated === true) set("understudy.usage.estimated", true)
    if (cost !== undefined) set("understudy.cost.usd", cost)
    if (status !== undefined) set("http.response.status_code", status)
    if (injected !== undefined) set("understudy.fault", injected)
    if (outcome === "cancelled") set("error.type", cancelled)
    else if (outcome === "failure") set("error.type", reason === undefined ? "_OTHER" : snakeCase(reason))
    this.#span.end(this.#clock.currentTimeNanosUnsafe(), exitOf(outcome, errorOf(exit)))
  }
}

/** A caller may ask for any number of choices: so many have their finish reasons in a span. */
const maxChoices = 128
