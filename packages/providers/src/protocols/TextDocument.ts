/**
 * Documents that are text, whatever kind of text, for a vendor that has no place for documents, or one for plain text alone.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Result from "effect/Result"
import * as Base64 from "effect/encoding/Base64"

/** Whether a document of this type can be read as text. */
export const isText = (mediaType: string): boolean =>
  /^text\/|^application\/(?:json|xml|(?:x-)?yaml|toml|javascript|typescript|sql|x-sh|csv)\b|\+(?:json|xml|yaml)\b/.test(
    mediaType,
  )

/** The text of a document; `undefined` where it is none, or is not here. */
export const read = (source: Chat.Source): string | undefined =>
  source.type === "base64" && isText(source.mediaType)
    ? Result.getOrUndefined(Base64.decodeString(source.data))
    : undefined

/** The document in a prompt's own text. */
export const inline = ({ context, name }: Chat.File, text: string): string => {
  const title = name === undefined ? "" : ` name=${JSON.stringify(name)}`
  const about = context === undefined ? "" : `${context}\n\n`
  return `${about}<document${title}>\n${text}\n</document>`
}
