/**
 * Settings of traces, as references of a fibre's context. Spans appear when the fibre of a call has a tracer: see
 * `CallTrace`.
 */
import * as Context from "effect/Context"
import type * as Tracer from "effect/Tracer"

/**
 * Whether the spans of attempts contain prompts, answers and tool definitions: `gen_ai.input.messages`,
 * `gen_ai.output.messages`, `gen_ai.system_instructions` and `gen_ai.tool.definitions`. Default: false.
 *
 * ```ts
 * const captured = Effect.provideService(router.chat(request), Telemetry.CaptureContent, true)
 * ```
 */
export const CaptureContent: Context.Reference<boolean> = Context.Reference<boolean>(
  "@understudy/core/Telemetry/CaptureContent",
  { defaultValue: () => false },
)

/**
 * The W3C `tracestate` of a trace, in the `annotations` of the caller's `ExternalSpan`. The spans of calls and attempts have
 * the annotations of their parents, so that providers find it beside the span that they hand on. Default: none.
 */
export const TraceState: Context.Reference<string | undefined> = Context.Reference<string | undefined>(
  "@understudy/core/Telemetry/TraceState",
  { defaultValue: () => undefined },
)

/**
 * The span that a provider hands on to its vendor as `traceparent`: that of the attempt, or, of a call that is not sampled,
 * that of the call or its parent. The engine sets it where it calls a provider. Set around a call that is not sampled, it is
 * all that the call needs of its trace. Default: none.
 */
export const PropagatedSpan: Context.Reference<Tracer.AnySpan | undefined> = Context.Reference<
  Tracer.AnySpan | undefined
>("@understudy/core/Telemetry/PropagatedSpan", { defaultValue: () => undefined })
