/** One conversation encoded for compatible servers, and a client's own body adapted to them. */
import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import { vendors } from "@understudy/providers/internal/openai/Compatible"
import { Compatibility, Request } from "@understudy/providers/protocols/chat-completions"
import * as EncryptedReasoning from "@understudy/providers/internal/protocols/EncryptedReasoning"
import * as ToolIds from "@understudy/providers/internal/protocols/ToolIds"
import { Buffer } from "node:buffer"
import * as Result from "effect/Result"

const { deepseek, groq, mistral, ollama, openrouter, vllm } = vendors

const encode = (dialect: Compatibility.Compatibility, request: Partial<Chat.Request>) =>
  Result.getOrThrow(Request.encode({ model: "some-model", messages: [Chat.user("Hi")], ...request }, dialect))

const messages = (dialect: Compatibility.Compatibility, ...messages: ReadonlyArray<Chat.Message>) =>
  JSON.parse(JSON.stringify(encode(dialect, { messages }).body["messages"]))

const unsupported = (dialect: Compatibility.Compatibility, request: Partial<Chat.Request>) => {
  const result = Request.encode({ model: "some-model", messages: [Chat.user("Hi")], ...request }, dialect)
  const { reason } = Result.getOrThrow(Result.flip(result))
  return reason._tag === "Unsupported" ? reason.feature : reason._tag
}

const native = (dialect: Compatibility.Compatibility, body: Record<string, unknown>) =>
  Request.native({ model: "some-model", messages: [], native: { protocol: "chat-completions", body } }, dialect)

const base64 = (text: string) => Buffer.from(text).toString("base64")
const pdf: Chat.File = {
  type: "file",
  source: { type: "base64", mediaType: "application/pdf", data: "JVBE" },
  name: "a.pdf",
}
const note: Chat.File = {
  type: "file",
  source: { type: "base64", mediaType: "text/markdown", data: base64("# Zürich") },
  name: "note.md",
  context: "My notes.",
}
const page: Chat.File = { type: "file", source: { type: "url", url: "https://a.example/b.pdf" }, name: "b.pdf" }
const image: Chat.Image = { type: "image", source: { type: "url", url: "https://a.example/c.png" } }
const call = (id: string, more: Partial<Chat.ToolCall> = {}): Chat.ToolCall => ({
  type: "tool-call",
  id,
  name: "look",
  arguments: "{}",
  ...more,
})
const wireCall = (id: string) => ({ id, type: "function", function: { name: "look", arguments: "{}" } })
const result = (id: string, ...content: Chat.ToolResult["content"]): Chat.ToolResult => ({
  type: "tool-result",
  id,
  content,
})
const text = (text: string): Chat.Text => ({ type: "text", text })

describe("documents", () => {
  const sent = (dialect: Compatibility.Compatibility, file: Chat.File) =>
    messages(dialect, Chat.user([file]))[0].content

  it("are a file's data or id for OpenAI", () => {
    assert.deepStrictEqual(sent(Compatibility.openAi, pdf), [
      { type: "file", file: { file_data: "data:application/pdf;base64,JVBE", filename: "a.pdf" } },
    ])
    assert.deepStrictEqual(sent(Compatibility.openAi, { ...pdf, context: "A scan." })[0], {
      type: "text",
      text: "A scan.",
    })
    assert.strictEqual(unsupported(Compatibility.openAi, { messages: [Chat.user([page])] }), "documents by URL")
  })

  it("have a URL for servers that fetch it", () => {
    assert.deepStrictEqual(sent(openrouter.dialect, page), [
      { type: "file", file: { file_data: "https://a.example/b.pdf", filename: "b.pdf" } },
    ])
    assert.deepStrictEqual(sent(mistral.dialect, page), [
      { type: "document_url", document_url: "https://a.example/b.pdf", document_name: "b.pdf" },
    ])
  })

  it("of a text type become part of the prompt without document support", () => {
    const inline = 'My notes.\n\n<document name="note.md">\n# Zürich\n</document>'
    for (const { dialect } of [groq, vllm, mistral]) assert.strictEqual(sent(dialect, note), inline)
    assert.strictEqual(unsupported(groq.dialect, { messages: [Chat.user([pdf])] }), "documents of type application/pdf")
  })
})

