/** A provider's end of the matrix: what it answers, as its vendor's documentation shows it, and how it reads a request. */
import type { Asked, Said } from "../Feature.ts"

export interface Upstream {
  readonly name: string
  /** The request's path ends so: plain, and streamed. */
  readonly paths: { readonly plain: RegExp; readonly stream: RegExp }
  readonly isStream: (path: string, body: Record<string, unknown>) => boolean
  readonly contentType: string
  readonly plain: (said: Said) => unknown
  /** Whole events, in order. The last of them is the vendor's terminal one. */
  readonly stream: (said: Said) => ReadonlyArray<string | Uint8Array>
  /** An error in the middle of a stream. */
  readonly broken: string | Uint8Array
  readonly error: { readonly status: number; readonly headers: Record<string, string>; readonly body: unknown }
  readonly asked: (body: Record<string, unknown>) => Asked
}

type Json = Record<string, unknown>

export const object = (value: unknown): Json =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {}
export const list = (value: unknown): ReadonlyArray<Json> => (Array.isArray(value) ? value.map(object) : [])
export const text = (value: unknown): string => (typeof value === "string" ? value : "")
export const strings = (value: unknown): ReadonlyArray<string> =>
  Array.isArray(value) ? value.filter((each) => typeof each === "string") : typeof value === "string" ? [value] : []
export const parsed = (value: unknown): unknown => {
  try {
    return JSON.parse(text(value))
  } catch {
    return value
  }
}
/** A text, or the texts of parts. */
export const textOf = (content: unknown): string =>
  typeof content === "string"
    ? content
    : list(content)
        .map((part) => text(part["text"]))
        .join("")

/** A server-sent event. */
export const sse = (data: unknown, event?: string): string =>
  `${event === undefined ? "" : `event: ${event}\n`}data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`

/** A text in pieces, as streams bring it. */
export const pieces = (whole: string): ReadonlyArray<string> => whole.match(/.{1,6}/gs) ?? []
