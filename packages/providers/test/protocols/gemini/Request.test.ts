import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import { Request } from "@understudy/providers/protocols/gemini"
import * as Result from "effect/Result"

const ask = (request: Partial<Chat.Request>): Chat.Request => ({
  model: "gemini-2.5-flash",
  messages: [Chat.user("Hi")],
  ...request,
})

const encode = (request: Partial<Chat.Request>) => Result.getOrThrow(Request.encode(ask(request)))

const contents = (model: string, ...messages: ReadonlyArray<Chat.Message>) =>
  encode({ model, messages }).body["contents"]

const config = (request: Partial<Chat.Request>) => {
  const { body, warnings } = encode(request)
  return [body["generationConfig"], warnings]
}

const unsupported = (request: Partial<Chat.Request>) => {
  const { reason } = Result.getOrThrow(Result.flip(Request.encode(ask(request))))
  return reason._tag === "Unsupported" ? reason.feature : reason._tag
}

const decode = (body: Record<string, unknown>) => {
  const address = { model: "assistant" }
  const { model: _, native: __, ...request } = Result.getOrThrow(Request.decode({ contents: hello, ...body }, address))
  return request
}

const hello = [{ role: "user", parts: [{ text: "Hi" }] }]

const said = (...contents: ReadonlyArray<unknown>) => decode({ contents }).messages

const refused = (body: Record<string, unknown>) =>
  Result.getOrThrow(Result.flip(Request.decode({ contents: hello, ...body }, { model: "assistant" }))).message

const call = (id: string, more: Partial<Chat.ToolCall> = {}): Chat.ToolCall => ({
  type: "tool-call",
  id,
  name: "look",
  arguments: '{"at":1}',
  ...more,
})

const image = { type: "image" as const, source: { type: "base64" as const, mediaType: "image/png", data: "AAAA" } }

