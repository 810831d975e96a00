/** Which of an upstream's texts are parsed, by their cost for the process. */
import { assert, describe, it } from "@effect/vitest"
import * as Json from "@understudy/providers/internal/protocols/Json"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Converse from "@understudy/providers/protocols/converse"
import * as Failure from "@understudy/providers/internal/protocols/Failure"
import * as Gemini from "@understudy/providers/protocols/gemini"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Responses from "@understudy/providers/protocols/responses"
import * as Result from "effect/Result"

const fields = (count: number, name = "field") => Array.from({ length: count }, (_, at) => `"${name}${at}":1`).join(",")

const costly: Readonly<Record<string, string>> = {
  "different fields": `{${fields(30_001)}}`,
  "different fields, further in": `{"a":[{${fields(20_000)}},{${fields(20_000, "other")}}]}`,
  arrays: `{"a":[${Array(1_000_000).fill("[]").join(",")}]}`,
  objects: `{"a":[${Array(1_000_000).fill("{}").join(",")}]}`,
}

const cheap: Readonly<Record<string, string>> = {
  vectors: JSON.stringify({ data: Array.from({ length: 300 }, () => ({ embedding: Array(1536).fill(0.25) })) }),
  "a picture": JSON.stringify({ b64: "iVBORw0KGgo".repeat(200_000) }),
  "a text of braces, colons and quotes": JSON.stringify({ text: '{"[:\\"'.repeat(500_000) }),
  "objects that are alike": JSON.stringify(Array.from({ length: 50_000 }, (_, index) => ({ index, text: "word" }))),
}

describe("an upstream's JSON", () => {
  for (const [what, text] of Object.entries(costly)) {
    it(`is not parsed with too many ${what}`, () => {
      assert.isObject(JSON.parse(text))
      assert.isUndefined(Json.parse(text))
      assert.isUndefined(Json.parseExact(text))
    })
  }

  for (const [what, text] of Object.entries(cheap)) {
    it(`is parsed if it is large with ${what}`, () => {
      assert.deepStrictEqual(Json.parse(text), JSON.parse(text))
      assert.deepStrictEqual(Json.parseExact(text), JSON.parse(text))
    })
  }

  it("that is not parsed is Malformed in every protocol", () => {
    for (const { Response } of [ChatCompletions, Converse, Gemini, Messages, Responses]) {
      const decoded = Response.decode(costly["different fields"]!, Failure.unclassified)
      assert(Result.isFailure(decoded))
      assert.strictEqual(decoded.failure.reason._tag, "Malformed")
    }
  })
})
