/**
 * Converts exact numbers (`ExactNumber`) to the AWS SDK's `NumericValue`, which it serialises with the original digits. The
 * SDK does not know `JSON.rawJSON`.
 */
import * as Predicate from "effect/Predicate"
import * as ExactNumber from "../protocols/ExactNumber.ts"

/** A copy of the value with its exact numbers converted; the value itself if it has none. */
export const encode = (value: unknown): unknown => {
  if (Array.isArray(value)) {
    let copy: Array<unknown> | undefined
    for (let index = 0; index < value.length; index++) {
      const inner = encode(value[index])
      if (inner !== value[index]) (copy ??= [...value])[index] = inner
    }
    return copy ?? value
  }
  if (!Predicate.isObject(value) || value instanceof Uint8Array) return value
  if (ExactNumber.is(value)) return { string: value.rawJSON, type: "bigDecimal" }
  let copy: Record<string, unknown> | undefined
  for (const name in value) {
    const inner = encode(value[name])
    if (inner !== value[name]) (copy ??= { ...value })[name] = inner
  }
  return copy ?? value
}
