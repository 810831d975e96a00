import { assert, describe, it } from "@effect/vitest"
import { judge } from "../src/ProviderError.ts"
import type { Judgement, Reason, ReasonTag } from "../src/ProviderError.ts"

const row = (again: boolean, next: Judgement["next"], circuit: Judgement["circuit"]): Judgement => ({
  again,
  next,
  circuit,
})

/** The failure table of the design, a row a reason: a new reason does not compile until it stands here too. */
const table: Record<ReasonTag, readonly [Reason, Judgement]> = {
  RateLimited: [{ _tag: "RateLimited" }, row(true, "next", "rests")],
  QuotaExhausted: [{ _tag: "QuotaExhausted" }, row(false, "next", "opens-long")],
  Authentication: [{ _tag: "Authentication" }, row(false, "next", "opens-long")],
  Permission: [{ _tag: "Permission" }, row(false, "next", "opens-long")],
  ModelNotFound: [{ _tag: "ModelNotFound" }, row(false, "next", "opens-long")],
  Overloaded: [{ _tag: "Overloaded" }, row(true, "next", "counts")],
  ServerError: [{ _tag: "ServerError" }, row(true, "next", "counts")],
  Network: [{ _tag: "Network" }, row(true, "next", "counts")],
  Malformed: [{ _tag: "Malformed" }, row(true, "next", "counts")],
  Timeout: [{ _tag: "Timeout", phase: "first-token" }, row(false, "next", "counts")],
  LocalError: [{ _tag: "LocalError" }, row(false, "next", "ignored")],
  ContextWindowExceeded: [{ _tag: "ContextWindowExceeded" }, row(false, "larger-window", "ignored")],
  ContentPolicy: [{ _tag: "ContentPolicy" }, row(false, "other-policy", "ignored")],
  InvalidRequest: [{ _tag: "InvalidRequest" }, row(false, "stop", "ignored")],
  Unsupported: [{ _tag: "Unsupported", feature: "tools" }, row(false, "next", "ignored")],
}

describe("judge", () => {
  for (const [name, [reason, expected]] of Object.entries(table)) {
    it(name, () => assert.deepStrictEqual(judge(reason), expected))
  }

  it("counts a timeout against the provider in every phase but the caller's own", () => {
    for (const phase of ["connect", "first-token", "idle", "attempt"] as const) {
      assert.strictEqual(judge({ _tag: "Timeout", phase }).circuit, "counts")
      assert.strictEqual(judge({ _tag: "Timeout", phase, byCaller: true }).circuit, "ignored")
    }
    assert.deepStrictEqual(judge({ _tag: "Timeout", phase: "total" }), row(false, "stop", "ignored"))
  })
})
