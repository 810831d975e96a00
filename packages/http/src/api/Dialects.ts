/**
 * Which dialect a path belongs to: whoever is turned away before, or beside, any endpoint is told why in its own words.
 */
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import type { Dialect } from "@understudy/providers/protocols/Dialect"

/** The dialect of whoever asks for this URL; OpenAI's where nothing tells. */
export const of = (_url: string): Dialect => ChatCompletions
