/**
 * Pictures, recordings and documents: which of them a vendor cannot be shown, whose a file's id is, and how one is written
 * where a protocol has URLs alone.
 */
import type * as Chat from "@understudy/core/Chat"
import type { Change } from "./JsonStrings.ts"

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

// ---------------------------------------------------------------------------------------------------------------------
// Types by other names
// ---------------------------------------------------------------------------------------------------------------------

/** What clients call a picture's type, and no vendor takes. */
const misnomers: Readonly<Record<string, string>> = {
  "image/jpg": "image/jpeg",
  "image/pjpeg": "image/jpeg",
  "image/x-png": "image/png",
}

/** The type by its registered name. */
const typeName = (mediaType: string): string => {
  const [plain = ""] = mediaType.toLowerCase().split(";", 1)
  return misnomers[plain] ?? (plain.startsWith("image/") ? plain : mediaType)
}

/** A type, or the head of a `data:` URL, by its registered name. */
export const rename: Change = (field, text) => {
  if (typeFields.has(field)) return typeName(text)
  if (!urlFields.has(field) || !/^data:/i.test(text)) return text
  const end = /[;,]/.exec(text)?.index ?? text.length
  const named = typeName(text.slice("data:".length, end))
  return named === text.slice("data:".length, end) ? text : `data:${named}${text.slice(end)}`
}

const typeFields: ReadonlySet<string> = new Set(["media_type", "mimeType", "mime_type"])
const urlFields: ReadonlySet<string> = new Set(["url", "image_url", "file_data"])

const misnamed = ({ source }: Media): boolean =>
  source.type === "base64" && typeName(source.mediaType) !== source.mediaType

const isMedia = (part: { readonly type: string }): part is Media =>
  part.type === "image" || part.type === "file" || part.type === "audio"

/** Whether any type goes by another name than its registered one. */
export const isMisnamed = (messages: ReadonlyArray<Chat.Message>): boolean =>
  messages.some(({ content }) =>
    content.some((part) =>
      part.type === "tool-result"
        ? part.content.some((shown) => isMedia(shown) && misnamed(shown))
        : isMedia(part) && misnamed(part),
    ),
  )

/** The messages, in which every type goes by its registered name. */
export const named = (messages: ReadonlyArray<Chat.Message>): ReadonlyArray<Chat.Message> => {
  const name = <Part extends { readonly type: string }>(part: Part): Part => {
    if (!isMedia(part) || part.source.type !== "base64") return part
    return { ...part, source: { ...part.source, mediaType: typeName(part.source.mediaType) } }
  }
  return messages.map(
    (message) =>
      ({
        ...message,
        content: message.content.map((part) =>
          part.type === "tool-result" ? { ...part, content: part.content.map(name) } : name(part),
        ),
      }) as Chat.Message,
  )
}
