import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import { Request } from "@understudy/providers/protocols/messages"
import * as Result from "effect/Result"
import * as Base64 from "effect/encoding/Base64"

const encode = (request: Partial<Chat.Request>) =>
  Result.getOrThrow(Request.encode({ model: "claude-opus-4-5", messages: [Chat.user("Hi")], ...request }))

const body = (request: Partial<Chat.Request>) => encode(request).body
const messages = (...messages: ReadonlyArray<Chat.Message>) => body({ messages })["messages"]

const unsupported = (request: Partial<Chat.Request>) => {
  const error = Result.getOrThrow(
    Result.flip(Request.encode({ model: "claude-opus-4-5", messages: [Chat.user("Hi")], ...request })),
  )
  return error.reason._tag === "Unsupported" ? error.reason.feature : error.reason._tag
}

const text = (text: string) => ({ type: "text", text })
const call = (id: string, args = "{}"): Chat.ToolCall => ({ type: "tool-call", id, name: "look", arguments: args })
const tools: ReadonlyArray<Chat.Tool> = [{ name: "look" }]

const cited = (citation: Chat.Citation) =>
  encode({
    messages: [Chat.user("Hi"), Chat.assistant([{ type: "text", text: "So", citations: [citation] }])],
  })

describe("the conversation", () => {
  it("says the least there is to say", () => {
    assert.deepStrictEqual(encode({}), {
      body: {
        model: "claude-opus-4-5",
        max_tokens: 32_000,
        messages: [{ role: "user", content: [text("Hi")] }],
      },
      warnings: [],
    })
  })

  it("puts leading system and developer messages on top", () => {
    const { system, messages } = body({
      messages: [
        Chat.system("Be brief."),
        { role: "developer", content: [{ type: "text", text: "Be kind.", cache: { ttl: "1h" } }] },
        Chat.user("Hi"),
      ],
    })
    assert.deepStrictEqual(system, [
      text("Be brief."),
      { type: "text", text: "Be kind.", cache_control: { type: "ephemeral", ttl: "1h" } },
    ])
    assert.deepStrictEqual(messages, [{ role: "user", content: [text("Hi")] }])
  })

  it("merges neighbours of one role and leaves out blank text", () => {
    assert.deepStrictEqual(
      messages(Chat.user("One"), Chat.user([{ type: "text", text: " \n" }]), Chat.user("Two"), Chat.assistant("Three")),
      [
        { role: "user", content: [text("One"), text("Two")] },
        { role: "assistant", content: [text("Three")] },
      ],
    )
  })

  it("keeps a system message's place where the model takes it there", () => {
    const conversation = [Chat.user("Hi"), Chat.system("Be brief."), Chat.system("Be kind.")]
    assert.deepStrictEqual(encode({ model: "claude-opus-5", messages: conversation }), {
      body: {
        model: "claude-opus-5",
        max_tokens: 32_000,
        messages: [
          { role: "user", content: [text("Hi")] },
          { role: "system", content: [text("Be brief."), text("Be kind.")] },
        ],
      },
      warnings: [],
    })
  })

  it("keeps its place as the user's text elsewhere, and says so", () => {
    const marked = text("<system>\nBe brief.\n</system>")
    const brief = Chat.system("Be brief.")
    const warning = "a system message inside the conversation, sent as the user's text"

    const old = encode({ messages: [Chat.user("Hi"), brief] })
    assert.deepStrictEqual(old.body["messages"], [{ role: "user", content: [text("Hi"), marked] }])
    assert.deepStrictEqual(old.warnings, [warning])

    const before = encode({
      model: "claude-opus-5",
      messages: [Chat.user("Hi"), Chat.assistant("Hello"), brief, Chat.user("Go on")],
    })
    assert.deepStrictEqual(before.body["messages"], [
      { role: "user", content: [text("Hi")] },
      { role: "assistant", content: [text("Hello")] },
      { role: "user", content: [marked, text("Go on")] },
    ])
    assert.deepStrictEqual(before.warnings, [warning])

    const between = encode({ messages: [Chat.user("Hi"), Chat.assistant("Hello"), brief] })
    assert.deepStrictEqual((between.body["messages"] as ReadonlyArray<unknown>)[2], { role: "user", content: [marked] })
  })

  it("says images, documents and their cache hints", () => {
    assert.deepStrictEqual(
      messages(
        Chat.user([
          { type: "image", source: { type: "url", url: "https://example.com/a.png" }, cache: {} },
          { type: "image", source: { type: "base64", data: "AAAA", mediaType: "image/png" } },
          {
            type: "file",
            source: { type: "base64", data: "AAAA", mediaType: "application/pdf" },
            name: "a.pdf",
            context: "A scan",
            citable: true,
          },
          { type: "file", source: { type: "base64", data: Base64.encode("Grüße"), mediaType: "text/markdown" } },
          { type: "file", source: { type: "url", url: "https://example.com/a.pdf" } },
          { type: "file", source: { type: "id", id: "file_011" } },
        ]),
      ),
      [
        {
          role: "user",
          content: [
            {
              type: "image",
              source: { type: "url", url: "https://example.com/a.png" },
              cache_control: { type: "ephemeral" },
            },
            { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } },
            {
              type: "document",
              source: { type: "base64", media_type: "application/pdf", data: "AAAA" },
              title: "a.pdf",
              context: "A scan",
              citations: { enabled: true },
            },
            { type: "document", source: { type: "text", media_type: "text/plain", data: "Grüße" } },
            { type: "document", source: { type: "url", url: "https://example.com/a.pdf" } },
            { type: "document", source: { type: "file", file_id: "file_011" } },
          ],
        },
      ],
    )
  })

  it("says calls and their results, several in one turn and first in it", () => {
    assert.deepStrictEqual(
      messages(
        Chat.user("Look"),
        Chat.assistant([{ type: "text", text: "" }, call("a", '{"x":1}'), { ...call("b", ""), cache: {} }]),
        Chat.system("Mind the gap."),
        {
          role: "tool",
          content: [
            {
              type: "tool-result",
              id: "a",
              content: [
                { type: "text", text: "Seen" },
                { type: "image", source: { type: "base64", data: "AAAA", mediaType: "image/png" } },
              ],
            },
            { type: "tool-result", id: "b", content: [], isError: true, cache: { ttl: "5m" } },
          ],
        },
        Chat.user("And?"),
      ),
      [
        { role: "user", content: [text("Look")] },
        {
          role: "assistant",
          content: [
            { type: "tool_use", id: "a", name: "look", input: { x: 1 } },
            { type: "tool_use", id: "b", name: "look", input: {}, cache_control: { type: "ephemeral" } },
          ],
        },
        {
          role: "user",
          content: [
            {
              type: "tool_result",
              tool_use_id: "a",
              content: [
                text("Seen"),
                { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } },
              ],
            },
            {
              type: "tool_result",
              tool_use_id: "b",
              is_error: true,
              cache_control: { type: "ephemeral", ttl: "5m" },
            },
            text("<system>\nMind the gap.\n</system>"),
            text("And?"),
          ],
        },
      ],
    )
  })

  it("makes other vendors' call ids acceptable, the same way in call and result", () => {
    const [, turn, results] = messages(
      Chat.user("Look"),
      Chat.assistant([call("functions.look:0")]),
      Chat.toolResult("functions.look:0", "Seen"),
    ) as ReadonlyArray<{ content: ReadonlyArray<Record<string, unknown>> }>
    assert.strictEqual(turn?.content[0]?.["id"], "functions_2e_look_3a_0")
    assert.strictEqual(results?.content[0]?.["tool_use_id"], "functions_2e_look_3a_0")
  })

  it("shows the model its own arguments where they are not an object", () => {
    const { body, warnings } = encode({ messages: [Chat.user("Look"), Chat.assistant([call("a", '{"x":')])] })
    assert.deepStrictEqual((body["messages"] as ReadonlyArray<unknown>)[1], {
      role: "assistant",
      content: [{ type: "tool_use", id: "a", name: "look", input: { INVALID_JSON: '{"x":' } }],
    })
    assert.deepStrictEqual(warnings, ["a tool call's arguments that are not a JSON object, sent as INVALID_JSON"])
  })

  it("returns thoughts that are signed or redacted, and warns of those that are neither", () => {
    const { body, warnings } = encode({
      messages: [
        Chat.user("Think"),
        Chat.assistant([
          { type: "reasoning", text: "Hm", signature: { issuer: "anthropic", value: "sig" } },
          { type: "reasoning", text: "", redacted: { issuer: "anthropic", value: "enc" } },
          { type: "reasoning", text: "Unsigned" },
          { type: "refusal", text: "No." },
        ]),
      ],
    })
    assert.deepStrictEqual((body["messages"] as ReadonlyArray<unknown>)[1], {
      role: "assistant",
      content: [
        { type: "thinking", thinking: "Hm", signature: "sig" },
        { type: "redacted_thinking", data: "enc" },
        text("No."),
      ],
    })
    assert.deepStrictEqual(warnings, ["reasoning that is not signed by Anthropic, left out", "a refusal, sent as text"])
  })

  it("returns Anthropic's citations and warns of others", () => {
    const own = { type: "char_location", cited_text: "So" }
    const source = { type: "document", index: 0 } as const
    assert.deepStrictEqual(
      (cited({ source, vendor: { messages: own } }).body["messages"] as ReadonlyArray<{ content: unknown }>)[1]
        ?.content,
      [{ type: "text", text: "So", citations: [own] }],
    )
    assert.deepStrictEqual(cited({ source: { type: "url", url: "https://a.example" } }).warnings, [
      "another vendor's citations",
    ])
  })
})

