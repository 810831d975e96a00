/**
 * A provider made of fates: it takes the time, fails and breaks off as they say, and answers with text that means nothing.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import type * as Chat from "../model/Chat.ts"
import * as Outline from "../model/Outline.ts"
import type { Provider } from "../model/Provider.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import type { Fate, Fates } from "./Fate.ts"
import { RehearsedCall } from "./Fate.ts"
import * as Filler from "./Filler.ts"

/** A stream brings what there is of it once in so many milliseconds. */
const interval = 2000

/** A provider whose attempts have these fates. */
export const make = (
  fateOf: Fates,
  { account, local, protocol }: Pick<Provider["Service"], "account" | "local" | "protocol">,
): Provider["Service"] => {
  /** The fate of the attempt that the fibre makes now. */
  const begun = <A, E>(
    request: Chat.Request | undefined,
    use: (fate: Fate, call: RehearsedCall, outputTokens: number, clock: Clock.Clock) => Effect.Effect<A, E>,
  ): Effect.Effect<A, E> =>
    Effect.contextWith((context: Context.Context<never>) => {
      const clock = Context.get(context, Clock.Clock)
      const call = Context.get(context, RehearsedCall)
      const outputTokens = request === undefined ? 0 : Math.min(call.outputTokens, mostOutput(request))
      return use(fateOf(call, clock.currentTimeMillisUnsafe(), outputTokens), call, outputTokens, clock)
    })

  /** Waits until a complete response is there. */
  const complete = (fate: Fate, clock: Clock.Clock): Effect.Effect<void, ProviderError> => {
    if (fate._tag === "Fails") return Effect.andThen(until(fate.at, clock), Effect.fail(fate.error))
    if (fate.error === "silence") return Effect.never
    return Effect.andThen(until(fate.last, clock), fate.error === undefined ? Effect.void : Effect.fail(fate.error))
  }

  return {
    protocol,
    account,
    local,
    chat: (request) =>
      begun(request, (fate, { inputTokens }, outputTokens, clock) =>
        Effect.map(complete(fate, clock), (): Chat.Response => ({
          content: [{ type: "text", text: Filler.text(outputTokens) }],
          finishReason: "stop",
          usage: { inputTokens, outputTokens },
        })),
      ),
    embed: (request) =>
      begun(undefined, (fate, { inputTokens }, _, clock) =>
        Effect.map(complete(fate, clock), () => ({
          vectors: request.input.map(() => [1]),
          usage: { inputTokens, outputTokens: 0 },
        })),
      ),
    stream: (request) =>
      Stream.fromPull(
        begun(request, (fate, call, outputTokens, clock) =>
          Effect.succeed(
            fate._tag === "Fails"
              ? Effect.andThen(until(fate.at, clock), Effect.fail(fate.error))
              : frames(fate, call, outputTokens, clock, isJson(request) ? '"' : ""),
          ),
        ),
      ),
  }
}

const until = (at: number, clock: Clock.Clock): Effect.Effect<void> => {
  const wait = at - clock.currentTimeMillisUnsafe()
  return wait > 0 ? clock.sleep(Duration.millis(wait)) : Effect.void
}

/** The frames of an answer, each with what has come since the one before. */
const frames = (
  { end, error, first, last }: Extract<Fate, { readonly _tag: "Answers" }>,
  { inputTokens }: RehearsedCall,
  outputTokens: number,
  clock: Clock.Clock,
  quote: string,
): Pull.Pull<readonly [Chat.Frame], ProviderError> => {
  let sent = 0
  let isOver = false
  const tokensAt = (now: number): number =>
    now >= end ? outputTokens : Math.max(1, Math.floor(((now - first) / (end - first)) * outputTokens))
  return Effect.suspend((): Pull.Pull<readonly [Chat.Frame], ProviderError> => {
    if (isOver) return Cause.done()
    const due = sent === 0 ? first : Math.min(last, clock.currentTimeMillisUnsafe() + interval)
    return Effect.flatMap(until(due, clock), (): Pull.Pull<readonly [Chat.Frame], ProviderError> => {
      const now = clock.currentTimeMillisUnsafe()
      const tokens = tokensAt(now)
      const parts: Array<Chat.Part> = []
      if (sent === 0) parts.push({ type: "start" }, { type: "text", text: quote + Filler.text(tokens) })
      else if (tokens > sent) parts.push({ type: "text", text: Filler.text(tokens - sent) })
      sent = Math.max(sent, tokens, 1)
      if (now < last) return Effect.succeed([{ parts }] as const)
      if (error === "silence")
        return parts.length > 0 && due === first ? Effect.succeed([{ parts }] as const) : Effect.never
      if (error !== undefined) return Effect.fail(error)
      isOver = true
      if (quote !== "") parts.push({ type: "text", text: quote })
      parts.push({ type: "finish", reason: "stop" }, { type: "usage", usage: { inputTokens, outputTokens } })
      return Effect.succeed([{ parts }] as const)
    })
  })
}

const mostOutput = (request: Chat.Request): number =>
  Outline.settings(request).sampling?.maxTokens ?? Number.POSITIVE_INFINITY

/** An answer that is to be JSON is a JSON text. */
const isJson = (request: Chat.Request): boolean => {
  const { format } = Outline.settings(request)
  return format !== undefined && format.type !== "text"
}
