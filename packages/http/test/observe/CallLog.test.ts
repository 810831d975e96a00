import { assert, describe, it } from "@effect/vitest"
import type { Attempt, Receipt } from "@understudy/core/Receipt"
import * as CallLog from "@understudy/http/internal/observe/CallLog"

const receipt = (attempts: ReadonlyArray<Attempt>): Receipt => ({
  id: "1",
  route: "assistant",
  model: "assistant",
  caller: undefined,
  team: undefined,
  tags: [],
  protocol: undefined,
  operation: "chat" as const,
  streaming: false,
  traceId: undefined,
  spanId: undefined,
  startedAt: 0,
  deployment: undefined,
  attempts,
  skipped: [],
  droppedParams: undefined,
  cache: undefined,
  firstTokenMillis: undefined,
  outcome: "failure",
  millis: 9,
})

const attempt = (reason: Attempt["reason"], message: string): Attempt => ({
  deployment: "primary",
  model: "m",
  outcome: "failure",
  millis: 4,
  reason,
  status: 401,
  message,
})

describe("CallLog", () => {
  it("includes provider messages about the account", () => {
    assert.strictEqual(
      CallLog.line(receipt([attempt("Authentication", "Incorrect API key provided: ***")])),
      "assistant: failed in 9 ms (primary Authentication 401 after 4 ms: Incorrect API key provided: ***)",
    )
  })

  it("omits provider messages about a request, which may quote it", () => {
    assert.strictEqual(
      CallLog.line(receipt([attempt("ContentPolicy", "You asked for this")])),
      "assistant: failed in 9 ms (primary ContentPolicy 401 after 4 ms)",
    )
  })
})
