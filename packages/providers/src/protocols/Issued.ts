/**
 * Adapts the values that an endpoint issues, so that a client can return them to any endpoint: encrypted reasoning and
 * tool call ids are tagged, tool names become the client's own. This is done both in `Chat` and in the response's own
 * text, of which nothing else changes.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Endpoint, Encrypted } from "./Endpoint.ts"
import * as Json from "./Json.ts"
import * as JsonStrings from "./JsonStrings.ts"
import * as EncryptedReasoning from "./EncryptedReasoning.ts"
import * as ToolIds from "./ToolIds.ts"
import type * as ToolNames from "./ToolNames.ts"

/** Adapts the parts of one response, and replaces the same values in its text. */
interface Restorer {
  /** Whether a part may have to change. */
  readonly concerns: (part: Chat.Part | Chat.AssistantContent) => boolean
  /** Whether the text may contain a value that an earlier part replaced, or a renamed tool. */
  readonly mentions: (text: string) => boolean
  readonly part: <Part extends Chat.Part | Chat.AssistantContent>(part: Part) => Part
  readonly text: (text: string) => string
}

/** A restorer for one response. */
const restorer = (endpoint: Endpoint, names: ToolNames.Names | undefined): Restorer => {
  const { host, writeEncrypted = tagged } = endpoint
  /** The replacements of ids and of encrypted reasoning. */
  const ids = new Map<string, string>()
  const encryptedValues = new Map<string, string>()
  const change: JsonStrings.Change = (field, value) => {
    const replaced = idFields.has(field)
      ? ids.get(value)
      : encryptedFields.has(field)
        ? encryptedValues.get(value)
        : field === "name"
          ? names?.get(value)
          : undefined
    return replaced ?? value
  }
  return {
    concerns: (part) => part.type === "tool-call" || (host !== undefined && EncryptedReasoning.isEncrypted(part)),
    mentions: (text) => ids.size > 0 || encryptedValues.size > 0 || mentions(text, names),
    part: (original) => {
      let part = original
      if (part.type === "tool-call") {
        const name = names?.get(part.name)
        const id = ToolIds.from(part.id, endpoint)
        if (id !== part.id) ids.set(part.id, id)
        if (name !== undefined || id !== part.id) part = { ...part, id, name: name ?? part.name }
      }
      if (host === undefined) return part
      const encryptedPart = EncryptedReasoning.mapPart(part, (each) => EncryptedReasoning.from(each, host))
      if (encryptedPart !== part) {
        const { redacted, signature } = part as Encrypted
        const value = (redacted ?? signature)?.value
        if (value !== undefined) encryptedValues.set(value, writeEncrypted(encryptedPart as Encrypted))
      }
      return encryptedPart
    },
    text: (text) => JsonStrings.inText(text, change),
  }
}

/** The fields of all protocols that contain tool call ids, and encrypted reasoning. */
const idFields: ReadonlySet<string> = new Set(["id", "call_id", "toolUseId"])
const encryptedFields: ReadonlySet<string> = new Set([
  "data",
  "encrypted_content",
  "signature",
  "thoughtSignature",
  "thought_signature",
])

const mentions = (text: string, names: ToolNames.Names | undefined): boolean => {
  if (names !== undefined) for (const name of names.keys()) if (text.includes(name)) return true
  return false
}

const tagged = ({ redacted, signature }: Encrypted): string => {
  const encrypted = redacted ?? signature
  return encrypted === undefined ? "" : EncryptedReasoning.write(encrypted, "")
}

/** Whether the part has an id or encrypted reasoning. */
const isIssued = (part: Chat.AssistantContent): boolean =>
  part.type === "tool-call" || EncryptedReasoning.isEncrypted(part)

/** The response, adapted for its client. */
export const restore = (
  response: Chat.Response,
  endpoint: Endpoint,
  names: ToolNames.Names | undefined,
): Chat.Response => {
  const { alternatives: others = [] } = response
  if (names === undefined && ![response, ...others].some(({ content }) => content.some(isIssued))) return response
  const { concerns, mentions, part, text } = restorer(endpoint, names)
  const choice = <Choice extends Chat.Choice>(choice: Choice): Choice =>
    choice.content.some(concerns) ? { ...choice, content: choice.content.map(part) } : choice
  const restored = choice(response)
  const alternatives = response.alternatives?.map(choice)
  const { native } = response
  const written = native !== undefined && mentions(native.text) ? text(native.text) : undefined
  return {
    ...restored,
    ...(alternatives === undefined ? undefined : { alternatives }),
    ...(native === undefined || written === undefined
      ? undefined
      : { native: { ...native, text: written, body: Json.parse(written) } }),
  }
}

/** The frames of a streamed response, adapted for its client. */
export const restoring = <E, R>(
  frames: Stream.Stream<Chat.Frame, E, R>,
  endpoint: Endpoint,
  names: ToolNames.Names | undefined,
): Stream.Stream<Chat.Frame, E, R> =>
  Stream.transformPull(frames, (upstream) => {
    const { concerns, mentions, part, text } = restorer(endpoint, names)
    const restored = (frame: Chat.Frame): Chat.Frame => {
      const parts = frame.parts.some(concerns) ? frame.parts.map(part) : frame.parts
      const { native } = frame
      const data = native !== undefined && mentions(native.data) ? text(native.data) : native?.data
      if (parts === frame.parts && data === native?.data) return frame
      return {
        ...frame,
        parts,
        ...(native === undefined || data === undefined ? undefined : { native: { ...native, data } }),
      }
    }
    return Effect.succeed(Effect.map(upstream, (chunk) => Arr.map(chunk, restored)))
  })
