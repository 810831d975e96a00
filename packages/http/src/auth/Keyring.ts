/**
 * The keys of a gateway, looked up by SHA-256 digest. A lookup takes constant time in the number of keys, and its timing
 * reveals nothing about a key, because a caller cannot choose a digest.
 */
import { hash } from "node:crypto"

/** What is kept of a key instead of its text. */
export interface Digested {
  readonly digest: Uint8Array
  /** The length of the key's text, in UTF-16 code units. */
  readonly length: number
}

export const digested = (text: string): Digested => ({ digest: digestOf(text), length: text.length })

const digestOf = (text: string): Uint8Array => hash("sha256", text, "buffer")

export class Keyring<Key extends Digested> {
  readonly #keys: ReadonlyMap<string, Key>

  readonly #lengths: ReadonlySet<number>

  constructor(keys: ReadonlyArray<Key>) {
    this.#lengths = new Set(keys.map(({ length }) => length))
    this.#keys = new Map(keys.toReversed().map((key) => [digestText(key.digest), key]))
  }

  /** Whether requests need no key. */
  get isEmpty(): boolean {
    return this.#keys.size === 0
  }

  /** The key with this text, if any. */
  readonly find = (text: string): Key | undefined =>
    this.isEmpty ? undefined : this.#keys.get(hash("sha256", text, "base64"))

  /** Whether this text is a key. Fast for texts that are not; its timing may reveal the lengths of keys. */
  readonly has = (text: string): boolean => this.#lengths.has(text.length) && this.find(text) !== undefined
}

const digestText = (digest: Uint8Array): string => Buffer.from(digest).toString("base64")
