/** The source of an image or a document. */
import type * as Chat from "@understudy/core/Chat"
import type { Block } from "../Lowering.ts"
import type * as Wire from "./Wire.ts"

export const encode = (source: Chat.Source): Block => {
  switch (source.type) {
    case "url":
      return { type: "url", url: source.url }
    case "base64":
      return { type: "base64", media_type: source.mediaType, data: source.data }
    case "id":
      return { type: "file", file_id: source.id }
  }
}

export const decode = (source: Wire.Image["source"]): Chat.Source => {
  switch (source.type) {
    case "url":
      return { type: "url", url: source.url }
    case "base64":
      return { type: "base64", data: source.data, mediaType: source.media_type }
    case "file":
      return { type: "id", id: source.file_id }
  }
}
