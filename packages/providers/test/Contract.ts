/**
 * The contract of every provider over HTTP, whatever its vendor's protocol: how it responds, how a stream ends or
 * breaks, how it fails, and that a cancelled call leaves nothing behind. A vendor's own test covers the rest.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import type { Provider } from "@understudy/core/Provider"
import type { Reason } from "@understudy/core/ProviderError"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as FaultServer from "@understudy/providers/testing"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { ask, collect, look, textOf, types } from "./Asking.ts"

export const apiKey = Redacted.make("sk-secret")

type Broken = readonly [model: string, reason: Reason["_tag"], before?: ReadonlyArray<string>]
type Failure = readonly [model: string, reason: Reason["_tag"], status: number | undefined]

export interface Contract {
  /** A provider that calls this server with `apiKey`. */
  readonly connect: (url: string) => Effect.Effect<Provider["Service"], unknown, Scope.Scope>
  /** The types of a stream's parts once it has output. */
  readonly begun: ReadonlyArray<string>
  /** Streams that break in this vendor's way, and the types of the parts before; default: `begun`. */
  readonly broken: ReadonlyArray<Broken>
  /** Failures with this vendor's status, in place of the common one. */
  readonly failures?: ReadonlyArray<Failure>
  /** Common failures and endings of streams, by model, that this vendor does not have. */
  readonly without?: ReadonlyArray<string>
}

const broken: ReadonlyArray<Broken> = [
  ["cut-3", "Network"],
  ["cut-3-reset", "Network"],
  ["error-event-first", "Overloaded", []],
  ["error-event-after-2", "Overloaded"],
  ["error-event-after-2-rate-limit", "RateLimited"],
]

const failures: ReadonlyArray<Failure> = [
  ["429", "RateLimited", 429],
  ["quota", "QuotaExhausted", 429],
  ["bad-key", "Authentication", 401],
  ["forbidden", "Permission", 403],
  ["unknown-model", "ModelNotFound", 404],
  ["context-length", "ContextWindowExceeded", 400],
  ["content-policy", "ContentPolicy", 400],
  ["invalid-request", "InvalidRequest", 400],
  ["unsupported-parameter", "Unsupported", 400],
  ["timeout", "Timeout", 408],
  ["500", "ServerError", 500],
  ["503", "Overloaded", 503],
  ["html-502", "ServerError", 502],
  ["reset", "Network", undefined],
  ["cut-1", "Network", undefined],
  ["empty-200", "Malformed", undefined],
  ["half-json", "Malformed", undefined],
]

const failuresOf = ({ failures: own = [], without = [] }: Contract): ReadonlyArray<Failure> => [
  ...failures.filter(([model]) => !without.includes(model) && !own.some(([name]) => name === model)),
  ...own,
]

/** A fault server, and a provider that calls it. */
export const faulty = (connect: Contract["connect"]) =>
  Effect.gen(function* () {
    const server = yield* FaultServer.make()
    return { server, provider: yield* connect(server.url) }
  })

