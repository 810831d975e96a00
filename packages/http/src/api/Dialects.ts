/**
 * Which dialect a path belongs to: whoever is turned away before, or beside, any endpoint is told why in its own words.
 */
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import type { Dialect } from "@understudy/providers/protocols/Dialect"
import * as Messages from "@understudy/providers/protocols/messages"

/** By how a path begins. */
const dialects: ReadonlyArray<readonly [path: string, dialect: Dialect]> = [["/v1/messages", Messages]]

/** The dialect of whoever asks for this URL; OpenAI's where nothing tells. */
export const of = (url: string): Dialect => dialects.find(([path]) => url.startsWith(path))?.[1] ?? ChatCompletions
