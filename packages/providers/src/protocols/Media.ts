/**
 * Pictures, recordings and documents: which of them a vendor cannot be shown, whose a file's id is, and how one is written
 * where a protocol has URLs alone.
 */
import type * as Chat from "@understudy/core/Chat"

export type Media = Chat.Image | Chat.File | Chat.Audio

/** What the first that a vendor cannot be shown needs, of a whole conversation with its tools' results. */
export const unsupported = (
  messages: ReadonlyArray<Chat.Message>,
  lacks: (media: Media, role: Chat.Message["role"]) => string | undefined,
): string | undefined => {
  for (const { content, role } of messages) {
    for (const part of content) {
      for (const shown of part.type === "tool-result" ? part.content : [part]) {
        if (shown.type !== "image" && shown.type !== "file" && shown.type !== "audio") continue
        const feature = lacks(shown, role)
        if (feature !== undefined) return feature
      }
    }
  }
  return undefined
}

/** What a file's id needs that is worth nothing to `issuer`: Anthropic's begin with `file_`, Google's are addresses. */
export const foreignId = (source: Chat.Source, issuer: "anthropic" | "google" | "openai"): string | undefined => {
  if (source.type !== "id") return undefined
  const whose = source.id.startsWith("file_") ? "anthropic" : source.id.includes(":") ? "google" : "openai"
  return whose === issuer ? undefined : "another vendor's file id"
}

/** Where it is, or the data itself as a `data:` URL. */
export const toUrl = (source: Chat.Source): string => {
  switch (source.type) {
    case "url":
      return source.url
    case "base64":
      return `data:${source.mediaType};base64,${source.data}`
    case "id":
      return source.id
  }
}

/** A `data:` URL in base64 is the data itself. Large ones are searched no further than their head. */
export const fromUrl = (url: string): Chat.Source => {
  if (!url.startsWith("data:")) return { type: "url", url }
  const comma = url.indexOf(",")
  const head = url.slice("data:".length, comma)
  return comma >= 0 && head.endsWith(";base64")
    ? { type: "base64", mediaType: head.slice(0, -";base64".length), data: url.slice(comma + 1) }
    : { type: "url", url }
}
