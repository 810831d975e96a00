/** A process that stands still for longer than its limits allow blames no deployment for what it did not read in time. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestGateway from "../TestGateway.ts"

const limits = { firstToken: "250 millis", idle: "250 millis", attempt: "250 millis" } as const

/** Keeps everything in this process from running. */
const standStill = (millis: number): void => {
  const until = performance.now() + millis
  while (performance.now() < until);
}

const hello = { model: "assistant", messages: [{ role: "user", content: "hi" }] }

const ask = (url: string, stream: boolean) =>
  Effect.promise(() =>
    fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...hello, stream }),
    }).then(async (answer) => ({ by: answer.headers.get("x-understudy-deployment"), text: await answer.text() })),
  )

describe.each([false, true])("stream: %s", (stream) => {
  it.live("counts a response that arrived during a stall, and opens no circuit", () =>
    Effect.gen(function* () {
      const { router, upstream, url } = yield* TestGateway.make({
        primary: { timeout: limits, circuit: { failures: 1 } },
      })
      yield* upstream.script("primary", "slow-first-token-100")
      const asking = yield* Effect.forkChild(ask(url, stream))
      yield* upstream.received("primary")
      standStill(900)
      assert.strictEqual((yield* Fiber.join(asking)).by, "primary")
      const [primary] = yield* router.status
      assert.strictEqual(primary?.circuit, "closed")
    }),
  )

  it.live("still times out an upstream that sends nothing", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make({ primary: { timeout: limits } })
      yield* upstream.script("primary", "silent")
      const asking = yield* Effect.forkChild(ask(url, stream))
      yield* upstream.received("primary")
      standStill(900)
      assert.strictEqual((yield* Fiber.join(asking)).by, "backup")
    }),
  )
})