describe("a tool result", () => {
  const answered: Chat.ToolMessage = { role: "tool", content: [result("1", image), result("2", text("Up"), pdf)] }

  it("has its images and documents in a user message after the last result", () => {
    assert.deepStrictEqual(
      messages(
        Compatibility.openAi,
        Chat.assistant([call("1"), call("2"), call("3")]),
        answered,
        Chat.toolResult("3", "No", { isError: true }),
        Chat.user("Well?"),
      ).slice(1),
      [
        { role: "tool", tool_call_id: "1", content: "(shown in the next message)" },
        { role: "tool", tool_call_id: "2", content: "Up" },
        { role: "tool", tool_call_id: "3", content: "Error: No" },
        {
          role: "user",
          content: [
            { type: "text", text: "What the tool answered to the call 1:" },
            { type: "image_url", image_url: { url: "https://a.example/c.png" } },
            { type: "text", text: "What the tool answered to the call 2:" },
            { type: "file", file: { file_data: "data:application/pdf;base64,JVBE", filename: "a.pdf" } },
          ],
        },
        { role: "user", content: "Well?" },
      ],
    )
    assert.strictEqual(messages(Compatibility.openAi, answered).at(-1).role, "user")
  })

  it("contains them if supported", () => {
    const [sent] = messages(mistral.dialect, { role: "tool", content: [result("abcdefghi", text("Up"), image)] })
    assert.deepStrictEqual(sent, {
      role: "tool",
      tool_call_id: "abcdefghi",
      content: [
        { type: "text", text: "Up" },
        { type: "image_url", image_url: { url: "https://a.example/c.png" } },
      ],
    })
  })

  it("is Unsupported with unsupported media", () => {
    const shows = (part: Chat.Image | Chat.File) => ({
      messages: [{ role: "tool" as const, content: [result("1", part)] }],
    })
    assert.strictEqual(unsupported(Compatibility.openAi, shows(page)), "documents by URL")
    assert.strictEqual(unsupported(ollama.dialect, shows(image)), "images by URL")
  })
})

describe("reasoning", () => {
  const thoughtful = Chat.assistant([
    { type: "reasoning", text: "Hm.", signature: { issuer: "anthropic", value: "sig" } },
    { type: "reasoning", text: "", redacted: { issuer: "anthropic", value: "xyz" } },
    text("So."),
    call("1", { signature: { issuer: "google", value: "g" } }),
  ])

  it("is returned in the server's field", () => {
    const sent = (dialect: Compatibility.Compatibility) => messages(dialect, thoughtful)[0]
    const bare = { role: "assistant", content: "So.", tool_calls: [wireCall("1")] }
    // Other endpoints' values are foreign: see `EncryptedReasoning.toward`.
    const foreign = EncryptedReasoning.map([thoughtful], (seal) => EncryptedReasoning.toward(seal, "hx"))
    const plain = (dialect: Compatibility.Compatibility) => messages(dialect, ...foreign)[0]
    assert.deepStrictEqual(plain(deepseek.dialect), { ...bare, reasoning_content: "Hm." })
    assert.deepStrictEqual(plain(ollama.dialect), { ...bare, reasoning: "Hm." })
    assert.deepStrictEqual(sent(Compatibility.openAi), bare)
    assert.deepStrictEqual(encode(Compatibility.openAi, { messages: [thoughtful] }).warnings, [
      "reasoning of earlier responses, left out",
    ])
    assert.deepStrictEqual(sent(openrouter.dialect), {
      ...bare,
      reasoning_details: [
        { type: "reasoning.encrypted", data: "g", id: "1", format: "google-gemini-v1", index: 0 },
        { type: "reasoning.text", text: "Hm.", signature: "sig", format: "anthropic-claude-v1", index: 1 },
        { type: "reasoning.encrypted", data: "xyz", format: "anthropic-claude-v1", index: 2 },
      ],
    })
  })

  it("is controlled by the server's parameter", () => {
    const said = (dialect: Compatibility.Compatibility, reasoning: Chat.ReasoningOptions) => {
      const { messages: _messages, model: _model, ...rest } = encode(dialect, { reasoning }).body
      return rest
    }
    assert.deepStrictEqual(said(openrouter.dialect, { budget: 2000 }), { reasoning: { max_tokens: 2000 } })
    assert.deepStrictEqual(said(openrouter.dialect, { effort: "low" }), { reasoning: { effort: "low" } })
    assert.deepStrictEqual(said(deepseek.dialect, { effort: "none" }), { thinking: { type: "disabled" } })
    assert.deepStrictEqual(said(deepseek.dialect, { effort: "high" }), { reasoning_effort: "high" })
  })
})

