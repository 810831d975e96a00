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
  needs: undefined,
  deployment: undefined,
  split: undefined,
  shadowOf: undefined,
  attempts,
  skipped: [],
  droppedParams: undefined,
  cache: undefined,
  affinity: undefined,
  firstTokenMillis: undefined,
  queuedMillis: undefined,
  outcome: "failure",
  error: "Upstream",
  millis: 9,
})

const attempt = (reason: Attempt["reason"], message: string): Attempt => ({
  deployment: "primary",
  model: "m",
  type: "initial",
  startedAt: 0,
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
      "assistant: failed in 9 ms (primary Authentication 401 after 4 ms: Incorrect API key provided: ***), call 1",
    )
  })

  it("omits provider messages about a request, which may quote it", () => {
    assert.strictEqual(
      CallLog.line(receipt([attempt("ContentPolicy", "You asked for this")])),
      "assistant: failed in 9 ms (primary ContentPolicy 401 after 4 ms), call 1",
    )
  })

  it("includes a message of the gateway's own, such as which limit a response exceeds", () => {
    const message = "the response is larger than 9 bytes: raise server.limits.answer if it may be"
    assert.strictEqual(
      CallLog.line(
        receipt([{ ...attempt("Malformed", message), contentFree: true }, attempt("Malformed", "{ 'a': 1")]),
      ),
      `assistant: failed in 9 ms (primary Malformed 401 after 4 ms: ${message}; primary Malformed 401 after 4 ms), call 1`,
    )
  })

  it("has tokens, cost, first token, key and team in the line", () => {
    const answered: Receipt = {
      ...receipt([
        attempt("Overloaded", "busy"),
        {
          deployment: "backup",
          model: "b",
          type: "fallback",
          startedAt: 4,
          outcome: "success",
          millis: 5,
          usage: { inputTokens: 3, outputTokens: 4 },
          cost: 1e-7,
        },
      ]),
      caller: "team-a",
      team: "search",
      deployment: "backup",
      firstTokenMillis: 6,
      queuedMillis: undefined,
      outcome: "success",
    }
    assert.strictEqual(
      CallLog.line(answered),
      "assistant: answered by backup in 9 ms (primary Overloaded 401 after 4 ms; backup succeeded after 5 ms), first token after 6 ms, 3+4 tokens, $0.0000001, key team-a, team search, call 1",
    )
  })
})
