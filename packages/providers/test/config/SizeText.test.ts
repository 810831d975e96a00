import { assert, describe, it } from "@effect/vitest"
import * as ByteSize from "effect/ByteSize"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { SizeText } from "../../src/config/SizeText.ts"

const decode = Schema.decodeUnknownOption(SizeText)

describe("SizeText", () => {
  it("reads sizes in every unit", () => {
    for (const [text, bytes] of [
      ["10b", 10],
      ["512kb", 512_000],
      ["20MB", 20_000_000],
      ["1.5 gb", 1_500_000_000],
      ["1kib", 1024],
      ["16MiB", 16_777_216],
      ["2gib", 2_147_483_648],
    ] as const) {
      assert.deepStrictEqual(decode(text), Option.some(ByteSize.bytes(bytes)), text)
    }
  })

  it("rejects texts that are no size", () => {
    for (const text of ["20", "mb", "-1mb", "0mb", "20 megabytes", "0.5b", "constructor", "1constructor", 20, null]) {
      assert.isTrue(Option.isNone(decode(text)), String(text))
    }
  })

  it("writes what it reads", () => {
    const size = ByteSize.mebibytes(3)
    assert.deepStrictEqual(decode(Schema.encodeSync(SizeText)(size)), Option.some(size))
  })
})
