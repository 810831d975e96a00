import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import { Request } from "@understudy/providers/protocols/responses"
import * as Result from "effect/Result"
import * as Conversation from "./Conversation.ts"

type Body = Record<string, unknown>

const encode = (request: Partial<Chat.Request>) =>
  Result.getOrThrow(Request.encode({ model: "gpt-4o", messages: [Chat.user("Hi")], ...request }))

const unsupported = (request: Partial<Chat.Request>) => {
  const error = Result.getOrThrow(
    Result.flip(Request.encode({ model: "gpt-4o", messages: [Chat.user("Hi")], ...request })),
  )
  return error.reason._tag === "Unsupported" ? error.reason.feature : error.reason._tag
}

const input = (...messages: ReadonlyArray<Chat.Message>) => encode({ model: "gpt-5", messages }).body["input"]

const wire = (body: Body = {}) => ({ model: "assistant", input: "Hi", ...body })

const decode = (body: Body): Chat.Request => {
  const { native, ...request } = Result.getOrThrow(Request.decode(body))
  assert.deepStrictEqual(native, { protocol: "responses", body })
  return request
}

const decodeItems = (...items: ReadonlyArray<Body>) => decode(wire({ input: items }))

/** The invalid field and the message. */
const refusal = (body: Body): string => {
  const { message, path } = Result.getOrThrow(Result.flip(Request.decode(body)))
  return `${path}: ${message}`
}

const native = (body: Body) => Request.native({ model: "gpt-5", messages: [], native: { protocol: "responses", body } })

describe("a round trip", () => {
  it.prop("preserves everything the protocol supports", [Conversation.request], ([request]) => {
    const { body, warnings } = Result.getOrThrow(Request.encode(request))
    assert.deepStrictEqual(warnings, [])
    assert.deepStrictEqual(decode(JSON.parse(JSON.stringify(body))), request)
  })
})

const toolResult = (content: string | ReadonlyArray<Chat.Text | Chat.Image>): Chat.ToolResult => ({
  type: "tool-result",
  id: "a",
  content: typeof content === "string" ? (content === "" ? [] : [{ type: "text", text: content }]) : content,
})

