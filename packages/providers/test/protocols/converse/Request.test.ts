import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import { Request } from "@understudy/providers/protocols/converse"
import { Buffer } from "node:buffer"
import * as Result from "effect/Result"

const claude = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
const nova = "us.amazon.nova-pro-v1:0"

const request = (part: Partial<Chat.Request>): Chat.Request => ({ model: nova, messages: [Chat.user("Hi")], ...part })
const encode = (part: Partial<Chat.Request>) => Result.getOrThrow(Request.encode(request(part)))
const body = (part: Partial<Chat.Request>) => encode(part).body
const messages = (...messages: ReadonlyArray<Chat.Message>) => body({ messages })["messages"]

const unsupported = (part: Partial<Chat.Request>) => {
  const error = Result.getOrThrow(Result.flip(Request.encode(request(part))))
  return error.reason._tag === "Unsupported" ? error.reason.feature : error.reason._tag
}

const user = (...content: ReadonlyArray<unknown>) => ({ role: "user", content })
const assistant = (...content: ReadonlyArray<unknown>) => ({ role: "assistant", content })
const call = (id: string, args = "{}"): Chat.ToolCall => ({ type: "tool-call", id, name: "look", arguments: args })
const tools: ReadonlyArray<Chat.Tool> = [{ name: "look" }]
const look = { toolSpec: { name: "look", inputSchema: { json: { type: "object", properties: {} } } } }
const png = (data = "iVBORw0KGgo="): Chat.Image => ({
  type: "image",
  source: { type: "base64", mediaType: "image/png", data },
})
const pdf = (name?: string): Chat.File => ({
  type: "file",
  source: { type: "base64", mediaType: "application/pdf", data: "JVBERg==" },
  ...(name === undefined ? undefined : { name }),
})

describe("the conversation", () => {
  it("says the least there is to say", () => {
    assert.deepStrictEqual(encode({}), {
      body: { modelId: nova, messages: [user({ text: "Hi" })] },
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
      { text: "Be brief." },
      { text: "Be kind." },
      { cachePoint: { type: "default", ttl: "1h" } },
    ])
    assert.deepStrictEqual(messages, [user({ text: "Hi" })])
  })

  it("merges neighbours of one role and leaves out blank text", () => {
    assert.deepStrictEqual(
      messages(Chat.user("One"), Chat.user(" \n"), Chat.user("Two"), Chat.assistant("Three"), Chat.user("Four")),
      [user({ text: "One" }, { text: "Two" }), assistant({ text: "Three" }), user({ text: "Four" })],
    )
  })

  it("keeps a system message's place as the user's text, and says so", () => {
    const encoded = encode({ messages: [Chat.user("Hi"), Chat.system("Be brief."), Chat.system(" ")] })
    assert.deepStrictEqual(encoded.body["messages"], [user({ text: "Hi" }, { text: "<system>\nBe brief.\n</system>" })])
    assert.deepStrictEqual(encoded.warnings, ["a system message inside the conversation, sent as the user's text"])
  })

  it("must be begun by the user", () => {
    assert.strictEqual(unsupported({ messages: [Chat.assistant("Hi")] }), "a conversation that the assistant begins")
    assert.strictEqual(
      unsupported({ messages: [Chat.system("Hi")] }),
      "a conversation in which nobody but the system has spoken",
    )
  })
})

