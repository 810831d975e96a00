/**
 * Servers of every protocol that respond to any request with encrypted reasoning and one tool call, and record
 * requests. One may reject encrypted reasoning.
 */
import type { Provider } from "@understudy/core/Provider"
import * as Anthropic from "@understudy/providers/anthropic"
import * as Bedrock from "@understudy/providers/bedrock"
import * as Gemini from "@understudy/providers/gemini"
import * as OpenAi from "@understudy/providers/openai"
import type * as Compatible from "@understudy/providers/internal/openai/Compatible"
import * as ConfigProvider from "effect/ConfigProvider"
import * as EventStream from "@understudy/providers/internal/testing/EventStream"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"

type Body = Record<string, unknown>

/** The content of a server's response. */
export interface Said {
  readonly seal: string
  readonly id: string
}

export interface Vendor {
  readonly provider: Provider["Service"]
  readonly asked: ReadonlyArray<string>
}

/** The name of the request's tool, as the server got it. */
const toolOf = (body: Body): string => {
  const offered = (body["tools"] ?? (body["toolConfig"] as Body)["tools"]) as ReadonlyArray<Declared>
  const [{ function: declared, functionDeclarations, name, toolSpec } = {}] = offered
  return name ?? toolSpec?.name ?? declared?.name ?? functionDeclarations?.[0]?.name ?? ""
}

interface Declared {
  readonly name?: string
  readonly toolSpec?: { readonly name: string }
  readonly function?: { readonly name: string }
  readonly functionDeclarations?: ReadonlyArray<{ readonly name: string }>
}

const wordy = JSON.stringify({ where: "there", name: "look" })

interface Wire {
  readonly whole: (said: Said, tool: string) => Body
  readonly events: (said: Said, tool: string) => ReadonlyArray<Body | string>
}

const messages: Wire = {
  whole: ({ id, seal }, name) => ({
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "m",
    content: [
      { type: "thinking", thinking: "Hm", signature: seal },
      { type: "tool_use", id, name, input: JSON.parse(wordy) },
    ],
    stop_reason: "tool_use",
    stop_sequence: null,
    usage: { input_tokens: 1, output_tokens: 1 },
  }),
  events: ({ id, seal }, name) => [
    {
      type: "message_start",
      message: { id: "msg_1", model: "m", content: [], usage: { input_tokens: 1, output_tokens: 1 } },
    },
    { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "", signature: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "Hm" } },
    { type: "content_block_delta", index: 0, delta: { type: "signature_delta", signature: seal } },
    { type: "content_block_stop", index: 0 },
    { type: "content_block_start", index: 1, content_block: { type: "tool_use", id, name, input: {} } },
    { type: "content_block_delta", index: 1, delta: { type: "input_json_delta", partial_json: wordy } },
    { type: "content_block_stop", index: 1 },
    { type: "message_delta", delta: { stop_reason: "tool_use" }, usage: { output_tokens: 9 } },
    { type: "message_stop" },
  ],
}

/** A compatible server's fields for the signature of a call, and for encrypted reasoning. */
const chat = (sealed: (seal: string, id: string) => { readonly call?: Body; readonly message?: Body }): Wire => {
  const call = ({ id, seal }: Said, name: string) => ({
    id,
    type: "function",
    function: { name, arguments: wordy },
    ...sealed(seal, id).call,
  })
  return {
    whole: (said, name) => ({
      id: "chatcmpl-1",
      model: "m",
      choices: [
        {
          index: 0,
          message: {
            role: "assistant",
            content: null,
            tool_calls: [call(said, name)],
            ...sealed(said.seal, said.id).message,
          },
          finish_reason: "tool_calls",
        },
      ],
    }),
    events: (said, name) => [
      {
        id: "chatcmpl-1",
        choices: [{ index: 0, delta: { role: "assistant", content: null, ...sealed(said.seal, said.id).message } }],
      },
      { id: "chatcmpl-1", choices: [{ index: 0, delta: { tool_calls: [{ index: 0, ...call(said, name) }] } }] },
      { id: "chatcmpl-1", choices: [{ index: 0, delta: {}, finish_reason: "tool_calls" }] },
      "[DONE]",
    ],
  }
}

const responses: Wire = {
  whole: ({ id, seal }, name) => ({
    id: "resp_1",
    object: "response",
    status: "completed",
    model: "m",
    output: [
      { id: "rs_1", type: "reasoning", summary: [{ type: "summary_text", text: "Hm" }], encrypted_content: seal },
      { id: "fc_1", type: "function_call", status: "completed", call_id: id, name, arguments: wordy },
    ],
  }),
  events: (said, name) => {
    const response = responses.whole(said, name)
    const [thought, call] = response["output"] as ReadonlyArray<Body>
    return [
      { type: "response.created", response: { ...response, status: "in_progress", output: [] } },
      { type: "response.output_item.added", output_index: 0, item: { ...thought, summary: [], encrypted_content: "" } },
      { type: "response.output_item.done", output_index: 0, item: thought },
      { type: "response.output_item.added", output_index: 1, item: { ...call, arguments: "" } },
      { type: "response.function_call_arguments.delta", output_index: 1, item_id: "fc_1", delta: wordy },
      { type: "response.output_item.done", output_index: 1, item: call },
      { type: "response.completed", response },
    ]
  },
}

