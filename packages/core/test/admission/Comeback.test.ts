/** How soon a primary that is back answers again, under steady traffic, after outages of any length. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Chat from "../../src/model/Chat.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import { Provider } from "../../src/model/Provider.ts"
import { ProviderError } from "../../src/model/ProviderError.ts"
import type { Reason } from "../../src/model/ProviderError.ts"
import type { Receipt } from "../../src/receipt/Receipt.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import type { RouterError } from "../../src/execution/RouterError.ts"
import * as Testing from "../../src/Testing.ts"

/** How a server is down: it fails at once, late, or says nothing. */
type Outage = { readonly reason: Reason; readonly after: Duration.Input } | "silent"

/** A primary that is down from a time until another, and how often it was asked meanwhile. */
const downFor = (from: number, until: number, outage: Outage, { local, takes }: Pick<Kind, "local" | "takes">) => {
  let asked = 0
  const frames: ReadonlyArray<Chat.Frame> = [
    { parts: [{ type: "text", text: "Here" }] },
    { parts: [{ type: "finish", reason: "stop" }] },
  ]
  const answer = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    if (now < from || now >= until) return Effect.delay(Effect.succeed(frames), Duration.seconds(takes ?? 0))
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
    local,
    chat: () => Effect.as(answer, { content: [{ type: "text", text: "Here" }], finishReason: "stop" }),
    stream: () => Stream.unwrap(Effect.map(answer, Stream.fromIterable)),
  })
  return { layer, asked: () => asked }
}

/** How a primary is asked, whether it is local, and how many seconds it takes to answer. */
interface Kind {
  readonly distinct?: boolean
  readonly plain?: boolean
  readonly local?: boolean
  readonly takes?: number
}

type Running = Fiber.Fiber<{ readonly receipt: Receipt }, RouterError>

const answeredBy = (running: Running): string | undefined => {
  const done = running.pollUnsafe()
  return done?._tag === "Success" ? done.value.receipt.deployment : undefined
}

/** The seconds after which it answers again, of calls this far apart, and how often it was asked while it was down. */
const comeback = (
  outageSeconds: number,
  everySeconds: number,
  outage: Outage,
  { distinct = true, local = false, plain = false, takes = 0 }: Kind = {},
) => {
  const from = 60_000
  const until = from + outageSeconds * 1000
  const primary = downFor(from, until, outage, { local, takes })
  return Effect.gen(function* () {
    const router = yield* Router.Router
    const call = (text: string): Effect.Effect<{ readonly receipt: Receipt }, RouterError> => {
      const request = { model: "assistant", messages: [Chat.user(text)] }
      return plain
        ? router.chat(request)
        : Effect.scoped(Effect.tap(router.chatStream(request), ({ frames }) => Stream.runDrain(frames)))
    }
    let back: number | undefined
    const calls: Array<{ readonly second: number; readonly running: Running }> = []
    for (let second = 0; back === undefined; second += everySeconds) {
      const text = distinct ? `Question ${second}` : "Question"
      const running = yield* Effect.forkChild(call(text), { startImmediately: true })
      yield* TestClock.adjust(Duration.seconds(everySeconds))
      const done = running.pollUnsafe()
      if (second * 1000 < until) {
        if (done !== undefined) assert.strictEqual(done._tag, "Success", "every call is answered")
        continue
      }
      calls.push({ second: second - until / 1000, running })
      back = calls.find(({ running }) => answeredBy(running) === "primary")?.second
      if (second > until / 1000 + 300) break
    }
    const asked = primary.asked()
    for (let more = 0; more < 120; more += everySeconds) {
      yield* Effect.forkChild(call(`More ${more}`), { startImmediately: true })
      yield* TestClock.adjust(Duration.seconds(everySeconds))
    }
    const [{ circuit } = assert.fail("no status")] = yield* router.status
    assert.strictEqual(circuit, "closed", "all calls are its own again")
    return { back, asked }
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

describe("a primary deployment that has recovered", () => {
  for (const [how, outage] of outages) {
    for (const every of [1, 10]) {
      for (const seconds of [1, 7, 45, 300, 3600]) {
        it.effect(`answers within 30 s after ${seconds} s of outage: ${how}, a call every ${every} s`, () =>
          Effect.gen(function* () {
            const { asked, back } = yield* comeback(seconds, every, outage)
            assert.isAtMost(back ?? Infinity, 30)
            // Probes are not so many either: the outage costs a few calls at its beginning, then one in half a minute.
            assert.isAtMost(asked, 16 + seconds / 15)
          }),
        )
      }
    }
  }

  const patient: Readonly<Record<string, Kind>> = {
    "plain calls": { plain: true },
    "streams of a local server": { local: true },
    "plain calls of a local server": { local: true, plain: true },
  }
  for (const [name, kind] of Object.entries(patient)) {
    for (const seconds of [7, 90, 300, 3600]) {
      it.effect(`is found although a probe is never answered: ${name}, ${seconds} s`, () =>
        Effect.gen(function* () {
          const { asked, back } = yield* comeback(seconds, 1, "silent", kind)
          assert.isAtMost(back ?? Infinity, 30)
          assert.isAtMost(asked, 310 + seconds / 15)
        }),
      )
    }
  }

  it.effect("is found although each of its answers takes longer than the probe timeout", () =>
    Effect.gen(function* () {
      const { back } = yield* comeback(90, 1, { reason: { _tag: "Network" }, after: 0 }, { plain: true, takes: 45 })
      assert.isAtMost(back ?? Infinity, 30)
    }),
  )

  it.effect("is found as soon when all calls are identical", () =>
    Effect.gen(function* () {
      const { asked, back } = yield* comeback(300, 1, { reason: { _tag: "Network" }, after: 0 }, { distinct: false })
      assert.isAtMost(back ?? Infinity, 30)
      assert.isAtMost(asked, 30)
    }),
  )
})
