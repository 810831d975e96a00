/** A tracer that keeps its spans, for tests. */
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

export interface RecordingTracer {
  readonly tracer: Tracer.Tracer
  /** In the order of their starts. */
  readonly spans: ReadonlyArray<Tracer.NativeSpan>
}

/** `sampled`: whether a span without a parent is. */
export const make = (sampled = true): RecordingTracer => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan({ ...options, sampled: options.sampled && sampled })
      spans.push(span)
      return span
    },
  })
  return { tracer, spans }
}

/** The spans as an indented tree: name, what `describe` says of each, and its events. A span that has not ended says so. */
export const tree = (
  { spans }: RecordingTracer,
  describe: (span: Tracer.NativeSpan) => string = ({ attributes }) =>
    ["understudy.attempt.type", "understudy.outcome", "error.type"]
      .flatMap((key) => attributes.get(key) ?? [])
      .join(" "),
): ReadonlyArray<string> => {
  const lines: Array<string> = []
  const under = (parent: string | undefined, indent: string): void => {
    for (const span of spans) {
      if (Option.getOrUndefined(span.parent)?.spanId !== parent) continue
      const open = span.status._tag === "Ended" ? "" : " (open)"
      lines.push(`${indent}${span.name}: ${describe(span)}${open}`)
      for (const [name] of span.events) lines.push(`${indent}  * ${name}`)
      under(span.spanId, `${indent}  `)
    }
  }
  under(undefined, "")
  return lines
}
