/**
 * The signature of webhooks, as Standard Webhooks says (https://www.standardwebhooks.com): the header `webhook-signature` is
 * `v1,` and the base64 of the HMAC-SHA256 of `{webhook-id}.{webhook-timestamp}.{body}`, with the configured secret.
 */
import * as Redacted from "effect/Redacted"
import { createHmac } from "node:crypto"

/** The headers of a webhook: its id, the time in seconds, and the signature if there is a secret. */
export const headers = (
  secret: Redacted.Redacted | undefined,
  id: string,
  millis: number,
  body: string,
): Readonly<Record<string, string>> => {
  const timestamp = Math.floor(millis / 1000)
  return {
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    ...(secret === undefined ? undefined : { "webhook-signature": signature(secret, id, timestamp, body) }),
  }
}

const signature = (secret: Redacted.Redacted, id: string, timestamp: number, body: string): string =>
  `v1,${createHmac("sha256", keyOf(Redacted.value(secret)))
    .update(`${id}.${timestamp}.${body}`)
    .digest("base64")}`

/** Secrets with the specification's prefix are base64; others are used as they are. */
const keyOf = (secret: string): string | Buffer =>
  secret.startsWith("whsec_") ? Buffer.from(secret.slice("whsec_".length), "base64") : secret
