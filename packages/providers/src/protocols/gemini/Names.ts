/**
 * Field names. The API takes each in two spellings, `systemInstruction` and `system_instruction`, and its own
 * documentation uses both: what is read here is read in the first.
 */
import * as Json from "../Json.ts"

/** What stands under these is the caller's own: its names mean what they say. */
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

/** The body with its fields in one spelling; itself where they are. */
export const uniform = (body: Record<string, unknown>): Record<string, unknown> => {
  let changed: Record<string, unknown> | undefined
  for (const name in body) {
    const value = body[name]
    const spelt = name.includes("_") ? camel(name) : name
    const inner = opaque.has(spelt) ? value : within(value)
    if (changed === undefined && (spelt !== name || inner !== value)) changed = before(body, name)
    if (changed !== undefined) changed[spelt] = inner
  }
  return changed ?? body
}

const within = (value: unknown): unknown => {
  if (Array.isArray(value)) {
    const inner = value.map(within)
    return inner.some((item, at) => item !== value[at]) ? inner : value
  }
  return Json.isObject(value) ? uniform(value as Record<string, unknown>) : value
}

const camel = (name: string): string => name.replaceAll(/_([a-z\d])/g, (_, letter: string) => letter.toUpperCase())

/** What stands in `body` before the field of that name. */
const before = (body: Record<string, unknown>, name: string): Record<string, unknown> => {
  const earlier: Record<string, unknown> = {}
  for (const other in body) {
    if (other === name) break
    earlier[other] = body[other]
  }
  return earlier
}
