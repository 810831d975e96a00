import { Buffer } from "node:buffer"
import { assert, describe, it } from "@effect/vitest"
import * as EventStream from "../../src/testing/EventStream.ts"

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

// The vectors that AWS publishes with its event stream codecs.
describe("EventStream", () => {
  it("frames an empty message", () => {
    assert.strictEqual(hex(EventStream.frame({}, "")), "000000100000000005c248eb7d98c8ff")
  })

  it("frames a payload without headers", () => {
    assert.strictEqual(
      hex(EventStream.frame({}, "{'foo':'bar'}")),
      "0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936",
    )
  })

  it("frames a payload with a string header", () => {
    assert.strictEqual(
      hex(EventStream.frame({ "content-type": "application/json" }, "{'foo':'bar'}")),
      "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e" +
        "7b27666f6f273a27626172277d8d9c08b1",
    )
  })
})
