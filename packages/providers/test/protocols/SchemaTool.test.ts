import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import * as Converse from "@understudy/providers/protocols/converse"
import * as Messages from "@understudy/providers/protocols/messages"
import * as SchemaTool from "@understudy/providers/internal/protocols/SchemaTool"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"

const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] }

const request: Chat.Request = {
  model: "m",
  messages: [Chat.user("Where?")],
  format: { type: "json-schema", name: "place", schema, description: "A place." },
}

const lowered = (request: Chat.Request, forcible = true) => {
  const warnings: Array<string> = []
  return { ...SchemaTool.lower(request, forcible, (warning) => warnings.push(warning)), warnings }
}

const tools = [{ name: "look" }]

describe("JSON schema output of a model without it", () => {
  it("is the arguments of a forced tool call", () => {
    const { format, toolChoice, tools, warnings } = lowered(request)
    assert.isUndefined(format)
    assert.deepStrictEqual(tools, [{ name: SchemaTool.name, description: "A place.", parameters: schema }])
    assert.deepStrictEqual(toolChoice, { name: SchemaTool.name })
    assert.deepStrictEqual(warnings, [])
  })

  it("is not strict", () => {
    const strict = { ...request, format: { type: "json-schema", name: "place", schema, strict: true } } as const
    assert.deepStrictEqual(lowered(strict).warnings, ["strict JSON schema output"])
  })

  for (const [why, asked, forcible] of [
    ["it has tools of its own", { ...request, tools }, true],
    ["it is to think, which a forced tool forbids", { ...request, reasoning: { effort: "high" } }, true],
    ["it cannot be made to call a tool", request, false],
  ] as const) {
    it(`is requested in the system prompt if ${why}`, () => {
      const { format, messages, toolChoice, tools, warnings } = lowered(asked, forcible)
      assert.isUndefined(format)
      assert.isUndefined(toolChoice)
      assert.deepStrictEqual(tools, asked.tools)
      const [system, ...rest] = messages
      assert.strictEqual(system?.role, "system")
      assert.include(JSON.stringify(system), JSON.stringify(JSON.stringify(schema)).slice(1, -1))
      assert.deepStrictEqual(rest, [...asked.messages])
      assert.deepStrictEqual(warnings, ["a JSON schema, sent as an instruction"])
    })
  }

  it("leaves other requests unchanged", () => {
    const plain = { model: "m", messages: [Chat.user("Hi")] }
    assert.deepStrictEqual(lowered(plain), { ...plain, warnings: [] })
  })

  it("is returned as text", () => {
    const call = { type: "tool-call", id: "1", name: SchemaTool.name, arguments: '{"city":"Rome"}' } as const
    const answer = SchemaTool.restore(request, { content: [call], finishReason: "tool-calls" })
    assert.deepStrictEqual(answer, { content: [{ type: "text", text: '{"city":"Rome"}' }], finishReason: "stop" })
    const cut = SchemaTool.restore(request, { content: [call], finishReason: "length" })
    assert.strictEqual(cut.finishReason, "length")
    const other = { content: [{ ...call, name: "look" }], finishReason: "tool-calls" } as const
    assert.deepStrictEqual(SchemaTool.restore(request, other), other)
    assert.deepStrictEqual(SchemaTool.restore({ ...request, format: { type: "text" } }, answer), answer)
  })

  it.effect("is streamed as text", () =>
    Effect.gen(function* () {
      const parts: ReadonlyArray<Chat.Part> = [
        { type: "start" },
        { type: "tool-call", index: 0, id: "1", name: SchemaTool.name },
        { type: "tool-call-delta", index: 0, arguments: '{"city":' },
        { type: "tool-call-delta", index: 0, arguments: '"Rome"}' },
        { type: "finish", reason: "tool-calls" },
      ]
      const frames = Stream.fromArray(parts.map((part): Chat.Frame => ({ parts: [part] })))
      const restored = yield* Stream.runCollect(SchemaTool.restoring(request, frames))
      assert.deepStrictEqual(
        restored.flatMap(({ parts }) => parts),
        [
          { type: "start" },
          { type: "text", text: '{"city":' },
          { type: "text", text: '"Rome"}' },
          { type: "finish", reason: "stop" },
        ],
      )
    }),
  )
})

describe("models without JSON schema output", () => {
  const forced = { type: "tool", name: SchemaTool.name }

  it("are older Claudes, at Anthropic and on Bedrock", () => {
    const ofMessages = (model: string) => Result.getOrThrow(Messages.Request.encode({ ...request, model })).body
    assert.deepStrictEqual(ofMessages("claude-sonnet-4-20250514")["tool_choice"], forced)
    assert.isUndefined(ofMessages("claude-sonnet-4-5")["tool_choice"])
    assert.isDefined(ofMessages("claude-sonnet-4-5")["output_config"])
    const ofConverse = (model: string) => Result.getOrThrow(Converse.Request.encode({ ...request, model })).body
    const { toolConfig } = ofConverse("us.anthropic.claude-sonnet-4-20250514-v1:0") as {
      readonly toolConfig: { readonly toolChoice: unknown }
    }
    assert.deepStrictEqual(toolConfig.toolChoice, { tool: { name: SchemaTool.name } })
  })

  it("are Llamas, which cannot be forced to call a tool", () => {
    const model = "us.meta.llama4-maverick-17b-instruct-v1:0"
    const { body } = Result.getOrThrow(Converse.Request.encode({ ...request, model }))
    assert.isUndefined(body["toolConfig"])
    assert.include(JSON.stringify(body["system"]), "JSON Schema")
  })
})
