import { assert, describe, it } from "@effect/vitest"
import { actionFor } from "../../src/model/ProviderError.ts"
import type { FailureAction, Reason, ReasonTag } from "../../src/model/ProviderError.ts"

const row = (again: boolean, next: FailureAction["fallback"], circuit: FailureAction["circuit"]): FailureAction => ({
  retryable: again,
  fallback: next,
  circuit,
})

/** The failure table of the design, a row a reason: a new reason does not compile until it stands here too. */
const table: Record<ReasonTag, readonly [Reason, FailureAction]> = {
  RateLimited: [{ _tag: "RateLimited" }, row(true, "next", "cooldown")],
  QuotaExhausted: [{ _tag: "QuotaExhausted" }, row(false, "next", "trip-permanent")],
  Authentication: [{ _tag: "Authentication" }, row(false, "next", "trip-permanent")],
  Permission: [{ _tag: "Permission" }, row(false, "next", "trip-permanent")],
  ModelNotFound: [{ _tag: "ModelNotFound" }, row(false, "next", "trip-permanent")],
  Overloaded: [{ _tag: "Overloaded" }, row(true, "next", "failure")],
  ServerError: [{ _tag: "ServerError" }, row(true, "next", "failure")],
  Network: [{ _tag: "Network" }, row(true, "next", "failure")],
  Malformed: [{ _tag: "Malformed" }, row(true, "next", "failure")],
  NotAccepted: [{ _tag: "NotAccepted", check: "schema" }, row(false, "next", "ignore")],
  Timeout: [{ _tag: "Timeout", phase: "first-token" }, row(false, "next", "failure")],
  LocalError: [{ _tag: "LocalError" }, row(false, "next", "ignore")],
  ContextWindowExceeded: [{ _tag: "ContextWindowExceeded" }, row(false, "larger-window", "ignore")],
  ContentPolicy: [{ _tag: "ContentPolicy" }, row(false, "other-policy", "ignore")],
  InvalidRequest: [{ _tag: "InvalidRequest" }, row(false, "stop", "ignore")],
  Unsupported: [{ _tag: "Unsupported", feature: "tools" }, row(false, "next", "ignore")],
}

describe("actionFor", () => {
  for (const [name, [reason, expected]] of Object.entries(table)) {
    it(name, () => assert.deepStrictEqual(actionFor(reason), expected))
  }

  it("counts a timeout in every phase as a failure of the circuit, except the caller's", () => {
    for (const phase of ["connect", "first-token", "idle", "attempt"] as const) {
      assert.strictEqual(actionFor({ _tag: "Timeout", phase }).circuit, "failure")
      assert.strictEqual(actionFor({ _tag: "Timeout", phase, byCaller: true }).circuit, "ignore")
    }
    assert.deepStrictEqual(actionFor({ _tag: "Timeout", phase: "total" }), row(false, "stop", "ignore"))
  })

  it("does not retry a response that exceeds a limit of this process", () =>
    assert.deepStrictEqual(actionFor({ _tag: "Malformed", overLimit: true }), row(false, "next", "ignore")))
})
