/**
 * W3C trace context: the headers by which a request hands on the trace of its call to the vendor.
 */
import { PropagatedSpan, TraceState } from "@understudy/core/Telemetry"
import * as Context from "effect/Context"
import type * as Tracer from "effect/Tracer"
import type { RequestTemplate } from "./RequestTemplate.ts"

/** The headers in a fibre's context, as alternating names and values; `undefined` if its call has no trace. */
export const of = (context: Context.Context<never>): ReadonlyArray<string> | undefined => {
  const span = Context.getOrUndefined(context, PropagatedSpan)
  return span === undefined ? undefined : headers(span)
}

const headers = (span: Tracer.AnySpan): ReadonlyArray<string> => {
  const parent = `00-${span.traceId.padStart(32, "0")}-${span.spanId.padStart(16, "0")}-${span.sampled ? "01" : "00"}`
  const state = Context.get(span.annotations, TraceState)
  return state === undefined ? ["traceparent", parent] : ["traceparent", parent, "tracestate", state]
}

/** The request with the headers in a fibre's context. */
export const add = (request: RequestTemplate, context: Context.Context<never>): RequestTemplate => {
  const trace = of(context)
  return trace === undefined ? request : { ...request, headers: [...request.headers, ...trace] }
}
