import { assert, describe, it } from "@effect/vitest"
import * as Bedrock from "@understudy/providers/bedrock"
import * as Chat from "@understudy/core/Chat"
import * as ErrorBody from "@understudy/providers/internal/bedrock/ErrorBody"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"

describe("the body of an error", () => {
  it("keeps the strings and integers that stand directly in it", () => {
    const body = { message: "Slow down.", __type: "a#ThrottlingException", originalStatusCode: 429 }
    assert.deepStrictEqual(JSON.parse(ErrorBody.make(JSON.stringify(body))), body)
  })

  it("has no number whose digits the SDK would keep, at any depth", () => {
    for (const number of ["1e400", "-5e-324", "1.50", "0.1", "123456789012345678901234567890"]) {
      const text = `{"a":${number},"b":[${number}],"c":{"d":${number}},"message":"Slow down."}`
      assert.strictEqual(ErrorBody.make(text), '{"message":"Slow down."}', number)
    }
    assert.strictEqual(ErrorBody.make('{"a":1e2,"b":1e-400}'), '{"a":100,"b":0}')
  })

  it("stays empty where it was, is an empty object where it was none, and is not JSON where it was not", () => {
    assert.strictEqual(ErrorBody.make(""), "")
    for (const text of ["[1e-400]", "1e400", '"a"', "null"]) assert.strictEqual(ErrorBody.make(text), "{}")
    for (const text of ["<html>", '{"a":']) assert.throws(() => JSON.parse(ErrorBody.make(text)), SyntaxError)
  })

  it.live("is what the SDK parses", () =>
    Effect.gen(function* () {
      // More of an object than is parsed: the SDK, which would read the message in it, does not get it.
      const costly = `{"message":"Slow down.",${Array.from({ length: 40_000 }, (_, at) => `"field${at}":1`).join()}}`
      const bodies = ['{"message":"Slow down.","a":1e-400}', costly, "1e400"]
      const server = yield* Effect.acquireRelease(
        Effect.callback<Http.Server>((resume) => {
          const server = Http.createServer((request, response) => {
            request.resume()
            const type = bodies.length === 1 ? { "x-amzn-errortype": "ThrottlingException" } : undefined
            response.writeHead(503, { "content-type": "application/json", ...type }).end(bodies.shift())
          })
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close().closeAllConnections()),
      )
      const provider = yield* Bedrock.make({
        region: "eu-west-1",
        endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        accessKeyId: Redacted.make("AKIDEXAMPLE"),
        secretAccessKey: Redacted.make("wJalrXUtnFEMI"),
      })
      const ask = Effect.flip(provider.chat({ model: "m", messages: [Chat.user("Hello?")] }))
      assert.strictEqual((yield* ask).message, "Slow down.")
      const error = yield* ask
      assert.strictEqual(error.message, "Status 503")
      assert.strictEqual(error.reason._tag, "Overloaded")
      assert.strictEqual((yield* ask).reason._tag, "RateLimited", "by the name in the header")
    }).pipe(Effect.scoped),
  )
})
