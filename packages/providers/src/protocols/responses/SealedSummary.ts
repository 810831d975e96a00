/**
 * A summary as the `encrypted_content` of a compaction item, which every gateway can read. It is encoded, not secret: it is the
 * client's own conversation.
 */
import * as Predicate from "effect/Predicate"

const mark = "understudy.summary."

export const write = (summary: string): string => `${mark}${Buffer.from(summary).toString("base64url")}`

/** The summary; `undefined` if another wrote the content. */
const read = (content: unknown): string | undefined =>
  Predicate.isString(content) && content.startsWith(mark)
    ? Buffer.from(content.slice(mark.length), "base64url").toString()
    : undefined

/** Whether every vendor can read the content of a compaction item. */
export const isReadable = (content: unknown): boolean => read(content) !== undefined

/** The text of a compaction item for the model. */
export const textOf = ({ encrypted_content: content }: { readonly encrypted_content?: unknown }): string => {
  const summary = read(content)
  return summary === undefined ? unreadable : `${heading}\n\n${summary}`
}

const heading = "Summary of the conversation so far, which it replaces:"

const unreadable =
  "[The conversation before this was compacted by another provider, and only that provider can read it.]"