describe("tool calls", () => {
  const conversation = [
    Chat.user("Look twice"),
    Chat.assistant([call("call:1", '{"where":"there"}'), call("t2", "")]),
    Chat.user("Well?"),
    Chat.toolResult("call:1", "A wall"),
    Chat.toolResult("t2", "", { isError: true }),
  ]

  it("and results find each other, results first in their turn", () => {
    assert.deepStrictEqual(body({ tools, messages: conversation })["messages"], [
      user({ text: "Look twice" }),
      assistant(
        { toolUse: { toolUseId: "call_3a_1", name: "look", input: { where: "there" } } },
        { toolUse: { toolUseId: "t2", name: "look", input: {} } },
      ),
      user(
        { toolResult: { toolUseId: "call_3a_1", content: [{ text: "A wall" }] } },
        { toolResult: { toolUseId: "t2", content: [{ text: "(no output)" }], status: "error" } },
        { text: "Well?" },
      ),
    ])
  })

  it("show results that are images and documents, and cache after them", () => {
    const results: Chat.ToolMessage = {
      role: "tool",
      content: [{ type: "tool-result", id: "t1", content: [png(), { ...pdf("a.pdf"), cache: {} }] }],
    }
    assert.deepStrictEqual(messages(Chat.user("Hi"), results), [
      user(
        {
          toolResult: {
            toolUseId: "t1",
            content: [
              { image: { format: "png", source: { bytes: Buffer.from("iVBORw0KGgo=", "base64") } } },
              { document: { format: "pdf", name: "a", source: { bytes: Buffer.from("%PDF") } } },
            ],
          },
        },
        { cachePoint: { type: "default" } },
        { text: "Hi" },
      ),
    ])
  })

  it("whose arguments are no object are shown as they were written", () => {
    const encoded = encode({ tools, messages: [Chat.user("Hi"), Chat.assistant([call("t1", '{"a":')])] })
    assert.deepStrictEqual((encoded.body["messages"] as ReadonlyArray<unknown>)[1], {
      role: "assistant",
      content: [{ toolUse: { toolUseId: "t1", name: "look", input: { INVALID_JSON: '{"a":' } } }],
    })
    assert.lengthOf(encoded.warnings, 1)
  })

  it("in the past need their tools defined even where none may be called", () => {
    const looked = [Chat.user("Look"), Chat.assistant([call("t1")]), Chat.toolResult("t1", "A wall")]
    const forbidden = "a conversation with tool calls in which no tool may be called"
    assert.strictEqual(unsupported({ messages: looked }), forbidden)
    assert.strictEqual(unsupported({ tools, toolChoice: "none", messages: looked }), forbidden)
    for (const part of [{}, { tools, toolChoice: "none" as const }]) {
      const { toolConfig, additionalModelRequestFields } = body({ model: claude, messages: looked, ...part })
      assert.deepStrictEqual(toolConfig, { tools: [look] })
      assert.deepStrictEqual(additionalModelRequestFields, { tool_choice: { type: "none" } })
    }
    assert.notProperty(body({ tools, toolChoice: "none" }), "toolConfig")
  })
})

describe("tools", () => {
  it("are described", () => {
    const parameters = { type: "object", properties: { where: { type: "string" } }, required: ["where"] }
    assert.deepStrictEqual(
      body({
        tools: [
          { name: "look", description: "Looks", parameters, strict: true, cache: { ttl: "2d" } },
          { name: "wait", description: "" },
        ],
      })["toolConfig"],
      {
        tools: [
          { toolSpec: { name: "look", description: "Looks", inputSchema: { json: parameters }, strict: true } },
          { cachePoint: { type: "default" } },
          { toolSpec: { name: "wait", inputSchema: { json: { type: "object", properties: {} } } } },
        ],
      },
    )
  })

  it("are chosen in Converse's words", () => {
    const choices: ReadonlyArray<readonly [Chat.ToolChoice, unknown]> = [
      ["auto", { auto: {} }],
      ["required", { any: {} }],
      [{ name: "look" }, { tool: { name: "look" } }],
    ]
    for (const [choice, toolChoice] of choices) {
      assert.deepStrictEqual(body({ tools, toolChoice: choice })["toolConfig"], { tools: [look], toolChoice })
    }
  })

  it("are called one at a time by Claude, in its own words", () => {
    const one = (toolChoice?: Chat.ToolChoice) => {
      const { toolConfig, additionalModelRequestFields } = body({
        model: claude,
        tools,
        parallelToolCalls: false,
        toolChoice,
      })
      return { toolConfig, additionalModelRequestFields }
    }
    assert.deepStrictEqual(one("auto"), {
      toolConfig: { tools: [look] },
      additionalModelRequestFields: { tool_choice: { type: "auto", disable_parallel_tool_use: true } },
    })
    assert.deepStrictEqual(one("required"), {
      toolConfig: { tools: [look], toolChoice: { any: {} } },
      additionalModelRequestFields: { tool_choice: { disable_parallel_tool_use: true } },
    })
    assert.deepStrictEqual(encode({ tools, parallelToolCalls: false }).warnings, ["that tools be called one at a time"])
  })
})

