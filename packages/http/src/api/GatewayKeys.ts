/**
 * Keys of this gateway where vendors would see them: in a model's name, or in a value of a body beside the conversation, such
 * as `user` or `api_key`. They are refused, so that none leaves. What a conversation says is sent as it was written.
 */
import * as Predicate from "effect/Predicate"
import * as Context from "effect/Context"
import * as ApiError from "./ApiError.ts"

/** Whether a text is a key that opens this gateway. */
export type IsKey = (text: string) => boolean

/** Tells keys; undefined where none is asked for. */
export const IsKey = Context.Reference<IsKey | undefined>("@understudy/http/IsKey", { defaultValue: () => undefined })

/** The fields of bodies that hold what is said. */
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

/** How deep values are looked at: down to `tools[0].headers.authorization`. What is deeper is a schema. */
const deepest = 4

/** Why a request is refused that would show a key to a vendor, if it would. */
export const refusal = (
  body: Readonly<Record<string, unknown>>,
  model: string,
  isKey: IsKey,
): ApiError.ApiError | undefined => {
  if (endsInKey(model, isKey)) return shown("model")
  for (const name of Object.keys(body)) {
    if (conversation.has(name)) continue
    const path = isKey(name) ? "a field's name" : find(body[name], name, isKey, 1)
    if (path !== undefined) return shown(path)
  }
  return undefined
}

/** A model's name may have a vendor's before it. */
const endsInKey = (model: string, isKey: IsKey): boolean => {
  for (let from = 0; from >= 0; from = model.indexOf("/", from) + 1 || -1) if (isKey(model.slice(from))) return true
  return false
}

/** Where a key is in a value, if anywhere: as a value or as a field's name, with or without its scheme. */
const find = (value: unknown, path: string, isKey: IsKey, depth: number): string | undefined => {
  if (Predicate.isString(value)) return isKey(value.replace(scheme, "").trim()) ? path : undefined
  if (!Predicate.isObjectOrArray(value) || depth >= deepest) return undefined
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

const shown = (path: string): ApiError.ApiError =>
  ApiError.invalid(
    `Invalid value for '${path}': it is a key of this gateway, which no provider is to see. Leave it out.`,
    {
      param: path,
    },
  )