describe("encode", () => {
  it("writes a minimal body, and stores nothing", () => {
    assert.deepStrictEqual(encode({}), {
      body: { model: "gpt-4o", input: [{ role: "user", content: "Hi" }], store: false },
      warnings: [],
    })
  })

  it("starts with instructions, and keeps other system and developer messages in place", () => {
    const developer: Chat.Message = { role: "developer", content: [{ type: "text", text: "Now rhyme." }] }
    const { body } = encode({ messages: [Chat.system("Be brief."), Chat.user("Hi"), developer, Chat.system("Stop.")] })
    assert.strictEqual(body["instructions"], "Be brief.")
    assert.deepStrictEqual(body["input"], [
      { role: "user", content: "Hi" },
      { role: "developer", content: "Now rhyme." },
      { role: "system", content: "Stop." },
    ])
  })

  it("writes an item for each text, call and result", () => {
    const image: Chat.Image = { type: "image", source: { type: "base64", mediaType: "image/png", data: "AAAA" } }
    assert.deepStrictEqual(
      input(
        Chat.user("Look"),
        Chat.assistant([
          { type: "reasoning", text: "Hm", signature: { issuer: "openai", value: "gAAA" } },
          { type: "text", text: "Looking" },
          { type: "tool-call", id: "a", name: "look", arguments: "{}" },
          { type: "tool-call", id: "b", name: "patch", arguments: "*** Begin", custom: true },
        ]),
        {
          role: "tool",
          content: [
            { type: "tool-result", id: "a", content: [{ type: "text", text: "See" }, image] },
            { type: "tool-result", id: "b", content: [{ type: "text", text: "Done" }] },
          ],
        },
      ),
      [
        { role: "user", content: "Look" },
        { type: "reasoning", summary: [{ type: "summary_text", text: "Hm" }], encrypted_content: "gAAA" },
        { type: "message", role: "assistant", content: [{ type: "output_text", text: "Looking" }] },
        { type: "function_call", call_id: "a", name: "look", arguments: "{}" },
        { type: "custom_tool_call", call_id: "b", name: "patch", input: "*** Begin" },
        {
          type: "function_call_output",
          call_id: "a",
          output: [
            { type: "input_text", text: "See" },
            { type: "input_image", image_url: "data:image/png;base64,AAAA", detail: "auto" },
          ],
        },
        { type: "custom_tool_call_output", call_id: "b", output: "Done" },
      ],
    )
  })

  it("drops reasoning that OpenAI cannot read, and reports it", () => {
    const { body, warnings } = encode({
      messages: [
        Chat.user("Hi"),
        Chat.assistant([
          { type: "reasoning", text: "Hm", signature: { issuer: "anthropic", value: "sig" } },
          { type: "reasoning", text: "Hm" },
          { type: "text", text: "Hello" },
        ]),
      ],
    })
    assert.lengthOf(body["input"] as ReadonlyArray<unknown>, 2)
    assert.deepStrictEqual(warnings, ["reasoning not issued by OpenAI, left out"])
  })

  it("keeps functions from becoming stricter than they were", () => {
    const { body } = encode({
      model: "gpt-5",
      tools: [{ name: "look" }, { name: "patch", custom: {} }],
      toolChoice: { name: "patch" },
    })
    assert.deepStrictEqual(JSON.parse(JSON.stringify(body["tools"])), [
      { type: "function", name: "look", parameters: null, strict: false },
      { type: "custom", name: "patch" },
    ])
    assert.deepStrictEqual(body["tool_choice"], { type: "custom", name: "patch" })
  })

  it("converts custom tools to functions for models without them", () => {
    const { body } = encode({
      messages: [
        Chat.user("Hi"),
        Chat.assistant([{ type: "tool-call", id: "a", name: "patch", arguments: "*** Begin", custom: true }]),
        Chat.toolResult("a", "Done"),
      ],
      tools: [{ name: "patch", custom: {} }],
      toolChoice: { name: "patch" },
    })
    assert.deepInclude((body["tools"] as ReadonlyArray<Body>)[0], { type: "function", name: "patch" })
    assert.deepStrictEqual(body["tool_choice"], { type: "function", name: "patch" })
    assert.deepStrictEqual((body["input"] as ReadonlyArray<Body>).slice(1), [
      { type: "function_call", call_id: "a", name: "patch", arguments: '{"input":"*** Begin"}' },
      { type: "function_call_output", call_id: "a", output: "Done" },
    ])
  })

  it("requests encrypted reasoning from models that reason", () => {
    const included = (model: string, reasoning?: Chat.ReasoningOptions) =>
      encode({ model, ...(reasoning === undefined ? undefined : { reasoning }) }).body["include"]
    assert.deepStrictEqual(included("gpt-5"), ["reasoning.encrypted_content"])
    assert.deepStrictEqual(included("gpt-5.6", { effort: "low" }), ["reasoning.encrypted_content"])
    assert.isUndefined(included("gpt-5.6", { effort: "none" }))
    assert.isUndefined(included("gpt-4o", { effort: "low" }))
  })

  it("mentions JSON in a message, as the API requires", () => {
    const input = (text: string) => encode({ messages: [Chat.user(text)], format: { type: "json" } }).body["input"]
    assert.deepStrictEqual(input("As JSON."), [{ role: "user", content: "As JSON." }])
    const [first, second] = input("Hi") as ReadonlyArray<Body>
    assert.deepInclude(first, { role: "developer" })
    assert.deepStrictEqual(second, { role: "user", content: "Hi" })
  })

  it("raises max_output_tokens to the API's minimum", () => {
    const { body, warnings } = encode({ sampling: { maxTokens: 1 } })
    assert.strictEqual(body["max_output_tokens"], 16)
    assert.lengthOf(warnings, 1)
  })

  it("reduces max_output_tokens to the model's maximum", () => {
    const { body, warnings } = encode({ sampling: { maxTokens: 128_000 } })
    assert.strictEqual(body["max_output_tokens"], 16_384)
    assert.lengthOf(warnings, 1)
  })

  it("reports dropped parameters", () => {
    const { warnings } = encode({
      messages: [
        { ...Chat.user("Hi"), name: "Ada" },
        Chat.assistant([{ type: "tool-call", id: "a", name: "look", arguments: "{}" }]),
        Chat.toolResult("a", "No", { isError: true }),
      ],
      sampling: { topK: 3, seed: 1, frequencyPenalty: 1, presencePenalty: 1 },
      reasoning: { effort: "high" },
    })
    assert.deepStrictEqual(warnings, [
      "message author names",
      "the error flag of a tool result, sent as text",
      "top_k",
      "seed",
      "frequency_penalty",
      "presence_penalty",
      "reasoning, which this model does not support",
    ])
  })

  it("marks a tool result's error in its text", () => {
    const image: Chat.Image = { type: "image", source: { type: "url", url: "https://a.example/b.png" } }
    const call = Chat.assistant([{ type: "tool-call", id: "a", name: "look", arguments: "{}" }])
    const outputs = (["No", "", [image], [{ type: "text", text: "No" }, image]] as const).map((content) => {
      const result: Chat.Message = { role: "tool", content: [{ ...toolResult(content), isError: true }] }
      const { body } = encode({ messages: [Chat.user("Hi"), call, result] })
      return (body["input"] as ReadonlyArray<Record<string, unknown>>).at(-1)?.["output"]
    })
    const shown = { type: "input_image", image_url: "https://a.example/b.png", detail: "auto" }
    assert.deepStrictEqual(outputs, [
      "Error: No",
      "Error",
      [{ type: "input_text", text: "Error" }, shown],
      [{ type: "input_text", text: "Error: No" }, shown],
    ])
  })

  it("fails on features that cannot be dropped", () => {
    assert.strictEqual(unsupported({ sampling: { stop: ["CURTAIN"] } }), "stop sequences")
    assert.strictEqual(unsupported({ sampling: { n: 2 } }), "more than one choice (n)")
    assert.strictEqual(unsupported({ model: "gpt-5", sampling: { logprobs: true } }), "logprobs")
    const audio: Chat.Audio = { type: "audio", source: { type: "base64", mediaType: "audio/wav", data: "" } }
    assert.strictEqual(unsupported({ messages: [Chat.user([audio])] }), "audio")
    const file: Chat.File = { type: "file", source: { type: "id", id: "file_011" } }
    assert.strictEqual(unsupported({ messages: [Chat.user([file])] }), "another vendor's file id")
  })
})

