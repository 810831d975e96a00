/** A response of ours as another gateway decodes it, with signatures in ids and tagged values decoded. */
import type * as Chat from "@understudy/core/Chat"
import * as ToolIds from "@understudy/providers/internal/protocols/ToolIds"

/** The call with its original id and its signature. */
export const part = <Part extends Chat.Part | Chat.AssistantContent>(part: Part): Part =>
  part.type === "tool-call" ? { ...part, ...ToolIds.read(part.id) } : part

export const response = (response: Chat.Response): Chat.Response => ({
  ...response,
  content: response.content.map(part),
  ...(response.alternatives === undefined
    ? undefined
    : { alternatives: response.alternatives.map((choice) => ({ ...choice, content: choice.content.map(part) })) }),
})
