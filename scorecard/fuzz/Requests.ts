/** Requests that the gateway takes, one dialect after the other, with as many of its fields as one request can have. */
import type { Name } from "../Dialect.ts"

export interface Seed {
  readonly path: (route: string) => string
  readonly body: (route: string, text: string, stream: boolean) => Record<string, unknown>
  /** Whether its answers are those of the dialect's own whole and streamed calls. */
  readonly answers: boolean
  readonly headers?: ReadonlyArray<string>
}

const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
const schema = {
  type: "object",
  properties: { city: { type: "string", enum: ["Rome", "Oslo"] }, days: { type: "integer", minimum: 1 } },
  required: ["city"],
  additionalProperties: false,
}

const chat = (body: Seed["body"]): Seed => ({ path: () => "/v1/chat/completions", body, answers: true })

const chatCompletions: ReadonlyArray<Seed> = [
  chat((model, text, stream) => ({ model, stream, messages: [{ role: "user", content: text }] })),
  chat((model, text, stream) => ({
    model,
    stream,
    stream_options: { include_usage: true },
    messages: [
      { role: "system", content: "Be brief." },
      { role: "developer", content: [{ type: "text", text: "Very." }] },
      {
        role: "user",
        name: "ann",
        content: [
          { type: "text", text },
          { type: "image_url", image_url: { url: `data:image/png;base64,${pixel}`, detail: "low" } },
        ],
      },
      {
        role: "assistant",
        content: null,
        tool_calls: [
          { id: "call_1", type: "function", function: { name: "weather", arguments: '{"city":"Rome"}' } },
          { id: "call_2", type: "function", function: { name: "weather", arguments: '{"city":"Oslo"}' } },
        ],
      },
      { role: "tool", tool_call_id: "call_1", content: "21 degrees" },
      { role: "tool", tool_call_id: "call_2", content: [{ type: "text", text: "4 degrees" }] },
    ],
    tools: [{ type: "function", function: { name: "weather", description: "d", parameters: schema, strict: true } }],
    tool_choice: "auto",
    parallel_tool_calls: true,
    temperature: 0.5,
    top_p: 0.9,
    max_completion_tokens: 200,
    user: "ann",
    metadata: { a: "b" },
  })),
  chat((model, text, stream) => ({
    model,
    stream,
    messages: [
      { role: "user", content: text },
      { role: "assistant", content: "So.", reasoning_content: "Hm.", refusal: null },
      { role: "user", content: [{ type: "text", text: "And?" }] },
    ],
    max_tokens: 100,
    n: 1,
    seed: 7,
    stop: ["END", "\n\n"],
    logprobs: true,
    top_logprobs: 2,
    logit_bias: { 50256: -100 },
    presence_penalty: 0.1,
    frequency_penalty: 0.1,
    reasoning_effort: "low",
    response_format: { type: "json_schema", json_schema: { name: "city", schema, strict: true } },
    service_tier: "auto",
    store: false,
    verbosity: "low",
    prompt_cache_key: "k",
  })),
  {
    path: () => "/v1/embeddings",
    body: (model, text) => ({ model, input: [text, "another"], encoding_format: "float", dimensions: 3, user: "ann" }),
    answers: false,
  },
  {
    path: () => "/v1/route/explain",
    body: (model, text) => ({ model, messages: [{ role: "user", content: text }], max_tokens: 5 }),
    answers: false,
  },
  { path: () => "/api/generate", body: (model, text, stream) => ({ model, prompt: text, stream }), answers: false },
]

const responsesAt = (body: Seed["body"]): Seed => ({ path: () => "/v1/responses", body, answers: true })

const conversation = (text: string) => [
  { role: "user", content: text },
  { type: "message", role: "assistant", content: [{ type: "output_text", text: "So.", annotations: [] }] },
  { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "Hm." }], encrypted_content: null },
  { type: "function_call", call_id: "call_1", name: "weather", arguments: '{"city":"Rome"}' },
  { type: "function_call_output", call_id: "call_1", output: "21 degrees" },
  { type: "custom_tool_call", call_id: "call_2", name: "patch", input: "*** Begin" },
  { type: "custom_tool_call_output", call_id: "call_2", output: [{ type: "input_text", text: "done" }] },
  {
    type: "message",
    role: "user",
    content: [
      { type: "input_text", text: "And?" },
      { type: "input_image", image_url: `data:image/png;base64,${pixel}`, detail: "auto" },
      { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,JVBERi0xLjQKJSVFT0YK" },
    ],
  },
]

const responses: ReadonlyArray<Seed> = [
  responsesAt((model, text, stream) => ({ model, stream, input: text })),
  responsesAt((model, text, stream) => ({
    model,
    stream,
    instructions: "Be brief.",
    input: conversation(text),
    tools: [
      { type: "function", name: "weather", description: "d", parameters: schema, strict: false },
      { type: "custom", name: "patch", description: "d", format: { type: "text" } },
    ],
    tool_choice: "auto",
    parallel_tool_calls: true,
    max_output_tokens: 200,
    store: false,
    include: ["reasoning.encrypted_content"],
    metadata: { a: "b" },
    truncation: "disabled",
    user: "ann",
  })),
  responsesAt((model, text, stream) => ({
    model,
    stream,
    input: [{ role: "user", content: [{ type: "input_text", text }] }],
    text: { format: { type: "json_schema", name: "city", schema, strict: true }, verbosity: "low" },
    reasoning: { effort: "low", summary: "auto" },
    temperature: 0.5,
    top_p: 0.9,
    store: false,
    prompt_cache_key: "k",
    service_tier: "auto",
  })),
  {
    path: () => "/v1/responses/input_tokens",
    body: (model, text) => ({ model, input: conversation(text) }),
    answers: false,
  },
]

