/** Clients of every protocol: how each sends a request, and returns a response, complete or streamed. */
import type * as Chat from "@understudy/core/Chat"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import type { ClientProtocol } from "@understudy/providers/internal/protocols/ClientProtocol"
import * as Gemini from "@understudy/providers/protocols/gemini"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Responses from "@understudy/providers/protocols/responses"
import * as Result from "effect/Result"

type Body = Record<string, unknown>

export interface Client {
  readonly dialect: ClientProtocol
  /** Requests a call of the tool with that name. */
  readonly first: (tool: string) => Body
  /** The request after this response, with a result for each of its calls. */
  readonly next: (body: Body, answer: Body) => Body
  /** The response that a stream's text amounts to. */
  readonly fold: (text: string) => Body
}

const list = (value: unknown) => (Array.isArray(value) ? (value as Array<Body>) : [])
const of = (value: unknown) => (value ?? {}) as Body

const events = (text: string): ReadonlyArray<Body> =>
  text
    .split("\n\n")
    .flatMap((event) => event.split("\n").filter((line) => line.startsWith("data: ")))
    .map((line) => line.slice("data: ".length))
    .filter((data) => data !== "[DONE]")
    .map((data) => JSON.parse(data) as Body)

const parameters = { type: "object", properties: { where: { type: "string" } } }

const chat: Client = {
  dialect: ChatCompletions,
  first: (name) => ({
    model: "m",
    messages: [{ role: "user", content: "Look" }],
    tools: [{ type: "function", function: { name, parameters } }],
    tool_choice: { type: "function", function: { name } },
  }),
  next: (body, answer) => {
    const message = of(list(answer["choices"])[0]?.["message"])
    const results = list(message["tool_calls"]).map(({ id }) => ({ role: "tool", tool_call_id: id, content: "A wall" }))
    return { ...body, messages: [...list(body["messages"]), message, ...results] }
  },
  fold: (text) => {
    const message: Body = { role: "assistant", content: null }
    const calls: Array<Body> = []
    for (const event of events(text)) {
      for (const { delta } of list(event["choices"])) {
        const { reasoning_details: details, thinking_blocks: blocks, tool_calls: pieces, ...rest } = of(delta)
        Object.assign(message, rest)
        if (details !== undefined)
          message["reasoning_details"] = [...list(message["reasoning_details"]), ...list(details)]
        if (blocks !== undefined) message["thinking_blocks"] = [...list(message["thinking_blocks"]), ...list(blocks)]
        for (const piece of list(pieces)) {
          const at = Number(piece["index"] ?? 0)
          const { index: _, ...call } = piece
          const open = calls[at]
          if (open === undefined) calls[at] = { ...call, function: { ...of(call["function"]) } }
          else
            of(open["function"])["arguments"] =
              `${of(open["function"])["arguments"]}${of(call["function"])["arguments"]}`
        }
      }
    }
    if (calls.length > 0) message["tool_calls"] = calls
    return { choices: [{ message }] }
  },
}

const messages: Client = {
  dialect: Messages,
  first: (name) => ({
    model: "m",
    max_tokens: 100,
    messages: [{ role: "user", content: "Look" }],
    tools: [{ name, input_schema: parameters }],
    tool_choice: { type: "tool", name },
  }),
  next: (body, answer) => ({
    ...body,
    messages: [
      ...list(body["messages"]),
      { role: "assistant", content: answer["content"] },
      {
        role: "user",
        content: list(answer["content"])
          .filter(({ type }) => type === "tool_use")
          .map(({ id }) => ({ type: "tool_result", tool_use_id: id, content: "A wall" })),
      },
    ],
  }),
  fold: (text) => {
    const content: Array<Body> = []
    let json = ""
    for (const event of events(text)) {
      const block = content.at(-1) ?? {}
      const delta = of(event["delta"])
      if (event["type"] === "content_block_start") {
        content.push({ ...of(event["content_block"]) })
        json = ""
      } else if (delta["type"] === "thinking_delta") block["thinking"] = `${block["thinking"]}${delta["thinking"]}`
      else if (delta["type"] === "signature_delta") block["signature"] = delta["signature"]
      else if (delta["type"] === "text_delta") block["text"] = `${block["text"]}${delta["text"]}`
      else if (delta["type"] === "input_json_delta") json += delta["partial_json"]
      if (event["type"] === "content_block_stop" && block["type"] === "tool_use")
        block["input"] = JSON.parse(json || "{}")
    }
    return { content }
  },
}

const responses: Client = {
  dialect: Responses,
  first: (name) => ({
    model: "m",
    input: [{ role: "user", content: "Look" }],
    tools: [{ type: "function", name, parameters, strict: false }],
    tool_choice: { type: "function", name },
  }),
  next: (body, answer) => ({
    ...body,
    input: [
      ...list(body["input"]),
      ...list(answer["output"]),
      ...list(answer["output"])
        .filter(({ type }) => type === "function_call")
        .map(({ call_id }) => ({ type: "function_call_output", call_id, output: "A wall" })),
    ],
  }),
  fold: (text) => of(events(text).find(({ type }) => type === "response.completed")?.["response"]),
}

const gemini: Client = {
  dialect: Gemini,
  first: (name) => ({
    contents: [{ role: "user", parts: [{ text: "Look" }] }],
    tools: [{ functionDeclarations: [{ name, parametersJsonSchema: parameters }] }],
    toolConfig: { functionCallingConfig: { mode: "ANY", allowedFunctionNames: [name] } },
  }),
  next: (body, answer) => {
    const content = of(list(answer["candidates"])[0]?.["content"])
    const calls = list(content["parts"]).flatMap(({ functionCall }) =>
      functionCall === undefined ? [] : [of(functionCall)],
    )
    return {
      ...body,
      contents: [
        ...list(body["contents"]),
        content,
        {
          role: "user",
          parts: calls.map(({ id, name }) => ({ functionResponse: { id, name, response: { output: "A wall" } } })),
        },
      ],
    }
  },
  fold: (text) => {
    const parts = events(text).flatMap((event) => list(of(list(event["candidates"])[0]?.["content"])["parts"]))
    return { candidates: [{ content: { role: "model", parts } }] }
  },
}

export const clients: ReadonlyArray<Client> = [chat, messages, responses, gemini]

/** Decodes a client's body. */
export const request = ({ dialect }: Client, body: Body, model = "m"): Chat.Request => ({
  ...Result.getOrThrow(dialect.Request.decode(body, { model })),
  model,
})

const answering = (request: Chat.Request) => ({ request, id: "1", created: 1 })

/** A complete response as the client gets it. */
export const answered = ({ dialect }: Client, request: Chat.Request, response: Chat.Response): Body =>
  response.native?.protocol === dialect.protocol
    ? (JSON.parse(response.native.text) as Body)
    : (JSON.parse(JSON.stringify(dialect.Response.encode(response, answering(request)))) as Body)

/** A streamed response as the client gets it. */
export const streamed = (client: Client, request: Chat.Request, frames: ReadonlyArray<Chat.Frame>): Body => {
  const encoder = client.dialect.Stream.encoder(answering(request))
  return client.fold(frames.map(encoder.push).join("") + encoder.end())
}