const gemini: Wire = {
  whole: ({ id, seal }, name) => ({
    responseId: "r1",
    candidates: [
      {
        content: {
          role: "model",
          parts: [
            { text: "Hm", thought: true },
            { functionCall: { id, name, args: JSON.parse(wordy) }, thoughtSignature: seal },
          ],
        },
        finishReason: "STOP",
        index: 0,
      },
    ],
  }),
  events: (said, name) => [gemini.whole(said, name)],
}

/** Claude on Bedrock: its stream is frames, not text. */
const bedrock: Wire = {
  whole: ({ id, seal }, name) => ({
    output: {
      message: {
        role: "assistant",
        content: [
          { reasoningContent: { reasoningText: { text: "Hm", signature: seal } } },
          { toolUse: { toolUseId: id, name, input: JSON.parse(wordy) } },
        ],
      },
    },
    stopReason: "tool_use",
    usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 },
  }),
  events: ({ id, seal }, name) => [
    { messageStart: { role: "assistant" } },
    { contentBlockDelta: { contentBlockIndex: 0, delta: { reasoningContent: { text: "Hm" } } } },
    { contentBlockDelta: { contentBlockIndex: 0, delta: { reasoningContent: { signature: seal } } } },
    { contentBlockStop: { contentBlockIndex: 0 } },
    { contentBlockStart: { contentBlockIndex: 1, start: { toolUse: { toolUseId: id, name } } } },
    { contentBlockDelta: { contentBlockIndex: 1, delta: { toolUse: { input: wordy } } } },
    { contentBlockStop: { contentBlockIndex: 1 } },
    { messageStop: { stopReason: "tool_use" } },
  ],
}

const wires = {
  bedrock,
  messages,
  "chat-google": chat((seal) => ({ call: { extra_content: { google: { thought_signature: seal } } } })),
  "chat-litellm": chat((seal) => ({ call: { provider_specific_fields: { thought_signature: seal } } })),
  "chat-blocks": chat((seal) => ({
    message: { reasoning_content: "Hm", thinking_blocks: [{ type: "thinking", thinking: "Hm", signature: seal }] },
  })),
  "chat-details": chat((seal) => ({
    message: {
      reasoning_details: [
        { type: "reasoning.text", text: "Hm", signature: seal, format: "anthropic-claude-v1", index: 0 },
      ],
    },
  })),
  mistral: chat(() => ({})),
  responses,
  gemini,
}

export type Kind = keyof typeof wires
export const kinds = Object.keys(wires) as ReadonlyArray<Kind>

const connect = (kind: Kind, baseUrl: string) => {
  switch (kind) {
    case "messages":
      return Anthropic.make({ baseUrl })
    case "bedrock":
      return Bedrock.make({
        region: "eu-west-1",
        endpoint: baseUrl,
        accessKeyId: Redacted.make("AKIDEXAMPLE"),
        secretAccessKey: Redacted.make("wJalrXUtnFEMI"),
      })
    case "gemini":
      return Gemini.make({ baseUrl })
    case "responses":
      return OpenAi.make({ baseUrl: `${baseUrl}/v1`, api: "responses" })
    case "mistral":
      return OpenAi.make({ baseUrl: `${baseUrl}/v1`, vendor: kind satisfies Compatible.Name })
    default:
      return OpenAi.make({ baseUrl: `${baseUrl}/v1` })
  }
}

/** A server of that kind. `refuse` may reject a request with the message of a 400. */
export const make = (kind: Kind, said: Said, refuse: (body: string) => string | undefined = () => undefined) =>
  Effect.gen(function* () {
    const asked: Array<string> = []
    const wire: Wire = wires[kind]
    const server = Http.createServer((request, response) => {
      let text = ""
      request.setEncoding("utf8")
      request.on("data", (chunk: string) => (text += chunk))
      request.on("end", () => {
        asked.push(text)
        const refusal = refuse(text)
        const body = JSON.parse(text) as Body
        if (refusal !== undefined) {
          response.writeHead(400, { "content-type": "application/json" })
          response.end(JSON.stringify({ error: { message: refusal, type: "invalid_request_error", code: null } }))
        } else if (request.url?.endsWith("/converse-stream") === true) {
          response.writeHead(200, { "content-type": "application/vnd.amazon.eventstream" })
          for (const event of wire.events(said, toolOf(body))) {
            for (const [name, payload] of Object.entries(event)) response.write(EventStream.event(name, payload))
          }
          response.end()
        } else if (body["stream"] === true || request.url?.includes("stream") === true) {
          response.writeHead(200, { "content-type": "text/event-stream" })
          for (const event of wire.events(said, toolOf(body))) {
            response.write(`data: ${typeof event === "string" ? event : JSON.stringify(event)}\n\n`)
          }
          response.end()
        } else {
          response.writeHead(200, { "content-type": "application/json" })
          response.end(JSON.stringify(wire.whole(said, toolOf(body))))
        }
      })
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        }),
    )
    const provider = yield* connect(kind, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    return { provider, asked } satisfies Vendor
  }).pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} }))))
