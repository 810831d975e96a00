import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Logger from "effect/Logger"
import * as JsonBody from "../../src/api/JsonBody.ts"

/** A clock that is so much later whenever it is looked at. */
const ticking = (clock: Clock.Clock, millis: number): Clock.Clock => {
  let now = 0
  return Object.assign(Object.create(clock) as Clock.Clock, { currentTimeMillisUnsafe: () => (now += millis) })
}

const body = `{"model":"assistant"}`

const lines = Effect.fnUntraced(function* (millis: number) {
  const lines: Array<string> = []
  const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel} ${String(message)}`))
  const clock = ticking(yield* Clock.Clock, millis)
  const request = HttpServerRequest.fromWeb(
    new Request("http://gateway/", { method: "POST", body, headers: { "content-type": "application/json" } }),
  )
  const read = yield* JsonBody.read.pipe(
    Effect.provideService(HttpServerRequest.HttpServerRequest, request),
    Effect.provideService(Clock.Clock, clock),
    Effect.provide(Logger.layer([logger])),
  )
  assert.deepStrictEqual(read, { model: "assistant" })
  return lines
})

describe("JsonBody", () => {
  it.effect("logs the size of a body that is slow to decode", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* lines(251), [
        `Warn A body of ${body.length} bytes took 251 ms to decode (server.limits.slowDecode)`,
      ])
      assert.deepStrictEqual(yield* lines(250), [])
    }),
  )
})