export const holds = (contract: Contract): void => {
  const { begun, connect, without = [] } = contract
  const both = faulty(connect)

  describe("chat", () => {
    it.live("an empty text is a response", () =>
      Effect.gen(function* () {
        const { provider } = yield* both
        const response = yield* provider.chat(ask("empty-text"))
        assert.deepStrictEqual([Chat.text(response), response.finishReason], ["", "stop"])
      }),
    )

    it.live("a tool call and its result continue the conversation", () =>
      Effect.gen(function* () {
        const { provider, server } = yield* both
        yield* server.script("tool", [Behavior.answer({ arguments: '{"where":"up"}' }), Behavior.answer()])
        const first = yield* provider.chat(ask("tool", { tools: [look] }))
        assert.strictEqual(first.finishReason, "tool-calls")
        const [call] = Chat.toolCalls(first)
        if (call === undefined) return assert.fail("no call")
        assert.deepStrictEqual([call.name, call.arguments], ["look", '{"where":"up"}'])
        const messages = [Chat.user("Hello"), Chat.assistant(first.content), Chat.toolResult(call.id, "The sky")]
        const second = yield* provider.chat(ask("tool", { tools: [look], messages }))
        assert.strictEqual(second.finishReason, "stop")
        assert.include(Chat.text(second), "The sky")
      }),
    )
  })

  describe("stream", () => {
    it.live("a tool call may contain any text", () =>
      Effect.gen(function* () {
        const { provider } = yield* both
        const { error, parts } = yield* collect(provider.stream(ask("tool-done", { tools: [look] })))
        assert.isUndefined(error)
        const json = parts.map((part) => (part.type === "tool-call-delta" ? part.arguments : "")).join("")
        assert.deepStrictEqual(JSON.parse(json), { text: "\n\ndata: [DONE]\n\n" })
        assert.deepInclude(
          parts.find(({ type }) => type === "finish"),
          { reason: "tool-calls" },
        )
      }),
    )

    it.live.skipIf(without.includes("malformed-event"))("skips a malformed event", () =>
      Effect.gen(function* () {
        const { provider, server } = yield* both
        yield* server.script("m", [Behavior.malformedEvent(1, { text: "One two three" })])
        const { error, parts } = yield* collect(provider.stream(ask("m")))
        assert.isUndefined(error)
        assert.strictEqual(textOf(parts), "One two three")
        assert.include(types(parts), "finish")
      }),
    )

    it.live.skipIf(without.includes("no-done"))(
      "a stream with a finish reason is complete without the protocol's last event",
      () =>
        Effect.gen(function* () {
          const { provider } = yield* both
          const { error, parts } = yield* collect(provider.stream(ask("no-done")))
          assert.isUndefined(error)
          assert.include(types(parts), "finish")
        }),
    )

    it.live.skipIf(without.includes("eof-no-finish"))("a stream that ends without a finish reason has no finish", () =>
      Effect.gen(function* () {
        const { provider } = yield* both
        const { error, parts } = yield* collect(provider.stream(ask("eof-no-finish")))
        assert.isUndefined(error)
        assert.deepStrictEqual(types(parts), begun)
      }),
    )

    for (const [model, reason, before = begun] of [...broken, ...contract.broken]) {
      it.live(`a broken stream emits its parts, then its error: ${model}`, () =>
        Effect.gen(function* () {
          const { provider } = yield* both
          const { error, parts } = yield* collect(provider.stream(ask(model)))
          assert.strictEqual(error?.reason._tag, reason)
          assert.deepStrictEqual(types(parts), before)
        }),
      )
    }
  })

  describe("failures", () => {
    for (const [model, reason, status] of failuresOf(contract)) {
      it.live(`${model} is ${reason}, after one request`, () =>
        Effect.gen(function* () {
          const { provider, server } = yield* both
          const error = yield* Effect.flip(provider.chat(ask(model)))
          assert.strictEqual(error.reason._tag, reason)
          assert.strictEqual(error.status, status)
          assert.notInclude(error.message, Redacted.value(apiKey))
          assert.strictEqual(yield* server.attempts(model), 1)
          // A truncated or invalid body has no stream of its name.
          if (reason === "Malformed" || model === "cut-1") return
          const streamed = yield* collect(provider.stream(ask(model)))
          assert.strictEqual(streamed.error?.reason._tag, reason)
          assert.deepStrictEqual(streamed.parts, [])
        }),
      )
    }

    it.live("a refused connection is a Network error", () =>
      Effect.gen(function* () {
        const url = yield* Effect.scoped(Effect.map(FaultServer.make(), (server) => server.url))
        const provider = yield* connect(url)
        assert.strictEqual((yield* Effect.flip(provider.chat(ask("ok")))).reason._tag, "Network")
        assert.strictEqual((yield* collect(provider.stream(ask("ok")))).error?.reason._tag, "Network")
      }),
    )
  })

  describe("stopping", () => {
    it.live("an interrupted chat closes its connection, before the headers or within the body", () =>
      Effect.gen(function* () {
        const { provider, server } = yield* both
        for (const model of ["silent", "stall-1"]) {
          const fiber = yield* Effect.forkChild(provider.chat(ask(model)))
          const request = yield* server.received(model)
          yield* Fiber.interrupt(fiber)
          assert.strictEqual(yield* server.closed(request), "left")
        }
        yield* server.idle
      }),
    )

    it.live("an interrupted stream closes its connection, before its first event or after", () =>
      Effect.gen(function* () {
        const { provider, server } = yield* both
        for (const model of ["silent", "stall-0", "stall-2", "stall-2-pings"]) {
          const fiber = yield* Effect.forkChild(Stream.runDrain(provider.stream(ask(model))))
          const request = yield* server.received(model)
          yield* Fiber.interrupt(fiber)
          assert.strictEqual(yield* server.closed(request), "left")
        }
        yield* server.idle
      }),
    )

    it.live("a stream that is not read to its end closes its connection", () =>
      Effect.gen(function* () {
        const { provider, server } = yield* both
        yield* Stream.runDrain(Stream.take(provider.stream(ask("stall-2")), 1))
        assert.strictEqual(yield* server.closed(yield* server.received("stall-2")), "left")
      }),
    )

    it.live("a pulled stream closes its connection with its scope", () =>
      Effect.gen(function* () {
        const { provider, server } = yield* both
        const scope = yield* Scope.make()
        const pull = yield* Scope.provide(Stream.toPull(provider.stream(ask("stall-2"))), scope)
        yield* pull
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(yield* server.closed(yield* server.received("stall-2")), "left")
      }),
    )

    it.live("a complete response leaves its connection to the next call", () =>
      Effect.gen(function* () {
        const { provider, server } = yield* both
        for (let call = 0; call < 4; call++) {
          yield* collect(provider.stream(ask("ok")))
          yield* provider.chat(ask("ok"))
        }
        // A call made in the tick in which the last one ends finds its connection still busy: two take turns.
        assert.isAtMost(yield* server.openSockets, 2)
      }),
    )
  })
}