describe("encode", () => {
  it("sends a seed of 32 bits, and reports one that Gemini rejects", () => {
    for (const seed of [0, -1, 2 ** 31 - 1, -(2 ** 31)])
      assert.deepStrictEqual(config({ sampling: { seed } }), [{ seed }, []])
    for (const seed of [2 ** 31, 2 ** 63, -(2 ** 31) - 1]) {
      assert.deepStrictEqual(config({ sampling: { seed } }), [undefined, ["a seed of more than 32 bits"]])
    }
  })

  it("writes a minimal body", () => {
    assert.deepStrictEqual(encode({}), { body: { contents: hello }, warnings: [] })
  })

  it("separates the system instruction, and keeps later system messages in place", () => {
    const { body, warnings } = encode({
      messages: [
        Chat.system("Be brief."),
        { role: "developer", content: [{ type: "text", text: "Be kind." }] },
        Chat.user("Hi"),
        Chat.system("Be loud."),
      ],
    })
    assert.deepStrictEqual(body, {
      systemInstruction: { parts: [{ text: "Be brief." }, { text: "Be kind." }] },
      contents: [...hello, { role: "user", parts: [{ text: "<system>\nBe loud.\n</system>" }] }],
    })
    assert.deepStrictEqual(warnings, ["a system message inside the conversation, sent as user text"])
  })

  it("writes parallel results in one content, by name, with ids as issued", () => {
    assert.deepStrictEqual(
      contents(
        "gemini-2.5-flash",
        Chat.user("Hi"),
        Chat.assistant([call("call_a"), call("gemini_abc_0", { name: "listen" })]),
        Chat.toolResult("call_a", "Up"),
        Chat.toolResult("gemini_abc_0", "No", { isError: true }),
      ),
      [
        ...hello,
        {
          role: "model",
          parts: [
            { functionCall: { id: "call_a", name: "look", args: { at: 1 } } },
            { functionCall: { name: "listen", args: { at: 1 } } },
          ],
        },
        {
          role: "user",
          parts: [
            { functionResponse: { id: "call_a", name: "look", response: { output: "Up" } } },
            { functionResponse: { name: "listen", response: { error: "No" } } },
          ],
        },
      ],
    )
  })

  it("puts a tool result's image into the response if supported, else after it", () => {
    const result: Chat.ToolMessage = { role: "tool", content: [{ type: "tool-result", id: "a", content: [image] }] }
    const inlineData = { mimeType: "image/png", data: "AAAA" }
    const response = { id: "a", name: "look", response: { output: "" } }
    const shown = (model: string) =>
      (contents(model, Chat.assistant([call("a")]), result) as ReadonlyArray<unknown>).slice(1)
    assert.deepStrictEqual(shown("gemini-3-pro-preview"), [
      { role: "user", parts: [{ functionResponse: { ...response, parts: [{ inlineData }] } }] },
    ])
    assert.deepStrictEqual(shown("gemini-2.5-pro"), [
      { role: "user", parts: [{ functionResponse: response }] },
      { role: "user", parts: [{ text: "[An image of look's result:]" }, { inlineData }] },
    ])
  })

  it("returns Google's signatures, and uses a placeholder for another model's calls", () => {
    const own = { issuer: "google", value: "c2ln" }
    const foreign = { issuer: "anthropic", value: "sig" }
    const parts = (model: string, ...content: ReadonlyArray<Chat.AssistantContent>) =>
      (contents(model, Chat.assistant(content)) as ReadonlyArray<{ readonly parts: unknown }>)[0]?.parts
    const functionCall = { id: "a", name: "look", args: { at: 1 } }
    assert.deepStrictEqual(
      parts("gemini-3-pro-preview", { type: "text", text: "Hm", signature: own }, call("a", { signature: own })),
      [
        { text: "Hm", thoughtSignature: "c2ln" },
        { functionCall, thoughtSignature: "c2ln" },
      ],
    )
    for (const signature of [foreign, undefined]) {
      const content = [call("a", signature && { signature }), call("a")]
      assert.deepStrictEqual(parts("gemini-3-pro-preview", ...content), [
        { functionCall, thoughtSignature: "skip_thought_signature_validator" },
        { functionCall },
      ])
      assert.deepStrictEqual(parts("gemini-2.5-flash", ...content), [{ functionCall }, { functionCall }])
    }
  })

  it("drops another vendor's encrypted reasoning, and reports it", () => {
    const { body, warnings } = encode({
      messages: [
        Chat.user("Hi"),
        Chat.assistant([
          { type: "reasoning", text: "Hm", signature: { issuer: "anthropic", value: "sig" } },
          { type: "reasoning", text: "", redacted: { issuer: "openai", value: "sig" } },
          { type: "text", text: "Ho" },
        ]),
      ],
    })
    assert.deepStrictEqual(body["contents"], [...hello, { role: "model", parts: [{ text: "Ho" }] }])
    assert.deepStrictEqual(warnings, ["reasoning not signed by Google, left out"])
  })

  it("encodes calls whose arguments are not an object, and custom tools", () => {
    const args = (more: Partial<Chat.ToolCall>) => {
      const { body, warnings } = encode({ messages: [Chat.assistant([call("a", more)])] })
      return [
        JSON.stringify(body["contents"]).includes(JSON.stringify({ args: wanted[more.arguments ?? ""] }).slice(1, -1)),
        warnings,
      ]
    }
    const wanted: Record<string, unknown> = {
      "": {},
      "no JSON": { INVALID_JSON: "no JSON" },
      "a patch": { input: "a patch" },
    }
    assert.deepStrictEqual(args({ arguments: "" }), [true, []])
    assert.deepStrictEqual(args({ arguments: "no JSON" }), [
      true,
      ["tool call arguments that are not a JSON object, sent as INVALID_JSON"],
    ])
    assert.deepStrictEqual(args({ arguments: "a patch", custom: true }), [true, []])
    const { body } = encode({ tools: [{ name: "patch", custom: {} }] })
    assert.include(JSON.stringify(body["tools"]), '"required":["input"]')
  })

  it("encodes tool choices", () => {
    const tools = [{ name: "look", parameters: { type: "object" } }]
    const calling = (toolChoice: Chat.ToolChoice | undefined, strict = false) => {
      const { body } = encode({ tools: tools.map((tool) => ({ ...tool, strict })), ...(toolChoice && { toolChoice }) })
      return (body["toolConfig"] as { readonly functionCallingConfig?: unknown } | undefined)?.functionCallingConfig
    }
    assert.isUndefined(calling(undefined))
    assert.deepStrictEqual(calling("auto"), { mode: "AUTO" })
    assert.deepStrictEqual(calling("none"), { mode: "NONE" })
    assert.deepStrictEqual(calling("required"), { mode: "ANY" })
    assert.deepStrictEqual(calling({ name: "look" }), { mode: "ANY", allowedFunctionNames: ["look"] })
    assert.deepStrictEqual(calling("auto", true), { mode: "VALIDATED" })
    assert.deepStrictEqual(encode({ tools, parallelToolCalls: false }).warnings, ["disabling parallel tool calls"])
  })

  it("keeps Google's own tools next to functions", () => {
    const vendor = { gemini: { tools: [{ googleSearch: {} }] } }
    assert.deepStrictEqual(encode({ vendor }).body["tools"], [{ googleSearch: {} }])
    assert.deepStrictEqual(encode({ vendor, tools: [{ name: "look" }] }).body["tools"], [
      { functionDeclarations: [{ name: "look" }] },
      { googleSearch: {} },
    ])
  })

  it("limits maxOutputTokens to the model's maximum", () => {
    const most = (model: string) => config({ model, sampling: { maxTokens: 128_000 } })
    assert.deepStrictEqual(most("gemini-2.5-pro"), [{ maxOutputTokens: 65_536 }, []])
    assert.deepStrictEqual(most("gemini-2.0-flash"), [{ maxOutputTokens: 8192 }, []])
    assert.deepStrictEqual(most("gemma-3-27b-it"), [{ maxOutputTokens: 128_000 }, []])
  })

  const thought: ReadonlyArray<readonly [string, Chat.ReasoningOptions, object | undefined, ...ReadonlyArray<string>]> =
    [
      ["gemini-3-flash-preview", { effort: "minimal" }, { thinkingLevel: "MINIMAL", includeThoughts: true }],
      [
        "gemini-3-pro-preview",
        { effort: "medium" },
        { thinkingLevel: "HIGH", includeThoughts: true },
        "reasoning effort medium, sent as high",
      ],
      ["gemini-3.1-pro-preview", { effort: "medium" }, { thinkingLevel: "MEDIUM", includeThoughts: true }],
      [
        "gemini-3-flash-preview",
        { effort: "max" },
        { thinkingLevel: "HIGH", includeThoughts: true },
        "reasoning effort max, sent as high",
      ],
      [
        "gemini-3-pro-preview",
        { effort: "none" },
        { thinkingLevel: "LOW" },
        "turning reasoning off, which this model does not support",
      ],
      ["gemini-3-pro-preview", { budget: 4096 }, { thinkingBudget: 4096, includeThoughts: true }],
      ["gemini-2.5-flash", { effort: "medium" }, { thinkingBudget: 8192, includeThoughts: true }],
      ["gemini-2.5-flash", {}, { thinkingBudget: -1, includeThoughts: true }],
      ["gemini-3-pro-preview", {}, { includeThoughts: true }],
      ["gemini-2.5-flash", { effort: "none" }, { thinkingBudget: 0 }],
      ["gemini-2.5-flash", { budget: 0 }, { thinkingBudget: 0 }],
      [
        "gemini-2.5-pro",
        { effort: "none" },
        { thinkingBudget: 128 },
        "turning reasoning off, which this model does not support",
      ],
      [
        "gemini-2.5-flash-lite",
        { budget: 100 },
        { thinkingBudget: 512, includeThoughts: true },
        "a reasoning budget outside the model's range, sent as 512",
      ],
      ["gemini-2.0-flash", { effort: "high" }, undefined, "reasoning, which this model does not support"],
      ["gemini-2.0-flash", { effort: "none" }, undefined],
    ]
  for (const [model, reasoning, thinkingConfig, ...warnings] of thought) {
    it(`encodes reasoning for ${model}: ${JSON.stringify(reasoning)}`, () => {
      assert.deepStrictEqual(config({ model, reasoning }), [thinkingConfig && { thinkingConfig }, warnings])
    })
  }

  it("reports dropped parameters", () => {
    assert.deepStrictEqual(
      encode({
        user: "u",
        messages: [
          { ...Chat.user([{ ...image, detail: "low", cache: {} }]), name: "Ann" },
          Chat.user([{ type: "file", source: image.source, name: "a.pdf", context: "A", citable: true }]),
        ],
      }).warnings,
      [
        "message author names",
        "a cache hint",
        "image detail",
        "document names",
        "document context",
        "document citations",
        "the end user's id",
      ],
    )
  })

  it("fails on features that cannot be dropped", () => {
    assert.strictEqual(
      unsupported({ messages: [Chat.system("Hi")] }),
      "a conversation without user or assistant messages",
    )
    assert.strictEqual(unsupported({ sampling: { stop: [..."abcdef"] } }), "more than five stop sequences")
    const source = { type: "id" as const, id: "file-1" }
    assert.strictEqual(unsupported({ messages: [Chat.user([{ type: "image", source }])] }), "another vendor's file id")
  })
})

