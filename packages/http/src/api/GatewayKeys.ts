/**
 * Rejects requests that would send a key of this gateway to a provider: in the model name, or in a value beside the
 * conversation, such as `user` or `api_key`. The conversation itself is not searched.
 */
import * as Predicate from "effect/Predicate"
import * as Context from "effect/Context"
import * as ApiError from "./ApiError.ts"

/** Whether a text is a key of this gateway. */
export type IsKey = (text: string) => boolean

/** Recognizes keys; `undefined` for a gateway without keys. */
export const IsKey = Context.Reference<IsKey | undefined>("@understudy/http/IsKey", { defaultValue: () => undefined })

/** The fields of bodies that hold the conversation. */
const conversation: ReadonlySet<string> = new Set([
  "messages",
  "input",
  "contents",
  "content",
  "requests",
  "generateContentRequest",
  "system",
  "systemInstruction",
  "system_instruction",
  "instructions",
  "prompt",
])

/** The depth of the search: `tools[0].headers.authorization`. Deeper values are schemas. */
const maxDepth = 4

/** The error of a request that contains a key, if it does. */
export const check = (
  body: Readonly<Record<string, unknown>>,
  model: string,
  isKey: IsKey,
): ApiError.ApiError | undefined => {
  if (endsInKey(model, isKey)) return leaked("model")
  for (const name of Object.keys(body)) {
    if (conversation.has(name)) continue
    const path = isKey(name) ? "a field's name" : find(body[name], name, isKey, 1)
    if (path !== undefined) return leaked(path)
  }
  return undefined
}

/** Whether a model name is a key, or ends in one after a vendor prefix. */
const endsInKey = (model: string, isKey: IsKey): boolean => {
  for (let from = 0; from >= 0; from = model.indexOf("/", from) + 1 || -1) if (isKey(model.slice(from))) return true
  return false
}

/** The path of a key in a value, if any: as a value or a field name, with or without an authorization scheme. */
const find = (value: unknown, path: string, isKey: IsKey, depth: number): string | undefined => {
  if (Predicate.isString(value)) return isKey(value.replace(scheme, "").trim()) ? path : undefined
  if (!Predicate.isObjectOrArray(value) || depth >= maxDepth) return undefined
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const found = find(value[index], `${path}[${index}]`, isKey, depth + 1)
      if (found !== undefined) return found
    }
    return undefined
  }
  for (const [name, each] of Object.entries(value)) {
    const found = isKey(name) ? path : find(each, `${path}.${name}`, isKey, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}

const scheme = /^(?:bearer|basic|key)\s+/i

const leaked = (path: string): ApiError.ApiError =>
  ApiError.invalid(
    `Invalid value for '${path}': it is a key of this gateway and must not be sent to a provider. Remove it.`,
    {
      param: path,
    },
  )
