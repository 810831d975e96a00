/**
 * A scripted provider for tests. It plays outcomes in order and records its requests, so that fallback is tested without a
 * network, and under `TestClock` without waiting.
 *
 * ```ts
 * const primary = Testing.script([Testing.fail({ _tag: "Authentication" })])
 * const backup = Testing.script([Testing.reply("Hello")])
 * const RouterTest = Router.layer({
 *   deployments: {
 *     primary: Deployment.make({ model: "m", provider: primary.layer }),
 *     backup: Deployment.make({ model: "m", provider: backup.layer }),
 *   },
 *   routes: { assistant: Route.fallback("primary", "backup") },
 * })
 *
 * const test = Effect.gen(function* () {
 *   const router = yield* Router.Router
 *   const { receipt, response } = yield* router.chat({ model: "assistant", messages: [Chat.user("Hi")] })
 *   assert.strictEqual(Chat.text(response), "Hello")
 *   assert.strictEqual(receipt.deployment, "backup")
 *   assert.lengthOf(primary.requests, 1)
 * }).pipe(Effect.provide(RouterTest))
 * ```
 *
 * A failure that is retryable, such as `Overloaded`, is retried after a backoff: advance the `TestClock`, or set
 * `Route.retry({ times: 0 })`.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type * as Chat from "./model/Chat.ts"
import type * as Embedding from "./model/Embedding.ts"
import * as Operation from "./model/Operation.ts"
import { Provider } from "./model/Provider.ts"
import { ProviderError } from "./model/ProviderError.ts"
import type { Reason } from "./model/ProviderError.ts"

/** What a scripted provider does on a request: it waits, sends frames, then ends, fails or hangs. */
export interface Outcome {
  readonly after: Duration.Input
  readonly frames: ReadonlyArray<Chat.Frame>
  /** The delay before each frame. */
  readonly tokenDelay: Duration.Input
  readonly end:
    | { readonly _tag: "Done" }
    | { readonly _tag: "Fails"; readonly error: ProviderError }
    | { readonly _tag: "Hangs" }
  /** The response to an embedding request. */
  readonly vectors?: ReadonlyArray<Embedding.Vector>
}

/** The delays of an outcome: before it begins, and before each frame. Default: none. */
export interface Timing {
  readonly after?: Duration.Input
  readonly tokenDelay?: Duration.Input
}

const outcome = (
  parts: ReadonlyArray<Chat.Part>,
  end: Outcome["end"],
  { after = Duration.zero, tokenDelay = Duration.zero }: Timing,
): Outcome => ({ after, tokenDelay, frames: parts.map((part) => ({ parts: [part] })), end })

const partsOf = (text: string | ReadonlyArray<string>): ReadonlyArray<Chat.Part> => [
  { type: "start" },
  ...(Predicate.isString(text) ? [text] : text).map((text): Chat.Part => ({ type: "text", text })),
]

const completion = (reason: Chat.FinishReason, usage: Chat.Usage): ReadonlyArray<Chat.Part> => [
  { type: "finish", reason },
  { type: "usage", usage },
]

/**
 * A complete response. An array of texts is streamed in pieces. Defaults: finish reason `stop`, 10 input tokens and 5 output
 * tokens.
 *
 * ```ts
 * Testing.reply(["Good ", "evening"], { after: "1 second", tokenDelay: "100 millis" })
 * ```
 */
export const reply = (
  text: string | ReadonlyArray<string>,
  options: Timing & { readonly usage?: Chat.Usage; readonly finish?: Chat.FinishReason } = {},
): Outcome => {
  const usage = options.usage ?? { inputTokens: 10, outputTokens: 5 }
  return outcome([...partsOf(text), ...completion(options.finish ?? "stop", usage)], { _tag: "Done" }, options)
}

/** The response to an embedding request: one vector for each of its inputs. */
export const vectors = (vectors: ReadonlyArray<Embedding.Vector>, options: Timing = {}): Outcome => ({
  ...outcome([], { _tag: "Done" }, options),
  vectors,
})

/** A response with a tool call. `input` becomes the JSON text of its arguments. Default id: `call_1`. */
export const callTool = (name: string, input: unknown, options: Timing & { readonly id?: string } = {}): Outcome =>
  outcome(
    [
      { type: "start" },
      { type: "tool-call", index: 0, id: options.id ?? "call_1", name },
      { type: "tool-call-delta", index: 0, arguments: JSON.stringify(input) },
      ...completion("tool-calls", { inputTokens: 10, outputTokens: 5 }),
    ],
    { _tag: "Done" },
    options,
  )

/**
 * A failure: before any output, or with `output` after that much of a stream.
 *
 * ```ts
 * Testing.fail({ _tag: "ServerError" }, { output: ["Good ", "even"], status: 500 })
 * ```
 */
