/** A request is encoded for another protocol from the outline of its body as from the whole body. */
import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import * as Outline from "@understudy/core/internal/model/Outline"
import * as JsonOutline from "@understudy/providers/internal/protocols/JsonOutline"
import * as JsonText from "@understudy/providers/internal/protocols/JsonText"
import type { ClientProtocol } from "@understudy/providers/internal/protocols/ClientProtocol"
import type { RequestEncoder } from "@understudy/providers/internal/protocols/Lowering"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Gemini from "@understudy/providers/protocols/gemini"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Responses from "@understudy/providers/protocols/responses"
import type * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as ChatConversation from "./chat-completions/Conversation.ts"
import * as MessagesConversation from "./messages/Conversation.ts"
import * as ResponsesConversation from "./responses/Conversation.ts"

type Protocol = ClientProtocol & { readonly Request: Pick<RequestEncoder<Record<string, unknown>>, "encode"> }

const clients: ReadonlyArray<readonly [Protocol, Arbitrary.Arbitrary<Chat.Request>]> = [
  [ChatCompletions, ChatConversation.request],
  [Messages, MessagesConversation.request],
  [Responses, ResponsesConversation.request],
]
const vendors: ReadonlyArray<Protocol> = [ChatCompletions, Messages, Responses, Gemini]

const filler = ` "quoted" \\ grüße 🎭 \u2028${" and a longer line of words.".repeat(4)}\n`

/** Makes texts, and texts in arguments of tool calls, long enough to be shortened. */
const lengthened = (name: string, value: unknown): unknown => {
  if (typeof value === "string") {
    if (name === "arguments" && value.startsWith("{")) return JSON.stringify({ ...JSON.parse(value), text: filler })
    return ["text", "content", "output", "description", "instructions"].includes(name) ? `${value}${filler}` : value
  }
  if (Array.isArray(value)) return value.map((each) => lengthened(name === "input" ? "" : name, each))
  if (typeof value !== "object" || value === null) return value
  const long = Object.fromEntries(Object.entries(value).map(([field, inner]) => [field, lengthened(field, inner)]))
  return name === "input" ? { ...long, content: filler } : long
}

/** The vendor's body as `write` writes it, or its error; `undefined` if it is not written. */
const encodedFor = (vendor: Protocol, request: Chat.Request, write: (body: object) => string | undefined) => {
  const encoded = vendor.Request.encode(request)
  if (Result.isFailure(encoded)) return encoded.failure
  const { body, changes, warnings } = encoded.success
  const json = write(body)
  return json === undefined ? undefined : { body: JSON.parse(json) as unknown, changes, warnings }
}

/** The body encoded from the outline; `undefined` if the whole request is needed. */
const fromOutline = (client: Protocol, vendor: Protocol, text: string) => {
  const outline = JsonOutline.of(Buffer.from(text))
  if (outline === undefined) return undefined
  const decoded = (json: string) =>
    Result.getOrThrow(client.Request.decode(JsonText.parse(json) as Record<string, unknown>, {}))
  const restore = (short: string) => JsonOutline.restoreJson(short, outline)
  const encoding: Outline.Encoding = { write: (body) => JsonOutline.write(body, outline) }
  const shortened = decoded(outline.text)
  const request = Outline.toRequest({
    request: shortened,
    settings: Outline.settingsOf(shortened),
    release: () => {},
    characters: outline.characters,
    whole: () => decoded(text),
    print: () => undefined,
    restore,
    encoding,
  })
  const short = Outline.toEncode(request, { restore })
  return short && encodedFor(vendor, short, (body) => encoding.write(body)?.toString())
}

const fromWhole = (client: Protocol, vendor: Protocol, text: string) => {
  const request = Result.getOrThrow(client.Request.decode(JsonText.parse(text) as Record<string, unknown>, {}))
  return encodedFor(vendor, request, (body) => JSON.stringify(body))
}

describe("the outline of a request", () => {
  for (const [client, request] of clients) {
    for (const vendor of vendors.filter(({ protocol }) => protocol !== client.protocol)) {
      it.prop(`of ${client.protocol} is encoded for ${vendor.protocol} as the whole request`, [request], ([chat]) => {
        const { body } = Result.getOrThrow(client.Request.encode(chat))
        const text = JSON.stringify(lengthened("", body))
        const encoded = fromOutline(client, vendor, text)
        if (encoded !== undefined) assert.deepStrictEqual(encoded, fromWhole(client, vendor, text))
      })
    }
  }

  it("is encoded without the whole request: system prompt, tools, calls with texts in their arguments, results", () => {
    const chat: Chat.Request = {
      model: "m",
      messages: [
        { role: "system", content: [{ type: "text", text: "Be brief." }] },
        { role: "user", content: [{ type: "text", text: "Look." }] },
        {
          role: "assistant",
          content: [
            { type: "text", text: "I look." },
            { type: "tool-call", id: "call_1", name: "look", arguments: '{"n":1.0,"text":"here"}' },
          ],
        },
        {
          role: "tool",
          content: [{ type: "tool-result", id: "call_1", content: [{ type: "text", text: "A line." }] }],
        },
      ],
      tools: [{ name: "look", description: "Looks.", parameters: { type: "object", properties: {} } }],
    }
    for (const [client] of clients) {
      const text = JSON.stringify(lengthened("", Result.getOrThrow(client.Request.encode(chat)).body))
      for (const vendor of vendors.filter(({ protocol }) => protocol !== client.protocol)) {
        const encoded = fromOutline(client, vendor, text)
        assert.isDefined(encoded)
        assert.deepStrictEqual(encoded, fromWhole(client, vendor, text))
        assert.include(JSON.stringify(encoded), "grüße")
      }
    }
  })

  it("is not encoded if the encoder reads texts", () => {
    const body = (more: object) =>
      JSON.stringify({ model: "m", messages: [{ role: "user", content: `JSON, please.${filler}` }], ...more })
    assert.isDefined(fromOutline(ChatCompletions, Responses, body({})))
    assert.isUndefined(fromOutline(ChatCompletions, Responses, body({ response_format: { type: "json_object" } })))
  })
})
