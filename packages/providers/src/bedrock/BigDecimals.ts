/**
 * Numbers kept as they were written, in the form in which the AWS SDK writes a number's own digits. The SDK builds a body
 * value by value and knows nothing of `JSON.rawJSON`; its `NumericValue` it knows by its fields.
 */
import * as Predicate from "effect/Predicate"
import * as ExactNumber from "../protocols/ExactNumber.ts"

/** The value with its kept numbers in the SDK's form; itself where it has none. */
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
