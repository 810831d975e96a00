/**
 * Which dialect a path belongs to: whoever is turned away before, or beside, any endpoint is told why in its own words.
 */
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import type { ClientProtocol } from "@understudy/providers/internal/protocols/ClientProtocol"
import * as Gemini from "@understudy/providers/protocols/gemini"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Responses from "@understudy/providers/protocols/responses"

/** Every dialect of those who call. */
export const all: ReadonlyArray<ClientProtocol> = [ChatCompletions, Responses, Messages, Gemini]

/** By how a path begins. Gemini's have a version of their own, or end in a method. */
const dialects: ReadonlyArray<readonly [path: RegExp, dialect: ClientProtocol]> = [
  [/^\/v1\/messages/, Messages],
  [/^\/v1beta(?:\/|$)|^\/v1\/models\/[^?]*:\w+(?:\?|$)/, Gemini],
]

/** The dialect of whoever asks for this URL; OpenAI's where nothing tells. */
export const of = (url: string): ClientProtocol => dialects.find(([path]) => path.test(url))?.[1] ?? ChatCompletions
