/**
 * Hints to keep a cached prefix for an hour, towards a model that keeps none so long: there they are for as long as it does.
 */
import type * as Chat from "@understudy/core/Chat"
import type { Change } from "./JsonStrings.ts"

const hour = "1h"

/** What a model that keeps nothing for an hour keeps it for. */
const shorter = "5m"

type Hinted = { readonly cache?: Chat.CacheHint | undefined }

const forShort = <Part extends object>(part: Part & Hinted): Part =>
  part.cache?.ttl === hour ? { ...part, cache: {} } : part

/** Whether anything is to be kept for an hour. */
export const isHourly = ({ messages, tools = [] }: Chat.Request): boolean => {
  const hourly = (part: object & Hinted): boolean => part.cache?.ttl === hour
  return (
    tools.some(hourly) ||
    messages.some(({ content }) =>
      content.some((part) => hourly(part) || (part.type === "tool-result" && part.content.some(hourly))),
    )
  )
}

/** The messages with hints that say no time. */
const withoutTtl = (messages: ReadonlyArray<Chat.Message>): ReadonlyArray<Chat.Message> =>
  messages.map(
    (message) =>
      ({
        ...message,
        content: message.content.map((part) =>
          part.type === "tool-result" ? { ...forShort(part), content: part.content.map(forShort) } : forShort(part),
        ),
      }) as Chat.Message,
  )

/** The request with hints that say no time. */
export const shorten = ({ messages, tools }: Pick<Chat.Request, "messages" | "tools">) => ({
  messages: withoutTtl(messages),
  ...(tools === undefined ? undefined : { tools: tools.map(forShort) }),
})

/** The same in a client's own body. */
export const change: Change = (field, text) => (field === "ttl" && text === hour ? shorter : text)