describe("streamed", () => {
  it("requests a stream, with the client's own options", () => {
    const stream_options = { include_obfuscation: false }
    const body = wire({ stream: true, stream_options })
    const request: Chat.Request = { model: "gpt-5", messages: [], native: { protocol: "responses", body } }
    assert.deepStrictEqual(Request.streamed({ model: "gpt-5" }, request), {
      model: "gpt-5",
      stream: true,
      stream_options,
    })
    assert.deepStrictEqual(Request.native(request), { model: "gpt-5", input: "Hi" })
  })
})

describe("native", () => {
  it("is the client's own body except the model", () => {
    const items = [
      { role: "user", content: "Hi" },
      { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gAAA" },
      { type: "reasoning", id: "rs_2", summary: [] },
      { type: "reasoning", summary: [], content: [{ type: "reasoning_text", text: "Hm" }], encrypted_content: null },
      { type: "function_call", id: "fc_1", call_id: "call_1", name: "look", arguments: "{}" },
      { type: "item_of_a_later_api", id: "x_1" },
    ]
    const body = native(wire({ input: items, field_of_a_later_api: true }))
    assert.deepStrictEqual(body, { model: "gpt-5", input: items, field_of_a_later_api: true })
    assert.strictEqual(body?.["input"], items)
  })

  it("contains no items written for other vendors' responses", () => {
    const seal = "__seal__" + Buffer.from("understudy.google.c2ln").toString("base64url")
    const body = native(
      wire({
        input: [
          { role: "user", content: "Hi" },
          { type: "reasoning", id: "rs_understudy_1_0", summary: [], encrypted_content: "understudy.anthropic.c2ln" },
          { type: "reasoning", id: "rs_understudy_1_1", summary: [{ type: "summary_text", text: "Hm" }] },
          { type: "reasoning", summary: [{ type: "summary_text", text: "Hm" }] },
          {
            type: "message",
            id: "msg_understudy_1_2",
            role: "assistant",
            content: [{ type: "output_text", text: "Hello" }],
          },
          { type: "function_call", id: "fc_understudy_1_3", call_id: `call_1${seal}`, name: "look", arguments: "{}" },
          { type: "function_call_output", call_id: `call_1${seal}`, output: "See" },
        ],
      }),
    )
    assert.deepStrictEqual(body?.["input"], [
      { role: "user", content: "Hi" },
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "Hello" }] },
      { type: "function_call", call_id: "call_1", name: "look", arguments: "{}" },
      { type: "function_call_output", call_id: "call_1", output: "See" },
    ])
  })
})

