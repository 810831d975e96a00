import { assert, describe, it } from "@effect/vitest"
import type * as Chat from "@understudy/core/Chat"
import { ProviderError } from "@understudy/core/ProviderError"
import type * as ClientProtocol from "@understudy/providers/internal/protocols/ClientProtocol"
import * as Gemini from "@understudy/providers/protocols/gemini"
import * as Result from "effect/Result"
import * as Conversation from "./Conversation.ts"

const answering: ClientProtocol.Answering = { id: "1", created: 17, request: { model: "assistant", messages: [] } }

const json = (value: unknown) => JSON.parse(JSON.stringify(value))

/** The part with its encrypted value as returned by a client. */
const returned = <Part extends Chat.Part | Chat.AssistantContent>(part: Part): Part => {
  if (!("signature" in part) || part.signature === undefined) return part
  const { signature, ...rest } = part
  return { ...rest, ...Gemini.Signatures.read(signature.value) } as unknown as Part
}

const decoded = (data: ReadonlyArray<string>): ReadonlyArray<Chat.Frame> => {
  const decoder = Gemini.Stream.decoder(() => new ProviderError({ reason: { _tag: "ServerError" }, message: "No" }))
  return data.map((data) => {
    const frame = decoder.push({ data })
    return frame === undefined ? assert.fail("not understood") : Result.getOrThrow(frame)
  })
}

describe("preserves everything the protocol supports", () => {
  it.prop("a request", [Conversation.request], ([request]) => {
    const { body, warnings } = Result.getOrThrow(Gemini.Request.encode(request))
    assert.deepStrictEqual(warnings, [])
    const { native, ...read } = Result.getOrThrow(Gemini.Request.decode(json(body), { model: request.model }))
    assert.deepStrictEqual(json(native?.body), json(body))
    assert.deepStrictEqual(read, request)
  })

  it.prop("an answer", [Conversation.response], ([response]) => {
    const text = JSON.stringify(Gemini.Response.encode(response, answering))
    const { native: _, ...read } = Result.getOrThrow(Gemini.Response.decode(text))
    const choice = (each: Chat.Choice): Chat.Choice => ({
      ...each,
      content: each.content.map((part) => returned(part)),
    })
    const { alternatives } = read
    const whole = { ...read, ...choice(read), ...(alternatives && { alternatives: alternatives.map(choice) }) }
    assert.deepStrictEqual(whole, response)
  })

  it.prop("a stream", [Conversation.response], ([response]) => {
    const encoder = Gemini.Stream.encoder(answering)
    const written = Conversation.parts(response).map((part) => encoder.push({ parts: [part] }))
    const text = written.join("") + encoder.end()
    assert.match(text, /^(?:data: [^\n]*\n\n)*$/)
    const data = text.split("\n\n").slice(0, -1)
    const frames = decoded(data.map((event) => event.slice("data: ".length)))
    assert.deepStrictEqual(Conversation.fold(frames.flatMap(({ parts }) => parts.map(returned))), response)
  })

  it.prop("a stream as a JSON array", [Conversation.response], ([response]) => {
    const encoder = Gemini.Stream.array.encoder(answering)
    const written = Conversation.parts(response).map((part) => encoder.push({ parts: [part] }))
    const elements: ReadonlyArray<unknown> = JSON.parse(written.join("") + encoder.end())
    const frames = decoded(elements.map((element) => JSON.stringify(element)))
    assert.deepStrictEqual(Conversation.fold(frames.flatMap(({ parts }) => parts.map(returned))), response)
  })
})
