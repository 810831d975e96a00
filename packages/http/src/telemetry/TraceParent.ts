/**
 * The trace of a caller, from the W3C headers `traceparent` and `tracestate` of its request.
 */
import { TraceState } from "@understudy/core/Telemetry"
import * as Context from "effect/Context"
import type { Headers } from "effect/http/Headers"
import * as Tracer from "effect/Tracer"

/** Version, trace id, span id, flags. Later versions may add fields after them. */
const form = /^(?!ff)([\da-f]{2})-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-.*)?$/

/** The longest `tracestate` that is handed on. The specification asks for at least 512 characters. */
const longestState = 512

/** The span of the caller; `undefined` if it names none, or not by the rules. */
export const read = (headers: Headers): Tracer.ExternalSpan | undefined => {
  const { traceparent, tracestate } = headers
  if (traceparent === undefined) return undefined
  const [, version, traceId, spanId, flags, more] = form.exec(traceparent) ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined
  if (version === "00" && more !== undefined) return undefined
  return Tracer.externalSpan({
    traceId,
    spanId,
    sampled: (Number.parseInt(flags, 16) & 1) === 1,
    annotations: isState(tracestate) ? Context.make(TraceState, tracestate) : Context.empty(),
  })
}

/** Printable ASCII, as a header may contain it, and not longer than what is handed on. */
const isState = (state: string | undefined): state is string =>
  state !== undefined && state.length <= longestState && /^[ -~]+$/.test(state)
