import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import { Compatibility, Request } from "@understudy/providers/protocols/chat-completions"
import * as Result from "effect/Result"
import * as Conversation from "./Conversation.ts"

const encode = (request: Partial<Chat.Request>, dialect?: Compatibility.Compatibility) =>
  Result.getOrThrow(Request.encode({ model: "gpt-4o", messages: [Chat.user("Hi")], ...request }, dialect))

const unsupported = (request: Partial<Chat.Request>) => {
  const error = Result.getOrThrow(
    Result.flip(Request.encode({ model: "gpt-4o", messages: [Chat.user("Hi")], ...request })),
  )
  return error.reason._tag === "Unsupported" ? error.reason.feature : error.reason._tag
}

const messages = (...messages: ReadonlyArray<Chat.Message>) => encode({ messages }).body["messages"]

const wire = (body: Record<string, unknown> = {}) => ({
  model: "assistant",
  messages: [{ role: "user", content: "Hi" }],
  ...body,
})

const decode = (body: Record<string, unknown>) => {
  const { native: _native, ...request } = Result.getOrThrow(Request.decode(body))
  return request
}

const said = (...messages: ReadonlyArray<unknown>) => decode(wire({ messages })).messages

const refused = (body: Record<string, unknown>) => Result.getOrThrow(Result.flip(Request.decode(body)))

const userPart = (part: unknown) => said({ role: "user", content: [part] })[0]?.content[0]

const image = (source: Chat.Source) => ({ messages: [Chat.user([{ type: "image", source }])] })
const file = (source: Chat.Source) => ({ messages: [Chat.user([{ type: "file", source }])] })
const audio = (mediaType: string) => ({
  messages: [Chat.user([{ type: "audio", source: { type: "base64", data: "AAAA", mediaType } }])],
})

const result = (id: string, text: string): Chat.ToolResult => ({
  type: "tool-result",
  id,
  content: [{ type: "text", text }],
})
const call = (id: string): Chat.ToolCall => ({ type: "tool-call", id, name: "look", arguments: "{}" })

describe("a round trip", () => {
  it.prop("preserves everything the protocol supports", [Conversation.request], ([request]) => {
    const { body, warnings } = Result.getOrThrow(Request.encode(request))
    assert.deepStrictEqual(warnings, [])
    assert.deepStrictEqual(decode(JSON.parse(JSON.stringify(body))), request)
  })
})

