import { assert, describe, it } from "@effect/vitest"
import type { GuardedCall } from "@understudy/core/Guardrails"
import type * as Operation from "@understudy/core/Operation"
import * as Result from "effect/Result"
import * as WebhookMessages from "../../src/guardrails/WebhookMessages.ts"

const call = (request: Operation.Request): GuardedCall => ({
  id: "c-1",
  route: "route",
  request,
  operation: request.operation,
  streaming: false,
  caller: undefined,
  team: undefined,
  tags: [],
  protocol: "openai",
})

const image: Operation.Request = {
  operation: "images.generations",
  model: "route",
  body: { type: "json", fields: { model: "route", prompt: "a cat", n: 2 } },
}

const form: Operation.Request = {
  operation: "audio.transcriptions",
  model: "route",
  body: {
    type: "multipart",
    parts: [
      { name: "model", value: "route" },
      { name: "prompt", value: "names" },
      { name: "file", filename: "a.wav", mediaType: "audio/wav", size: 7, open: () => assert.fail("it is not read") },
    ],
  },
}

describe("the messages of a webhook about another operation", () => {
  it("have the fields of the body, and of files what is known without reading them", () => {
    assert.deepInclude(WebhookMessages.before("words", call(image)), {
      operation: "images.generations",
      request: { fields: { prompt: "a cat", n: 2 }, files: undefined },
    })
    assert.deepInclude(WebhookMessages.before("words", call(form)), {
      request: {
        fields: { prompt: "names" },
        files: [{ name: "file", filename: "a.wav", mediaType: "audio/wav", size: 7 }],
      },
    })
  })

  it("rewrite fields that the request has", () => {
    const rewrite = (request: Operation.Request, fields: object) =>
      Result.getOrThrow(WebhookMessages.toBefore("words", call(request), { action: "rewrite", request: { fields } }))
    assert.deepStrictEqual(rewrite(image, { prompt: "a dog", size: "large" }), {
      _tag: "RewriteRequest",
      request: { ...image, body: { type: "json", fields: { model: "route", prompt: "a dog", n: 2 } } },
    })
    const decision = rewrite(form, { prompt: "none" })
    assert.deepInclude(
      decision._tag === "RewriteRequest" &&
        "operation" in decision.request &&
        decision.request.body.type === "multipart"
        ? decision.request.body.parts[1]
        : undefined,
      { name: "prompt", value: "none" },
    )
  })

  it("are invalid without fields", () => {
    const answer = { action: "rewrite", request: { messages: [] } }
    assert.isTrue(Result.isFailure(WebhookMessages.toBefore("words", call(image), answer)))
  })
})
