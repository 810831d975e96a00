import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import { Request } from "@understudy/providers/protocols/converse"
import * as JsonMode from "@understudy/providers/internal/protocols/JsonMode"
import { Buffer } from "node:buffer"
import * as Result from "effect/Result"
import * as Conversation from "./Conversation.ts"

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

describe("a round trip", () => {
  it.prop("preserves everything the protocol supports", [Conversation.request], ([request]) => {
    const { body, warnings } = Result.getOrThrow(Request.encode(request))
    const { native, ...decoded } = Result.getOrThrow(Request.decode(body))
    assert.deepStrictEqual(
      warnings.filter((warning) => !warning.startsWith("reasoning in a turn")),
      [],
    )
    assert.strictEqual(native?.body, body)
    assert.deepStrictEqual(decoded, request)
  })
})

describe("the conversation", () => {
  it("writes a minimal body", () => {
    assert.deepStrictEqual(encode({}), {
      body: { modelId: nova, messages: [user({ text: "Hi" })] },
      warnings: [],
    })
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

  it("keeps a system message's place as user text, and reports it", () => {
    const encoded = encode({ messages: [Chat.user("Hi"), Chat.system("Be brief."), Chat.system(" ")] })
    assert.deepStrictEqual(encoded.body["messages"], [user({ text: "Hi" }, { text: "<system>\nBe brief.\n</system>" })])
    assert.deepStrictEqual(encoded.warnings, ["a system message inside the conversation, sent as user text"])
  })

  it("starts with the user", () => {
    const spoken = encode({ messages: [Chat.assistant("Hi")] })
    assert.deepStrictEqual(spoken.body["messages"], [user({ text: "(You speak first.)" }), assistant({ text: "Hi" })])
    assert.deepStrictEqual(spoken.warnings, ["an assistant message at the start, preceded by an added user message"])
    const told = encode({ messages: [Chat.system("Say hi.")] })
    assert.deepStrictEqual(told.body, { modelId: nova, messages: [user({ text: "Say hi." })] })
    assert.deepStrictEqual(told.warnings, ["a system prompt without messages, sent as user text"])
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

  it("match their results, results first in their turn", () => {
    assert.deepStrictEqual(body({ tools, messages: conversation })["messages"], [
      user({ text: "Look twice" }),
      assistant(
        { toolUse: { toolUseId: "call:1", name: "look", input: { where: "there" } } },
        { toolUse: { toolUseId: "t2", name: "look", input: {} } },
      ),
      user(
        { toolResult: { toolUseId: "call:1", content: [{ text: "A wall" }] } },
        { toolResult: { toolUseId: "t2", content: [{ text: "(no output)" }], status: "error" } },
        { text: "Well?" },
      ),
    ])
  })

  it("have results with images and documents, and cache points after them", () => {
    const results: Chat.ToolMessage = {
      role: "tool",
      content: [{ type: "tool-result", id: "t1", content: [png(), { ...pdf("a.pdf"), cache: {} }] }],
    }
    assert.deepStrictEqual(body({ tools, messages: [Chat.user("Hi"), results] })["messages"], [
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

  it("with arguments that are not an object are sent as INVALID_JSON", () => {
    const encoded = encode({ tools, messages: [Chat.user("Hi"), Chat.assistant([call("t1", '{"a":')])] })
    assert.deepStrictEqual((encoded.body["messages"] as ReadonlyArray<unknown>)[1], {
      role: "assistant",
      content: [{ toolUse: { toolUseId: "t1", name: "look", input: { INVALID_JSON: '{"a":' } } }],
    })
    assert.lengthOf(encoded.warnings, 1)
  })

  it("in the past need their tools defined even if none may be called", () => {
    const looked = [Chat.user("Look"), Chat.assistant([call("t1")]), Chat.toolResult("t1", "A wall")]
    for (const part of [{}, { tools, toolChoice: "none" as const }]) {
      const { toolConfig, additionalModelRequestFields } = body({ model: claude, messages: looked, ...part })
      assert.deepStrictEqual(toolConfig, { tools: [look] })
      assert.deepStrictEqual(additionalModelRequestFields, { tool_choice: { type: "none" } })
    }
    assert.notProperty(body({ tools, toolChoice: "none" }), "toolConfig")
  })

  it("in the past are text for other models without tools", () => {
    const looked = [
      Chat.user("Look"),
      Chat.assistant([call("t1", '{"up":true}')]),
      Chat.toolResult("t1", "A wall"),
      Chat.toolResult("t2", "No", { isError: true }),
    ]
    for (const part of [{}, { tools, toolChoice: "none" as const }]) {
      const encoded = encode({ messages: looked, ...part })
      assert.deepStrictEqual(encoded.body, {
        modelId: nova,
        messages: [
          user({ text: "Look" }),
          assistant({ text: '[Called the tool look: {"up":true}]' }),
          user({ text: "[The tool answered:]" }, { text: "A wall" }, { text: "[The tool failed:]" }, { text: "No" }),
        ],
      })
      assert.deepStrictEqual(encoded.warnings, ["earlier tool calls, sent as text"])
    }
  })

  it("of custom tools are functions with one text argument", () => {
    const run: Chat.Tool = { name: "run", custom: {} }
    const encoded = body({
      tools: [run],
      messages: [Chat.user("Run"), Chat.assistant([{ ...call("t1", "ls"), name: "run", custom: true }])],
    })
    assert.deepStrictEqual((encoded["messages"] as ReadonlyArray<unknown>)[1], {
      role: "assistant",
      content: [{ toolUse: { toolUseId: "t1", name: "run", input: { input: "ls" } } }],
    })
    assert.property(
      (
        encoded["toolConfig"] as {
          tools: ReadonlyArray<{ toolSpec: { inputSchema: { json: { properties: object } } } }>
        }
      ).tools[0]?.toolSpec.inputSchema.json.properties,
      "input",
    )
  })
})

describe("tools", () => {
  it("are described", () => {
    const parameters = { type: "object", properties: { where: { type: "string" } }, required: ["where"] }
    assert.deepStrictEqual(
      body({
        model: claude,
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

  it("are chosen with Converse's parameter", () => {
    const choices: ReadonlyArray<readonly [Chat.ToolChoice, unknown]> = [
      ["auto", { auto: {} }],
      ["required", { any: {} }],
      [{ name: "look" }, { tool: { name: "look" } }],
    ]
    for (const [choice, toolChoice] of choices) {
      assert.deepStrictEqual(body({ tools, toolChoice: choice })["toolConfig"], { tools: [look], toolChoice })
    }
  })

  it("are chosen as far as the model family supports", () => {
    const both = [...tools, { name: "wait" }]
    const mistral = "mistral.mistral-large-2402-v1:0"
    const llama = "us.meta.llama3-3-70b-instruct-v1:0"
    const config = (model: string, toolChoice: Chat.ToolChoice) =>
      body({ model, tools: both, toolChoice })["toolConfig"]
    assert.deepStrictEqual(config(mistral, { name: "look" }), { tools: [look], toolChoice: { any: {} } })
    assert.notProperty(config(llama, "auto"), "toolChoice")
    assert.strictEqual(unsupported({ model: llama, tools, toolChoice: "required" }), "forced tool calls")
  })

  it("are called one at a time by Claude, with its own parameter", () => {
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
    assert.deepStrictEqual(encode({ tools, parallelToolCalls: false }).warnings, ["disabling parallel tool calls"])
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
    assert.deepStrictEqual(encoded.warnings, ["image detail"])
  })

  it("without a place in Converse skips the deployment", () => {
    const feature = (...content: ReadonlyArray<Chat.UserMessage["content"][number]>) =>
      unsupported({ messages: [Chat.user(content)] })
    const image = (source: Chat.Source) => feature({ type: "image", source })
    assert.strictEqual(image({ type: "url", url: "https://example.com/a.png" }), "images by URL")
    assert.strictEqual(image({ type: "id", id: "file-1" }), "another vendor's file id")
    assert.strictEqual(image({ type: "base64", mediaType: "image/bmp", data: "" }), "images of type image/bmp")
    assert.strictEqual(image({ type: "url", url: "s3://bucket/a" }), "images whose name shows no known type")
    assert.strictEqual(feature(png("no base64!")), "images that are not base64")
    assert.strictEqual(feature({ type: "audio", source: { type: "url", url: "s3://bucket/a.wav" } }), "audio")
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

  it("has text next to a document", () => {
    const encoded = encode({ messages: [Chat.user([pdf("a.pdf")])] })
    assert.deepStrictEqual((encoded.body["messages"] as ReadonlyArray<{ content: unknown }>)[0]?.content, [
      { document: { format: "pdf", name: "a", source: { bytes: Buffer.from("%PDF") } } },
      { text: "(See the document.)" },
    ])
    assert.deepStrictEqual(encoded.warnings, ["a document without text, sent with added text"])
  })

  it("may be audio if the model supports it", () => {
    const source: Chat.Source = { type: "base64", mediaType: "audio/x-wav", data: "AAAA" }
    const hears = { model: "us.amazon.nova-2-omni-v1:0", messages: [Chat.user([{ type: "audio", source }])] }
    assert.deepStrictEqual(body(hears)["messages"], [
      user({ audio: { format: "wav", source: { bytes: Buffer.from("AAAA", "base64") } } }),
    ])
    assert.strictEqual(unsupported({ ...hears, model: claude }), "audio")
  })

  it("returns citations to Claude only", () => {
    const source: Chat.Citation["source"] = { type: "document", index: 0, title: "a" }
    const range = { unit: "page", start: 1, end: 2 } as const
    const messages = [Chat.user("Hi"), Chat.assistant([{ type: "text", text: "So", citations: [{ source, range }] }])]
    const location = { documentPage: { documentIndex: 0, start: 1, end: 2 } }
    assert.deepStrictEqual((body({ model: claude, messages })["messages"] as ReadonlyArray<unknown>)[1], {
      role: "assistant",
      content: [{ citationsContent: { content: [{ text: "So" }], citations: [{ title: "a", location }] } }],
    })
    assert.deepStrictEqual(encode({ messages }).warnings, ["citations in earlier responses"])
  })

  it("is cached if the model family supports it", () => {
    const cached = (model: string) => {
      const hinted = {
        model,
        messages: [Chat.user([{ type: "text", text: "Hi", cache: {} }])],
        tools: [{ name: "look", cache: {} }],
      }
      return encode(hinted).warnings
    }
    assert.deepStrictEqual(cached(claude), [])
    assert.deepStrictEqual(cached(nova), ["a cache hint on a tool, which this model does not support"])
    assert.deepStrictEqual(cached("us.meta.llama3-3-70b-instruct-v1:0"), [
      "a cache hint, which this model does not support",
      "a cache hint on a tool, which this model does not support",
    ])
  })

  it("returns signed reasoning to Claude only", () => {
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
      "reasoning not signed by Anthropic, left out",
      "a refusal, sent as text",
    ])
    const ofNova = encode({ messages: [Chat.user("Hi"), thoughtful] })
    assert.deepStrictEqual(ofNova.body["messages"], [user({ text: "Hi" }), assistant({ text: "No." })])
    assert.include(ofNova.warnings, "reasoning of earlier responses, which this model does not support")
  })
})

describe("sampling", () => {
  it("is sent if supported", () => {
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
        additionalModelRequestFields: { inferenceConfig: { topK: 5 } },
      },
      warnings: ["seed", "frequency_penalty", "temperature above 1, sent as 1"],
    })
  })

  it("is limited to the model's maximum", () => {
    const { body, warnings } = encode({
      model: claude,
      sampling: { maxTokens: 128_000 },
      reasoning: { budget: 100_000 },
    })
    assert.deepStrictEqual(body["inferenceConfig"], { maxTokens: 64_000 })
    assert.deepStrictEqual(body["additionalModelRequestFields"], {
      thinking: { type: "enabled", budget_tokens: 63_999 },
    })
    assert.include(warnings, "max_tokens above the model's maximum, reduced to 64000")
  })

  it("depends on Claude's generation", () => {
    const sampling = { temperature: 0.5, topP: 0.9, topK: 5, stop: ["END"] }
    assert.deepStrictEqual(encode({ model: claude, sampling }), {
      body: {
        modelId: claude,
        messages: [user({ text: "Hi" })],
        inferenceConfig: { temperature: 0.5, stopSequences: ["END"] },
        additionalModelRequestFields: { top_k: 5 },
        additionalModelResponseFieldPaths: ["/stop_sequence"],
      },
      warnings: ["top_p together with temperature"],
    })
    const newer = encode({ model: "anthropic.claude-opus-5", sampling: { temperature: 0.5 } })
    assert.notProperty(newer.body, "inferenceConfig")
    assert.deepStrictEqual(newer.warnings, ["temperature for this model"])
  })

  it("with several choices or logprobs skips the deployment", () => {
    assert.strictEqual(unsupported({ sampling: { n: 2 } }), "more than one choice (n)")
    assert.strictEqual(unsupported({ sampling: { logprobs: true } }), "logprobs")
    assert.strictEqual(unsupported({ sampling: { topLogprobs: 2 } }), "logprobs")
    assert.deepStrictEqual(encode({ sampling: { n: 1, logprobs: false, topLogprobs: 0 } }).warnings, [])
  })
})

describe("reasoning", () => {
  it("is a budget or an effort, by Claude's generation", () => {
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

  it("does not start at tool results for a turn without reasoning", () => {
    const { body, warnings } = encode({
      model: claude,
      reasoning: { budget: 2000 },
      tools,
      messages: [Chat.user("Look"), Chat.assistant([call("t1")]), Chat.toolResult("t1", "A wall")],
    })
    assert.notProperty(body, "additionalModelRequestFields")
    assert.deepStrictEqual(warnings, ["reasoning in a turn that started without it"])
  })

  it("is an effort for other model families", () => {
    const said = (model: string, reasoning: Chat.ReasoningOptions) =>
      encode({ model, reasoning, sampling: { maxTokens: 9 } })
    const gpt = said("openai.gpt-oss-120b-1:0", { effort: "medium" })
    assert.deepStrictEqual(gpt.body["additionalModelRequestFields"], { reasoning_effort: "medium" })
    const nova2 = said("us.amazon.nova-2-lite-v1:0", { budget: 10_000 })
    assert.deepStrictEqual(nova2.body["additionalModelRequestFields"], {
      reasoningConfig: { type: "enabled", maxReasoningEffort: "high" },
    })
    assert.notProperty(nova2.body, "inferenceConfig")
    assert.deepStrictEqual(nova2.warnings, ["the reasoning effort, sent as high", "max_tokens at this effort"])
    assert.deepStrictEqual(
      said("us.amazon.nova-2-lite-v1:0", { effort: "none" }).body["additionalModelRequestFields"],
      {
        reasoningConfig: { type: "disabled" },
      },
    )
  })

  it("is reported as dropped elsewhere", () => {
    assert.deepStrictEqual(encode({ reasoning: { effort: "high" } }), {
      body: { modelId: nova, messages: [user({ text: "Hi" })] },
      warnings: ["the reasoning effort"],
    })
  })
})

describe("the rest", () => {
  it("requests JSON schema output", () => {
    const schema = { type: "object", properties: {} }
    assert.deepStrictEqual(
      body({
        model: claude,
        format: { type: "json-schema", name: "answer", schema, description: "An answer", strict: true },
      })["outputConfig"],
      {
        textFormat: {
          type: "json_schema",
          structure: { jsonSchema: { schema: JSON.stringify(schema), name: "answer", description: "An answer" } },
        },
      },
    )
    const { body: mode, warnings } = encode({
      format: { type: "json" },
      messages: [Chat.system("Be brief."), Chat.user("Hi")],
    })
    assert.deepStrictEqual(mode["system"], [{ text: "Be brief." }, { text: JsonMode.instruction }])
    assert.deepStrictEqual(warnings, [JsonMode.warning])
    assert.notProperty(body({ format: { type: "text" } }), "outputConfig")
  })

  it("sends labels that Bedrock accepts, and reports the others", () => {
    const encoded = encode({ metadata: { team: "a-1", who: "Zoë", "": "x" }, user: "u1" })
    assert.deepStrictEqual(encoded.body["requestMetadata"], { team: "a-1" })
    assert.deepStrictEqual(encoded.warnings, ['the label "who"', 'the label ""', "the end user's id"])
    const many = Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`k${index}`, "v"]))
    assert.lengthOf(Object.keys(body({ metadata: many })["requestMetadata"] as object), 16)
  })

  it("sends Converse's own fields", () => {
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

describe("decode", () => {
  const wire = (more: object = {}) => ({ messages: [user({ text: "Hi" })], ...more })

  it("reads a body whose model is in the URL", () => {
    const body = wire({
      system: [{ text: "Be brief." }, { cachePoint: { type: "default" } }],
      guardrailConfig: { guardrailIdentifier: "g" },
      additionalModelRequestFields: { top_k: 5, anthropic_beta: ["x"] },
      outputConfig: { effort: "high" },
    })
    assert.deepStrictEqual(Result.getOrThrow(Request.decode(body, { model: claude })), {
      model: claude,
      messages: [{ role: "system", content: [{ type: "text", text: "Be brief.", cache: {} }] }, Chat.user("Hi")],
      native: { protocol: "converse", body },
      sampling: { topK: 5 },
      reasoning: { effort: "high" },
      vendor: {
        converse: {
          guardrailConfig: { guardrailIdentifier: "g" },
          additionalModelRequestFields: { anthropic_beta: ["x"] },
        },
      },
    })
  })

  it("reads bytes in base64, JSON in results, and text documents", () => {
    const { messages } = Result.getOrThrow(
      Request.decode(
        wire({
          messages: [
            user(
              { toolResult: { toolUseId: "t1", content: [{ json: { up: true } }], status: "success" } },
              { image: { format: "png", source: { bytes: "AAAA" } } },
              { document: { name: "a", source: { text: "Zürich" } } },
              { audio: { format: "mp3", source: { bytes: "AAAA" } } },
            ),
          ],
        }),
        { model: claude },
      ),
    )
    assert.deepStrictEqual(messages, [
      { role: "tool", content: [{ type: "tool-result", id: "t1", content: [{ type: "text", text: '{"up":true}' }] }] },
      {
        role: "user",
        content: [
          png("AAAA"),
          {
            type: "file",
            name: "a",
            source: { type: "base64", mediaType: "text/plain", data: Buffer.from("Zürich").toString("base64") },
          },
          { type: "audio", format: "mp3", source: { type: "base64", mediaType: "audio/mp3", data: "AAAA" } },
        ],
      },
    ])
  })

  it("names the invalid field", () => {
    const refused = (body: Record<string, unknown>) => {
      const { message, path } = Result.getOrThrow(Result.flip(Request.decode(body)))
      return [path, message]
    }
    assert.deepStrictEqual(refused(wire()), ["modelId", "Missing required parameter: 'modelId' (expected a string)."])
    assert.strictEqual(
      refused(wire({ modelId: "m", messages: [{ role: "user", content: "Hi" }] }))[0],
      "messages[0].content",
    )
  })
})
