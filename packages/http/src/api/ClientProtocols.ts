/**
 * The protocol of a path, for errors outside of any endpoint: clients get an error body of their own protocol.
 */
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import type { ClientProtocol } from "@understudy/providers/internal/protocols/ClientProtocol"
import * as Gemini from "@understudy/providers/protocols/gemini"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Responses from "@understudy/providers/protocols/responses"

/** Every client protocol. */
export const all: ReadonlyArray<ClientProtocol> = [ChatCompletions, Responses, Messages, Gemini]

/** Protocols by path. Gemini's paths have a version of their own, or end in a method. */
const byPath: ReadonlyArray<readonly [path: RegExp, protocol: ClientProtocol]> = [
  [/^\/v1\/messages/, Messages],
  [/^\/v1beta(?:\/|$)|^\/v1\/models\/[^?]*:\w+(?:\?|$)/, Gemini],
]

/** The protocol of a URL; OpenAI's by default. */
export const of = (url: string): ClientProtocol => byPath.find(([path]) => path.test(url))?.[1] ?? ChatCompletions
