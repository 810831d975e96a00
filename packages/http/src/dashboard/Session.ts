/**
 * A browser that has signed in: a token that stands for a key, to be kept in a cookie that no script reads.
 *
 * It says until when it holds and is signed for its key, which it does not contain: it ends when that key does, or when the
 * secret changes. Nothing is stored, so that any gateway with the same secret knows it.
 */
import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import { createHmac, timingSafeEqual } from "node:crypto"

/** The cookie's name. */
export const cookie = "understudy_session"

export const lifetime = Duration.hours(12)

/** What a session stands for, as far as it is signed. */
interface Signed {
  readonly digest: Uint8Array
}

/** A token for that key that holds until `expires`, clock milliseconds. */
export const issue = (secret: Redacted.Redacted, key: Signed, expires: number): string =>
  `${expires}.${sign(secret, key, expires).toString("base64url")}`

/** Whose token it is, among these keys; `undefined` if it is nobody's, or holds no longer. */
export const keyOf = <Key extends Signed>(
  secret: Redacted.Redacted,
  keys: ReadonlyArray<Key>,
  token: string,
  now: number,
): Key | undefined => {
  const [, expires = "", signature = ""] = /^(\d{1,16})\.([\w-]{43})$/.exec(token) ?? []
  const given = Buffer.from(signature, "base64url")
  if (given.length !== 32 || Number(expires) <= now) return undefined
  return keys.find((key) => timingSafeEqual(sign(secret, key, Number(expires)), given))
}

const sign = (secret: Redacted.Redacted, { digest }: Signed, expires: number): Buffer =>
  createHmac("sha256", Redacted.value(secret)).update(`${expires}.`).update(digest).digest()
