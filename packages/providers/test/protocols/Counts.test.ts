/** Invalid and implausible counts of an upstream, in every protocol. */
import { assert, describe, it } from "@effect/vitest"
import * as ChatCompletions from "@understudy/providers/internal/protocols/chat-completions/Usage"
import * as Converse from "@understudy/providers/internal/protocols/converse/Usage"
import * as Embeddings from "@understudy/providers/internal/protocols/embeddings/Response"
import * as Gemini from "@understudy/providers/internal/protocols/gemini/Usage"
import * as Json from "@understudy/providers/internal/protocols/Json"
import * as Messages from "@understudy/providers/internal/protocols/messages/Usage"
import * as Responses from "@understudy/providers/internal/protocols/responses/Usage"
import * as Result from "effect/Result"

const strange = ["-1", "1e400", "-1e400", "9007199254740991", "1000000001", "1.5", '"12"', "null", "[]", "{}", "true"]

const protocols = {
  "chat-completions": [ChatCompletions.decode, "prompt_tokens", "completion_tokens"],
  responses: [Responses.decode, "input_tokens", "output_tokens"],
  messages: [(usage: unknown) => Messages.decode(usage), "input_tokens", "output_tokens"],
  gemini: [Gemini.decode, "promptTokenCount", "candidatesTokenCount"],
  converse: [Converse.decode, "inputTokens", "outputTokens"],
} as const

describe.each(Object.entries(protocols))("%s", (_name, [decode, input, output]) => {
  for (const literal of strange) {
    it(`ignores a token count of ${literal}`, () => {
      const parsed = Json.parseExact(`{"${input}":${literal},"${output}":7}`)
      assert.deepStrictEqual(decode(parsed), { inputTokens: 0, outputTokens: 7 })
      assert.isUndefined(decode(Json.parseExact(`{"${input}":${literal},"${output}":${literal}}`)))
    })
  }
})

describe("the indexes of vectors", () => {
  const decode = (...indexes: ReadonlyArray<unknown>) =>
    Embeddings.decode(JSON.stringify({ data: indexes.map((index) => ({ index, embedding: [1] })) }))

  it("must each occur once", () => {
    for (const indexes of [
      [0, 1],
      [1, 0],
      [undefined, undefined],
      [null, 1],
    ]) {
      assert.isTrue(Result.isSuccess(decode(...indexes)), String(indexes))
    }
    for (const indexes of [
      [0, 0],
      [1, 1],
      [0, 2],
      [0, -1],
      [0, 0.5],
      [4_294_967_294, 0],
      [1e300, 0],
    ]) {
      assert.isTrue(Result.isFailure(decode(...indexes)), String(indexes))
    }
  })
})
