/** Text and images of a user or a tool. */
import type * as Chat from "@understudy/core/Chat"
import * as CacheControl from "./CacheControl.ts"
import * as Citations from "./Citations.ts"
import * as MediaSource from "./MediaSource.ts"
import type * as Wire from "./Wire.ts"

export type MediaPart = Chat.ToolResult["content"][number]

export const decodeText = ({ cache_control, citations, text }: Wire.Text): Chat.Text => {
  const cited = citations?.flatMap((citation) => Citations.decode(citation) ?? []) ?? []
  return {
    type: "text",
    text,
    ...(cited.length === 0 ? undefined : { citations: cited }),
    ...CacheControl.decode(cache_control),
  }
}

export const decodeImage = ({ cache_control, source }: Wire.Image): Chat.Image => ({
  type: "image",
  source: MediaSource.decode(source),
  ...CacheControl.decode(cache_control),
})
