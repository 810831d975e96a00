import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import { createHmac } from "node:crypto"
import * as WebhookSignature from "../src/WebhookSignature.ts"

describe("WebhookSignature", () => {
  it("reads a secret of the specification's form as base64", () => {
    const key = Buffer.from("0123456789abcdef0123456789abcdef")
    const secret = Redacted.make(`whsec_${key.toString("base64")}`)
    assert.deepStrictEqual(WebhookSignature.headers(secret, "msg_1", 1_700_000_000_999, "{}"), {
      "webhook-id": "msg_1",
      "webhook-timestamp": "1700000000",
      "webhook-signature": `v1,${createHmac("sha256", key).update("msg_1.1700000000.{}").digest("base64")}`,
    })
  })

  it("has no signature without a secret", () => {
    assert.deepStrictEqual(Object.keys(WebhookSignature.headers(undefined, "msg_1", 0, "{}")), [
      "webhook-id",
      "webhook-timestamp",
    ])
  })
})
