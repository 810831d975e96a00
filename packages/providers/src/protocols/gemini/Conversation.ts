/**
 * Converts messages between `Chat` and Gemini, which has a separate system instruction and contents of the user and the
 * model.
 *
 * - System and developer messages before the first turn are the system instruction. A later one keeps its place as the
 *   user's text, marked `<system>`, and is reported.
 * - Neighbouring model messages are one content, and so are neighbouring tool messages: the API requires as many
 *   responses as the preceding content has calls.
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

export interface Encoded {
  readonly system: ReadonlyArray<Block>
  readonly contents: ReadonlyArray<Turn>
}

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

export const encode = (messages: ReadonlyArray<Chat.Message>, model: Model, warn: Warn): Encoded => {
  const system: Array<Block> = []
  const contents: Array<Turn> = []
  const names = new Map<string, string>()
  const addContent = (role: Turn["role"]): Array<Block> => {
    const parts: Array<Block> = []
    contents.push({ role, parts })
    return parts
  }
  let before: Chat.Message["role"] | undefined
  let open = system
  for (const message of messages) {
    const sameRole = message.role === before
    before = message.role
    if ("name" in message && message.name !== undefined) warn("message author names")
    switch (message.role) {
      case "system":
      case "developer": {
        const parts: Array<Block> = []
        for (const part of message.content) Content.encode(part, parts, warn)
        if (contents.length === 0) system.push(...parts)
        else {
          warn("a system message inside the conversation, sent as user text")
          addContent("user").push(...parts.map(asUserText))
        }
        break
      }
      case "user":
        open = addContent("user")
        for (const part of message.content) Content.encode(part, open, warn)
        break
      case "assistant":
        if (!sameRole) open = addContent("model")
        for (const part of message.content) {
          if (part.type === "tool-call") names.set(part.id, part.name)
          Content.encode(part, open, warn)
        }
        break
      case "tool": {
        if (!sameRole) open = addContent("user")
        const userMedia: Array<Block> = []
        for (const result of message.content) open.push(encodeResult(result, names, model, userMedia, warn))
        addContent("user").push(...userMedia)
        break
      }
    }
  }
  const nonEmpty = contents.filter(({ parts }) => parts.length > 0)
  if (model.requiresSignatures) for (const { parts, role } of nonEmpty) if (role === "model") signFirstCall(parts)
  return { system, contents: nonEmpty }
}

const asUserText = (block: Block): Block => ({ text: `<system>\n${Json.string(block["text"])}\n</system>` })

/** The first of parallel calls has the signature. If another model made the calls, a placeholder replaces it. */
const signFirstCall = (parts: Array<Block>): void => {
  const first = parts.findIndex((part) => part["functionCall"] !== undefined)
  const block = parts[first]
  if (block !== undefined && block["thoughtSignature"] === undefined) {
    parts[first] = { ...block, thoughtSignature: Signatures.placeholder }
  }
}

/** The response to a call. Media it cannot contain are added to `userMedia`, a content of the user. */
const encodeResult = (
  result: Chat.ToolResult,
  names: ReadonlyMap<string, string>,
  model: Model,
  userMedia: Array<Block>,
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
      userMedia.push(
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
  /** The calls without a response so far, oldest first. */
  const openCalls: Array<{ readonly id: string; readonly name: string }> = []
  for (const [turn, { parts, role }] of wire.contents.entries()) {
    let generated = 0
    const idOf = (id: string | undefined, name: string) => {
      const callId = id ?? Calls.generatedId(String(turn), generated++)
      openCalls.push({ id: callId, name })
      return callId
    }
    /** A response without an id belongs to the oldest open call with its name. */
    const callIdOf = ({ id, name }: Wire.FunctionResponse) => {
      const at = openCalls.findIndex((call) => (id === undefined || id === null ? call.name === name : call.id === id))
      const [call] = at < 0 ? [] : openCalls.splice(at, 1)
      return call?.id ?? id ?? Calls.generatedId(String(turn), generated++)
    }
    if (role === "model")
      messages.push({ role: "assistant", content: Content.decodeModel(parts ?? [], idOf, Signatures.read) })
    else decodeUser(parts ?? [], callIdOf, messages)
  }
  return messages
}

const texts = (parts: ReadonlyArray<Wire.Part>): ReadonlyArray<Chat.Text> =>
  parts.flatMap(({ text }) => (text === undefined || text === null || text === "" ? [] : [{ type: "text", text }]))

/** A user content: tool results, then the user's parts. */
const decodeUser = (
  parts: ReadonlyArray<Wire.Part>,
  callIdOf: (response: Wire.FunctionResponse) => string,
  messages: Array<Chat.Message>,
): void => {
  const results: Array<Chat.ToolResult> = []
  const content: Array<Chat.UserMessage["content"][number]> = []
  for (const part of parts) {
    if (part.functionResponse !== undefined && part.functionResponse !== null) {
      results.push(decodeResult(part.functionResponse, callIdOf(part.functionResponse)))
      continue
    }
    const media = Content.decodeMedia(part)
    if (media !== undefined) content.push(media)
    else content.push(...texts([part]))
  }
  if (results.length > 0) messages.push({ role: "tool", content: results })
  if (content.length > 0 || results.length === 0) messages.push({ role: "user", content })
}

/** By convention a result is in `output`, and an error in `error`. Otherwise the whole response is the result. */
const decodeResult = ({ parts, response }: Wire.FunctionResponse, id: string): Chat.ToolResult => {
  const [only, ...others] = Object.entries(response ?? {})
  const isError = only?.[0] === "error"
  const output = only !== undefined && others.length === 0 && (isError || only[0] === "output") ? only[1] : response
  const text = typeof output === "string" ? output : JSON.stringify(output ?? {})
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
