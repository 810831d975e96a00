import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Chat from "../../src/model/Chat.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import { Provider } from "../../src/model/Provider.ts"
import type { ProviderError } from "../../src/model/ProviderError.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"

const secret = "sk-secret in /home/me/provider.ts:1:1"

/** Every way a provider may break other than by its typed error. */
const defects: Readonly<Record<string, () => Effect.Effect<never>>> = {
  "a die": () => Effect.die(new TypeError(secret)),
  "a thrown exception inside": () =>
    Effect.sync(() => {
      throw new TypeError(secret)
    }),
  "a thrown exception outside of any effect": () => {
    throw new TypeError(secret)
  },
  "something thrown that is no error": () => Effect.die(secret),
  "a rejected promise": () => Effect.promise(() => Promise.reject(new Error(secret))),
  "an interruption of its own": () => Effect.interrupt,
  "the interruption of a fibre it waits for": () =>
    Effect.flatMap(Effect.forkChild(Effect.never), (fiber) =>
      Effect.andThen(Fiber.interrupt(fiber), Fiber.join(fiber)),
    ),
}

const ask: Chat.Request = { model: "assistant", messages: [Chat.user("Hello?")] }

const providing = (provider: Partial<Provider["Service"]>): Layer.Layer<Provider> =>
  Layer.succeed(Provider, { protocol: "mine", chat: () => Effect.never, stream: () => Stream.never, ...provider })

const router = (
  provider: Partial<Provider["Service"]>,
  backup: Testing.Scripted,
  { protect = "preamble" }: { readonly protect?: "preamble" | "continue" | "full" } = {},
) =>
  Router.layer({
    deployments: {
      primary: Deployment.make({ model: "p", provider: providing(provider) }),
      backup: Deployment.make({ model: "b", provider: backup.layer }),
    },
    routes: { assistant: Route.fallback("primary", "backup").pipe(Route.stream({ protect })) },
    defaults: { retry: { times: 0 }, circuit: { failures: 2 } },
  })

/** What is logged as an error, as text. */
const logging = () => {
  const lines: Array<string> = []
  const layer = Logger.layer([
    Logger.make(({ cause, logLevel, message }) => {
      if (LogLevel.isGreaterThanOrEqualTo(logLevel, "Error")) lines.push(`${String(message)} ${String(cause)}`)
    }),
  ])
  return { lines, layer }
}

const saidFirst: Stream.Stream<Chat.Frame, ProviderError> = Stream.fromArray<Chat.Frame>([
  { parts: [{ type: "start" }] },
  { parts: [{ type: "text", text: "Once" }] },
])

const textOf = (parts: ReadonlyArray<Chat.Part>) =>
  parts.map((part) => (part.type === "text" ? part.text : "")).join("")

