/**
 * The blocks of a streamed response for interfaces that start and end each one with parts of their own: `effect/ai`, and the
 * AI SDK, whose parts have the same names. In `Chat` a block ends with the next part of another type.
 */
import type * as Chat from "../../model/Chat.ts"

/** The signature or the redacted reasoning of a block. */
export interface Encrypted {
  readonly redacted?: Chat.EncryptedReasoning | undefined
  readonly signature?: Chat.EncryptedReasoning | undefined
}

type Type = "text" | "reasoning"

/** A part of a block. `Metadata` are the fields of its end that carry what is encrypted. */
export type BlockPart<Metadata> =
  | { readonly type: `${Type}-start`; readonly id: string }
  | { readonly type: `${Type}-delta`; readonly id: string; readonly delta: string }
  | ({ readonly type: `${Type}-end`; readonly id: string } & Metadata)

/** The block of one stream that is open, and the parts that go on with it or end it. */
export class Blocks<Metadata> {
  readonly #write: (encrypted: Encrypted) => Metadata
  #count = 0
  #open: { readonly type: Type; readonly id: string; encrypted: Encrypted } | undefined = undefined

  constructor(write: (encrypted: Encrypted) => Metadata) {
    this.#write = write
  }

  /** Appends to the open block, or opens one. A signature ends its block, and redacted reasoning is a block of its own. */
  append(type: Type, delta: string, encrypted: Encrypted): ReadonlyArray<BlockPart<Metadata>> {
    const isEncrypted = encrypted.signature !== undefined || encrypted.redacted !== undefined
    if (delta === "" && !isEncrypted) return []
    const parts: Array<BlockPart<Metadata>> = []
    let block = this.#open
    if (block?.type !== type || encrypted.redacted !== undefined) {
      parts.push(...this.close())
      block = this.#open = { type, id: `${type}_${this.#count++}`, encrypted: {} }
      parts.push({ type: `${type}-start`, id: block.id })
    }
    if (delta !== "") parts.push({ type: `${type}-delta`, id: block.id, delta })
    if (isEncrypted) {
      block.encrypted = encrypted
      parts.push(...this.close())
    }
    return parts
  }

  /** Notes a block that was opened elsewhere, under an id of its own. */
  opened(type: Type, id: string): void {
    this.#open = { type, id, encrypted: {} }
  }

  /** Notes the end of a block that was opened elsewhere. */
  ended(id: string): void {
    if (this.#open?.id === id) this.#open = undefined
  }

  /** The end of the open block, if there is one. */
  close(): ReadonlyArray<BlockPart<Metadata>> {
    if (this.#open === undefined) return []
    const { encrypted, id, type } = this.#open
    this.#open = undefined
    return [{ type: `${type}-end`, id, ...this.#write(encrypted) }]
  }
}