describe("tools", () => {
  it("says their schema, strictness and cache hint", () => {
    assert.deepStrictEqual(
      body({
        tools: [
          { name: "a" },
          { name: "b", description: "B", parameters: { type: "object", properties: {} }, strict: true, cache: {} },
        ],
      })["tools"],
      [
        { name: "a", input_schema: { type: "object", properties: {} } },
        {
          name: "b",
          description: "B",
          input_schema: { type: "object", properties: {} },
          strict: true,
          cache_control: { type: "ephemeral" },
        },
      ],
    )
  })

  it("says every choice", () => {
    const choice = (toolChoice: Chat.ToolChoice, parallelToolCalls?: boolean) =>
      body({ tools, toolChoice, ...(parallelToolCalls === undefined ? {} : { parallelToolCalls }) })["tool_choice"]
    assert.deepStrictEqual(choice("auto"), { type: "auto" })
    assert.deepStrictEqual(choice("none"), { type: "none" })
    assert.deepStrictEqual(choice("none", false), { type: "none" })
    assert.deepStrictEqual(choice("required"), { type: "any" })
    assert.deepStrictEqual(choice({ name: "look" }, false), {
      type: "tool",
      name: "look",
      disable_parallel_tool_use: true,
    })
    assert.deepStrictEqual(body({ tools, parallelToolCalls: false })["tool_choice"], {
      type: "auto",
      disable_parallel_tool_use: true,
    })
    assert.notProperty(body({ toolChoice: "auto", parallelToolCalls: false }), "tool_choice")
  })
})

