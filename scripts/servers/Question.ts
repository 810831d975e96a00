/**
 * What is asked of each server through the gateway: requests that real servers take, refuse, or ignore in silence. A
 * route has the server first and a stand-in second, which answers what the server cannot.
 */

export interface Question {
  readonly title: string
  readonly path: "/v1/chat/completions" | "/v1/embeddings"
  readonly body: Readonly<Record<string, unknown>>
  /** Whether the server that is asked is one that chats, or one that makes embeddings. */
  readonly of: "chat" | "embeddings"
}

const user = (content: unknown) => ({ role: "user", content })
const chat = (title: string, body: Readonly<Record<string, unknown>>): Question => ({
  title,
  path: "/v1/chat/completions",
  of: "chat",
  body: { messages: [user("Say hello.")], max_tokens: 8, ...body },
})
const embed = (title: string, input: unknown, of: Question["of"] = "embeddings"): Question => ({
  title,
  path: "/v1/embeddings",
  of,
  body: { input },
})

const pixel =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
const silence = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
const weather = {
  type: "function",
  function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
}

const schema = {
  type: "json_schema",
  json_schema: {
    name: "greeting",
    strict: true,
    schema: {
      type: "object",
      properties: { word: { type: "string", maxLength: 8 } },
      required: ["word"],
      additionalProperties: false,
    },
  },
}

export const questions: ReadonlyArray<Question> = [
  chat("a plain response", {}),
  chat("a stream", { stream: true, stream_options: { include_usage: true } }),
  chat("a prompt longer than the window", { messages: [user("over and over ".repeat(4_000))] }),
  chat("`n: 2`", { n: 2 }),
  chat("an image", { messages: [user([{ type: "image_url", image_url: { url: pixel } }])] }),
  chat("audio", { messages: [user([{ type: "input_audio", input_audio: { data: silence, format: "wav" } }])] }),
  chat("a file", { messages: [user([{ type: "file", file: { filename: "a.pdf", file_data: pixel } }])] }),
  chat("a forced tool", { max_tokens: 64, tools: [weather], tool_choice: "required" }),
  chat("a JSON schema (`accept: schema`)", { max_tokens: 64, response_format: schema }),
  chat("two user messages in a row", { messages: [user("Hello."), user("Are you there?")] }),
  chat("an unknown field", { wibble: 1 }),
  chat("`max_completion_tokens`", { max_tokens: undefined, max_completion_tokens: 8 }),
  chat("penalties and `logit_bias`", { frequency_penalty: 1, presence_penalty: 1, logit_bias: { "5": -100 } }),
  chat("`logprobs`", { logprobs: true, top_logprobs: 2 }),
  chat("`reasoning_effort`", { reasoning_effort: "low" }),
  embed("an embedding from a chat server", "Hello.", "chat"),
  embed("an embedding", "Hello."),
  embed("an input longer than the batch", "over and over ".repeat(4_000)),
]