describe("decode", () => {
  it("reads a text, and instructions", () => {
    assert.deepStrictEqual(decode(wire({ instructions: "Be brief." })), {
      model: "assistant",
      messages: [Chat.system("Be brief."), Chat.user("Hi")],
    })
  })

  it("joins the items of one response, and the results of its calls", () => {
    const { messages } = decodeItems(
      { type: "message", role: "user", content: [{ type: "input_text", text: "Look" }] },
      { type: "reasoning", summary: [{ type: "summary_text", text: "Hm" }], encrypted_content: "gAAA" },
      {
        type: "message",
        id: "msg_1",
        role: "assistant",
        status: "completed",
        content: [{ type: "output_text", text: "So", annotations: [] }],
      },
      { type: "function_call", call_id: "a", name: "look", namespace: "crm", arguments: "{}" },
      { type: "custom_tool_call", call_id: "b", name: "patch", input: "*** Begin" },
      { type: "function_call_output", call_id: "a", output: "See" },
      { type: "custom_tool_call_output", call_id: "b", output: [{ type: "input_text", text: "Done" }] },
      { role: "assistant", content: "Done." },
      { role: "developer", content: "Rhyme." },
    )
    assert.deepStrictEqual(messages, [
      Chat.user("Look"),
      Chat.assistant([
        { type: "reasoning", text: "Hm", signature: { issuer: "openai", value: "gAAA" } },
        { type: "text", text: "So" },
        { type: "tool-call", id: "a", name: "crm__look", arguments: "{}" },
        { type: "tool-call", id: "b", name: "patch", arguments: "*** Begin", custom: true },
      ]),
      {
        role: "tool",
        content: [
          { type: "tool-result", id: "a", content: [{ type: "text", text: "See" }] },
          { type: "tool-result", id: "b", content: [{ type: "text", text: "Done" }] },
        ],
      },
      Chat.assistant("Done."),
      { role: "developer", content: [{ type: "text", text: "Rhyme." }] },
    ])
  })

  it("returns another vendor's encrypted reasoning to it", () => {
    const google = { issuer: "google", value: "c2ln" }
    const seal = "__seal__" + Buffer.from("understudy.google.c2ln").toString("base64url")
    const { messages } = decodeItems(
      { role: "user", content: "Hi" },
      { type: "reasoning", summary: [], encrypted_content: "understudy.anthropic.c2ln" },
      { type: "reasoning", summary: [], encrypted_content: "understudy.~anthropic.ZGF0YQ" },
      { type: "function_call", call_id: `call_1${seal}`, name: "look", arguments: "{}" },
      { type: "function_call_output", call_id: `call_1${seal}`, output: "See" },
    )
    assert.deepStrictEqual(messages.slice(1), [
      Chat.assistant([
        { type: "reasoning", text: "", signature: { issuer: "anthropic", value: "c2ln" } },
        { type: "reasoning", text: "", redacted: { issuer: "anthropic", value: "ZGF0YQ" } },
        { type: "tool-call", id: "call_1", name: "look", arguments: "{}", signature: google },
      ]),
      { role: "tool", content: [{ type: "tool-result", id: "call_1", content: [{ type: "text", text: "See" }] }] },
    ])
  })

  it("combines a tool's namespace and name, and their descriptions", () => {
    const { tools } = decode(
      wire({
        tools: [
          {
            type: "namespace",
            name: "mcp__crm",
            description: "The customers.",
            tools: [
              { type: "function", name: "look", description: "Looks.", parameters: { type: "object" }, strict: false },
              { type: "custom", name: "write", format: { type: "text" } },
            ],
          },
        ],
      }),
    )
    assert.deepStrictEqual(tools, [
      {
        name: "mcp__crm__look",
        description: "Looks.\n\nThe customers.",
        parameters: { type: "object" },
        strict: false,
      },
      { name: "mcp__crm__write", description: "The customers.", custom: { format: { type: "text" } } },
    ])
  })

  it("treats OpenAI's own tools as optional next to others, and as required alone or forced", () => {
    const look = { type: "function", name: "look", parameters: null, strict: null }
    const search = { type: "web_search" }
    const asked = (tools: ReadonlyArray<Body>, choice?: unknown) => {
      const { toolChoice, droppedParams, requiredUnsupported } = decode(wire({ tools, tool_choice: choice }))
      return { toolChoice, droppedParams, requiredUnsupported }
    }
    const offer = { droppedParams: ["the tool web_search"], requiredUnsupported: undefined }
    const need = { droppedParams: undefined, requiredUnsupported: ["the tool web_search"] }
    assert.deepStrictEqual(asked([look, search]), { toolChoice: undefined, ...offer })
    assert.deepStrictEqual(asked([look, search], "required"), { toolChoice: "required", ...offer })
    assert.deepStrictEqual(asked([search], "none"), { toolChoice: "none", ...offer })
    assert.deepStrictEqual(asked([search]), { toolChoice: undefined, ...need })
    assert.deepStrictEqual(asked([look, search], { type: "web_search" }), { toolChoice: undefined, ...need })
    const only = (type: string, name?: string) => ({ type: "allowed_tools", mode: "auto", tools: [{ type, name }] })
    assert.deepStrictEqual(asked([look, search], only("web_search")), { toolChoice: "auto", ...need })
    assert.deepStrictEqual(asked([look, search], only("function", "look")), {
      toolChoice: "auto",
      droppedParams: undefined,
      requiredUnsupported: undefined,
    })
  })

  it("reads a tool choice in every form", () => {
    const tools = ["look", "find"].map((name) => ({ type: "function", name, parameters: null, strict: null }))
    const choice = (tool_choice: unknown) => decode(wire({ tools, tool_choice })).toolChoice
    assert.strictEqual(choice("none"), "none")
    assert.deepStrictEqual(choice({ type: "function", name: "look" }), { name: "look" })
    assert.deepStrictEqual(choice({ type: "custom", name: "look" }), { name: "look" })
    const allowed = { type: "allowed_tools", mode: "required", tools: [{ type: "function", name: "find" }] }
    const request = decode(wire({ tools, tool_choice: allowed }))
    assert.strictEqual(request.toolChoice, "required")
    assert.deepStrictEqual(
      request.tools?.map(({ name }) => name),
      ["find"],
    )
  })

  it("reports items that only OpenAI can read", () => {
    const { droppedParams, requiredUnsupported } = decodeItems(
      { type: "web_search_call", id: "ws_1", status: "completed" },
      { type: "compaction", encrypted_content: "gAAA" },
      { type: "local_shell_call_output", id: "x", output: "ok" },
      { role: "user", content: "Hi" },
    )
    assert.deepStrictEqual(droppedParams, ["web_search_call items", "compaction items of another provider"])
    assert.deepStrictEqual(requiredUnsupported, ["local_shell_call_output items"])
  })

  it("keeps fields without a counterpart in Chat, and only those", () => {
    const request = decode(
      wire({
        include: ["reasoning.encrypted_content", "message.output_text.logprobs", "file_search_call.results"],
        reasoning: { effort: "low", summary: "auto", context: "all_turns" },
        text: { format: { type: "json_object" }, verbosity: "low" },
        top_logprobs: 2,
        store: true,
        truncation: "disabled",
        previous_response_id: null,
        background: false,
        stream: true,
        stream_options: { include_obfuscation: false },
        prompt_cache_key: "k",
        user: "ada",
        safety_identifier: "hash",
        metadata: { team: "a" },
      }),
    )
    assert.deepStrictEqual(request.vendor, {
      responses: {
        prompt_cache_key: "k",
        "text.verbosity": "low",
        "reasoning.context": "all_turns",
        include: ["file_search_call.results"],
        store: true,
        user: "ada",
      },
    })
    assert.deepInclude(request, {
      reasoning: { effort: "low" },
      format: { type: "json" },
      sampling: { logprobs: true, topLogprobs: 2 },
      user: "hash",
      metadata: { team: "a" },
    })
  })
})