const sampled = (model: string, sampling: Chat.Sampling, more: Partial<Chat.Request> = {}) => {
  const { body, warnings } = encode({ model, sampling, ...more })
  const { max_tokens, temperature, top_p, top_k, stop_sequences } = body
  return { said: { max_tokens, temperature, top_p, top_k, stop_sequences }, warnings }
}

describe("sampling", () => {
  it("says all of it to a model that takes it", () => {
    assert.deepStrictEqual(
      sampled("claude-3-5-haiku-20241022", { maxTokens: 9, temperature: 0.5, topP: 0.9, topK: 40, stop: ["END"] }),
      { said: { max_tokens: 9, temperature: 0.5, top_p: 0.9, top_k: 40, stop_sequences: ["END"] }, warnings: [] },
    )
  })

  it("warns of what a model does not take", () => {
    assert.deepStrictEqual(sampled("claude-sonnet-4-5", { temperature: 1.5, topP: 0.9, topK: 40 }), {
      said: { max_tokens: 32_000, temperature: 1, top_p: undefined, top_k: 40, stop_sequences: undefined },
      warnings: ["a temperature above 1, sent as 1", "top_p beside a temperature"],
    })
    assert.deepStrictEqual(sampled("claude-opus-5", { temperature: 0, topP: 0.9, topK: 40 }).warnings, [
      "a temperature for this model",
      "top_p for this model",
      "top_k for this model",
    ])
    assert.deepStrictEqual(
      sampled("claude-opus-4-5", { temperature: 0, topP: 1 }, { reasoning: { effort: "low" } }).warnings,
      ["a temperature while the model reasons"],
    )
  })

  it("warns of wishes no model of this API takes", () => {
    assert.deepStrictEqual(
      sampled("claude-opus-5", { seed: 1, frequencyPenalty: 0.5, presencePenalty: 0.5, temperature: 1 }).warnings,
      ["a seed", "a frequency penalty", "a presence penalty"],
    )
    assert.deepStrictEqual(sampled("claude-opus-5", { frequencyPenalty: 0, presencePenalty: 0, n: 1 }).warnings, [])
  })
})