describe("native", () => {
  const native = (contents: ReadonlyArray<unknown>, model = "gemini-3-pro-preview") =>
    Request.native(ask({ model, native: { protocol: "gemini", body: { model: "x", contents, later: 1 } } }))

  it("is passed through", () => {
    const contents = [...hello, { role: "model", parts: [{ text: "Hm", thoughtSignature: "c2ln" }] }]
    assert.deepStrictEqual(native(contents), { contents, later: 1 })
    assert.isUndefined(Request.native(ask({ native: { protocol: "messages", body: {} } })))
  })

  it("loses other vendors' encrypted reasoning, with placeholders for signatures", () => {
    const sealed = Buffer.from("understudy.anthropic.sig").toString("base64")
    const parts = [
      { text: "Hm", thought: true, thoughtSignature: sealed },
      { text: "Let me look", thoughtSignature: sealed },
      { functionCall: { name: "look", args: {} }, thoughtSignature: sealed },
      { functionCall: { name: "look", args: {} } },
    ]
    const call = { functionCall: { name: "look", args: {} } }
    assert.deepStrictEqual(native([{ role: "model", parts }])?.["contents"], [
      {
        role: "model",
        parts: [{ text: "Let me look" }, { ...call, thoughtSignature: "skip_thought_signature_validator" }, call],
      },
    ])
    assert.deepStrictEqual(native([{ role: "model", parts: parts.slice(0, 1) }])?.["contents"], [])
    assert.deepStrictEqual(native([{ role: "model", parts: parts.slice(3) }], "gemini-2.5-flash")?.["contents"], [
      { role: "model", parts: [call] },
    ])
  })
})