describe("decode rejects", () => {
  it("references to an earlier response, with an alternative", () => {
    const kept =
      "This gateway stores no responses: send the whole conversation as `input`, or have its operator set `responses.store` and a `database`."
    assert.strictEqual(
      refusal(wire({ previous_response_id: "resp_1" })),
      `previous_response_id: Unsupported parameter: 'previous_response_id'. ${kept}`,
    )
    assert.include(refusal(wire({ conversation: { id: "conv_1" } })), kept)
    assert.include(refusal(wire({ background: true })), "Unsupported parameter: 'background'.")
    assert.include(refusal({ model: "assistant", prompt: { id: "pmpt_1" } }), "Unsupported parameter: 'prompt'.")
    for (const reference of [{ type: "item_reference", id: "msg_1" }, { id: "msg_1" }]) {
      const told = refusal(wire({ input: [{ role: "user", content: "Hi" }, reference] }))
      assert.match(told, /^input\[1\]: Unsupported parameter: 'input\[1\]'\. .* complete items if `store` is false\.$/)
    }
  })

  it("invalid requests, naming the field", () => {
    assert.strictEqual(
      refusal({ model: "assistant" }),
      "input: Missing required parameter: 'input' (expected a string or an array of items).",
    )
    assert.include(refusal(wire({ input: [] })), "expected at least one item")
    assert.include(refusal(wire({ model: "" })), "model: ")
    assert.match(refusal(wire({ input: [{ role: "user" }] })), /^input\[0\]\.content: Missing/)
    assert.match(refusal(wire({ input: [{ role: "actor", content: "Hi" }] })), /^input\[0\]\.type: .*"role" \("user"/)
    assert.match(
      refusal(wire({ input: [{ type: "function_call", call_id: "a", name: "b" }] })),
      /^input\[0\]\.arguments: /,
    )
    assert.match(
      refusal(wire({ input: [{ role: "user", content: [{ type: "text", text: "Hi" }] }] })),
      /^input\[0\]\.content\[0\]\.type: .*"input_text"/,
    )
    for (const type of ["input_image", "input_file"]) {
      assert.match(
        refusal(wire({ input: [{ role: "user", content: [{ type }] }] })),
        /^input\[0\]\.content\[0\]: .*file_id/,
      )
    }
    assert.match(refusal(wire({ tools: [{ type: "function" }] })), /^tools\[0\]\.name: /)
    assert.match(refusal(wire({ text: { format: { type: "json_schema", name: "a" } } })), /^text\.format\.schema: /)
    assert.match(refusal(wire({ reasoning: { effort: "utmost" } })), /^reasoning\.effort: /)
    assert.match(refusal(wire({ tool_choice: "perhaps" })), /^tool_choice: /)
  })
})
