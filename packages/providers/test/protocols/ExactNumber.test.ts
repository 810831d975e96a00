import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Converse from "@understudy/providers/protocols/converse"
import * as Gemini from "@understudy/providers/protocols/gemini"
import * as JsonText from "@understudy/providers/internal/protocols/JsonText"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Responses from "@understudy/providers/protocols/responses"
import * as Result from "effect/Result"
import * as RandomJson from "./RandomJson.ts"

type Body = Record<string, unknown>

/** A protocol from both sides: a call and a tool in a request and in a response. */
interface Protocol {
  readonly request: (input: string, schema: string) => string
  readonly decode: (body: Body) => Result.Result<Chat.Request, unknown>
  readonly encode: (request: Chat.Request) => Result.Result<{ readonly body: Body }, unknown>
  readonly answer: (input: string) => string
  readonly read: (text: string) => Result.Result<Chat.Response, unknown>
  readonly write: ((response: Chat.Response, request: Chat.Request) => Body) | undefined
  /** The path of a call in a request or response, and of a tool's schema. */
  readonly call: (body: Body) => unknown
  readonly schema: (body: Body) => unknown
}

const at = (value: unknown, ...path: ReadonlyArray<string | number>): unknown =>
  path.reduce<unknown>(
    (value, key) => (typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined),
    value,
  )
const find = (list: unknown, name: string): unknown =>
  (list as ReadonlyArray<Body>).flatMap((each) => (each[name] === undefined ? [] : [each[name]]))[0]
const unread = () => new Error("no error is read here") as never
const answering = (request: Chat.Request) => ({ request, id: "1", created: 1 })

