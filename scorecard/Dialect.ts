/**
 * The protocols that callers speak to the gateway: how each asks, and how it reads what came. The judge knows none of
 * them.
 */
import { chatCompletions } from "./dialects/ChatCompletions.ts"
import type { Dialect } from "./dialects/Dialect.ts"
import { gemini } from "./dialects/Gemini.ts"
import { messages } from "./dialects/Messages.ts"
import { responses } from "./dialects/Responses.ts"

/** One more is one line more, and a file beside the others. */
export const dialects = { chatCompletions, responses, messages, gemini } satisfies Record<string, Dialect>

export type Name = keyof typeof dialects

export const names = Object.keys(dialects) as ReadonlyArray<Name>

/** The one in which what is the same in every dialect is tried in every shape. */
export const first: Name = "chatCompletions"
