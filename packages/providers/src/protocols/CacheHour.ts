/**
 * Cache hints with a TTL of one hour, for a model that does not support it: the model's default TTL applies instead.
 */
import type * as Chat from "@understudy/core/Chat"
import type { Change } from "./JsonStrings.ts"

const hour = "1h"

/** The TTL that replaces it in a client's own body. */
const shorter = "5m"

type WithCacheHint = { readonly cache?: Chat.CacheHint | undefined }

const withDefaultTtl = <Part extends object>(part: Part & WithCacheHint): Part =>
  part.cache?.ttl === hour ? { ...part, cache: {} } : part

/** Whether any cache hint has a TTL of one hour. */
export const isHourly = ({ messages, tools = [] }: Chat.Request): boolean => {
  const hasHourTtl = (part: object & WithCacheHint): boolean => part.cache?.ttl === hour
  return (
    tools.some(hasHourTtl) ||
    messages.some(({ content }) =>
      content.some((part) => hasHourTtl(part) || (part.type === "tool-result" && part.content.some(hasHourTtl))),
    )
  )
}

/** The messages, hour-long cache hints without their TTL. */
const withoutTtl = (messages: ReadonlyArray<Chat.Message>): ReadonlyArray<Chat.Message> =>
  messages.map(
    (message) =>
      ({
        ...message,
        content: message.content.map((part) =>
          part.type === "tool-result"
            ? { ...withDefaultTtl(part), content: part.content.map(withDefaultTtl) }
            : withDefaultTtl(part),
        ),
      }) as Chat.Message,
  )

/** The messages and tools of a request, hour-long cache hints without their TTL. */
export const shorten = ({ messages, tools }: Pick<Chat.Request, "messages" | "tools">) => ({
  messages: withoutTtl(messages),
  ...(tools === undefined ? undefined : { tools: tools.map(withDefaultTtl) }),
})

/** Shortens the TTL in a client's own body. */
export const change: Change = (field, text) => (field === "ttl" && text === hour ? shorter : text)
