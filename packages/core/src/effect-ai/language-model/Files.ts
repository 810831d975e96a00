/**
 * Files, between `effect/ai` and `Chat`. `effect/ai` has one kind of file part; `Chat` has images, files and audio, told
 * apart by the media type.
 */
import * as Prompt from "effect/ai/Prompt"
import * as Base64 from "effect/encoding/Base64"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Chat from "../../model/Chat.ts"
import * as Metadata from "./Metadata.ts"

/** The content of a user message besides text. */
export type Media = Chat.Image | Chat.File | Chat.Audio

export const toChat = ({ data, fileName, mediaType, options }: Prompt.FilePart): Media => {
  const { cache } = Metadata.read(options)
  const hint = cache === undefined ? undefined : { cache }
  const source: Chat.Source =
    data instanceof URL
      ? { type: "url", url: data.href }
      : { type: "base64", data: Predicate.isString(data) ? data : Base64.encode(data), mediaType }
  if (mediaType.startsWith("image/")) return { type: "image", source, ...hint }
  if (mediaType.startsWith("audio/")) return { type: "audio", source, format: formatOf(mediaType) }
  return { type: "file", source, ...(fileName === undefined ? undefined : { name: fileName }), ...hint }
}

const formatOf = (mediaType: string): string => {
  const format = mediaType.slice("audio/".length).replace(/^x-/, "")
  return format === "mpeg" ? "mp3" : format
}

/** Fails with a description of the part if `effect/ai` does not support it: a file by a vendor's id, or an invalid URL. */
export const toPrompt = (part: Media): Result.Result<Prompt.FilePart, string> => {
  const { source } = part
  const name = part.type === "file" && part.name !== undefined ? { fileName: part.name } : undefined
  switch (source.type) {
    case "base64":
      return Result.succeed(Prompt.filePart({ data: source.data, mediaType: source.mediaType, ...name }))
    case "url":
      return Result.mapError(
        Result.try(() => Prompt.filePart({ data: new URL(source.url), mediaType: mediaTypeOf(part), ...name })),
        () => "a file with an invalid URL",
      )
    case "id":
      return Result.fail("a file by a vendor's id")
  }
}

/** The media type of a file at a URL, by the kind of its part. */
const mediaTypeOf = (part: Media): string => {
  switch (part.type) {
    case "image":
      return "image/*"
    case "audio":
      return part.format === "mp3" ? "audio/mpeg" : `audio/${part.format ?? "wav"}`
    case "file":
      return "application/pdf"
  }
}