const anthropic = ["anthropic-version: 2023-06-01", "anthropic-beta: interleaved-thinking-2025-05-14"]

const spoken = (text: string) => [
  {
    role: "user",
    content: [
      { type: "text", text, cache_control: { type: "ephemeral" } },
      { type: "image", source: { type: "base64", media_type: "image/png", data: pixel } },
      {
        type: "document",
        title: "d",
        source: { type: "base64", media_type: "application/pdf", data: "JVBERi0xLjQKJSVFT0YK" },
      },
    ],
  },
  {
    role: "assistant",
    content: [
      { type: "thinking", thinking: "Hm.", signature: "c2lnbmVk" },
      { type: "redacted_thinking", data: "c2lnbmVk" },
      { type: "text", text: "So." },
      { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Rome" } },
    ],
  },
  {
    role: "user",
    content: [
      { type: "tool_result", tool_use_id: "toolu_1", content: [{ type: "text", text: "21" }], is_error: false },
      { type: "text", text: "And?" },
    ],
  },
]

const messagesAt = (body: Seed["body"]): Seed => ({
  path: () => "/v1/messages?beta=true",
  body,
  answers: true,
  headers: anthropic,
})

const messages: ReadonlyArray<Seed> = [
  messagesAt((model, text, stream) => ({
    model,
    stream,
    max_tokens: 100,
    messages: [{ role: "user", content: text }],
  })),
  messagesAt((model, text, stream) => ({
    model,
    stream,
    max_tokens: 4000,
    system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }],
    messages: spoken(text),
    tools: [{ name: "weather", description: "d", input_schema: schema, cache_control: { type: "ephemeral" } }],
    tool_choice: { type: "auto", disable_parallel_tool_use: true },
    thinking: { type: "enabled", budget_tokens: 1024 },
    metadata: { user_id: "ann" },
  })),
  messagesAt((model, text, stream) => ({
    model,
    stream,
    max_tokens: 100,
    system: "Be brief.",
    messages: [{ role: "user", content: text }],
    temperature: 0.5,
    top_p: 0.9,
    top_k: 5,
    stop_sequences: ["END"],
    service_tier: "auto",
    output_format: { type: "json_schema", schema },
  })),
  {
    path: () => "/v1/messages/count_tokens",
    body: (model, text) => ({ model, messages: [{ role: "user", content: text }] }),
    answers: false,
    headers: anthropic,
  },
]

const geminiAt = (body: (text: string) => Record<string, unknown>): ReadonlyArray<Seed> => [
  {
    path: (route) => `/v1beta/models/${route}:generateContent`,
    body: (_, text) => body(text),
    answers: true,
  },
  {
    path: (route) => `/v1beta/models/${route}:streamGenerateContent?alt=sse`,
    body: (_, text) => body(text),
    answers: true,
  },
]

const contents = (text: string) => [
  { role: "user", parts: [{ text }, { inlineData: { mimeType: "image/png", data: pixel } }] },
  {
    role: "model",
    parts: [
      { text: "Hm.", thought: true, thoughtSignature: "c2lnbmVk" },
      { functionCall: { id: "c1", name: "weather", args: { city: "Rome" } } },
    ],
  },
  { role: "user", parts: [{ functionResponse: { id: "c1", name: "weather", response: { output: "21" } } }] },
]

const geminis = {
  simple: geminiAt((text) => ({ contents: [{ parts: [{ text }] }] })),
  tools: geminiAt((text) => ({
    contents: contents(text),
    systemInstruction: { parts: [{ text: "Be brief." }] },
    tools: [{ functionDeclarations: [{ name: "weather", description: "d", parametersJsonSchema: schema }] }],
    toolConfig: { functionCallingConfig: { mode: "AUTO" } },
    safetySettings: [{ category: "HARM_CATEGORY_HARASSMENT", threshold: "BLOCK_NONE" }],
  })),
  settings: geminiAt((text) => ({
    contents: { role: "user", parts: [{ text }] },
    generationConfig: {
      temperature: 0.5,
      topP: 0.9,
      topK: 5,
      maxOutputTokens: 100,
      candidateCount: 1,
      stopSequences: ["END"],
      seed: 7,
      responseMimeType: "application/json",
      responseSchema: { type: "OBJECT", properties: { city: { type: "STRING" } } },
      thinkingConfig: { thinkingBudget: 1024, includeThoughts: true },
      responseLogprobs: false,
    },
    labels: { a: "b" },
  })),
}

const gemini: ReadonlyArray<Seed> = [
  ...geminis.simple,
  ...geminis.tools,
  ...geminis.settings,
  {
    path: (route) => `/v1beta/models/${route}:streamGenerateContent`,
    body: (_, text) => ({ contents: contents(text) }),
    answers: false,
  },
  {
    path: (route) => `/v1beta/models/${route}:countTokens`,
    body: (_, text) => ({ contents: contents(text) }),
    answers: false,
  },
  {
    path: (route) => `/v1beta/models/${route}:batchEmbedContents`,
    body: (route, text) => ({
      requests: [{ model: `models/${route}`, content: { parts: [{ text }] }, taskType: "RETRIEVAL_QUERY" }],
    }),
    answers: false,
  },
]

export const seeds: Readonly<Record<Name, ReadonlyArray<Seed>>> = { chatCompletions, responses, messages, gemini }