describe("an unsupported feature", () => {
  it("skips the deployment, or is dropped and reported", () => {
    const tools = [{ name: "look" }]
    assert.strictEqual(unsupported(groq.dialect, { sampling: { n: 2 } }), "more than one choice (n)")
    assert.strictEqual(unsupported(groq.dialect, { sampling: { topLogprobs: 2 } }), "logprobs")
    assert.strictEqual(unsupported(ollama.dialect, { tools, toolChoice: "required" }), "forced tool calls")
    assert.strictEqual(
      unsupported(deepseek.dialect, { format: { type: "json-schema", name: "a", schema: {} } }),
      "JSON schema output",
    )
    const { body, warnings } = encode(groq.dialect, {
      messages: [
        { role: "user", content: [text("Hi")], name: "ada" },
        Chat.assistant([{ type: "refusal", text: "No" }]),
      ],
      sampling: { n: 1, topK: 4 },
    })
    assert.deepStrictEqual(warnings, ["message author names", "a refusal, sent as text", "top_k"])
    assert.deepStrictEqual(body, {
      model: "some-model",
      messages: [
        { role: "user", content: "Hi" },
        { role: "assistant", content: "No" },
      ],
    })
    assert.deepStrictEqual(encode(mistral.dialect, { user: "u", sampling: { seed: 1 } }), {
      body: { model: "some-model", messages: [{ role: "user", content: "Hi" }], random_seed: 1 },
      warnings: ["the end user's id"],
    })
    assert.strictEqual(encode(vllm.dialect, { sampling: { topK: 4 } }).body["top_k"], 4)
  })

  it("of custom tools becomes a function with one text argument", () => {
    const tools: ReadonlyArray<Chat.Tool> = [{ name: "run", custom: {} }]
    const said = (model: string, dialect: Compatibility.Compatibility) => {
      const request = {
        model,
        tools,
        toolChoice: { name: "run" },
        messages: [Chat.assistant([call("1", { name: "run", arguments: "ls", custom: true })])],
      }
      const { body } = encode(dialect, request)
      return JSON.parse(JSON.stringify([body["tools"], body["tool_choice"], body["messages"]]))
    }
    const [own, choice, [spoke]] = said("gpt-5", Compatibility.openAi)
    assert.deepStrictEqual(own, [{ type: "custom", custom: { name: "run" } }])
    assert.deepStrictEqual(choice, { type: "custom", custom: { name: "run" } })
    assert.deepStrictEqual(spoke.tool_calls, [{ id: "1", type: "custom", custom: { name: "run", input: "ls" } }])
    for (const [model, dialect] of [
      ["gpt-4o", Compatibility.openAi],
      ["gpt-5", groq.dialect],
    ] as const) {
      const [lowered, choice, [spoke]] = said(model, dialect)
      assert.strictEqual(lowered[0].type, "function")
      assert.deepStrictEqual(lowered[0].function.parameters.required, ["input"])
      assert.deepStrictEqual(choice, { type: "function", function: { name: "run" } })
      assert.deepStrictEqual(spoke.tool_calls[0].function, { name: "run", arguments: '{"input":"ls"}' })
    }
  })

  it("of cache hints uses Anthropic's field for OpenRouter", () => {
    const cached = { messages: [Chat.user([{ type: "text", text: "Hi", cache: { ttl: "1h" } }])] }
    assert.deepStrictEqual(encode(openrouter.dialect, cached), {
      body: {
        model: "some-model",
        messages: [
          { role: "user", content: [{ type: "text", text: "Hi", cache_control: { type: "ephemeral", ttl: "1h" } }] },
        ],
      },
      warnings: [],
    })
    assert.deepStrictEqual(encode(groq.dialect, cached).warnings, ["a cache hint"])
  })
})