describe("encode", () => {
  it("writes a minimal body", () => {
    assert.deepStrictEqual(encode({}), {
      body: { model: "gpt-4o", messages: [{ role: "user", content: "Hi" }] },
      warnings: [],
    })
  })

  it("writes an assistant's text before its calls, and parallel results separately", () => {
    assert.deepStrictEqual(
      messages(
        Chat.assistant([call("1"), { type: "text", text: "Let me look" }, call("2")]),
        { role: "tool", content: [...Chat.toolResult("1", "Up").content, ...Chat.toolResult("2", "").content] },
        Chat.assistant([]),
      ),
      [
        {
          role: "assistant",
          content: "Let me look",
          tool_calls: ["1", "2"].map((id) => ({ id, type: "function", function: { name: "look", arguments: "{}" } })),
        },
        { role: "tool", tool_call_id: "1", content: "Up" },
        { role: "tool", tool_call_id: "2", content: "" },
        { role: "assistant", content: "" },
      ],
    )
  })

  it("uses older parameters for compatible servers", () => {
    const request = {
      messages: [{ role: "developer" as const, content: [{ type: "text" as const, text: "Be brief." }] }],
      sampling: { maxTokens: 9 },
    }
    assert.deepStrictEqual(encode(request, Compatibility.compatible).body, {
      model: "gpt-4o",
      messages: [{ role: "system", content: "Be brief." }],
      max_tokens: 9,
    })
    assert.deepStrictEqual(encode(request).body, {
      model: "gpt-4o",
      messages: [{ role: "developer", content: "Be brief." }],
      max_completion_tokens: 9,
    })
  })

  it("reports dropped and changed parameters", () => {
    const { body, warnings } = encode({
      messages: [
        { role: "user", content: [{ type: "text", text: "Hi", cache: {} }] },
        Chat.assistant([
          { type: "reasoning", text: "Hm", signature: { issuer: "anthropic", value: "s" } },
          { ...call("1"), cache: {} },
          { type: "text", text: "So", citations: [{ source: { type: "document", index: 0 } }] },
        ]),
        Chat.toolResult("1", "No", { isError: true }),
        Chat.user([
          {
            type: "file",
            source: { type: "base64", data: "AAAA", mediaType: "application/pdf" },
            context: "A scan",
            citable: true,
          },
        ]),
      ],
      tools: [{ name: "look", cache: {} }],
      sampling: { topK: 4, maxTokens: 20_000 },
      reasoning: { effort: "high" },
      metadata: { team: "a" },
    })
    assert.deepStrictEqual(warnings, [
      "a cache hint",
      "a cache hint on a tool call",
      "citations",
      "reasoning of earlier responses, left out",
      "the error flag of a tool result, sent as text",
      "document citations",
      "a cache hint on a tool",
      "max_completion_tokens above the model's maximum, reduced to 16384",
      "top_k",
      "reasoning, which this model does not support",
    ])
    assert.deepStrictEqual(body["max_completion_tokens"], 16_384)
    assert.notProperty(body, "metadata")
    assert.deepStrictEqual(JSON.parse(JSON.stringify(body["tools"])), [
      { type: "function", function: { name: "look" } },
    ])
  })

  it("drops sampling parameters for a reasoning model", () => {
    for (const model of ["o3-mini", "gpt-5", "gpt-5-mini-2025-08-07", "openai/o4-mini"]) {
      const { body, warnings } = encode({
        model,
        sampling: { temperature: 0.2, topP: 1, presencePenalty: 0.1, frequencyPenalty: 0, seed: 1 },
      })
      assert.deepStrictEqual(Object.keys(body), ["model", "messages", "seed"])
      assert.deepStrictEqual(warnings, ["temperature for this model", "presence_penalty for this model"])
    }
    for (const model of ["gpt-4.1", "gpt-35-turbo", "gpt-5-chat-latest", "gpt-5.2", "llama3", "gpt-oss-120b"]) {
      assert.deepStrictEqual(encode({ model, sampling: { temperature: 0.2 } }).body["temperature"], 0.2)
    }
  })

  it("converts a reasoning budget to an effort", () => {
    const effort = (budget: number) => encode({ model: "o3", reasoning: { budget } }).body["reasoning_effort"]
    assert.deepStrictEqual([0, 1024, 8000, 32_000].map(effort), ["none", "low", "medium", "high"])
    assert.deepStrictEqual(encode({ model: "o3", reasoning: { budget: 1024 } }).warnings, [
      "a reasoning budget, sent as effort low",
    ])
    assert.deepStrictEqual(encode({ reasoning: { effort: "none" } }), encode({}))
  })

  it("omits a tool choice without tools", () => {
    assert.deepStrictEqual(encode({ tools: [], toolChoice: "required", parallelToolCalls: false }), encode({}))
  })

  it("adds this protocol's own fields", () => {
    const { body } = encode({
      vendor: { "chat-completions": { verbosity: "low", store: true }, messages: { top_k: 1 } },
      metadata: { team: "a" },
    })
    assert.deepStrictEqual(body, { ...encode({}).body, verbosity: "low", store: true, metadata: { team: "a" } })
  })

  it("fails on features that cannot be dropped", () => {
    assert.strictEqual(unsupported(image({ type: "id", id: "file-1" })), "images by file id")
    assert.strictEqual(unsupported(file({ type: "url", url: "https://a.example/b.pdf" })), "documents by URL")
    assert.strictEqual(unsupported(file({ type: "id", id: "file_011" })), "another vendor's file id")
    assert.strictEqual(unsupported(audio("audio/ogg")), "audio of type audio/ogg")
    assert.strictEqual(unsupported({ sampling: { stop: ["a", "b", "c", "d", "e"] } }), "more than four stop sequences")
    assert.strictEqual(unsupported({ model: "o3", sampling: { logprobs: true } }), "logprobs")
  })
})

