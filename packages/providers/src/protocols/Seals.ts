/**
 * Seals on the wire: a vendor's own as it wrote it; another's under a mark that says whose it is, for the client to bring
 * back, so that a conversation that was carried on by several vendors gives each of them its own again.
 */
import type { Seal } from "@understudy/core/Chat"

const mark = "understudy."

/** What a protocol of `issuer`'s writes where it has a place for seals. */
export const write = ({ issuer, value }: Seal, own: string): string =>
  issuer === own ? value : `${mark}${issuer}.${value}`

/** The seal in a place where `own`'s protocol has one. */
export const read = (text: string, own: string): Seal => {
  if (!text.startsWith(mark)) return { issuer: own, value: text }
  const dot = text.indexOf(".", mark.length)
  return { issuer: text.slice(mark.length, dot), value: text.slice(dot + 1) }
}
