/**
 * Reasoning items: a summary that can be read, and `encrypted_content`, which only its issuer can.
 *
 * OpenAI's own goes back to OpenAI as it came. Another vendor's thoughts wear the same clothes towards the client: their
 * words as a summary, their seal, under a mark that says whose it is, in place of the encrypted content. The client brings
 * it back, and whoever issued it gets it again.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import type { Block, Warn } from "../Lowering.ts"
import * as EncryptedReasoning from "../EncryptedReasoning.ts"
import { issuer } from "./Protocol.ts"

/** Before the issuer of a foreign seal that holds thoughts, and does not merely prove them. */
const hidden = "~"

// ---------------------------------------------------------------------------------------------------------------------
// Between whole items and parts
// ---------------------------------------------------------------------------------------------------------------------

/** Towards OpenAI: only what it wrote itself. Without an id, which belongs to answers that are stored. */
export const encode = ({ redacted, signature, text }: Chat.Reasoning, warn: Warn): Block | undefined => {
  const seal = redacted ?? signature
  if (seal?.issuer === issuer) return { type: "reasoning", summary: summary(text), encrypted_content: seal.value }
  warn("reasoning that is not sealed by OpenAI, left out")
  return undefined
}

/** Towards a client. */
export const item = (id: string, { redacted, signature, text }: Omit<Chat.Reasoning, "type">): Block => ({
  id,
  type: "reasoning",
  summary: summary(text),
  ...write(redacted, signature),
})

/** What an item holds: its words, and whose seal it bears. `seal` is `issued` for an item of an answer, `read` for a client's. */
export const decode = (item: Item, seal = read): Chat.Reasoning => {
  const text = [...texts(item.summary), ...texts(item.content)].join(between)
  return { type: "reasoning", text, ...seal(item.encrypted_content, text) }
}

interface Item {
  readonly summary?: unknown
  readonly content?: unknown
  readonly encrypted_content?: unknown
}

/** Between the parts of a summary, which are one text elsewhere. */
export const between = "\n\n"

const summary = (text: string): ReadonlyArray<Block> => (text === "" ? [] : [{ type: "summary_text", text }])

const texts = (parts: unknown): ReadonlyArray<string> =>
  Array.isArray(parts)
    ? parts.flatMap((part) => (Predicate.isObject(part) && Predicate.isString(part["text"]) ? [part["text"]] : []))
    : []

// ---------------------------------------------------------------------------------------------------------------------
// The seal
// ---------------------------------------------------------------------------------------------------------------------

/** Nothing where there is no seal: the schema knows no null. */
const write = (
  redacted: Chat.EncryptedReasoning | undefined,
  signature: Chat.EncryptedReasoning | undefined,
): Block | undefined => {
  const text = writeEncrypted({ redacted, signature })
  return text === "" ? undefined : { encrypted_content: text }
}

/** The text of a seal in an answer; none where there is no seal. */
export const writeEncrypted = ({ redacted, signature }: Pick<Chat.Reasoning, "signature" | "redacted">): string => {
  const hides = redacted !== undefined && redacted.issuer !== issuer
  const seal = hides ? { issuer: `${hidden}${redacted.issuer}`, value: redacted.value } : (redacted ?? signature)
  return seal === undefined ? "" : EncryptedReasoning.write(seal, issuer)
}

/** The seal in `encrypted_content`: where there is no word beside it, OpenAI's own holds the thoughts themselves. */
export const read = (encrypted: unknown, text: string): Pick<Chat.Reasoning, "signature" | "redacted"> => {
  if (!Predicate.isString(encrypted) || encrypted === "") return {}
  const seal = EncryptedReasoning.read(encrypted, issuer)
  if (seal.issuer.startsWith(hidden)) {
    return { redacted: { issuer: seal.issuer.slice(hidden.length), value: seal.value } }
  }
  return seal.issuer === issuer && text === "" ? { redacted: seal } : { signature: seal }
}

/** What stands in an answer of `host`'s, whoever wrote it: only that endpoint reads it. */
export const issued = (encrypted: unknown, text: string): Pick<Chat.Reasoning, "signature" | "redacted"> => {
  if (!Predicate.isString(encrypted) || encrypted === "") return {}
  const seal = { issuer, value: encrypted }
  return text === "" ? { redacted: seal } : { signature: seal }
}

/** What a client's `encrypted_content` is to the endpoint whose seals are `host`'s, if it is that endpoint's to read. */
export const own = (encrypted: unknown, host: EncryptedReasoning.Host): string | undefined => {
  if (!Predicate.isString(encrypted)) return undefined
  const marked = EncryptedReasoning.read(encrypted, issuer)
  return marked.issuer.startsWith(hidden)
    ? EncryptedReasoning.ownValue(
        EncryptedReasoning.write({ ...marked, issuer: marked.issuer.slice(hidden.length) }, ""),
        issuer,
        host,
      )
    : EncryptedReasoning.ownValue(encrypted, issuer, host)
}
