/**
 * Field names. The API accepts two spellings, `systemInstruction` and `system_instruction`, and its documentation uses
 * both. This codec reads the first.
 */
import * as Json from "../Json.ts"

/** Fields that contain the client's own data, whose names are not changed. */
const opaque: ReadonlySet<string> = new Set([
  "args",
  "labels",
  "metadata",
  "parameters",
  "parametersJsonSchema",
  "response",
  "responseJsonSchema",
  "responseSchema",
])

/** The body with its fields in camel case; the given body if they are. */
export const toCamelCase = (body: Record<string, unknown>): Record<string, unknown> => {
  let changed: Record<string, unknown> | undefined
  for (const name in body) {
    const value = body[name]
    const spelled = name.includes("_") ? camel(name) : name
    const inner = opaque.has(spelled) ? value : ofValue(value)
    if (changed === undefined && (spelled !== name || inner !== value)) changed = before(body, name)
    if (changed !== undefined) changed[spelled] = inner
  }
  return changed ?? body
}

const ofValue = (value: unknown): unknown => {
  if (Array.isArray(value)) {
    const inner = value.map(ofValue)
    return inner.some((item, at) => item !== value[at]) ? inner : value
  }
  return Json.isObject(value) ? toCamelCase(value as Record<string, unknown>) : value
}

const camel = (name: string): string => name.replaceAll(/_([a-z\d])/g, (_, letter: string) => letter.toUpperCase())

/** The fields of `body` before the given one. */
const before = (body: Record<string, unknown>, name: string): Record<string, unknown> => {
  const earlier: Record<string, unknown> = {}
  for (const other in body) {
    if (other === name) break
    earlier[other] = body[other]
  }
  return earlier
}
