/** Support of the provider tests: a request, and the result of a stream. */
import * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"

export const ask = (model: string, more: Partial<Chat.Request> = {}): Chat.Request => ({
  model,
  messages: [Chat.user("Hello")],
  ...more,
})

/** The frames and parts of a stream, and its error if it failed. */
export const collect = (stream: Stream.Stream<Chat.Frame, ProviderError>) =>
  Effect.gen(function* () {
    const frames: Array<Chat.Frame> = []
    const exit = yield* Effect.exit(Stream.runForEach(stream, (frame) => Effect.sync(() => void frames.push(frame))))
    const error = Exit.isFailure(exit) ? yield* Effect.flip(exit) : undefined
    return { frames, parts: frames.flatMap(({ parts }) => parts), error }
  })

export const types = (parts: ReadonlyArray<Chat.Part>): ReadonlyArray<string> => [
  ...new Set(parts.map(({ type }) => type)),
]

export const textOf = (parts: ReadonlyArray<Chat.Part>) =>
  parts.map((part) => (part.type === "text" ? part.text : "")).join("")

export const look: Chat.Tool = {
  name: "look",
  parameters: { type: "object", properties: { where: { type: "string" } } },
}