describe("content", () => {
  it("is text, images and documents", () => {
    const s3: Chat.Image = { type: "image", source: { type: "url", url: "s3://bucket/a.JPG" }, detail: "high" }
    const encoded = encode({
      messages: [
        Chat.user([
          { type: "text", text: "Look", cache: {} },
          png(),
          s3,
          { ...pdf("Q3_report  (final).v2.pdf"), context: "Figures", citable: true },
          pdf("q3 report (final) v2.docx"),
          pdf(),
          pdf("分期.pdf"),
          { type: "file", source: { type: "base64", mediaType: "text/x-log; charset=utf-8", data: "YQ==" } },
        ]),
      ],
    })
    const bytes = Buffer.from("%PDF")
    assert.deepStrictEqual(encoded.body["messages"], [
      user(
        { text: "Look" },
        { cachePoint: { type: "default" } },
        { image: { format: "png", source: { bytes: Buffer.from("iVBORw0KGgo=", "base64") } } },
        { image: { format: "jpeg", source: { s3Location: { uri: "s3://bucket/a.JPG" } } } },
        {
          document: {
            format: "pdf",
            name: "Q3 report (final) v2",
            source: { bytes },
            context: "Figures",
            citations: { enabled: true },
          },
        },
        { document: { format: "pdf", name: "q3 report (final) v2 2", source: { bytes } } },
        { document: { format: "pdf", name: "document", source: { bytes } } },
        { document: { format: "pdf", name: "document 2", source: { bytes } } },
        { document: { format: "txt", name: "document 3", source: { bytes: Buffer.from("a") } } },
      ),
    ])
    assert.deepStrictEqual(encoded.warnings, ["the detail of an image"])
  })

  it("that Converse has no place for is another's to answer", () => {
    const feature = (...content: ReadonlyArray<Chat.UserMessage["content"][number]>) =>
      unsupported({ messages: [Chat.user(content)] })
    const image = (source: Chat.Source) => feature({ type: "image", source })
    assert.strictEqual(image({ type: "url", url: "https://example.com/a.png" }), "images by URL")
    assert.strictEqual(image({ type: "id", id: "file-1" }), "another vendor's file id")
    assert.strictEqual(image({ type: "base64", mediaType: "image/bmp", data: "" }), "images of type image/bmp")
    assert.strictEqual(image({ type: "url", url: "s3://bucket/a" }), "images whose name shows no known type")
    assert.strictEqual(feature(png("no base64!")), "images that are not base64")
    assert.strictEqual(feature({ type: "audio", source: { type: "url", url: "s3://bucket/a.wav" } }), "audio")
    assert.strictEqual(feature(pdf()), "a document with no text beside it")
    assert.strictEqual(
      feature({ type: "file", source: { type: "base64", mediaType: "application/zip", data: "" } }),
      "documents of type application/zip",
    )
    assert.strictEqual(
      unsupported({
        messages: [
          Chat.user("Hi"),
          {
            role: "tool",
            content: [
              { type: "tool-result", id: "t1", content: [{ type: "image", source: { type: "url", url: "http://a" } }] },
            ],
          },
        ],
      }),
      "images by URL",
    )
  })

  it("gives Claude its signed thoughts back, and nobody else", () => {
    const thoughtful = Chat.assistant([
      { type: "reasoning", text: "Hm.", signature: { issuer: "anthropic", value: "sig" } },
      { type: "reasoning", text: "", redacted: { issuer: "anthropic", value: "c2VjcmV0" } },
      { type: "reasoning", text: "Unsigned" },
      { type: "refusal", text: "No." },
    ])
    const ofClaude = encode({ model: claude, messages: [Chat.user("Hi"), thoughtful] })
    assert.deepStrictEqual(ofClaude.body["messages"], [
      user({ text: "Hi" }),
      assistant(
        { reasoningContent: { reasoningText: { text: "Hm.", signature: "sig" } } },
        { reasoningContent: { redactedContent: Buffer.from("secret") } },
        { text: "No." },
      ),
    ])
    assert.deepStrictEqual(ofClaude.warnings, [
      "reasoning that is not signed by Anthropic, left out",
      "a refusal, sent as text",
    ])
    const ofNova = encode({ messages: [Chat.user("Hi"), thoughtful] })
    assert.deepStrictEqual(ofNova.body["messages"], [user({ text: "Hi" }), assistant({ text: "No." })])
    assert.include(ofNova.warnings, "reasoning of earlier answers, which this model does not take")
  })
})

