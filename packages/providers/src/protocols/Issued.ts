/**
 * What an answer brings that its endpoint alone can make use of, made fit to travel through the client to whichever endpoint
 * is asked next: seals and ids of calls under a mark, tools under the client's own names. In `Chat` and in the answer's own
 * text alike, of which nothing else changes.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Stream from "effect/Stream"
import type { Endpoint, Sealed } from "./Endpoint.ts"
import * as Json from "./Json.ts"
import * as JsonStrings from "./JsonStrings.ts"
import * as EncryptedReasoning from "./EncryptedReasoning.ts"
import * as ToolIds from "./ToolIds.ts"
import type * as ToolNames from "./ToolNames.ts"

/** Changes the parts of one answer, and tells what its own text holds in their place. */
interface Restorer {
  /** Whether a part may have to change. */
  readonly concerns: (part: Chat.Part | Chat.AssistantContent) => boolean
  /** Whether the text may, for what earlier parts have told, or for its own words. */
  readonly mentions: (text: string) => boolean
  readonly part: <Part extends Chat.Part | Chat.AssistantContent>(part: Part) => Part
  readonly text: (text: string) => string
}

/** `undefined` where the answers of the endpoint can go as they are. */
const restorer = (endpoint: Endpoint, names: ToolNames.Names | undefined): Restorer => {
  const { host, seal = tagged } = endpoint
  /** What stands for the answer's ids and seals. */
  const ids = new Map<string, string>()
  const seals = new Map<string, string>()
  const change: JsonStrings.Change = (field, value) => {
    const replaced = idFields.has(field)
      ? ids.get(value)
      : sealFields.has(field)
        ? seals.get(value)
        : field === "name"
          ? names?.get(value)
          : undefined
    return replaced ?? value
  }
  return {
    concerns: (part) => part.type === "tool-call" || (host !== undefined && EncryptedReasoning.isSealed(part)),
    mentions: (text) => ids.size > 0 || seals.size > 0 || mentions(text, names),
    part: (given) => {
      let part = given
      if (part.type === "tool-call") {
        const name = names?.get(part.name)
        const id = ToolIds.from(part.id, endpoint)
        if (id !== part.id) ids.set(part.id, id)
        if (name !== undefined || id !== part.id) part = { ...part, id, name: name ?? part.name }
      }
      if (host === undefined) return part
      const sealed = EncryptedReasoning.mapPart(part, (each) => EncryptedReasoning.from(each, host))
      if (sealed !== part) {
        const { redacted, signature } = part as Sealed
        const value = (redacted ?? signature)?.value
        if (value !== undefined) seals.set(value, seal(sealed as Sealed))
      }
      return sealed
    },
    text: (text) => JsonStrings.inText(text, change),
  }
}

/** The fields in which protocols have the ids of calls, and seals. */
const idFields: ReadonlySet<string> = new Set(["id", "call_id", "toolUseId"])
const sealFields: ReadonlySet<string> = new Set([
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

const tagged = ({ redacted, signature }: Sealed): string => {
  const seal = redacted ?? signature
  return seal === undefined ? "" : EncryptedReasoning.write(seal, "")
}

/** Whether the part has anything that an endpoint issues: an id, or a seal. */
const isIssued = (part: Chat.AssistantContent): boolean =>
  part.type === "tool-call" || EncryptedReasoning.isSealed(part)

/** The answer, as the house and its clients are given it. */
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

/** The same of a streamed answer, piece by piece. */
export const restoring = <E, R>(
  frames: Stream.Stream<Chat.Frame, E, R>,
  endpoint: Endpoint,
  names: ToolNames.Names | undefined,
): Stream.Stream<Chat.Frame, E, R> =>
  Stream.suspend(() => {
    const { concerns, mentions, part, text } = restorer(endpoint, names)
    return Stream.map(frames, (frame): Chat.Frame => {
      const parts = frame.parts.some(concerns) ? frame.parts.map(part) : frame.parts
      const { native } = frame
      const data = native !== undefined && mentions(native.data) ? text(native.data) : native?.data
      if (parts === frame.parts && data === native?.data) return frame
      return {
        ...frame,
        parts,
        ...(native === undefined || data === undefined ? undefined : { native: { ...native, data } }),
      }
    })
  })
