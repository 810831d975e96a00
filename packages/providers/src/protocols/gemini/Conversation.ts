/**
 * The conversation as Gemini wants it: the system's instruction apart, then contents of the user and the model.
 *
 * - System and developer messages before the first turn are the instruction. One inside the conversation keeps its
 *   place as text of the user's, marked `<system>`, and that is warned of.
 * - Neighbouring messages of the model's are one content, and so are those of tools: the API counts a content's calls
 *   and wants as many responses in the next.
 * - Responses name their function, which `Chat`'s results do not: the name is the call's.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Json from "../Json.ts"
import type { Block, Warn } from "../Lowering.ts"
import * as Calls from "./Calls.ts"
import * as Content from "./Content.ts"
import type { Model } from "./Model.ts"
import * as Signatures from "./Signatures.ts"
import type * as Wire from "./Wire.ts"

export interface Turn {
  readonly role: "user" | "model"
  readonly parts: Array<Block>
}

export interface Turns {
  readonly system: ReadonlyArray<Block>
  readonly contents: ReadonlyArray<Turn>
}

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

export const encode = (messages: ReadonlyArray<Chat.Message>, model: Model, warn: Warn): Turns => {
  const system: Array<Block> = []
  const contents: Array<Turn> = []
  const names = new Map<string, string>()
  const begin = (role: Turn["role"]): Array<Block> => {
    const parts: Array<Block> = []
    contents.push({ role, parts })
    return parts
  }
  let before: Chat.Message["role"] | undefined
  let open = system
  for (const message of messages) {
    const follows = message.role === before
    before = message.role
    if ("name" in message && message.name !== undefined) warn("the name of a message's author")
    switch (message.role) {
      case "system":
      case "developer": {
        const parts: Array<Block> = []
        for (const part of message.content) Content.encode(part, parts, warn)
        if (contents.length === 0) system.push(...parts)
        else {
          warn("a system message inside the conversation, sent as the user's text")
          begin("user").push(...parts.map(asUserText))
        }
        break
      }
      case "user":
        open = begin("user")
        for (const part of message.content) Content.encode(part, open, warn)
        break
      case "assistant":
        if (!follows) open = begin("model")
        for (const part of message.content) {
          if (part.type === "tool-call") names.set(part.id, part.name)
          Content.encode(part, open, warn)
        }
        break
      case "tool": {
        if (!follows) open = begin("user")
        const beside: Array<Block> = []
        for (const result of message.content) open.push(encodeResult(result, names, model, beside, warn))
        begin("user").push(...beside)
        break
      }
    }
  }
  const said = contents.filter(({ parts }) => parts.length > 0)
  if (model.signs) for (const { parts, role } of said) if (role === "model") signFirst(parts)
  return { system, contents: said }
}

const asUserText = (block: Block): Block => ({ text: `<system>\n${Json.string(block["text"])}\n</system>` })

/** Of calls made together the first bears the signature; where they were another model's, the word that stands for one. */
const signFirst = (parts: Array<Block>): void => {
  const first = parts.findIndex((part) => part["functionCall"] !== undefined)
  const block = parts[first]
  if (block !== undefined && block["thoughtSignature"] === undefined) {
    parts[first] = { ...block, thoughtSignature: Signatures.another }
  }
}

/** The response to a call. Where it cannot hold a picture, that stands `beside` it, in a content of the user's. */
const encodeResult = (
  result: Chat.ToolResult,
  names: ReadonlyMap<string, string>,
  model: Model,
  beside: Array<Block>,
  warn: Warn,
): Block => {
  if (result.cache !== undefined) warn("a cache hint")
  const name = names.get(result.id) ?? result.id
  const texts: Array<string> = []
  const media: Array<Block> = []
  for (const part of result.content) {
    if (part.cache !== undefined) warn("a cache hint")
    if (part.type === "text") texts.push(part.text)
    else if (model.media && part.source.type === "base64") media.push(Content.encodeMedia(part))
    else
      beside.push(
        { text: `[${part.type === "image" ? "An image" : "A document"} of ${name}'s result:]` },
        Content.encodeMedia(part),
      )
  }
  return {
    functionResponse: {
      ...Calls.encode(result.id),
      name,
      response: { [result.isError === true ? "error" : "output"]: texts.join("\n") },
      ...(media.length === 0 ? undefined : { parts: media }),
    },
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

export const decode = (wire: Pick<Wire.Request, "contents" | "systemInstruction">): ReadonlyArray<Chat.Message> => {
  const messages: Array<Chat.Message> = []
  const system = texts(wire.systemInstruction?.parts ?? [])
  if (system.length > 0) messages.push({ role: "system", content: system })
  /** The calls that wait for a response, oldest first. */
  const waiting: Array<{ readonly id: string; readonly name: string }> = []
  for (const [turn, { parts, role }] of wire.contents.entries()) {
    let made = 0
    const idOf = (id: string | undefined, name: string) => {
      const known = id ?? Calls.made(String(turn), made++)
      waiting.push({ id: known, name })
      return known
    }
    /** A response without an id answers the first call of its name that still waits. */
    const answered = ({ id, name }: Wire.FunctionResponse) => {
      const at = waiting.findIndex((call) => (id === undefined || id === null ? call.name === name : call.id === id))
      const [call] = at < 0 ? [] : waiting.splice(at, 1)
      return call?.id ?? id ?? Calls.made(String(turn), made++)
    }
    if (role === "model")
      messages.push({ role: "assistant", content: Content.decodeModel(parts ?? [], idOf, Signatures.read) })
    else decodeUser(parts ?? [], answered, messages)
  }
  return messages
}

const texts = (parts: ReadonlyArray<Wire.Part>): ReadonlyArray<Chat.Text> =>
  parts.flatMap(({ text }) => (text === undefined || text === null || text === "" ? [] : [{ type: "text", text }]))

/** A content of the user's: what tools answered, then what the user says. */
const decodeUser = (
  parts: ReadonlyArray<Wire.Part>,
  answered: (response: Wire.FunctionResponse) => string,
  messages: Array<Chat.Message>,
): void => {
  const results: Array<Chat.ToolResult> = []
  const content: Array<Chat.UserMessage["content"][number]> = []
  for (const part of parts) {
    if (part.functionResponse !== undefined && part.functionResponse !== null) {
      results.push(decodeResult(part.functionResponse, answered(part.functionResponse)))
      continue
    }
    const media = Content.decodeMedia(part)
    if (media !== undefined) content.push(media)
    else content.push(...texts([part]))
  }
  if (results.length > 0) messages.push({ role: "tool", content: results })
  if (content.length > 0 || results.length === 0) messages.push({ role: "user", content })
}

/** By Google's convention a result stands under `output`, and an error under `error`; else all of it is the result. */
const decodeResult = ({ parts, response }: Wire.FunctionResponse, id: string): Chat.ToolResult => {
  const [only, ...others] = Object.entries(response ?? {})
  const isError = only?.[0] === "error"
  const told = only !== undefined && others.length === 0 && (isError || only[0] === "output") ? only[1] : response
  const text = typeof told === "string" ? told : JSON.stringify(told ?? {})
  return {
    type: "tool-result",
    id,
    content: [
      ...(text === "" ? [] : [{ type: "text" as const, text }]),
      ...(parts ?? []).flatMap((part) => {
        const media = Content.decodeMedia(part)
        return media === undefined || media.type === "audio" ? [] : [media]
      }),
    ],
    ...(isError && others.length === 0 ? { isError: true } : undefined),
  }
}
