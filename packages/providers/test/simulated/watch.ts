import type * as Chat from "@understudy/core/Chat"
import type { ProviderError } from "@understudy/core/ProviderError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"

/** What a stream has said so far, token by token, and when (milliseconds since it was asked). */
export interface Watched {
  readonly tokens: ReadonlyArray<string>
  readonly times: ReadonlyArray<number>
  readonly fiber: Fiber.Fiber<void, ProviderError>
}

export const watch = Effect.fnUntraced(function* (stream: Stream.Stream<Chat.Frame, ProviderError>) {
  const startedAt = yield* Clock.currentTimeMillis
  const tokens: Array<string> = []
  const times: Array<number> = []
  const fiber = yield* stream.pipe(
    Stream.runForEach(({ parts }) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        for (const part of parts) {
          if (part.type !== "text") continue
          tokens.push(part.text)
          times.push(now - startedAt)
        }
      }),
    ),
    Effect.forkChild({ startImmediately: true }),
  )
  return { tokens, times, fiber } satisfies Watched
})

/** How a watched stream failed. */
export const failure = ({ fiber }: Watched) => Effect.flip(Fiber.join(fiber))
