/**
 * Sessions of browsers that signed in with a key: stateless signed tokens, kept in an HTTP-only cookie.
 *
 * A token has its expiry, a nonce, an identifier of its key, and an HMAC signature. It ends when it expires, when its key or
 * the secret changes, or when the browser signs out. Any gateway with the secret accepts a token. Only signed-out tokens are
 * stored, and only by the gateway where the browser signed out.
 */
import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import type { Key, Keyring } from "./Keyring.ts"

/** The cookie's name. */
export const cookie = "understudy_session"

export const lifetime = Duration.hours(12)

/** The number of signed-out tokens that are remembered. */
const maxEnded = 10_000

/** The parts of a token: expiry in clock milliseconds, nonce, key identifier, signature. */
const shape = /^(\d{1,16})\.([\w-]{16})\.([\w-]{22})\.([\w-]{43})$/

/** Issues, verifies and ends the sessions of these keys. */
export class Sessions {
  readonly #secret: Redacted.Redacted
  readonly #keys: Keyring
  /** Identifiers of keys, made when a token is read: each takes an HMAC. */
  #ids: ReadonlyMap<Key, string> = new Map()
  #byId: ReadonlyMap<string, Key> = new Map()
  /** The version of the keyring that `#byId` is of. */
  #version = -1
  readonly #ended = new Map<string, number>()
  /** Tokens that expire at this time or before it are rejected. */
  #floor = 0

  constructor(secret: Redacted.Redacted, keys: Keyring) {
    this.#secret = secret
    this.#keys = keys
  }

  /** A token for a key, valid until `expires` (clock milliseconds). */
  issue(key: Key, expires: number): string {
    const nonce = randomBytes(12).toString("base64url")
    return [expires, nonce, this.#keyIdOf(key), this.#sign(key, expires, nonce).toString("base64url")].join(".")
  }

  /** The key of a token; `undefined` if the token is invalid, expired or signed out. */
  keyOf(token: string, now: number): Key | undefined {
    const [, ends = "", nonce = "", keyId = "", signature = ""] = shape.exec(token) ?? []
    if (keyId === "") return undefined
    const key = this.#keyWith(keyId)
    const expires = Number(ends)
    if (key === undefined || expires <= now || expires <= this.#floor || this.#ended.has(nonce)) return undefined
    const given = Buffer.from(signature, "base64url")
    return given.length === 32 && timingSafeEqual(this.#sign(key, expires, nonce), given) ? key : undefined
  }

  /** Ends the session of a token and returns its key; `undefined` if the token is not valid. */
  end(token: string, now: number): Key | undefined {
    const key = this.keyOf(token, now)
    if (key === undefined) return undefined
    const [expires = "", nonce = ""] = token.split(".")
    this.#ended.set(nonce, Number(expires))
    if (this.#ended.size > maxEnded) this.#forget(now)
    return key
  }

  /** Forgets expired tokens. If too many are left, forgets the oldest half and rejects every token that expires no later. */
  #forget(now: number): void {
    for (const [nonce, expires] of this.#ended) if (expires <= now) this.#ended.delete(nonce)
    if (this.#ended.size <= maxEnded) return
    const oldest = [...this.#ended].toSorted(([, a], [, b]) => a - b).slice(0, maxEnded / 2)
    for (const [nonce, expires] of oldest) {
      this.#ended.delete(nonce)
      this.#floor = Math.max(this.#floor, expires)
    }
  }

  #keyWith(id: string): Key | undefined {
    if (this.#version !== this.#keys.version) {
      this.#version = this.#keys.version
      this.#ids = new Map(Array.from(this.#keys.keys(), (key) => [key, this.#ids.get(key) ?? this.#keyIdOf(key)]))
      this.#byId = new Map(Array.from(this.#ids, ([key, id]) => [id, key]))
    }
    return this.#byId.get(id)
  }

  #keyIdOf({ digest }: Key): string {
    return this.#hmac("key.", digest).toString("base64url").slice(0, 22)
  }

  #sign({ digest }: Key, expires: number, nonce: string): Buffer {
    return this.#hmac(`session.${expires}.${nonce}.`, digest)
  }

  #hmac(text: string, digest: string): Buffer {
    return createHmac("sha256", Redacted.value(this.#secret)).update(text).update(digest, "base64").digest()
  }
}
