/**
 * The keys that open a gateway, found by their digests: one takes as long to find among ten thousand as alone, and how long
 * tells nothing of a key, for nobody can choose a digest.
 */
import { createHash } from "node:crypto"

/** What is known of a key instead of the key itself. */
export interface Digested {
  readonly digest: Uint8Array
}

export const digestOf = (text: string): Uint8Array => createHash("sha256").update(text).digest()

export class Keyring<Key extends Digested> {
  readonly #keys: ReadonlyMap<string, Key>

  constructor(keys: ReadonlyArray<Key>) {
    this.#keys = new Map(keys.toReversed().map((key) => [nameOf(key.digest), key]))
  }

  /** Whether no key is asked for. */
  get isEmpty(): boolean {
    return this.#keys.size === 0
  }

  /** The key that this text is. */
  readonly find = (text: string): Key | undefined => (this.isEmpty ? undefined : this.#keys.get(nameOf(digestOf(text))))

  /** Whether this text is a key. */
  readonly has = (text: string): boolean => this.find(text) !== undefined
}

const nameOf = (digest: Uint8Array): string => Buffer.from(digest).toString("latin1")
