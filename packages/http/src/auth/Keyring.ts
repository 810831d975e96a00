/**
 * The keys that open a gateway, found by their digests: one takes as long to find among ten thousand as alone, and how long
 * tells nothing of a key, for nobody can choose a digest.
 */
import { hash } from "node:crypto"

/** What is known of a key instead of the key itself. */
export interface Digested {
  readonly digest: Uint8Array
  /** Of the key's text. */
  readonly length: number
}

export const digested = (text: string): Digested => ({ digest: digestOf(text), length: text.length })

const digestOf = (text: string): Uint8Array => hash("sha256", text, "buffer")

export class Keyring<Key extends Digested> {
  readonly #keys: ReadonlyMap<string, Key>

  readonly #lengths: ReadonlySet<number>

  constructor(keys: ReadonlyArray<Key>) {
    this.#lengths = new Set(keys.map(({ length }) => length))
    this.#keys = new Map(keys.toReversed().map((key) => [nameOf(key.digest), key]))
  }

  /** Whether no key is asked for. */
  get isEmpty(): boolean {
    return this.#keys.size === 0
  }

  /** The key that this text is. */
  readonly find = (text: string): Key | undefined =>
    this.isEmpty ? undefined : this.#keys.get(hash("sha256", text, "base64"))

  /** Whether this text is a key, asked of many texts that are not. How long it takes may tell how long keys are. */
  readonly has = (text: string): boolean => this.#lengths.has(text.length) && this.find(text) !== undefined
}

const nameOf = (digest: Uint8Array): string => Buffer.from(digest).toString("base64")
