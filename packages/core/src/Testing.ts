/**
 * For tests, ours and our users': a provider that follows a script, so that an application's fallback is tested without a
 * network and, under `TestClock`, without waiting.
 *
 * ```ts
 * const primary = yield* Testing.script([Testing.fail({ _tag: "Overloaded" }), Testing.reply("Hello")])
 * const RouterTest = Router.layer({
 *   deployments: { primary: Deployment.make({ model: "m", provider: primary.layer }) }
 * })
 * ```
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type * as Chat from "./model/Chat.ts"
import type * as Embedding from "./model/Embedding.ts"
import { Provider } from "./model/Provider.ts"
import { ProviderError } from "./model/ProviderError.ts"
import type { Reason } from "./model/ProviderError.ts"

/** What a scripted provider does when it is asked: wait, say some frames, then end, fail, or fall silent. */
export interface Outcome {
  readonly after: Duration.Input
  readonly frames: ReadonlyArray<Chat.Frame>
  /** The time between frames. */
  readonly tokenDelay: Duration.Input
  readonly end:
    | { readonly _tag: "Done" }
    | { readonly _tag: "Fails"; readonly error: ProviderError }
    | { readonly _tag: "Silent" }
  /** What a request for embeddings is given. */
  readonly vectors?: ReadonlyArray<Embedding.Vector>
}

/** What every outcome may say besides: how long it takes to begin, and between frames. */
export interface Timing {
  readonly after?: Duration.Input
  readonly tokenDelay?: Duration.Input
}

const outcome = (
  parts: ReadonlyArray<Chat.Part>,
  end: Outcome["end"],
  { after = Duration.zero, tokenDelay = Duration.zero }: Timing,
): Outcome => ({ after, tokenDelay, frames: parts.map((part) => ({ parts: [part] })), end })

const said = (text: string | ReadonlyArray<string>): ReadonlyArray<Chat.Part> => [
  { type: "start" },
  ...(Predicate.isString(text) ? [text] : text).map((text): Chat.Part => ({ type: "text", text })),
]

const whole = (reason: Chat.FinishReason, usage: Chat.Usage): ReadonlyArray<Chat.Part> => [
  { type: "finish", reason },
  { type: "usage", usage },
]

/** Answers whole. An array of texts is streamed piece by piece. */
export const reply = (
  text: string | ReadonlyArray<string>,
  options: Timing & { readonly usage?: Chat.Usage; readonly finish?: Chat.FinishReason } = {},
): Outcome => {
  const usage = options.usage ?? { inputTokens: 10, outputTokens: 5 }
  return outcome([...said(text), ...whole(options.finish ?? "stop", usage)], { _tag: "Done" }, options)
}

/** The answer to a request for embeddings: one vector for each of its inputs. */
export const vectors = (vectors: ReadonlyArray<Embedding.Vector>, options: Timing = {}): Outcome => ({
  ...outcome([], { _tag: "Done" }, options),
  vectors,
})

/** Asks for a tool. `input` is written as the JSON text of the call's arguments. */
export const callTool = (name: string, input: unknown, options: Timing & { readonly id?: string } = {}): Outcome =>
  outcome(
    [
      { type: "start" },
      { type: "tool-call", index: 0, id: options.id ?? "call_1", name },
      { type: "tool-arguments", index: 0, arguments: JSON.stringify(input) },
      ...whole("tool-calls", { inputTokens: 10, outputTokens: 5 }),
    ],
    { _tag: "Done" },
    options,
  )

/** Fails: before anything is said, or, with `saying`, after that much of a stream. */
export const fail = (
  reason: Reason,
  options: Timing & {
    readonly saying?: string | ReadonlyArray<string>
    readonly message?: string
    readonly status?: number
  } = {},
): Outcome =>
  outcome(
    options.saying === undefined ? [] : said(options.saying),
    {
      _tag: "Fails",
      error: new ProviderError({
        reason,
        message: options.message ?? "scripted failure",
        status: options.status,
      }),
    },
    options,
  )

/** Says nothing more, for ever: at once, or, with `saying`, after that much of a stream. */
export const silence = (options: Timing & { readonly saying?: string | ReadonlyArray<string> } = {}): Outcome =>
  outcome(options.saying === undefined ? [] : said(options.saying), { _tag: "Silent" }, options)

/** Ends the stream without a finish reason, as if the connection had closed in good order. */
export const cut = (text: string | ReadonlyArray<string>, options: Timing = {}): Outcome =>
  outcome(said(text), { _tag: "Done" }, options)