describe("decode", () => {
  it("reads either spelling of a field, and leaves the client's data unchanged", () => {
    const declaration = { name: "look", parameters_json_schema: { properties: { some_field: {} } } }
    assert.deepStrictEqual(
      decode({
        system_instruction: { parts: [{ text: "Be brief." }] },
        generation_config: { max_output_tokens: 9, thinking_config: { thinking_budget: 7 } },
        tools: [{ function_declarations: [declaration] }],
        contents: [
          { role: "user", parts: [{ inline_data: { mime_type: "image/png", data: "AAAA" } }] },
          { role: "model", parts: [{ function_call: { name: "look", args: { some_field: 1 } } }] },
        ],
      }),
      {
        messages: [
          Chat.system("Be brief."),
          Chat.user([image]),
          Chat.assistant([call("gemini_1_0", { arguments: '{"some_field":1}' })]),
        ],
        tools: [{ name: "look", parameters: { properties: { some_field: {} } } }],
        sampling: { maxTokens: 9 },
        reasoning: { budget: 7 },
      },
    )
  })

  it("generates ids of calls, and matches responses to them", () => {
    const functionCall = (name: string, id?: string) => ({ functionCall: { name, args: { at: 1 }, ...(id && { id }) } })
    const functionResponse = (name: string, id?: string) => ({
      functionResponse: { name, response: { output: name }, ...(id && { id }) },
    })
    const messages = said(
      ...hello,
      { role: "model", parts: [functionCall("look"), functionCall("listen", "own"), functionCall("look")] },
      {
        role: "function",
        parts: [functionResponse("look"), functionResponse("look"), functionResponse("listen", "own")],
      },
      { role: "model", parts: [functionCall("look")] },
      { role: "user", parts: [functionResponse("look"), { text: "Well?" }] },
    )
    const ids = messages.flatMap(({ content }) =>
      content.flatMap((part) => (part.type === "tool-call" || part.type === "tool-result" ? [part.id] : [])),
    )
    assert.deepStrictEqual(ids, [
      "gemini_1_0",
      "own",
      "gemini_1_1",
      "gemini_1_0",
      "gemini_1_1",
      "own",
      "gemini_3_0",
      "gemini_3_0",
    ])
    assert.deepStrictEqual(messages.at(-1), Chat.user("Well?"))
  })

  it("reads results: text, an error, or an object", () => {
    const result = (response: unknown) => {
      const [message] = said({ role: "user", parts: [{ functionResponse: { id: "a", name: "look", response } }] })
      const [part] = message?.content ?? []
      return part?.type === "tool-result" ? [Chat.text({ content: part.content as never }), part.isError] : undefined
    }
    assert.deepStrictEqual(result({ output: "Up" }), ["Up", undefined])
    assert.deepStrictEqual(result({ output: { deep: 1 } }), ['{"deep":1}', undefined])
    assert.deepStrictEqual(result({ error: "No" }), ["No", true])
    assert.deepStrictEqual(result({ error: "No", code: 7 }), ['{"error":"No","code":7}', undefined])
    assert.deepStrictEqual(result({ temperature: 21 }), ['{"temperature":21}', undefined])
  })

  it("joins pieces of a streamed text, up to its signature", () => {
    const sealed = Buffer.from("understudy.anthropic.sig").toString("base64")
    assert.deepStrictEqual(
      said({
        role: "model",
        parts: [
          { text: "H", thought: true },
          { text: "m", thought: true },
          { text: "", thought: true, thoughtSignature: sealed },
          { text: "He" },
          { text: "llo" },
          { text: "", thoughtSignature: "c2ln" },
          { text: "!" },
        ],
      }),
      [
        Chat.assistant([
          { type: "reasoning", text: "Hm", signature: { issuer: "anthropic", value: "sig" } },
          { type: "text", text: "Hello", signature: { issuer: "google", value: "c2ln" } },
          { type: "text", text: "!" },
        ]),
      ],
    )
  })

  it("converts parts without a counterpart in Chat to text", () => {
    const [message] = said({
      role: "model",
      parts: [
        { executableCode: { language: "PYTHON", code: "print(1)" } },
        { codeExecutionResult: { outcome: "OUTCOME_OK", output: "1\n" } },
        { inlineData: { mimeType: "image/png", data: "AAAA" } },
      ],
    })
    assert.strictEqual(
      Chat.text({ content: message?.content as never }),
      "\n```python\nprint(1)\n```\n\n```\n1\n```\n![](data:image/png;base64,AAAA)",
    )
  })

  it("reads OpenAPI schemas as JSON Schema", () => {
    const parameters = {
      type: "OBJECT",
      propertyOrdering: ["a"],
      required: ["a"],
      properties: {
        a: { type: "STRING", format: "enum", enum: ["x", "y"], nullable: true },
        b: { type: "ARRAY", minItems: "1", items: { type: "INTEGER", format: "int32", example: 7 } },
        c: { anyOf: [{ type: "NUMBER" }, { type: "BOOLEAN" }], nullable: true },
      },
    }
    const schema = {
      type: "object",
      required: ["a"],
      properties: {
        a: { type: ["string", "null"], enum: ["x", "y", null] },
        b: { type: "array", minItems: 1, items: { type: "integer", format: "int32", examples: [7] } },
        c: { anyOf: [{ type: "number" }, { type: "boolean" }, { type: "null" }] },
      },
    }
    const request = decode({
      tools: [{ functionDeclarations: [{ name: "look", parameters }] }],
      generationConfig: { responseMimeType: "application/json", responseSchema: parameters },
    })
    assert.deepStrictEqual(request.tools, [{ name: "look", parameters: schema }])
    assert.deepStrictEqual(request.format, { type: "json-schema", name: "response", schema })
  })

  it("keeps only the allowed functions", () => {
    const tools = [{ functionDeclarations: [{ name: "a" }, { name: "b" }, { name: "c" }] }]
    const allowed = (mode: string, ...allowedFunctionNames: ReadonlyArray<string>) => {
      const request = decode({ tools, toolConfig: { functionCallingConfig: { mode, allowedFunctionNames } } })
      return [request.tools?.map(({ name }) => name).join(""), request.toolChoice]
    }
    assert.deepStrictEqual(allowed("ANY", "a", "b"), ["ab", "required"])
    assert.deepStrictEqual(allowed("ANY", "a"), ["abc", { name: "a" }])
    assert.deepStrictEqual(allowed("VALIDATED", "a"), ["a", "auto"])
    assert.deepStrictEqual(allowed("NONE"), ["abc", "none"])
    assert.deepStrictEqual(allowed("MODE_UNSPECIFIED"), ["abc", undefined])
  })

  it("keeps fields without a counterpart in Chat", () => {
    assert.deepStrictEqual(
      decode({
        tools: [{ googleSearch: {}, functionDeclarations: [{ name: "a" }] }, { codeExecution: {} }],
        safetySettings: [{ category: "HARM_CATEGORY_HARASSMENT", threshold: "BLOCK_NONE" }],
        cachedContent: "cachedContents/a",
        generationConfig: { temperature: 1, responseModalities: ["TEXT"] },
        labels: { team: "a" },
      }),
      {
        messages: [Chat.user("Hi")],
        tools: [{ name: "a" }],
        sampling: { temperature: 1 },
        metadata: { team: "a" },
        vendor: {
          gemini: {
            safetySettings: [{ category: "HARM_CATEGORY_HARASSMENT", threshold: "BLOCK_NONE" }],
            cachedContent: "cachedContents/a",
            generationConfig: { responseModalities: ["TEXT"] },
            tools: [{ googleSearch: {} }, { codeExecution: {} }],
          },
        },
        requiredUnsupported: ["cachedContent, which only Google has"],
      },
    )
  })

  it("reports part fields that only Google supports", () => {
    const video = { fileData: { fileUri: "https://youtu.be/a" }, video_metadata: { fps: 1 } }
    const { droppedParams } = decode({
      contents: [{ role: "user", parts: [video, { ...video, mediaResolution: {} }] }],
    })
    assert.deepStrictEqual(droppedParams, ["videoMetadata", "mediaResolution"])
  })

  it("streams if the URL says so", () => {
    assert.isTrue(Request.isStream({}, { stream: true }))
    assert.isFalse(Request.isStream({ stream: true }, {}))
  })

  const wrong: ReadonlyArray<readonly [Record<string, unknown>, RegExp]> = [
    [{ contents: [] }, /'contents'/],
    [{ contents: "Hi" }, /'contents': expected an array/],
    [{ contents: [{ role: "assistant", parts: [] }] }, /'contents\[0\]\.role': expected one of "user", "model"/],
    [{ contents: [{ parts: [{ text: 7 }] }] }, /'contents\[0\]\.parts\[0\]\.text': expected a string, but got 7/],
    [{ generation_config: { temperature: "hot" } }, /'generationConfig\.temperature': expected a number/],
    [{ tools: [{ functionDeclarations: [{}] }] }, /'tools\[0\]\.functionDeclarations\[0\]\.name'/],
  ]
  for (const [body, says] of wrong) {
    it(`rejects ${JSON.stringify(body)}`, () => assert.match(refused(body), says))
  }
})
