/**
 * A stream from the upstream's bytes to the client's: what a client receives, and the receipt, depend neither on how the
 * bytes are split into reads, nor on whether an event is recognized or parsed.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deployment from "@understudy/core/Deployment"
import * as Chat from "@understudy/core/Chat"
import * as Router from "@understudy/core/Router"
import * as OpenAi from "@understudy/providers/openai"
import * as Protocol from "@understudy/providers/internal/protocols/chat-completions/Stream"
import * as Transport from "@understudy/providers/internal/transport/Transport"
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as HttpReply from "../../src/api/HttpReply.ts"

const chunk = (choice: object, more: object = {}) => ({
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  created: 1_760_000_000,
  model: "gpt",
  choices: [{ index: 0, delta: {}, finish_reason: null, ...choice }],
  ...more,
})

const opening = chunk({ delta: { role: "assistant", content: "" } })
const finish = chunk({ delta: {}, finish_reason: "stop" })
const usage = { ...chunk({}, { usage: { prompt_tokens: 7, completion_tokens: 9 } }), choices: [] }

const Text = Schema.Union([Schema.String, Schema.Literals(["a", "\n", "🎭", '"', "stop", "role"])])

/** What may follow the opening: text, reasoning, a comment, usage on the way, and faults. */
const Event = Schema.Union([
  Schema.Struct({ content: Text }),
  Schema.Struct({ content: Text }),
  Schema.Struct({ content: Text }),
  Schema.Struct({ reasoning_content: Schema.String }),
  Schema.Literals(["comment", "usage", "error", "truncated"]),
])
type Event = typeof Event.Type

const bodyOf = (event: Event): string => {
  switch (event) {
    case "comment":
      return ""
    case "usage":
      return JSON.stringify(usage)
    case "error":
      return JSON.stringify({ error: { message: "overloaded", type: "server_error" } })
    case "truncated":
      return JSON.stringify(opening).slice(0, -9)
    default:
      return JSON.stringify(chunk({ delta: event }))
  }
}

/**
 * An event stream, cut before its end or not. `space` stands before the data of each event: with another space for each, no
 * event has what an earlier one has around its text, and all are parsed.
 */
const write = (events: ReadonlyArray<Event>, isCut: boolean, space: (index: number) => string, line: string): string =>
  [
    JSON.stringify(opening),
    ...events.map(bodyOf),
    ...(isCut ? [] : [JSON.stringify(finish), JSON.stringify(usage), "[DONE]"]),
  ]
    .map(
      (body, index) => (body === "" ? ": ping" : `data: ${body === "[DONE]" ? "" : space(index)}${body}`) + line + line,
    )
    .join("")

const request: Chat.Request = { model: "primary", messages: [Chat.user("Hello")] }

/** What the client of a stream with these reads receives, and what its receipt says. */
const played = Effect.fnUntraced(function* (reads: ReadonlyArray<Uint8Array>) {
  const bytes = Stream.rechunk(Stream.fromIterable(reads), 1)
  const pool: Transport.Pool = {
    sender: () => ({
      send: () => Effect.die("not streamed"),
      open: () => Effect.succeed({ status: 200, headers: { "content-type": "text/event-stream" }, bytes }),
    }),
  }
  const provider = OpenAi.layer({
    apiKey: Redacted.make("sk-test"),
    baseUrl: "http://127.0.0.1:9/v1",
    api: "chat-completions",
  }).pipe(Layer.provide(Layer.succeed(Transport.Transport, pool)))
  const layer = Router.layer({
    deployments: { primary: Deployment.make({ model: "gpt", provider, retry: { times: 0 } }) },
  })
  return yield* Effect.gen(function* () {
    const router = yield* Router.Router
    const streaming = yield* router.chatStream(request)
    const { end, push } = Protocol.encoder({ request, id: "1", created: 1 })
    const body = yield* Stream.runCollect(
      HttpReply.encodeStream(streaming, push, end, ({ message }) => `error: ${message}\n\n`),
    )
    return { text: Buffer.concat(body).toString(), receipt: () => streaming.receipt }
  }).pipe(
    Effect.scoped,
    Effect.map(({ receipt, text }) => {
      const { attempts, outcome } = receipt()
      return { text, outcome, attempts: attempts.map((attempt) => ({ ...attempt, millis: 0 })) }
    }),
    Effect.catch(({ kind, message }) => Effect.succeed({ kind, message })),
    Effect.provide(layer),
  )
})

/** The bytes in reads of these sizes, again and again. */
const split = (text: string, sizes: Arr.NonEmptyReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const all = Buffer.from(text)
  const parts: Array<Uint8Array> = []
  for (let at = 0; at < all.length; at += parts.at(-1)!.length) {
    parts.push(all.subarray(at, at + sizes[parts.length % sizes.length]!))
  }
  return parts
}

/** The outcome, without the white space before each event's data. */
const normal = (outcome: Effect.Success<ReturnType<typeof played>>) =>
  "text" in outcome ? { ...outcome, text: outcome.text.replaceAll(/^data: +/gm, "data: ") } : outcome

describe("a stream", () => {
  it.effect.prop(
    "is the same to its client however its bytes arrive, recognized or parsed",
    {
      events: Schema.Array(Event).check(Schema.isMinLength(2)),
      isCut: Schema.Literals([false, false, true]),
      sizes: Schema.NonEmptyArray(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 400 }))),
    },
    Effect.fnUntraced(function* ({ events, isCut, sizes }) {
      const text = write(events, isCut, () => "", "\n")
      const whole = yield* played([Buffer.from(text)])
      assert.deepStrictEqual(yield* played(split(text, sizes)), whole)
      const parsed = write(events, isCut, (index) => " ".repeat(index), "\r\n")
      assert.deepStrictEqual(normal(yield* played([Buffer.from(parsed)])), normal(whole))
      assert.deepStrictEqual(normal(yield* played(split(parsed, sizes))), normal(whole))
    }),
    { arbitrary: { runs: 100 } },
  )
})
