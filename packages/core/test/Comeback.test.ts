/** How soon a primary that is back answers again, under steady traffic, after outages of any length. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Chat from "../src/Chat.ts"
import * as Deployment from "../src/Deployment.ts"
import { Provider } from "../src/Provider.ts"
import { ProviderError } from "../src/ProviderError.ts"
import type { Reason } from "../src/ProviderError.ts"
import * as Route from "../src/Route.ts"
import * as Router from "../src/Router.ts"
import * as Testing from "../src/Testing.ts"

/** How a server is down: it fails at once, late, or says nothing. */
type Outage = { readonly reason: Reason; readonly after: Duration.Input } | "silent"

/** A primary that is down from a time until another, and how often it was asked meanwhile. */
const downFor = (from: number, until: number, outage: Outage) => {
  let asked = 0
  const frames: ReadonlyArray<Chat.Frame> = [
    { parts: [{ type: "text", text: "Here" }] },
    { parts: [{ type: "finish", reason: "stop" }] },
  ]
  const answer = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    if (now < from || now >= until) return Effect.succeed(frames)
    asked++
    return outage === "silent"
      ? Effect.never
      : Effect.andThen(
          Effect.sleep(outage.after),
          Effect.fail(new ProviderError({ reason: outage.reason, message: "down" })),
        )
  })
  const layer = Layer.succeed(Provider, {
    protocol: "scripted",
    chat: () => Effect.as(answer, { content: [{ type: "text", text: "Here" }], finish: "stop" }),
    stream: () => Stream.unwrap(Effect.map(answer, Stream.fromIterable)),
  })
  return { layer, asked: () => asked }
}

/** The seconds after which it answers again, of calls this far apart, and how often it was asked while it was down. */
const comeback = (outageSeconds: number, everySeconds: number, outage: Outage, distinct: boolean) => {
  const from = 60_000
  const until = from + outageSeconds * 1000
  const primary = downFor(from, until, outage)
  return Effect.gen(function* () {
    const router = yield* Router.Router
    const call = (text: string) => router.chatStream({ model: "assistant", messages: [Chat.user(text)] })
    let back: number | undefined
    for (let second = 0; back === undefined; second += everySeconds) {
      const text = distinct ? `Question ${second}` : "Question"
      const running = yield* Effect.forkChild(
        Effect.scoped(Effect.tap(call(text), ({ frames }) => Stream.runDrain(frames))),
        {
          startImmediately: true,
        },
      )
      yield* TestClock.adjust(Duration.seconds(everySeconds))
      const done = running.pollUnsafe()
      if (second * 1000 < until) {
        if (done !== undefined) assert.strictEqual(done._tag, "Success", "every call is answered")
        continue
      }
      const { receipt } = yield* Fiber.join(running)
      if (receipt.deployment === "primary") back = second - until / 1000
      if (second > until / 1000 + 300) break
    }
    return { back, asked: primary.asked() }
  }).pipe(
    Effect.provide(
      Router.layer({
        deployments: {
          primary: Deployment.make({ model: "p", provider: primary.layer }),
          backup: Deployment.make({ model: "b", provider: Testing.script([Testing.reply("Hi")]).layer }),
        },
        routes: { assistant: Route.fallback("primary", "backup") },
      }),
    ),
  )
}

const outages: ReadonlyArray<readonly [string, Outage]> = [
  ["refuses connections", { reason: { _tag: "Network" }, after: 0 }],
  ["is overloaded, and slow to say so", { reason: { _tag: "Overloaded" }, after: "300 millis" }],
  ["sends every caller away for an hour", { reason: { _tag: "RateLimited", retryAfter: Duration.hours(1) }, after: 0 }],
  ["says nothing", "silent"],
]

describe("a primary that is back", () => {
  for (const [how, outage] of outages) {
    for (const every of [1, 10]) {
      for (const seconds of [1, 7, 45, 300, 3600]) {
        it.effect(`answers within 30 s, having been down for ${seconds} s: ${how}, a call every ${every} s`, () =>
          Effect.gen(function* () {
            const { asked, back } = yield* comeback(seconds, every, outage, true)
            assert.isAtMost(back ?? Infinity, 30)
            // Probes are not so many either: the outage costs a few calls at its beginning, then one in half a minute.
            assert.isAtMost(asked, 16 + seconds / 15)
          }),
        )
      }
    }
  }

  it.effect("is found as soon when every call asks the same", () =>
    Effect.gen(function* () {
      const { asked, back } = yield* comeback(300, 1, { reason: { _tag: "Network" }, after: 0 }, false)
      assert.isAtMost(back ?? Infinity, 30)
      assert.isAtMost(asked, 30)
    }),
  )
})