describe("sampling", () => {
  it("is said where it can be", () => {
    const encoded = encode({
      sampling: {
        maxTokens: 10,
        temperature: 1.5,
        topP: 0.9,
        topK: 5,
        stop: ["END"],
        seed: 1,
        frequencyPenalty: 0.5,
        presencePenalty: 0,
      },
    })
    assert.deepStrictEqual(encoded, {
      body: {
        modelId: nova,
        messages: [user({ text: "Hi" })],
        inferenceConfig: { maxTokens: 10, temperature: 1, topP: 0.9, stopSequences: ["END"] },
      },
      warnings: ["a seed", "a frequency penalty", "a temperature of 1.5, sent as 1", "top_k for this model"],
    })
  })

  it("takes a Claude's generation into account", () => {
    const sampling = { temperature: 0.5, topP: 0.9, topK: 5, stop: ["END"] }
    assert.deepStrictEqual(encode({ model: claude, sampling }), {
      body: {
        modelId: claude,
        messages: [user({ text: "Hi" })],
        inferenceConfig: { temperature: 0.5, stopSequences: ["END"] },
        additionalModelRequestFields: { top_k: 5 },
        additionalModelResponseFieldPaths: ["/stop_sequence"],
      },
      warnings: ["top_p beside a temperature"],
    })
    const newer = encode({ model: "anthropic.claude-opus-5", sampling: { temperature: 0.5 } })
    assert.notProperty(newer.body, "inferenceConfig")
    assert.deepStrictEqual(newer.warnings, ["a temperature for this model"])
  })

  it("of several answers, or with logprobs, is another's to answer", () => {
    assert.strictEqual(unsupported({ sampling: { n: 2 } }), "several answers at once (n)")
    assert.strictEqual(unsupported({ sampling: { logprobs: true } }), "logprobs")
    assert.strictEqual(unsupported({ sampling: { topLogprobs: 2 } }), "logprobs")
    assert.deepStrictEqual(encode({ sampling: { n: 1, logprobs: false, topLogprobs: 0 } }).warnings, [])
  })
})

describe("reasoning", () => {
  it("is a budget or an effort, by the Claude's generation", () => {
    assert.deepStrictEqual(
      body({ model: claude, reasoning: { budget: 2000 }, sampling: { maxTokens: 4000 } })[
        "additionalModelRequestFields"
      ],
      { thinking: { type: "enabled", budget_tokens: 2000 } },
    )
    const newer = body({ model: "anthropic.claude-opus-5", reasoning: { effort: "low" } })
    assert.deepStrictEqual(newer["additionalModelRequestFields"], { thinking: { type: "adaptive" } })
    assert.deepStrictEqual(newer["outputConfig"], { effort: "low" })
  })

  it("is not begun while a tool's result is answered to a turn without thoughts", () => {
    const { body, warnings } = encode({
      model: claude,
      reasoning: { budget: 2000 },
      tools,
      messages: [Chat.user("Look"), Chat.assistant([call("t1")]), Chat.toolResult("t1", "A wall")],
    })
    assert.notProperty(body, "additionalModelRequestFields")
    assert.deepStrictEqual(warnings, ["reasoning in a turn that began without"])
  })

  it("is only warned of elsewhere", () => {
    assert.deepStrictEqual(encode({ reasoning: { effort: "high" } }), {
      body: { modelId: nova, messages: [user({ text: "Hi" })] },
      warnings: ["how much to reason"],
    })
  })
})

describe("the rest", () => {
  it("asks for answers by a schema", () => {
    const schema = { type: "object", properties: {} }
    assert.deepStrictEqual(
      body({ format: { type: "json-schema", name: "answer", schema, description: "An answer", strict: true } })[
        "outputConfig"
      ],
      {
        textFormat: {
          type: "json_schema",
          structure: { jsonSchema: { schema: JSON.stringify(schema), name: "answer", description: "An answer" } },
        },
      },
    )
    assert.strictEqual(unsupported({ format: { type: "json" } }), "JSON answers without a schema")
    assert.notProperty(body({ format: { type: "text" } }), "outputConfig")
  })

  it("carries labels that Bedrock takes, and warns of the others", () => {
    const encoded = encode({ metadata: { team: "a-1", who: "Zoë", "": "x" }, user: "u1" })
    assert.deepStrictEqual(encoded.body["requestMetadata"], { team: "a-1" })
    assert.deepStrictEqual(encoded.warnings, ['the label "who"', 'the label ""', "the id of the end user"])
    const many = Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`k${index}`, "v"]))
    assert.lengthOf(Object.keys(body({ metadata: many })["requestMetadata"] as object), 16)
  })

  it("carries Converse's own fields", () => {
    const guardrailConfig = { guardrailIdentifier: "g", guardrailVersion: "1" }
    const { additionalModelRequestFields, ...said } = body({
      model: claude,
      sampling: { topK: 5 },
      vendor: {
        converse: { guardrailConfig, additionalModelRequestFields: { anthropic_beta: ["x"] } },
        messages: { container: "c" },
      },
    })
    assert.deepStrictEqual(said, { modelId: claude, messages: [user({ text: "Hi" })], guardrailConfig })
    assert.deepStrictEqual(additionalModelRequestFields, { top_k: 5, anthropic_beta: ["x"] })
  })
})
