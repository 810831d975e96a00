/** Documents of any text type, for a vendor that does not support documents, or supports plain text only. */
import type * as Chat from "@understudy/core/Chat"
import * as Result from "effect/Result"
import * as Base64 from "effect/encoding/Base64"

/** Whether a document of this type is text. */
export const isText = (mediaType: string): boolean =>
  /^text\/|^application\/(?:json|xml|(?:x-)?yaml|toml|javascript|typescript|sql|x-sh|csv)\b|\+(?:json|xml|yaml)\b/.test(
    mediaType,
  )

/** The text of a document; `undefined` if it is not text, or not base64 data. */
export const read = (source: Chat.Source): string | undefined =>
  source.type === "base64" && isText(source.mediaType)
    ? Result.getOrUndefined(Base64.decodeString(source.data))
    : undefined

/** The document as part of a prompt's text. */
export const inline = ({ context, name }: Chat.File, text: string): string => {
  const title = name === undefined ? "" : ` name=${JSON.stringify(name)}`
  const about = context === undefined ? "" : `${context}\n\n`
  return `${about}<document${title}>\n${text}\n</document>`
}
