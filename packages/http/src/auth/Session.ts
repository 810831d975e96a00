/**
 * Browsers that have signed in: a token stands for a key, to be kept in a cookie that no script reads.
 *
 * It says until when it holds, bears a mark of its key, by which that is found among many, and is signed for it: it ends when
 * that key does, when the secret changes, or when its browser signs out. Only tokens that were signed out are stored, so that
 * any gateway with the same secret knows one; and only the gateway where it was signed out knows that.
 */
import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import type { Digested } from "./Keyring.ts"

/** The cookie's name. */
export const cookie = "understudy_session"

export const lifetime = Duration.hours(12)

/** How many tokens that were signed out are remembered. */
const most = 10_000

/** A token's parts: when it ends, what tells it from another of the same key, the mark of its key, and its signature. */
const shape = /^(\d{1,16})\.([\w-]{16})\.([\w-]{22})\.([\w-]{43})$/

/** The sessions of the holders of these keys. */
export class Sessions<Key extends Digested> {
  readonly #secret: Redacted.Redacted
  readonly #keys: ReadonlyMap<string, Key>
  readonly #ended = new Map<string, number>()
  /** Tokens that end no later than this are taken no more. */
  #floor = 0

  constructor(secret: Redacted.Redacted, keys: ReadonlyArray<Key>) {
    this.#secret = secret
    this.#keys = new Map(keys.toReversed().map((key) => [this.#markOf(key), key]))
  }

  /** A token for that key that holds until `expires`, clock milliseconds. */
  issue(key: Key, expires: number): string {
    const nonce = randomBytes(12).toString("base64url")
    return [expires, nonce, this.#markOf(key), this.#sign(key, expires, nonce).toString("base64url")].join(".")
  }

  /** Whose token it is; `undefined` if it is nobody's, or holds no longer. */
  keyOf(token: string, now: number): Key | undefined {
    const [, ends = "", nonce = "", mark = "", signature = ""] = shape.exec(token) ?? []
    const key = this.#keys.get(mark)
    const expires = Number(ends)
    if (key === undefined || expires <= now || expires <= this.#floor || this.#ended.has(nonce)) return undefined
    const given = Buffer.from(signature, "base64url")
    return given.length === 32 && timingSafeEqual(this.#sign(key, expires, nonce), given) ? key : undefined
  }

  /** Ends the session of that token, and says whose it was. */
  end(token: string, now: number): Key | undefined {
    const key = this.keyOf(token, now)
    if (key === undefined) return undefined
    const [expires = "", nonce = ""] = token.split(".")
    this.#ended.set(nonce, Number(expires))
    if (this.#ended.size > most) this.#forget(now)
    return key
  }

  /** Those that hold no longer anyway; else the oldest half, and with them all sessions that began no later. */
  #forget(now: number): void {
    for (const [nonce, expires] of this.#ended) if (expires <= now) this.#ended.delete(nonce)
    if (this.#ended.size <= most) return
    const oldest = [...this.#ended].toSorted(([, a], [, b]) => a - b).slice(0, most / 2)
    for (const [nonce, expires] of oldest) {
      this.#ended.delete(nonce)
      this.#floor = Math.max(this.#floor, expires)
    }
  }

  #markOf({ digest }: Digested): string {
    return this.#hmac("key.", digest).toString("base64url").slice(0, 22)
  }

  #sign({ digest }: Digested, expires: number, nonce: string): Buffer {
    return this.#hmac(`session.${expires}.${nonce}.`, digest)
  }

  #hmac(text: string, digest: Uint8Array): Buffer {
    return createHmac("sha256", Redacted.value(this.#secret)).update(text).update(digest).digest()
  }
}