describe("a defect of a provider", () => {
  for (const [name, defect] of Object.entries(defects)) {
    describe(name, () => {
      it.effect("is a failed attempt that the circuit counts, with its cause in the log", () => {
        const backup = Testing.script([Testing.reply("Hi")])
        const { layer, lines } = logging()
        return Effect.gen(function* () {
          const { chat } = yield* Router.Router
          const { receipt, response } = yield* chat(ask)
          assert.strictEqual(Chat.text(response), "Hi")
          assert.deepInclude(receipt.attempts[0], {
            deployment: "primary",
            outcome: "failure",
            reason: "ServerError",
            message: "the provider failed unexpectedly",
          })
          assert.strictEqual(lines.length, 1)
          assert.include(lines[0], 'The provider of "primary" has a defect')
          if (!name.includes("interruption")) assert.include(lines[0], secret)
          yield* chat(ask)
          const third = yield* chat(ask)
          assert.strictEqual(third.receipt.skipped[0]?.reason._tag, "CircuitOpen")
        }).pipe(Effect.provide(router({ chat: defect }, backup)), Effect.provide(layer))
      })

      it.effect("falls back to the next deployment before a stream's first output", () => {
        const backup = Testing.script([Testing.reply("Hi")])
        const { layer, lines } = logging()
        return Effect.gen(function* () {
          assert.strictEqual(textOf([...(yield* Stream.runCollect(Router.stream(ask)))]), "Hi")
          assert.strictEqual(lines.length, 1)
        }).pipe(Effect.provide(router({ stream: () => Stream.unwrap(defect()) }, backup)), Effect.provide(layer))
      })

      it.effect("ends the stream after its first output with an error without details of the defect", () => {
        const backup = Testing.script([Testing.reply("Hi")])
        const { layer, lines } = logging()
        const stream = () => Stream.concat(saidFirst, Stream.fromEffect(Effect.suspend(defect)))
        return Effect.gen(function* () {
          const error = yield* Effect.flip(Stream.runCollect(Router.stream(ask)))
          assert.strictEqual(error.kind, "StreamInterrupted")
          assert.notInclude(error.message, secret)
          assert.strictEqual(error.receipt?.attempts[0]?.reason, "ServerError")
          assert.strictEqual(lines.length, 1)
        }).pipe(Effect.provide(router({ stream }, backup)), Effect.provide(layer))
      })

      for (const protect of ["continue", "full"] as const) {
        it.effect(`is recovered after a stream's first output with protect: ${protect}`, () => {
          const backup = Testing.script([Testing.reply("Once upon a time")])
          const { layer } = logging()
          const stream = () => Stream.concat(saidFirst, Stream.fromEffect(Effect.suspend(defect)))
          return Effect.gen(function* () {
            assert.strictEqual(textOf([...(yield* Stream.runCollect(Router.stream(ask)))]), "Once upon a time")
          }).pipe(Effect.provide(router({ stream }, backup, { protect })), Effect.provide(layer))
        })
      }

      it.effect("is a failed attempt of an embedding request", () => {
        const backup = Testing.script([Testing.vectors([[1]])])
        const { layer, lines } = logging()
        return Effect.gen(function* () {
          const { embed } = yield* Router.Router
          const { receipt, response } = yield* embed({ model: "assistant", input: ["a"] })
          assert.deepStrictEqual(response.vectors, [[1]])
          assert.strictEqual(receipt.attempts[0]?.reason, "ServerError")
          assert.strictEqual(lines.length, 1)
        }).pipe(Effect.provide(router({ embed: defect }, backup)), Effect.provide(layer))
      })

      it.effect("falls back to the next deployment for a token count", () => {
        const backup = Testing.script([Testing.reply("Hi")], { countTokens: () => Effect.succeed(7) })
        const { layer, lines } = logging()
        return Effect.gen(function* () {
          const { countTokens } = yield* Router.Router
          assert.deepStrictEqual(yield* countTokens(ask), { inputTokens: 7, deployment: "backup" })
          assert.strictEqual(lines.length, 1)
        }).pipe(Effect.provide(router({ countTokens: defect }, backup)), Effect.provide(layer))
      })
    })
  }

  it.effect("does not fail a complete stream if it is in the stream's finalizer", () => {
    const backup = Testing.script([Testing.reply("Hi")])
    const { layer, lines } = logging()
    const stream = () =>
      saidFirst.pipe(
        Stream.concat(Stream.succeed<Chat.Frame>({ parts: [{ type: "finish", reason: "stop" }] })),
        (frames) =>
          Stream.unwrap(
            Effect.as(
              Effect.addFinalizer(() => Effect.die(new Error(secret))),
              frames,
            ),
          ),
      )
    return Effect.gen(function* () {
      assert.strictEqual(textOf([...(yield* Stream.runCollect(Router.stream(ask)))]), "Once")
      assert.strictEqual(lines.length, 1)
    }).pipe(Effect.provide(router({ stream }, backup)), Effect.provide(layer))
  })

  it.effect("is not reported when the caller interrupts: no log, no retry, no failure of the circuit", () => {
    const backup = Testing.script([Testing.reply("Hi")])
    const { layer, lines } = logging()
    return Effect.gen(function* () {
      const { chat, status } = yield* Router.Router
      for (const _ of [1, 2, 3]) {
        const fiber = yield* Effect.forkChild(chat(ask))
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(fiber)
      }
      assert.deepStrictEqual(lines, [])
      assert.strictEqual(backup.requests.length, 0)
      assert.strictEqual((yield* status)[0]?.inFlight, 0)
      const later = yield* Effect.forkChild(chat(ask))
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual((yield* Fiber.join(later)).receipt.attempts[0]?.reason, "Timeout")
    }).pipe(Effect.provide(router({}, backup)), Effect.provide(layer))
  })
})