const reasoned = (model: string, reasoning: Chat.ReasoningOptions, more: Partial<Chat.Request> = {}) => {
  const { body, warnings } = encode({ model, reasoning, ...more })
  return { thinking: body["thinking"], output: body["output_config"], max: body["max_tokens"], warnings }
}

describe("reasoning", () => {
  it("is an effort where the model decides for itself", () => {
    assert.deepStrictEqual(reasoned("claude-opus-5", { effort: "xhigh" }), {
      thinking: { type: "adaptive" },
      output: { effort: "xhigh" },
      max: 32_000,
      warnings: [],
    })
    assert.deepStrictEqual(reasoned("claude-opus-4-6", { effort: "xhigh" }).output, { effort: "high" })
    assert.deepStrictEqual(reasoned("claude-opus-5", { effort: "minimal" }).warnings, [
      "a reasoning effort of minimal, sent as low",
    ])
    assert.deepStrictEqual(reasoned("claude-opus-5", { budget: 5000 }), {
      thinking: { type: "adaptive" },
      output: undefined,
      max: 32_000,
      warnings: ["a budget for reasoning, which this model sets itself"],
    })
  })

  it("is a budget where the model is given one, within max_tokens", () => {
    assert.deepStrictEqual(reasoned("claude-sonnet-4-5", { effort: "medium" }), {
      thinking: { type: "enabled", budget_tokens: 8192 },
      output: undefined,
      max: 32_000,
      warnings: [],
    })
    assert.deepStrictEqual(reasoned("claude-sonnet-4-5", { budget: 50_000 }).max, 58_192)
    assert.deepStrictEqual(
      reasoned("claude-sonnet-4-5", { effort: "high" }, { sampling: { maxTokens: 5000 } }).warnings,
      ["a reasoning budget beyond max_tokens, cut to fit"],
    )
    assert.deepStrictEqual(reasoned("claude-sonnet-4-5", { effort: "high" }, { sampling: { maxTokens: 100 } }), {
      thinking: undefined,
      output: undefined,
      max: 100,
      warnings: ["reasoning within so few max_tokens"],
    })
  })

  it("is switched off, or not known", () => {
    assert.deepStrictEqual(reasoned("claude-opus-5", { effort: "none" }).thinking, { type: "disabled" })
    assert.deepStrictEqual(reasoned("claude-opus-5", { budget: 0 }).thinking, { type: "disabled" })
    assert.deepStrictEqual(reasoned("claude-3-5-haiku-20241022", { effort: "none" }).thinking, undefined)
    assert.deepStrictEqual(reasoned("claude-3-5-haiku-20241022", { effort: "low" }).warnings, [
      "reasoning, which this model cannot do",
    ])
  })

  it("gives way to a chosen tool, and to a turn that began without it", () => {
    assert.deepStrictEqual(reasoned("claude-opus-5", { effort: "low" }, { tools, toolChoice: "required" }), {
      thinking: undefined,
      output: { effort: "low" },
      max: 32_000,
      warnings: ["reasoning where the tool is chosen"],
    })
    const resumed = (...opening: ReadonlyArray<Chat.AssistantContent>) =>
      reasoned(
        "claude-sonnet-4-5",
        { effort: "low" },
        {
          tools,
          messages: [Chat.user("Look"), Chat.assistant([...opening, call("a")]), Chat.toolResult("a", "Seen")],
        },
      )
    assert.deepStrictEqual(resumed().warnings, ["reasoning in a turn that began without"])
    assert.deepStrictEqual(
      resumed({ type: "reasoning", text: "Hm", signature: { issuer: "anthropic", value: "sig" } }).thinking,
      {
        type: "enabled",
        budget_tokens: 2048,
      },
    )
  })
})

