import { assert, describe, it } from "@effect/vitest"
import * as Fault from "@understudy/providers/internal/simulated/Fault"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"

describe("decode", () => {
  it("reads every field, and says it again as it was written", () => {
    const body = {
      status: 429,
      failureRate: 0.5,
      retryAfter: "1h",
      latency: "2s",
      firstToken: "1500ms",
      tokenDelay: "20ms",
      disconnectAfterTokens: 3,
      stallAfterTokens: 0,
      outage: { from: "10s", for: "5m" },
    }
    assert.deepStrictEqual(Result.getOrThrow(Fault.decode(body)), {
      status: 429,
      failureRate: 0.5,
      retryAfter: Duration.hours(1),
      latency: Duration.seconds(2),
      firstToken: Duration.millis(1500),
      tokenDelay: Duration.millis(20),
      disconnectAfterTokens: 3,
      stallAfterTokens: 0,
      outage: { from: Duration.seconds(10), for: Duration.minutes(5) },
    })
    assert.deepStrictEqual(Fault.encode(Result.getOrThrow(Fault.decode(body))), body)
  })

  it('reads {} and { "reset": true } as no fault', () => {
    assert.deepStrictEqual(Result.getOrThrow(Fault.decode({})), {})
    assert.deepStrictEqual(Result.getOrThrow(Fault.decode({ reset: true })), {})
  })

  const known =
    "known fields: status, failureRate, retryAfter, latency, firstToken, tokenDelay, disconnectAfterTokens, stallAfterTokens, outage, reset"
  const time = 'expected a duration such as "500ms", "2s" or "5m"'
  const window = 'expected true, false, or a window such as { "from": "10s", "for": "1m" }'

  it.each<readonly [body: unknown, field: string, message: string]>([
    [{ status: 200 }, "status", "`status`: expected an HTTP status from 400 to 599, found 200"],
    [{ status: "503" }, "status", '`status`: expected an HTTP status from 400 to 599, found "503"'],
    [{ failureRate: 2 }, "failureRate", "`failureRate`: expected a number from 0 to 1, found 2"],
    [{ latency: 2000 }, "latency", `\`latency\`: ${time}, found 2000`],
    [{ tokenDelay: "2 parsecs" }, "tokenDelay", `\`tokenDelay\`: ${time}, found "2 parsecs"`],
    [
      { disconnectAfterTokens: 1.5 },
      "disconnectAfterTokens",
      "`disconnectAfterTokens`: expected a whole number of tokens, 0 or more, found 1.5",
    ],
    [{ outage: "now" }, "outage", `\`outage\`: ${window}, found "now"`],
    [{ outage: { from: "1s" } }, "outage", `\`outage\`: ${window}, found {"from":"1s"}`],
    [{ outage: { for: "1s", form: "1s" } }, "outage", `\`outage\`: ${window}, found {"for":"1s","form":"1s"}`],
    [{ stauts: 503 }, "stauts", `unknown field \`stauts\`; ${known}`],
    [{ reset: false }, "reset", "`reset`: expected true, found false"],
    [{ reset: true, status: 503 }, "reset", "`reset` removes every fault: send it alone"],
    [null, "", 'expected an object such as { "status": 503 }, found null'],
    [[503], "", 'expected an object such as { "status": 503 }, found [503]'],
  ])("refuses %j, naming the field", (body, field, message) => {
    const error = Result.getOrThrow(Result.flip(Fault.decode(body)))
    assert.deepStrictEqual([error.field, error.message], [field, message])
  })
})
