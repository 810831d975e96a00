import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import { Request } from "@understudy/providers/protocols/messages"
import * as ToolIds from "@understudy/providers/internal/protocols/ToolIds"
import * as Result from "effect/Result"
import * as Base64 from "effect/encoding/Base64"
import * as Conversation from "./Conversation.ts"

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

const decode = (body: Record<string, unknown>) => {
  const { native: _native, ...request } = Result.getOrThrow(Request.decode(body))
  return request
}

describe("a round trip", () => {
  it.prop("preserves everything the protocol supports", [Conversation.request], ([request]) => {
    const { body, warnings } = Result.getOrThrow(Request.encode(request))
    assert.deepStrictEqual(warnings, [])
    assert.deepStrictEqual(decode(JSON.parse(JSON.stringify(body))), request)
  })
})

describe("the conversation", () => {
  it("writes a minimal body", () => {
    assert.deepStrictEqual(encode({}), {
      body: {
        model: "claude-opus-4-5",
        max_tokens: 32_000,
        messages: [{ role: "user", content: [text("Hi")] }],
      },
      warnings: [],
      changes: ["max_tokens, which the API requires, set to 32000"],
    })
    assert.notProperty(encode({ sampling: { maxTokens: 9 } }), "changes")
  })

  it("puts leading system and developer messages into the system prompt", () => {
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

  it("keeps a system message's place if the model supports it", () => {
    const conversation = [Chat.user("Hi"), Chat.system("Be brief."), Chat.system("Be kind.")]
    assert.deepStrictEqual(encode({ model: "claude-opus-5", messages: conversation, sampling: { maxTokens: 9 } }), {
      body: {
        model: "claude-opus-5",
        max_tokens: 9,
        messages: [
          { role: "user", content: [text("Hi")] },
          { role: "system", content: [text("Be brief."), text("Be kind.")] },
        ],
      },
      warnings: [],
    })
  })

  it("keeps its place as user text otherwise, and reports it", () => {
    const marked = text("<system>\nBe brief.\n</system>")
    const brief = Chat.system("Be brief.")
    const warning = "a system message inside the conversation, sent as user text"

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

  it("encodes images, documents and their cache hints", () => {
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

  it("encodes calls and their results, results first in one turn", () => {
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

  it("sends arguments that are not an object as INVALID_JSON", () => {
    const { body, warnings } = encode({ messages: [Chat.user("Look"), Chat.assistant([call("a", '{"x":')])] })
    assert.deepStrictEqual((body["messages"] as ReadonlyArray<unknown>)[1], {
      role: "assistant",
      content: [{ type: "tool_use", id: "a", name: "look", input: { INVALID_JSON: '{"x":' } }],
    })
    assert.deepStrictEqual(warnings, ["tool call arguments that are not a JSON object, sent as INVALID_JSON"])
  })

  it("returns signed and redacted reasoning, and reports other reasoning", () => {
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
    assert.deepStrictEqual(warnings, ["reasoning not signed by Anthropic, left out", "a refusal, sent as text"])
  })

  it("returns Anthropic's citations and reports others", () => {
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
  it("have a schema, strictness and a cache hint", () => {
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

  it("have every choice", () => {
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
  it("is sent to a model that supports it", () => {
    assert.deepStrictEqual(
      sampled("claude-3-5-haiku-20241022", { maxTokens: 9, temperature: 0.5, topP: 0.9, topK: 40, stop: ["END"] }),
      { said: { max_tokens: 9, temperature: 0.5, top_p: 0.9, top_k: 40, stop_sequences: ["END"] }, warnings: [] },
    )
  })

  it("is reported for a model that does not support it", () => {
    assert.deepStrictEqual(sampled("claude-sonnet-4-5", { temperature: 1.5, topP: 0.9, topK: 40 }), {
      said: { max_tokens: 32_000, temperature: 1, top_p: undefined, top_k: 40, stop_sequences: undefined },
      warnings: ["temperature above 1, sent as 1", "top_p together with temperature"],
    })
    assert.deepStrictEqual(sampled("claude-opus-5", { temperature: 0, topP: 0.9, topK: 40 }).warnings, [
      "temperature for this model",
      "top_p for this model",
      "top_k for this model",
    ])
    assert.deepStrictEqual(
      sampled("claude-opus-4-5", { temperature: 0, topP: 1 }, { reasoning: { effort: "low" } }).warnings,
      ["temperature while the model reasons"],
    )
  })

  it("is reported if no model of this API supports it", () => {
    assert.deepStrictEqual(
      sampled("claude-opus-5", { seed: 1, frequencyPenalty: 0.5, presencePenalty: 0.5, temperature: 1 }).warnings,
      ["seed", "frequency_penalty", "presence_penalty"],
    )
    assert.deepStrictEqual(sampled("claude-opus-5", { frequencyPenalty: 0, presencePenalty: 0, n: 1 }).warnings, [])
  })
})

const reasoned = (model: string, reasoning: Chat.ReasoningOptions, more: Partial<Chat.Request> = {}) => {
  const { body, warnings } = encode({ model, reasoning, ...more })
  return { thinking: body["thinking"], output: body["output_config"], max: body["max_tokens"], warnings }
}

describe("reasoning", () => {
  it("is an effort for a model that decides for itself", () => {
    assert.deepStrictEqual(reasoned("claude-opus-5", { effort: "xhigh" }), {
      thinking: { type: "adaptive" },
      output: { effort: "xhigh" },
      max: 32_000,
      warnings: [],
    })
    assert.deepStrictEqual(reasoned("claude-opus-4-6", { effort: "xhigh" }).output, { effort: "high" })
    assert.deepStrictEqual(reasoned("claude-opus-5", { effort: "minimal" }).warnings, [
      "reasoning effort minimal, sent as low",
    ])
    assert.deepStrictEqual(reasoned("claude-opus-5", { budget: 5000 }), {
      thinking: { type: "adaptive" },
      output: undefined,
      max: 32_000,
      warnings: ["a reasoning budget, which this model sets itself"],
    })
  })

  it("is a budget within max_tokens for a model with budgets", () => {
    assert.deepStrictEqual(reasoned("claude-sonnet-4-5", { effort: "medium" }), {
      thinking: { type: "enabled", budget_tokens: 8192 },
      output: undefined,
      max: 32_000,
      warnings: [],
    })
    assert.deepStrictEqual(reasoned("claude-sonnet-4-5", { budget: 50_000 }).max, 58_192)
    assert.deepStrictEqual(
      reasoned("claude-sonnet-4-5", { effort: "high" }, { sampling: { maxTokens: 5000 } }).warnings,
      ["a reasoning budget above max_tokens, reduced to fit"],
    )
    assert.deepStrictEqual(reasoned("claude-sonnet-4-5", { effort: "high" }, { sampling: { maxTokens: 100 } }), {
      thinking: undefined,
      output: undefined,
      max: 100,
      warnings: ["reasoning with max_tokens this low"],
    })
  })

  it("is turned off, or not supported", () => {
    assert.deepStrictEqual(reasoned("claude-opus-5", { effort: "none" }).thinking, { type: "disabled" })
    assert.deepStrictEqual(reasoned("claude-opus-5", { budget: 0 }).thinking, { type: "disabled" })
    assert.deepStrictEqual(reasoned("claude-3-5-haiku-20241022", { effort: "none" }).thinking, undefined)
    assert.deepStrictEqual(reasoned("claude-3-5-haiku-20241022", { effort: "low" }).warnings, [
      "reasoning, which this model does not support",
    ])
  })

  it("is left to the model without an effort or a budget", () => {
    assert.deepStrictEqual(reasoned("claude-opus-5", {}), {
      thinking: { type: "adaptive" },
      output: undefined,
      max: 32_000,
      warnings: [],
    })
    assert.deepStrictEqual(reasoned("claude-sonnet-4-5", {}).thinking, { type: "enabled", budget_tokens: 8192 })
  })

  it("is minimal if it cannot be turned off", () => {
    assert.deepStrictEqual(reasoned("claude-sonnet-5-5", { effort: "none" }).thinking, { type: "between_tools" })
    assert.deepStrictEqual(reasoned("claude-fable-5", { effort: "none" }), {
      thinking: undefined,
      output: { effort: "low" },
      max: 32_000,
      warnings: ["turning reasoning off, which this model does not support, sent as effort low"],
    })
  })

  it("is dropped with a forced tool, and in a turn that started without it", () => {
    assert.deepStrictEqual(reasoned("claude-opus-5", { effort: "low" }, { tools, toolChoice: "required" }), {
      thinking: undefined,
      output: { effort: "low" },
      max: 32_000,
      warnings: ["reasoning with a forced tool call"],
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
    assert.deepStrictEqual(resumed().warnings, ["reasoning in a turn that started without it"])
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
  it("encodes a JSON schema next to the effort", () => {
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

  it("encodes the user, and the protocol's own fields", () => {
    const { metadata, service_tier, max_tokens } = body({
      user: "u1",
      metadata: { team: "a" },
      vendor: { messages: { service_tier: "auto" }, converse: { max_tokens: 1 } },
    })
    assert.deepStrictEqual(metadata, { user_id: "u1" })
    assert.strictEqual(service_tier, "auto")
    assert.strictEqual(max_tokens, 32_000)
  })

  it("requests JSON mode in the system prompt, and reports it", () => {
    const { body, warnings } = encode({
      format: { type: "json" },
      messages: [Chat.system("Be brief."), Chat.user("Hi")],
    })
    const [first, second] = body["system"] as ReadonlyArray<{ readonly text: string }>
    assert.strictEqual(first?.text, "Be brief.")
    assert.include(second?.text, "JSON")
    assert.deepStrictEqual(warnings, ["JSON mode, sent as an instruction"])
  })

  it("limits max_tokens to the model's maximum", () => {
    const max = (model: string) => body({ model, sampling: { maxTokens: 128_000 } })["max_tokens"]
    assert.deepStrictEqual(["claude-sonnet-4-5", "claude-opus-4-8", "an-alias"].map(max), [64_000, 128_000, 128_000])
  })

  it("converts a custom tool to a function", () => {
    const customTool = { name: "run", custom: { format: { type: "grammar", syntax: "lark", definition: "x" } } }
    const { body, warnings } = encode({
      tools: [customTool],
      messages: [Chat.user("Hi"), Chat.assistant([{ ...call("a", "ls -l"), custom: true }])],
    })
    const description = `The whole text, in this format: ${JSON.stringify(customTool.custom.format)}`
    assert.deepStrictEqual(body["tools"], [
      {
        name: "run",
        input_schema: {
          type: "object",
          properties: { input: { type: "string", description } },
          required: ["input"],
          additionalProperties: false,
        },
      },
    ])
    assert.deepStrictEqual((body["messages"] as ReadonlyArray<unknown>)[1], {
      role: "assistant",
      content: [{ type: "tool_use", id: "a", name: "look", input: { input: "ls -l" } }],
    })
    assert.deepStrictEqual(warnings, [])
  })

  it("fails on features that cannot be dropped", () => {
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
    assert.strictEqual(unsupported({ sampling: { n: 2 } }), "more than one choice (n)")
    assert.strictEqual(unsupported({ sampling: { logprobs: true } }), "logprobs")
    assert.strictEqual(unsupported({ sampling: { stop: ["\n"] } }), "blank stop sequences")
    assert.strictEqual(
      unsupported({
        messages: [Chat.user([{ type: "image", source: { type: "base64", data: "", mediaType: "image/tiff" } }])],
      }),
      "images of type image/tiff",
    )
    assert.strictEqual(
      unsupported({ model: "claude-opus-5-5", tools, toolChoice: "required" }),
      "forced tool calls, which this model does not support",
    )
    assert.strictEqual(
      unsupported({ messages: [Chat.system("Hi")] }),
      "a conversation without user or assistant messages",
    )
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

const wire = (body: Record<string, unknown> = {}): Record<string, unknown> => ({
  model: "assistant",
  max_tokens: 128_000,
  messages: [{ role: "user", content: "Hi" }],
  ...body,
})

const said = (...messages: ReadonlyArray<unknown>) => decode(wire({ messages }))

const shown = (...content: ReadonlyArray<unknown>) => said({ role: "user", content }).messages[0]?.content

const refused = (body: Record<string, unknown>) => Result.getOrThrow(Result.flip(Request.decode(body))).message

describe("decode", () => {
  it("rejects a thread to continue as Anthropic does for an unknown one", () => {
    const thread = { type: "continue", previous_message_id: "msg_1" }
    const { code, path, status } = Result.getOrThrow(Result.flip(Request.decode(wire({ thread }))))
    assert.deepStrictEqual([status, code, path], [404, "thread_not_found", "thread"])
    const begun = { thread: { type: "create" } }
    assert.deepStrictEqual(decode(wire(begun)).vendor, { messages: begun })
  })

  it("reads a minimal body, and keeps it as native", () => {
    const body = wire({ stream: true })
    assert.deepStrictEqual(Result.getOrThrow(Request.decode(body)), {
      model: "assistant",
      messages: [Chat.user("Hi")],
      sampling: { maxTokens: 128_000 },
      native: { protocol: "messages", body },
    })
    assert.isTrue(Request.isStream(body))
    assert.isFalse(Request.isStream(wire()))
  })

  it("reads a system prompt, and one inside the conversation", () => {
    const { messages } = decode(
      wire({
        system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral", ttl: "1h" } }],
        messages: [
          { role: "user", content: "Hi" },
          { role: "system", content: "Be kind." },
          { role: "assistant", content: "Hello" },
        ],
      }),
    )
    assert.deepStrictEqual(messages, [
      { role: "system", content: [{ type: "text", text: "Be brief.", cache: { ttl: "1h" } }] },
      Chat.user("Hi"),
      Chat.system("Be kind."),
      Chat.assistant("Hello"),
    ])
    assert.deepStrictEqual(decode(wire({ system: "Be." })).messages[0], Chat.system("Be."))
  })

  it("reads documents in all their forms", () => {
    const document = (source: unknown, more = {}) => shown({ type: "document", source, ...more })
    const file = (text: string): Chat.Source => ({
      type: "base64",
      mediaType: "text/plain",
      data: Base64.encode(text),
    })
    assert.deepStrictEqual(document({ type: "text", media_type: "text/plain", data: "Grüße" }), [
      { type: "file", source: file("Grüße") },
    ])
    assert.deepStrictEqual(document({ type: "content", content: "Grüße" }, { title: "A", context: "B" }), [
      { type: "file", source: file("Grüße"), name: "A", context: "B" },
    ])
    assert.deepStrictEqual(document({ type: "content", content: [text("a"), text("b")] }), [
      { type: "file", source: file("a\nb") },
    ])
    const image = { type: "image", source: { type: "url", url: "https://a.example" } } as const
    assert.deepStrictEqual(
      document(
        { type: "content", content: [text("a"), image] },
        { title: "A", cache_control: { type: "ephemeral" }, citations: { enabled: true } },
      ),
      [text("A"), text("a"), { ...image, cache: {} }] as ReadonlyArray<unknown>,
    )
    assert.deepStrictEqual(
      shown({ type: "search_result", source: "https://a.example", title: "A", content: [text("a"), text("b")] }),
      [text("A (https://a.example)\na\nb")] as ReadonlyArray<unknown>,
    )
  })

  it("separates results from the user's content, and restores vendor ids", () => {
    const kimi = ToolIds.write("functions.look:0", undefined)
    const gemini = ToolIds.write("call_1", { issuer: "google", value: "sig" })
    assert.deepStrictEqual(
      said(
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "Hm", signature: "understudy.google.sig" },
            { type: "thinking", thinking: "Unsealed", signature: "" },
            { type: "tool_use", id: kimi, name: "look", input: { x: 1 } },
            { type: "tool_use", id: gemini, name: "look", input: { INVALID_JSON: "{" } },
          ],
        },
        {
          role: "user",
          content: [
            text("So"),
            { type: "tool_result", tool_use_id: kimi, content: "Seen", is_error: true },
            { type: "tool_result", tool_use_id: gemini },
          ],
        },
      ).messages,
      [
        Chat.assistant([
          { type: "reasoning", text: "Hm", signature: { issuer: "google", value: "sig" } },
          { type: "reasoning", text: "Unsealed" },
          { type: "tool-call", id: "functions.look:0", name: "look", arguments: '{"x":1}' },
          {
            type: "tool-call",
            id: "call_1",
            name: "look",
            arguments: "{",
            signature: { issuer: "google", value: "sig" },
          },
        ]),
        {
          role: "tool",
          content: [
            {
              type: "tool-result",
              id: "functions.look:0",
              content: [{ type: "text", text: "Seen" }],
              isError: true,
            },
            { type: "tool-result", id: "call_1", content: [] },
          ],
        },
        Chat.user("So"),
      ],
    )
  })

  it("drops other vendors' pages for Anthropic", () => {
    const page = (encrypted_index: string) =>
      said({
        role: "assistant",
        content: [
          {
            ...text("So"),
            citations: [
              {
                type: "web_search_result_location",
                url: "https://a.example",
                title: null,
                cited_text: "",
                encrypted_index,
              },
            ],
          },
        ],
      })
    assert.deepStrictEqual(Result.getOrThrow(Request.encode({ ...page(""), model: "claude-opus-4-5" })).warnings, [
      "another vendor's citations",
    ])
    assert.deepStrictEqual(Result.getOrThrow(Request.encode({ ...page("p"), model: "claude-opus-4-5" })).warnings, [])
  })

  it("applies the request's cache hint to its last block", () => {
    const cached = (messages: ReadonlyArray<unknown>) =>
      decode(wire({ messages, cache_control: { type: "ephemeral" } }))
        .messages.at(-1)
        ?.content.at(-1)
    assert.deepStrictEqual(cached([{ role: "user", content: "Hi" }]), { type: "text", text: "Hi", cache: {} })
    assert.deepInclude(cached([{ role: "user", content: [{ type: "tool_result", tool_use_id: "a" }] }]), { cache: {} })
    assert.deepStrictEqual(
      cached([{ role: "user", content: [{ ...text("Hi"), cache_control: { type: "ephemeral", ttl: "1h" } }] }]),
      { type: "text", text: "Hi", cache: { ttl: "1h" } },
    )
  })

  it("reads tools, tool choice, and parallel calls", () => {
    const { parallelToolCalls, toolChoice, tools } = decode(
      wire({
        tools: [{ type: "custom", name: "look", input_schema: { type: "object" }, eager_input_streaming: true }],
        tool_choice: { type: "tool", name: "look", disable_parallel_tool_use: true },
      }),
    )
    assert.deepStrictEqual(tools, [{ name: "look", parameters: { type: "object" } }])
    assert.deepStrictEqual(toolChoice, { name: "look" })
    assert.isFalse(parallelToolCalls)
    const choice = (type: string) => decode(wire({ tool_choice: { type } })).toolChoice
    assert.deepStrictEqual(["auto", "any", "none"].map(choice), ["auto", "required", "none"])
  })

  it("reads thinking and effort in all their forms", () => {
    const reasoning = (body: Record<string, unknown>) => decode(wire(body)).reasoning
    assert.deepStrictEqual(reasoning({ thinking: { type: "enabled", budget_tokens: 2048 } }), { budget: 2048 })
    assert.deepStrictEqual(reasoning({ thinking: { type: "adaptive" } }), {})
    assert.deepStrictEqual(reasoning({ thinking: { type: "adaptive" }, output_config: { effort: "max" } }), {
      effort: "max",
    })
    assert.deepStrictEqual(reasoning({ thinking: { type: "disabled" } }), { effort: "none" })
    assert.deepStrictEqual(reasoning({ thinking: { type: "between_tools" } }), { effort: "none" })
    assert.deepStrictEqual(reasoning({ output_config: { effort: "low" } }), { effort: "low" })
    assert.isUndefined(reasoning({ output_config: {} }))
  })

  it("reads a JSON schema, under its beta name too", () => {
    const format = { type: "json_schema", schema: { type: "object" } }
    const read = { type: "json-schema", name: "answer", schema: { type: "object" } } as const
    assert.deepStrictEqual(decode(wire({ output_config: { format } })).format, read)
    assert.deepStrictEqual(decode(wire({ output_format: format })).format, read)
  })

  it("keeps Anthropic's own fields and tools as written, and reports the rest", () => {
    const own = { type: "web_search_20260318", name: "web_search" }
    const request = decode(
      wire({
        tools: [own, { name: "look", input_schema: {}, defer_loading: true }],
        mcp_servers: [{ type: "url", url: "https://a.example", name: "a" }],
        context_management: { edits: [] },
        container: null,
        messages: [
          { role: "user", content: [text("Hi"), { type: "container_upload", file_id: "file_1" }] },
          { role: "assistant", content: [{ type: "server_tool_use", id: "s", name: "web_search", input: {} }] },
        ],
      }),
    )
    assert.deepStrictEqual(request.tools, [{ name: "look", parameters: {} }])
    assert.deepStrictEqual(Object.keys(request.vendor?.["messages"] ?? {}).sort(), [
      "context_management",
      "mcp_servers",
      "tools",
    ])
    assert.deepStrictEqual(request.droppedParams, [
      "content of type container_upload",
      "content of type server_tool_use",
      "defer_loading of a tool",
    ])
  })

  it("names the invalid field, and what was expected", () => {
    const at = (content: unknown, role = "user") => refused(wire({ messages: [{ role, content }] }))
    assert.include(refused({ messages: [{ role: "user", content: "Hi" }] }), "'model'")
    assert.include(refused(wire({ messages: [] })), "at least one message")
    assert.include(at(7), "'messages[0].content'")
    assert.include(at("Hi", "developer"), "'messages[0].role'")
    assert.include(at([{ type: "text" }]), "'messages[0].content[0].text'")
    assert.include(at([{ type: "thinking", thinking: "Hm" }]), "'messages[0].content[0].type'")
    assert.include(at([{ type: "image", source: { type: "base64", data: "AAAA" } }]), "source.media_type'")
    assert.include(at([{ type: "tool_result", content: "Seen" }]), "tool_use_id'")
    assert.include(at([{ type: "tool_use", id: "a", input: {} }], "assistant"), "name'")
    assert.include(refused(wire({ max_tokens: "many" })), "'max_tokens'")
    assert.include(refused(wire({ max_tokens: -1 })), "'max_tokens'")
    assert.include(refused(wire({ tools: [{ name: "look" }] })), "'tools[0].input_schema'")
    assert.include(refused(wire({ tool_choice: { type: "tool" } })), "'tool_choice.name'")
    assert.include(refused(wire({ thinking: { type: "enabled" } })), "'thinking.budget_tokens'")
    assert.include(refused(wire({ output_config: { effort: "huge" } })), "'output_config.effort'")
  })
})

describe("native", () => {
  const native = (body: Record<string, unknown>, model = "claude-opus-4-5") =>
    Request.native({ model, messages: [], native: { protocol: "messages", body } })

  it("is unchanged except the model and the stream", () => {
    const body = wire({
      stream: true,
      max_tokens: 9,
      new: [1.5],
      messages: [{ role: "user", content: [{ type: "new" }] }],
    })
    const { stream: _, ...rest } = body
    assert.deepStrictEqual(native(body), { ...rest, model: "claude-opus-4-5" })
    assert.isUndefined(Request.native({ model: "m", messages: [], native: { protocol: "chat-completions", body } }))
  })

  it("limits max_tokens to the model's maximum", () => {
    assert.strictEqual(native(wire())?.["max_tokens"], 64_000)
    assert.strictEqual(native(wire(), "claude-opus-5")?.["max_tokens"], 128_000)
    assert.strictEqual(native(wire(), "an-alias")?.["max_tokens"], 128_000)
    const thinking = { type: "enabled", budget_tokens: 100_000 }
    assert.strictEqual(native(wire({ thinking }))?.["max_tokens"], 128_000)
  })

  const own = { type: "thinking", thinking: "Hm", signature: "sig" }
  const redacted = { type: "redacted_thinking", data: "enc" }
  const use = { type: "tool_use", id: "a", name: "look", input: {} }
  const result = { role: "user", content: [{ type: "tool_result", tool_use_id: "a" }] }
  const turns = (...content: ReadonlyArray<unknown>) => [
    { role: "user", content: "Hi" },
    { role: "assistant", content },
    { role: "user", content: "And?" },
  ]

  it("loses other vendors' reasoning, pages and blank text", () => {
    const page = { type: "web_search_result_location", url: "https://a.example", cited_text: "", encrypted_index: "" }
    const proven = { ...page, encrypted_index: "p" }
    const left = (...content: ReadonlyArray<unknown>) => native(wire({ messages: turns(...content) }))?.["messages"]
    assert.deepStrictEqual(
      left(
        { ...own, signature: "understudy.google.sig" },
        { ...own, signature: "" },
        { ...redacted, data: "understudy.openai.enc" },
        own,
        redacted,
        text("\n\n"),
        { ...text("So"), citations: [page, proven] },
        { ...text("it is"), citations: [page] },
      ),
      turns(own, redacted, { ...text("So"), citations: [proven] }, text("it is")),
    )
    assert.deepStrictEqual(left({ ...own, signature: "" }), [
      { role: "user", content: "Hi" },
      { role: "user", content: "And?" },
    ])
  })

  it("has no reasoning after a turn with another vendor's reasoning", () => {
    const thinking = { type: "enabled", budget_tokens: 2048 }
    const resumed = (...content: ReadonlyArray<unknown>) =>
      native(wire({ thinking, messages: [{ role: "assistant", content }, result] }))?.["thinking"]
    assert.isUndefined(resumed({ ...own, signature: "understudy.google.sig" }, use))
    const foreign = [{ role: "assistant", content: [{ ...own, signature: "" }, use] }, result]
    const edits = [{ type: "clear_thinking_20251015", keep: "all" }, { type: "clear_tool_uses_20250919" }]
    const managed = (edits: ReadonlyArray<unknown>) =>
      native(wire({ thinking, messages: foreign, context_management: { edits } }))?.["context_management"]
    assert.deepStrictEqual(managed(edits), { edits: edits.slice(1) })
    assert.isUndefined(managed(edits.slice(0, 1)))
    assert.deepStrictEqual(resumed({ ...own, signature: "" }, own, use), thinking)
    assert.deepStrictEqual(resumed(own, use), thinking)
  })
})