describe("JSON mode", () => {
  it("is mentioned in a message, as OpenAI requires", () => {
    const asked = (text: string) => messages(Compatibility.openAi, Chat.user(text)).length
    const format = { format: { type: "json" as const } }
    assert.strictEqual(asked("Hi"), 1)
    const sent = (text: string) =>
      encode(Compatibility.openAi, { ...format, messages: [Chat.user(text)] }).body["messages"]
    assert.lengthOf(sent("As JSON") as ReadonlyArray<unknown>, 1)
    const [told] = sent("Hi") as ReadonlyArray<{ readonly role: string; readonly content: string }>
    assert.strictEqual(told?.role, "developer")
    assert.match(told?.content ?? "", /JSON/)
  })
})

describe("a client's own body for another server", () => {
  it("is passed to OpenAI without other vendors' content", () => {
    const body = { model: "route", messages: [{ role: "user", content: "Hi" }], seed: 1, later: true }
    const sent = native(Compatibility.openAi, body)
    assert.deepStrictEqual(sent, { ...body, model: "some-model" })
    assert.strictEqual(sent?.["messages"], body.messages)

    const signed = ToolIds.write("call_1", { issuer: "google", value: "g" })
    const left = [
      { role: "developer", content: "Be brief." },
      {
        role: "assistant",
        content: null,
        reasoning_content: "Hm",
        reasoning_details: [],
        tool_calls: [wireCall(signed)],
      },
      { role: "tool", tool_call_id: signed, content: "Up" },
    ]
    assert.deepStrictEqual(native(Compatibility.openAi, { messages: left })?.["messages"], [
      left[0],
      { role: "assistant", content: null, tool_calls: [wireCall("call_1")] },
      { role: "tool", tool_call_id: "call_1", content: "Up" },
    ])
    assert.deepStrictEqual(
      native({ ...Compatibility.compatible, signatures: true }, { messages: left })?.["messages"],
      [
        { role: "system", content: "Be brief." },
        {
          ...left[1],
          tool_calls: [{ ...wireCall("call_1"), extra_content: { google: { thought_signature: "g" } } }],
        },
        { role: "tool", tool_call_id: "call_1", content: "Up" },
      ],
    )
  })

  it("is adapted to compatible servers", () => {
    const body = {
      max_completion_tokens: 9,
      seed: 1,
      messages: [
        { role: "developer", content: "Be brief." },
        { role: "assistant", content: "So", reasoning: "Hm" },
      ],
    }
    assert.deepStrictEqual(native(mistral.dialect, body), {
      model: "some-model",
      max_tokens: 9,
      random_seed: 1,
      messages: [
        { role: "system", content: "Be brief." },
        { role: "assistant", content: "So", reasoning: "Hm" },
      ],
    })
    assert.deepStrictEqual(native(deepseek.dialect, body)?.["messages"], [
      { role: "system", content: "Be brief." },
      { role: "assistant", content: "So", reasoning_content: "Hm" },
    ])
    assert.deepStrictEqual(Request.streamed({}, { model: "m", messages: [] }, mistral.dialect), { stream: true })
  })
})