export const fail = (
  reason: Reason,
  options: Timing & {
    readonly output?: string | ReadonlyArray<string>
    readonly message?: string
    readonly status?: number
  } = {},
): Outcome =>
  outcome(
    options.output === undefined ? [] : partsOf(options.output),
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

/** Hangs: without any output, or with `output` after that much of a stream. */
export const hang = (options: Timing & { readonly output?: string | ReadonlyArray<string> } = {}): Outcome =>
  outcome(options.output === undefined ? [] : partsOf(options.output), { _tag: "Hangs" }, options)

/** Ends without a finish reason, as if the connection closed cleanly in the middle of the stream. */
export const cut = (text: string | ReadonlyArray<string>, options: Timing = {}): Outcome =>
  outcome(partsOf(text), { _tag: "Done" }, options)

/** A scripted provider: its layer, and the requests that it received. */
export interface Scripted {
  readonly layer: Layer.Layer<Provider>
  /** The chat requests, oldest first. */
  readonly requests: ReadonlyArray<Chat.Request>
  /** The embedding requests, oldest first. */
  readonly embeddings: ReadonlyArray<Embedding.Request>
  /** The requests of other operations, oldest first. */
  readonly operations: ReadonlyArray<Operation.Request>
  /** The number of running requests: 0 if none is leaked. */
  readonly inFlight: () => number
}

/** The options of `script`. */
export interface ScriptOptions {
  /** Counts tokens, without using an outcome of the script. Without it, the provider cannot count. */
  readonly countTokens?: Provider["Service"]["countTokens"]
  /** The operations besides chat and embeddings that it has. Default: all. */
  readonly operations?: ReadonlyArray<Operation.Name>
}

/**
 * A provider that answers each request, of any operation, streamed or not, with the next outcome. The last one repeats. The texts of
 * an outcome are the bytes of an operation besides chat and embeddings.
 */
export const script = (
  outcomes: readonly [Outcome, ...ReadonlyArray<Outcome>],
  { countTokens, operations: names = Operation.names }: ScriptOptions = {},
): Scripted => {
  const requests: Array<Chat.Request> = []
  const embeddings: Array<Embedding.Request> = []
  const operations: Array<Operation.Request> = []
  let inFlight = 0
  const next = (): Outcome =>
    outcomes[Math.min(requests.length + embeddings.length + operations.length, outcomes.length) - 1] ?? outcomes[0]
  const play = (outcome: () => Outcome): Stream.Stream<Chat.Frame, ProviderError> =>
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
    play(() => {
      requests.push(request)
      return next()
    })
  return {
    layer: Layer.succeed(Provider, {
      protocol: "scripted",
      stream,
      chat: (request) => Effect.flatMap(Stream.runCollect(stream(request)), collect),
      embed: (request) =>
        Effect.suspend(() => {
          embeddings.push(request)
          const outcome = next()
          return Effect.andThen(
            Stream.runDrain(play(() => outcome)),
            outcome.vectors === undefined
              ? Effect.die(new Error("The next outcome has no vectors for an embedding request: use Testing.vectors"))
              : Effect.succeed({ vectors: outcome.vectors, usage: { inputTokens: 10, outputTokens: 0 } }),
          )
        }),
      operations: {
        names: new Set(names),
        send: (request) => {
          const frames = Stream.map(
            play(() => {
              operations.push(request)
              return next()
            }),
            toBytes,
          )
          return request.streaming === true
            ? frames
            : Stream.unwrap(Effect.map(Stream.runCollect(frames), (all) => Stream.fromArray(together(all))))
        },
      },
      countTokens,
    }),
    requests,
    embeddings,
    operations,
    inFlight: () => inFlight,
  }
}

/** A frame as one of another operation: a finish reason makes it the last. */
const toBytes = ({ parts }: Chat.Frame): Operation.Frame => ({
  contentType: "text/plain",
  data: parts.map((part) => (part.type === "text" ? part.text : "")).join(""),
  usage: parts.find((part) => part.type === "usage")?.usage,
  isLast: parts.some(({ type }) => type === "finish"),
})

/** The one frame of a complete response; none if it is not complete. */
const together = (frames: ReadonlyArray<Operation.Frame>): ReadonlyArray<Operation.Frame> =>
  frames.some(({ isLast }) => isLast === true)
    ? [
        {
          contentType: "text/plain",
          data: frames.map(({ data }) => String(data)).join(""),
          usage: frames.findLast(({ usage }) => usage !== undefined)?.usage,
          isLast: true,
        },
      ]
    : []

const wait = (duration: Duration.Input) =>
  Duration.isZero(Duration.fromInputUnsafe(duration)) ? Effect.void : Effect.sleep(duration)

const ending = (end: Outcome["end"]): Stream.Stream<never, ProviderError> => {
  switch (end._tag) {
    case "Done":
      return Stream.empty
    case "Fails":
      return Stream.fail(end.error)
    case "Hangs":
      return Stream.never
  }
}

/** The complete response of a stream. Without a finish reason it is malformed. */
const collect = (frames: ReadonlyArray<Chat.Frame>): Effect.Effect<Chat.Response, ProviderError> => {
  let text = ""
  const calls: Array<Chat.ToolCall> = []
  let usage: Chat.Usage | undefined
  let finish: Chat.FinishReason | undefined
  for (const part of frames.flatMap(({ parts }) => parts)) {
    if (part.type === "text") text += part.text
    else if (part.type === "tool-call") calls.push({ type: "tool-call", id: part.id, name: part.name, arguments: "" })
    else if (part.type === "tool-call-delta") {
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
