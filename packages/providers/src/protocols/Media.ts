/** Images, audio and documents: unsupported ones, the issuer of a file id, and conversion to and from URLs. */
import type * as Chat from "@understudy/core/Chat"
import type { Change } from "./JsonStrings.ts"

export type Media = Chat.Image | Chat.File | Chat.Audio

/** The first unsupported media of a conversation, tool results included. `lacks` names an unsupported feature. */
export const unsupported = (
  messages: ReadonlyArray<Chat.Message>,
  lacks: (media: Media, role: Chat.Message["role"]) => string | undefined,
): string | undefined => {
  for (const { content, role } of messages) {
    for (const part of content) {
      for (const media of part.type === "tool-result" ? part.content : [part]) {
        if (media.type !== "image" && media.type !== "file" && media.type !== "audio") continue
        const feature = lacks(media, role)
        if (feature !== undefined) return feature
      }
    }
  }
  return undefined
}

/**
 * The unsupported feature of a file id of another vendor than `issuer`. Anthropic's ids begin with `file_`, Google's
 * are URLs.
 */
export const foreignId = (source: Chat.Source, issuer: "anthropic" | "google" | "openai"): string | undefined => {
  if (source.type !== "id") return undefined
  const whose = source.id.startsWith("file_") ? "anthropic" : source.id.includes(":") ? "google" : "openai"
  return whose === issuer ? undefined : "another vendor's file id"
}

/** The URL of a source, or its data as a `data:` URL. */
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

/** The source of a URL: a base64 `data:` URL is the data itself. Only the head of the URL is searched. */
export const fromUrl = (url: string): Chat.Source => {
  if (!url.startsWith("data:")) return { type: "url", url }
  const comma = url.indexOf(",")
  const head = url.slice("data:".length, comma)
  return comma >= 0 && head.endsWith(";base64")
    ? { type: "base64", mediaType: head.slice(0, -";base64".length), data: url.slice(comma + 1) }
    : { type: "url", url }
}

// ---------------------------------------------------------------------------------------------------------------------
// Media types
// ---------------------------------------------------------------------------------------------------------------------

/** Unregistered names of image types that clients send and vendors reject. */
const registeredNames: Readonly<Record<string, string>> = {
  "image/jpg": "image/jpeg",
  "image/pjpeg": "image/jpeg",
  "image/x-png": "image/png",
}

/** The registered name of a type. */
const typeName = (mediaType: string): string => {
  const [plain = ""] = mediaType.toLowerCase().split(";", 1)
  return registeredNames[plain] ?? (plain.startsWith("image/") ? plain : mediaType)
}

/** Renames a type, or the type in a `data:` URL, to its registered name. */
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

/** Whether any type has an unregistered name. */
export const isMisnamed = (messages: ReadonlyArray<Chat.Message>): boolean =>
  messages.some(({ content }) =>
    content.some((part) =>
      part.type === "tool-result"
        ? part.content.some((media) => isMedia(media) && misnamed(media))
        : isMedia(part) && misnamed(part),
    ),
  )

/** The messages with registered type names. */
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
