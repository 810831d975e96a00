/**
 * The client protocols of the gateway: how each writes requests and reads responses. The judge does not depend on them.
 */
import { chatCompletions } from "./dialects/ChatCompletions.ts"
import type { Dialect } from "./dialects/Dialect.ts"
import { gemini } from "./dialects/Gemini.ts"
import { messages } from "./dialects/Messages.ts"
import * as Operations from "./dialects/Operations.ts"
import { responses } from "./dialects/Responses.ts"

/** A new dialect is a line here and a file in `dialects/`. */
export const dialects = { chatCompletions, responses, messages, gemini } satisfies Record<string, Dialect>

export type Name = keyof typeof dialects

export const names = Object.keys(dialects) as ReadonlyArray<Name>

/** OpenAI's endpoints besides chat: see `Operations`. */
export const operations = { ...Operations } satisfies Record<string, Dialect>

export type Operation = keyof typeof operations

/** Any of them. */
export const of = (name: Name | Operation): Dialect => ({ ...dialects, ...operations })[name]

/** The one in which what is the same in every dialect is tried in every shape. */
export const first: Name = "chatCompletions"