/** A scripted provider: its layer, and what became of it. */
export interface Scripted {
  readonly layer: Layer.Layer<Provider>
  /** Every request it was sent, oldest first. */
  readonly requests: ReadonlyArray<Chat.Request>
  /** Those for embeddings, apart. */
  readonly embeddings: ReadonlyArray<Embedding.Request>
  /** How many calls are under way: zero once everything it began has ended. */
  readonly inFlight: () => number
}

/** What a script may say of its provider besides. */
export interface ScriptOptions {
  /** How it counts tokens, if it can; no outcome of the script is spent on it. */
  readonly countTokens?: Provider["Service"]["countTokens"]
}

/**
 * A provider that meets each request, whole, streamed or for embeddings, with the next outcome of the script; the last
 * one repeats.
 */
export const script = (
  outcomes: readonly [Outcome, ...ReadonlyArray<Outcome>],
  { countTokens }: ScriptOptions = {},
): Scripted => {
  const requests: Array<Chat.Request> = []
  const embeddings: Array<Embedding.Request> = []
  let inFlight = 0
  const next = (): Outcome =>
    outcomes[Math.min(requests.length + embeddings.length, outcomes.length) - 1] ?? outcomes[0]
  const played = (outcome: () => Outcome): Stream.Stream<Chat.Frame, ProviderError> =>
    Stream.suspend(() => {
      const { after, end, frames, tokenDelay } = outcome()
      inFlight++
      const paced = Stream.mapEffect(Stream.fromArray(frames), (frame) => Effect.as(wait(tokenDelay), frame))
      return Stream.fromEffect(wait(after)).pipe(
        Stream.drain,
        Stream.concat(paced),
        Stream.concat(ending(end)),
        Stream.onExit(() => Effect.sync(() => inFlight--)),
      )
    })
  const stream = (request: Chat.Request): Stream.Stream<Chat.Frame, ProviderError> =>
    played(() => {
      requests.push(request)
      return next()
    })
  return {
    layer: Layer.succeed(Provider, {
      protocol: "scripted",
      stream,
      chat: (request) => Effect.flatMap(Stream.runCollect(stream(request)), gather),
      embed: (request) =>
        Effect.suspend(() => {
          embeddings.push(request)
          const outcome = next()
          return Effect.andThen(
            Stream.runDrain(played(() => outcome)),
            outcome.vectors === undefined
              ? Effect.die(new Error("The script has words for a request for embeddings: use Testing.vectors"))
              : Effect.succeed({ vectors: outcome.vectors, usage: { inputTokens: 10, outputTokens: 0 } }),
          )
        }),
      countTokens,
    }),
    requests,
    embeddings,
    inFlight: () => inFlight,
  }
}

const wait = (duration: Duration.Input) =>
  Duration.isZero(Duration.fromInputUnsafe(duration)) ? Effect.void : Effect.sleep(duration)

const ending = (end: Outcome["end"]): Stream.Stream<never, ProviderError> => {
  switch (end._tag) {
    case "Done":
      return Stream.empty
    case "Fails":
      return Stream.fail(end.error)
    case "Silent":
      return Stream.never
  }
}

/** A whole answer, from the frames of a stream; one without a finish reason is malformed. */
const gather = (frames: ReadonlyArray<Chat.Frame>): Effect.Effect<Chat.Response, ProviderError> => {
  let text = ""
  const calls: Array<Chat.ToolCall> = []
  let usage: Chat.Usage | undefined
  let finish: Chat.FinishReason | undefined
  for (const part of frames.flatMap(({ parts }) => parts)) {
    if (part.type === "text") text += part.text
    else if (part.type === "tool-call") calls.push({ type: "tool-call", id: part.id, name: part.name, arguments: "" })
    else if (part.type === "tool-arguments") {
      const call = calls[part.index]
      if (call !== undefined) calls[part.index] = { ...call, arguments: call.arguments + part.arguments }
    } else if (part.type === "usage") usage = part.usage
    else if (part.type === "finish") finish = part.reason
  }
  return finish === undefined
    ? Effect.fail(new ProviderError({ reason: { _tag: "Malformed" }, message: "no finish reason" }))
    : Effect.succeed({
        content: [...(text === "" ? [] : [{ type: "text" as const, text }]), ...calls],
        finishReason: finish,
        usage,
      })
}
