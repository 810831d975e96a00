import { assert, describe, it } from "@effect/vitest"
import { TraceState } from "@understudy/core/Telemetry"
import * as Context from "effect/Context"
import * as Headers from "effect/http/Headers"
import * as TraceParent from "../../src/telemetry/TraceParent.ts"

const traceId = "0af7651916cd43dd8448eb211c80319c"
const spanId = "b7ad6b7169203331"

const read = (traceparent: string, tracestate?: string) => {
  const span = TraceParent.read(
    Headers.fromInput({ traceparent, ...(tracestate === undefined ? undefined : { tracestate }) }),
  )
  return span && [span.traceId, span.spanId, span.sampled, Context.get(span.annotations, TraceState)]
}

describe("TraceParent", () => {
  it("reads the caller's span, its decision and its state", () => {
    assert.deepStrictEqual(read(`00-${traceId}-${spanId}-01`, "a=1,b=2"), [traceId, spanId, true, "a=1,b=2"])
    assert.deepStrictEqual(read(`00-${traceId}-${spanId}-00`), [traceId, spanId, false, undefined])
    assert.deepStrictEqual(read(`00-${traceId}-${spanId}-03`), [traceId, spanId, true, undefined])
  })

  it("reads later versions, which may have more fields", () => {
    assert.deepStrictEqual(read(`cc-${traceId}-${spanId}-01-what-comes`), [traceId, spanId, true, undefined])
  })

  it("reads nothing that is not by the rules", () => {
    for (const invalid of [
      "",
      `ff-${traceId}-${spanId}-01`,
      `00-${traceId.toUpperCase()}-${spanId}-01`,
      `00-${"0".repeat(32)}-${spanId}-01`,
      `00-${traceId}-${"0".repeat(16)}-01`,
      `00-${traceId}-${spanId}-1`,
      `00-${traceId}-${spanId}-01-more`,
      `00-${traceId}-${spanId}`,
      ` 00-${traceId}-${spanId}-01`,
    ]) {
      assert.isUndefined(read(invalid), invalid)
    }
  })

  it("passes on no state that is too long, or that is no header", () => {
    assert.isUndefined(read(`00-${traceId}-${spanId}-01`, `a=${"x".repeat(511)}`)?.[3])
    assert.isUndefined(read(`00-${traceId}-${spanId}-01`, "a=é")?.[3])
  })
})