const protocols: Readonly<Record<string, Protocol>> = {
  "chat-completions": {
    request: (input, schema) =>
      `{"model":"gpt-4o","messages":[{"role":"user","content":"Hi"},{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"act","arguments":${JSON.stringify(input)}}}]},{"role":"tool","tool_call_id":"a","content":"done"}],"tools":[{"type":"function","function":{"name":"act","parameters":${schema}}}]}`,
    decode: ChatCompletions.Request.decode,
    encode: ChatCompletions.Request.encode,
    answer: (input) =>
      `{"choices":[{"message":{"tool_calls":[{"id":"a","type":"function","function":{"name":"act","arguments":${input}}}]},"finish_reason":"tool_calls"}]}`,
    read: ChatCompletions.Response.decode,
    write: (response, request) => ChatCompletions.Response.encode(response, answering(request)),
    call: (body) =>
      at(
        body["choices"] === undefined
          ? find(body["messages"], "tool_calls")
          : at(body, "choices", 0, "message", "tool_calls"),
        0,
        "function",
        "arguments",
      ),
    schema: (body) => at(body, "tools", 0, "function", "parameters"),
  },
  responses: {
    request: (input, schema) =>
      `{"model":"gpt-4o","input":[{"role":"user","content":"Hi"},{"type":"function_call","call_id":"a","name":"act","arguments":${JSON.stringify(input)}},{"type":"function_call_output","call_id":"a","output":"done"}],"tools":[{"type":"function","name":"act","parameters":${schema}}]}`,
    decode: Responses.Request.decode,
    encode: Responses.Request.encode,
    answer: (input) =>
      `{"status":"completed","output":[{"type":"function_call","id":"fc","call_id":"a","name":"act","arguments":${JSON.stringify(input)}}]}`,
    read: (text) => Responses.Response.decode(text, unread),
    write: (response, request) => Responses.Response.encode(response, answering(request)),
    call: (body) => find(body["output"] ?? body["input"], "arguments"),
    schema: (body) => at(body, "tools", 0, "parameters"),
  },
  messages: {
    request: (input, schema) =>
      `{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"act","input":${input}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"done"}]}],"tools":[{"name":"act","input_schema":${schema}}]}`,
    decode: Messages.Request.decode,
    encode: Messages.Request.encode,
    answer: (input) =>
      `{"content":[{"type":"tool_use","id":"a","name":"act","input":${input}}],"stop_reason":"tool_use","usage":{}}`,
    read: Messages.Response.decode,
    write: (response, request) => Messages.Response.encode(response, answering(request)),
    call: (body) => find(body["content"] ?? at(body, "messages", 1, "content"), "input"),
    schema: (body) => at(body, "tools", 0, "input_schema"),
  },
  converse: {
    request: (input, schema) =>
      `{"modelId":"us.anthropic.claude-sonnet-4-5","messages":[{"role":"user","content":[{"text":"Hi"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":"act","input":${input}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"a","content":[{"text":"done"}]}}]}],"toolConfig":{"tools":[{"toolSpec":{"name":"act","inputSchema":{"json":${schema}}}}]}}`,
    decode: Converse.Request.decode,
    encode: Converse.Request.encode,
    answer: (input) =>
      `{"output":{"message":{"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":"act","input":${input}}}]}},"stopReason":"tool_use"}`,
    read: Converse.Response.decode,
    write: undefined,
    call: (body) => at(find(at(body, "messages", 1, "content"), "toolUse"), "input"),
    schema: (body) => at(body, "toolConfig", "tools", 0, "toolSpec", "inputSchema", "json"),
  },
  gemini: {
    request: (input, schema) =>
      `{"contents":[{"role":"user","parts":[{"text":"Hi"}]},{"role":"model","parts":[{"functionCall":{"name":"act","args":${input}}}]},{"role":"user","parts":[{"functionResponse":{"name":"act","response":{"output":"done"}}}]}],"tools":[{"functionDeclarations":[{"name":"act","parametersJsonSchema":${schema}}]}]}`,
    decode: (body) => Gemini.Request.decode(body, { model: "gemini-2.5-flash" }),
    encode: Gemini.Request.encode,
    answer: (input) =>
      `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"act","args":${input}}}]},"finishReason":"STOP"}]}`,
    read: Gemini.Response.decode,
    write: (response, request) => Gemini.Response.encode(response, answering(request)),
    call: (body) =>
      at(
        find(at(body, "candidates", 0, "content", "parts") ?? at(body, "contents", 1, "parts"), "functionCall"),
        "args",
      ),
    schema: (body) => at(body, "tools", 0, "functionDeclarations", 0, "parametersJsonSchema"),
  },
}

/** The value there, as the text that is sent. */
const written = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value))

describe("ExactNumber", () => {
  for (const [from, client] of Object.entries(protocols)) {
    for (const [to, vendor] of Object.entries(protocols)) {
      it.prop(
        `a history and a tool from ${from} to ${to} keep their numbers`,
        [RandomJson.object, RandomJson.object],
        ([input, inner]) => {
          const schema = `{"type":"object","properties":{"a":{"default":${inner}}}}`
          const body = JsonText.parse(client.request(input, schema)) as Body
          const { native: _, ...request } = Result.getOrThrow(client.decode(body))
          const encoded = Result.getOrThrow(vendor.encode(request)).body
          assert.deepStrictEqual(RandomJson.literals(written(vendor.call(encoded))), RandomJson.literals(input))
          assert.deepStrictEqual(RandomJson.literals(written(vendor.schema(encoded))), RandomJson.literals(inner))
        },
      )
      const { write } = client
      if (write === undefined) continue
      it.prop(`a response from ${to} to a client of ${from} keeps its numbers`, [RandomJson.object], ([input]) => {
        const request = Result.getOrThrow(client.decode(JsonText.parse(client.request("{}", "{}")) as Body))
        const response = Result.getOrThrow(vendor.read(vendor.answer(input)))
        const body = write(response, request)
        assert.deepStrictEqual(RandomJson.literals(written(client.call(body))), RandomJson.literals(input))
      })
    }
  }
})
