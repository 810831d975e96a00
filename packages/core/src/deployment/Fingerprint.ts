/**
 * A 32-bit hash of a request: equal for equal requests, and very unlikely equal for others. It reads a bounded part of the
 * request, the newest messages first, so that a long conversation costs no more than a short one.
 */
import * as Predicate from "effect/Predicate"
import type { AnyRequest } from "../model/Call.ts"

/** The values of a request, and the characters of each text, that are read at most. */
const maxValues = 2000
const maxCharacters = 256

const bodyOf = (request: AnyRequest): object => {
  // The messages of a session come after it has begun.
  if ("operation" in request) return request.body.type === "session" ? { type: "session" } : request.body
  return request.native === undefined ? { ...request, model: undefined } : request.native.body
}

/** The fingerprint of a request: of the client's own body if there is one. */
export const of = (request: AnyRequest): number => {
  let left = maxValues
  let hash = 0x811c9dc5
  const mix = (value: number): void => {
    hash = Math.imul(hash ^ value, 0x01000193)
  }
  const text = (text: string): void => {
    mix(text.length)
    const step = Math.max(1, Math.floor(text.length / maxCharacters))
    for (let at = text.length - 1; at >= 0; at -= step) mix(text.charCodeAt(at))
  }
  const walk = (value: unknown): void => {
    if (left-- <= 0) return
    if (Predicate.isString(value)) return text(value)
    if (Array.isArray(value)) {
      mix(value.length)
      for (let at = value.length - 1; at >= 0; at--) {
        if (left <= 0) return
        walk(value[at])
      }
      return
    }
    if (Predicate.isObject(value)) {
      for (const key in value) {
        if (left <= 0) return
        text(key)
        walk((value as Record<string, unknown>)[key])
      }
      return
    }
    text(String(value))
  }
  walk(bodyOf(request))
  return hash
}