describe("decode", () => {
  it("keeps the body", () => {
    const body = wire({ stream: true, a_field_of_a_later_api: { kept: 1 } })
    const request = Result.getOrThrow(Request.decode(body))
    assert.strictEqual(request.native?.protocol, "chat-completions")
    assert.strictEqual(request.native?.body, body)
    assert.deepStrictEqual(request.vendor, { "chat-completions": { a_field_of_a_later_api: { kept: 1 } } })
  })

  it("treats null as missing", () => {
    assert.deepStrictEqual(
      decode(wire({ temperature: null, tools: null, stop: null, metadata: null, logit_bias: null, stream: null })),
      decode(wire()),
    )
  })

  it("reads older fields", () => {
    assert.deepStrictEqual(decode(wire({ max_tokens: 5, stop: "END" })).sampling, { maxTokens: 5, stop: ["END"] })
    assert.deepStrictEqual(decode(wire({ max_tokens: 5, max_completion_tokens: 6 })).sampling, { maxTokens: 6 })
  })

  it("reads fields of other servers", () => {
    assert.deepStrictEqual(decode(wire({ top_k: 5, safety_identifier: "u" })), {
      ...decode(wire()),
      sampling: { topK: 5 },
      user: "u",
    })
    const reasoning = (body: Record<string, unknown>) => decode(wire(body)).reasoning
    assert.deepStrictEqual(reasoning({ reasoning: { effort: "low" } }), { effort: "low" })
    assert.deepStrictEqual(reasoning({ reasoning: { max_tokens: 2000 } }), { budget: 2000 })
    assert.deepStrictEqual(reasoning({ thinking: { type: "enabled", budget_tokens: 1024 } }), { budget: 1024 })
    assert.deepStrictEqual(reasoning({ thinking: { type: "disabled" } }), { effort: "none" })
    assert.deepStrictEqual(reasoning({ reasoning: { enabled: true } }), {})
    assert.isUndefined(reasoning({ reasoning: true, thinking: "deep" }))
    assert.isUndefined(decode(wire({ top_k: -1 })).sampling)
  })

  it("reads every kind of message", () => {
    assert.deepStrictEqual(
      said(
        { role: "system", content: "Be brief." },
        { role: "developer", content: [{ type: "text", text: "Be kind." }] },
        { role: "user", name: "ada", content: [{ type: "text", text: "Look", cache_control: { type: "ephemeral" } }] },
        {
          role: "assistant",
          content: null,
          reasoning_content: "Hm",
          tool_calls: [
            { id: "1", type: "function", function: { name: "look", arguments: "{}" } },
            { id: "2", type: "custom", custom: { name: "run", input: "ls" } },
          ],
        },
        { role: "tool", tool_call_id: "1", content: "Up" },
        { role: "tool", tool_call_id: "2", content: [{ type: "text", text: "a.txt" }] },
        { role: "assistant", content: [{ type: "refusal", refusal: "No" }] },
        { role: "assistant", content: "", refusal: "No", audio: { id: "audio_1" } },
        { role: "tool", tool_call_id: "3", content: "" },
      ),
      [
        Chat.system("Be brief."),
        { role: "developer", content: [{ type: "text", text: "Be kind." }] },
        { role: "user", name: "ada", content: [{ type: "text", text: "Look", cache: {} }] },
        {
          role: "assistant",
          content: [
            { type: "reasoning", text: "Hm" },
            call("1"),
            { type: "tool-call", id: "2", name: "run", arguments: "ls", custom: true },
          ],
        },
        {
          role: "tool",
          content: [
            { type: "tool-result", id: "1", content: [{ type: "text", text: "Up" }] },
            { type: "tool-result", id: "2", content: [{ type: "text", text: "a.txt" }] },
          ],
        },
        { role: "assistant", content: [{ type: "refusal", text: "No" }] },
        {
          role: "assistant",
          content: [
            { type: "refusal", text: "No" },
            { type: "audio", source: { type: "id", id: "audio_1" } },
          ],
        },
        { role: "tool", content: [{ type: "tool-result", id: "3", content: [] }] },
      ],
    )
  })

  it("reads images, files and audio", () => {
    assert.deepStrictEqual(
      userPart({ type: "image_url", image_url: { url: "https://a.example/b.png", detail: "low" } }),
      {
        type: "image",
        source: { type: "url", url: "https://a.example/b.png" },
        detail: "low",
      },
    )
    assert.deepStrictEqual(userPart({ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }), {
      type: "image",
      source: { type: "base64", mediaType: "image/png", data: "AAAA" },
    })
    assert.deepStrictEqual(userPart({ type: "file", file: { file_data: "JVBE", filename: "a.pdf" } }), {
      type: "file",
      source: { type: "base64", mediaType: "application/pdf", data: "JVBE" },
      name: "a.pdf",
    })
    assert.deepStrictEqual(userPart({ type: "file", file: { file_id: "file-1" } }), {
      type: "file",
      source: { type: "id", id: "file-1" },
    })
    assert.deepStrictEqual(userPart({ type: "input_audio", input_audio: { data: "AAAA", format: "mp3" } }), {
      type: "audio",
      source: { type: "base64", mediaType: "audio/mpeg", data: "AAAA" },
      format: "mp3",
    })
  })

  it("reads custom tools, and tool choices", () => {
    const grammar = { syntax: "lark", definition: "start: WORD" }
    const tools = [
      { type: "function", function: { name: "look", description: null } },
      { type: "function", function: { name: "wait" } },
      { type: "custom", custom: { name: "run", description: "Runs", format: { type: "grammar", grammar } } },
    ]
    const allowed = [
      { type: "function", function: { name: "look" } },
      { type: "custom", custom: { name: "run" } },
    ]
    const choice = { type: "allowed_tools", allowed_tools: { mode: "required", tools: allowed } }
    assert.deepStrictEqual(decode(wire({ tools, tool_choice: choice })), {
      ...decode(wire()),
      tools: [
        { name: "look" },
        { name: "run", description: "Runs", custom: { format: { type: "grammar", ...grammar } } },
      ],
      toolChoice: "required",
    })
    assert.deepStrictEqual(
      decode(wire({ tools, tool_choice: { type: "custom", custom: { name: "run" } } })).toolChoice,
      {
        name: "run",
      },
    )
  })

  it("reads the functions of older clients as tools, called one at a time", () => {
    const functions = [{ name: "look", parameters: { type: "object" } }]
    const messages = [
      { role: "user", content: "Look" },
      { role: "assistant", content: null, function_call: { name: "look", arguments: "{}" } },
      { role: "function", name: "look", content: "Up" },
    ]
    const request = decode(wire({ messages, functions, function_call: { name: "look" } }))
    assert.deepStrictEqual(request, {
      model: "assistant",
      messages: [
        Chat.user("Look"),
        Chat.assistant([call("call_1")]),
        { role: "tool", content: [result("call_1", "Up")] },
      ],
      tools: functions,
      toolChoice: { name: "look" },
      parallelToolCalls: false,
    })
    assert.strictEqual(decode(wire({ functions, function_call: "none" })).toolChoice, "none")
  })

  it("reads encrypted reasoning, and signatures of calls", () => {
    const [, signed, google] = said(
      { role: "user", content: "Hi" },
      {
        role: "assistant",
        content: null,
        reasoning_content: "Hm",
        reasoning_details: [
          { type: "reasoning.text", text: "Hm", signature: "sig", format: "anthropic-claude-v1", index: 0 },
          { type: "reasoning.encrypted", data: "xyz", format: "openai-responses-v1", index: 1 },
          { type: "reasoning.summary", summary: "Well", index: 2 },
          { type: "reasoning.encrypted", data: "g", format: "google-gemini-v1", id: "1", index: 3 },
        ],
        tool_calls: [{ id: "1", type: "function", function: { name: "look", arguments: "{}" } }],
      },
      {
        role: "assistant",
        tool_calls: [
          {
            id: "2",
            type: "function",
            function: { name: "look", arguments: "{}" },
            extra_content: { google: { thought_signature: "h" } },
          },
        ],
      },
    )
    assert.deepStrictEqual(signed?.content, [
      { type: "reasoning", text: "Hm", signature: { issuer: "anthropic", value: "sig" } },
      { type: "reasoning", text: "", redacted: { issuer: "openai", value: "xyz" } },
      { type: "reasoning", text: "Well" },
      { ...call("1"), signature: { issuer: "google", value: "g" } },
    ])
    assert.deepStrictEqual(google?.content, [{ ...call("2"), signature: { issuer: "google", value: "h" } }])
  })

  for (const [body, path, message] of [
    [{ messages: [] }, "model", "Missing required parameter: 'model' (expected a string)."],
    [wire({ model: "" }), "model", `Invalid value for 'model': expected the name of a model, but got "".`],
    [wire({ messages: "Hi" }), "messages", `Invalid value for 'messages': expected an array, but got "Hi".`],
    [
      wire({ messages: [] }),
      "messages",
      "Invalid value for 'messages': expected at least one message, but got an empty array.",
    ],
    [wire({ messages: ["Hi"] }), "messages[0]", `Invalid value for 'messages[0]': expected an object, but got "Hi".`],
    [
      wire({ messages: [{ role: "narrator", content: "Hi" }] }),
      "messages[0].role",
      `Invalid value for 'messages[0].role': expected one of "system", "developer", "user", "assistant", "tool", "function", but got "narrator".`,
    ],
    [
      wire({ messages: [{ role: "user", content: "Hi" }, { role: "assistant" }, { role: "user", content: 5 }] }),
      "messages[2].content",
      "Invalid value for 'messages[2].content': expected a string or an array of content parts, but got 5.",
    ],
    [
      wire({ messages: [{ role: "user" }] }),
      "messages[0].content",
      "Missing required parameter: 'messages[0].content' (expected a string or an array of content parts).",
    ],
    [
      wire({ messages: [{ role: "user", content: [{ type: "text", text: 5 }] }] }),
      "messages[0].content[0].text",
      "Invalid value for 'messages[0].content[0].text': expected a string, but got 5.",
    ],
    [
      wire({ messages: [{ role: "user", content: [{ type: "video_url" }] }] }),
      "messages[0].content[0].type",
      `Invalid value for 'messages[0].content[0].type': expected one of "text", "image_url", "input_audio", "file", but got "video_url".`,
    ],
    [
      wire({
        messages: [
          { role: "assistant", tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: {} } }] },
        ],
      }),
      "messages[0].tool_calls[0].function.arguments",
      "Invalid value for 'messages[0].tool_calls[0].function.arguments': expected a string, but got an object.",
    ],
    [
      wire({ messages: [{ role: "tool", content: "Up" }] }),
      "messages[0].tool_call_id",
      "Missing required parameter: 'messages[0].tool_call_id' (expected a string).",
    ],
    [
      wire({ tools: [{ type: "web_search" }] }),
      "tools[0].type",
      `Invalid value for 'tools[0].type': expected one of "function", "custom", but got "web_search".`,
    ],
    [
      wire({ tool_choice: "any" }),
      "tool_choice",
      `Invalid value for 'tool_choice': expected one of "auto", "none", "required", but got "any".`,
    ],
    [
      wire({ tool_choice: { type: "function" } }),
      "tool_choice.function",
      "Missing required parameter: 'tool_choice.function' (expected an object).",
    ],
    [wire({ temperature: "0.5" }), "temperature", `Invalid value for 'temperature': expected a number, but got "0.5".`],
    [wire({ max_tokens: 1.5 }), "max_tokens", "Invalid value for 'max_tokens': expected an integer, but got 1.5."],
    [wire({ n: 0 }), "n", "Invalid value for 'n': expected at least 1, but got 0."],
    [wire({ stop: [5] }), "stop[0]", "Invalid value for 'stop[0]': expected a string, but got 5."],
    [
      wire({ stop: {} }),
      "stop",
      "Invalid value for 'stop': expected a string or an array of strings, but got an object.",
    ],
    [
      wire({ response_format: { type: "json_schema" } }),
      "response_format.json_schema",
      "Missing required parameter: 'response_format.json_schema' (expected an object).",
    ],
    [
      wire({ metadata: { team: 1 } }),
      "metadata.team",
      "Invalid value for 'metadata.team': expected a string, but got 1.",
    ],
    [wire({ stream: "yes" }), "stream", `Invalid value for 'stream': expected a boolean, but got "yes".`],
    [
      wire({ reasoning_effort: "ultra" }),
      "reasoning_effort",
      `Invalid value for 'reasoning_effort': expected one of "none", "minimal", "low", "medium", "high", "xhigh", "max", but got "ultra".`,
    ],
  ] as const) {
    it(message, () => {
      const error = refused(body)
      assert.strictEqual(error._tag, "InvalidBody")
      assert.strictEqual(error.message, message)
      assert.strictEqual(error.path, path)
    })
  }
})

describe("streams", () => {
  it("are requested", () => {
    assert.isTrue(Request.isStream({ stream: true }))
    assert.isFalse(Request.isStream({ stream: null }))
    assert.isFalse(Request.isStream({}))
  })

  it("have their usage whether or not the client asked", () => {
    const body = wire({ stream: true, stream_options: { include_obfuscation: false }, later: 1 })
    const request = { ...Result.getOrThrow(Request.decode(body)), model: "gpt-4o" }
    const native = Request.native(request)
    assert.deepStrictEqual(native, { model: "gpt-4o", messages: body.messages, later: 1 })
    assert.deepStrictEqual(Request.streamed(native ?? {}, request), {
      ...native,
      stream: true,
      stream_options: { include_obfuscation: false, include_usage: true },
    })
    assert.deepStrictEqual(Request.streamed({}, { model: "gpt-4o", messages: [] }), {
      stream: true,
      stream_options: { include_usage: true },
    })
  })

  it("of another protocol's requests get stream parameters", () => {
    assert.isUndefined(Request.native({ model: "m", messages: [], native: { protocol: "messages", body: {} } }))
  })
})