describe("the rest", () => {
  it("says a schema for the answer, beside the effort", () => {
    const schema = { type: "object", properties: { a: { type: "string" } }, additionalProperties: false }
    assert.deepStrictEqual(
      body({
        model: "claude-opus-5",
        reasoning: { effort: "low" },
        format: { type: "json-schema", name: "a", description: "An a", schema, strict: true },
      })["output_config"],
      { effort: "low", format: { type: "json_schema", schema: { ...schema, description: "An a" } } },
    )
    assert.notProperty(body({ format: { type: "text" } }), "output_config")
  })

  it("says the user, and the protocol's own fields", () => {
    const { metadata, service_tier, max_tokens } = body({
      user: "u1",
      metadata: { team: "a" },
      vendor: { messages: { service_tier: "auto" }, converse: { max_tokens: 1 } },
    })
    assert.deepStrictEqual(metadata, { user_id: "u1" })
    assert.strictEqual(service_tier, "auto")
    assert.strictEqual(max_tokens, 32_000)
  })

  it("refuses what it cannot say", () => {
    const user = (part: Chat.UserMessage["content"][number]) => unsupported({ messages: [Chat.user([part])] })
    assert.strictEqual(user({ type: "audio", source: { type: "url", url: "https://example.com" } }), "audio")
    assert.strictEqual(
      user({ type: "file", source: { type: "base64", data: "", mediaType: "application/zip" } }),
      "documents of type application/zip",
    )
    assert.strictEqual(user({ type: "image", source: { type: "id", id: "file-1" } }), "another vendor's file id")
    assert.strictEqual(
      unsupported({
        messages: [
          {
            role: "tool",
            content: [
              {
                type: "tool-result",
                id: "a",
                content: [{ type: "file", source: { type: "base64", data: "!", mediaType: "text/plain" } }],
              },
            ],
          },
        ],
      }),
      "documents that are not base64",
    )
    assert.strictEqual(unsupported({ sampling: { n: 2 } }), "several answers at once (n)")
    assert.strictEqual(unsupported({ sampling: { logprobs: true } }), "logprobs")
    assert.strictEqual(unsupported({ sampling: { stop: ["\n"] } }), "stop sequences of white space")
    assert.strictEqual(unsupported({ format: { type: "json" } }), "JSON answers without a schema")
    assert.strictEqual(
      unsupported({ messages: [Chat.system("Hi")] }),
      "a conversation in which nobody but the system has spoken",
    )
  })
})
