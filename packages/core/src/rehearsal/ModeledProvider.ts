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
import type { Answer } from "./Answer.ts"
import * as Answers from "./Answer.ts"

export interface Options extends Pick<Provider["Service"], "account" | "local" | "protocol"> {
  /** A stream brings what there is of it once in so many milliseconds. */
  readonly interval: number
}

/** A provider whose attempts have these fates. */
export const make = (fateOf: Fates, { account, interval, local, protocol }: Options): Provider["Service"] => {
  /** The fate of the attempt that the fibre makes now. */
  const begun = <A, E>(
    request: Chat.Request | undefined,
    use: (fate: Fate, call: RehearsedCall, answer: Answer, clock: Clock.Clock) => Effect.Effect<A, E>,
  ): Effect.Effect<A, E> =>
    Effect.contextWith((context: Context.Context<never>) => {
      const clock = Context.get(context, Clock.Clock)
      const call = Context.get(context, RehearsedCall)
      const answer = request === undefined ? nothing : answerTo(request, call.outputTokens)
      return use(fateOf(call, clock.currentTimeMillisUnsafe(), answer.tokens), call, answer, clock)
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
      begun(request, (fate, { inputTokens }, { text, tokens }, clock) =>
        Effect.map(complete(fate, clock), (): Chat.Response => ({
          content: [{ type: "text", text: text(0, tokens) }],
          finishReason: "stop",
          usage: { inputTokens, outputTokens: tokens },
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
        begun(request, (fate, call, answer, clock) =>
          Effect.succeed(
            fate._tag === "Fails"
              ? Effect.andThen(until(fate.at, clock), Effect.fail(fate.error))
              : frames(fate, call, answer, clock, interval, isJson(request) ? '"' : ""),
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
  { text, tokens }: Answer,
  clock: Clock.Clock,
  interval: number,
  quote: string,
): Pull.Pull<readonly [Chat.Frame], ProviderError> => {
  let sent = 0
  let isStarted = false
  let isOver = false
  const tokensAt = (now: number): number =>
    now >= end ? tokens : Math.max(1, Math.floor(((now - first) / (end - first)) * tokens))
  return Effect.suspend((): Pull.Pull<readonly [Chat.Frame], ProviderError> => {
    if (isOver) return error === undefined ? Cause.done() : error === "silence" ? Effect.never : Effect.fail(error)
    const due = isStarted ? Math.min(last, clock.currentTimeMillisUnsafe() + interval) : first
    return Effect.map(until(due, clock), (): readonly [Chat.Frame] => {
      const now = clock.currentTimeMillisUnsafe()
      const until = Math.max(sent, tokensAt(now))
      const parts: Array<Chat.Part> = []
      if (!isStarted) parts.push({ type: "start" }, { type: "text", text: quote + text(0, until) })
      else if (until > sent) parts.push({ type: "text", text: text(sent, until) })
      isStarted = true
      sent = until
      if (now < last) return [{ parts }]
      isOver = true
      if (error !== undefined) return [{ parts }]
      if (quote !== "") parts.push({ type: "text", text: quote })
      parts.push({ type: "finish", reason: "stop" }, { type: "usage", usage: { inputTokens, outputTokens: tokens } })
      return [{ parts }]
    })
  })
}

const nothing = Answers.make(0, 0)

/** The answer to a request, which may be to resume a broken one. */
const answerTo = (request: Chat.Request, tokens: number): Answer => {
  const most = mostOutput(request)
  if (request.messages.length === 1) return Answers.make(tokens, most)
  const last = request.messages.at(-1)
  const before = request.messages.at(-2)
  if (last?.role === "assistant") return Answers.make(tokens, most, textOf(last))
  return last?.role === "user" && before?.role === "assistant"
    ? Answers.make(tokens, most, textOf(before), textOf(last))
    : Answers.make(tokens, most)
}

const textOf = ({ content }: Chat.UserMessage | Chat.AssistantMessage): string =>
  content.map((part) => (part.type === "text" ? part.text : "")).join("")

const mostOutput = (request: Chat.Request): number =>
  Outline.settings(request).sampling?.maxTokens ?? Number.POSITIVE_INFINITY

/** An answer that is to be JSON is a JSON text. */
const isJson = (request: Chat.Request): boolean => {
  const { format } = Outline.settings(request)
  return format !== undefined && format.type !== "text"
}
