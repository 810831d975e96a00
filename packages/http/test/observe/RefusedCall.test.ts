/** What the log has of calls that were refused before they were routed. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { ask, clean, start, url } from "../cli/Process.ts"

afterAll(clean)

const yaml = `
server: { port: 0, drain: { delay: 0s } }
deployments: { demo: { provider: simulated, model: any, price: { input: 1, output: 1 }, latency: 0s } }
database: "sqlite:./understudy.db"
routes: { assistant: [demo] }
keys:
  - { id: poor, key: sk-poor-0123456789abcdef, budgets: [{ amount: 0.000001, window: day }] }
  - { id: slow, key: sk-slow-0123456789abcdef, limits: { rpm: 1 } }
`

describe("a refused call", () => {
  it("is one line with the request id of its error, its code and its key, and nothing of the prompt", async () => {
    const gateway = start(["--config", "understudy.yaml", "--log-format", "json"], {
      files: { "understudy.yaml": yaml },
      env: {},
    })
    const base = await url(gateway)
    const refused = async (key: string, body: Record<string, unknown>, status: number) => {
      const answer = await ask(base, body, { authorization: `Bearer ${key}` })
      assert.strictEqual(answer.status, status)
      await answer.text()
      return answer.headers.get("x-request-id")
    }
    const [poor, slow] = ["sk-poor-0123456789abcdef", "sk-slow-0123456789abcdef"]
    const ids = [
      await refused(poor, {}, 429),
      await refused(poor, { stream: true }, 429),
      await refused(poor, { messages: "prompt-canary" }, 400),
      await refused(slow, { model: "none\n" }, 404),
      await refused(slow, {}, 429),
    ]
    gateway.child.kill("SIGTERM")
    await gateway.ended
    const output = gateway.printed()
    const lines = output
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
      .filter(({ outcome }) => outcome === "refused")
    assert.deepStrictEqual(
      lines.map(({ code, key, level, model, request_id, status }) => ({ code, key, level, model, request_id, status })),
      [
        { code: "budget_exceeded", key: "poor", level: "WARN", model: "assistant", request_id: ids[0], status: 429 },
        { code: "budget_exceeded", key: "poor", level: "WARN", model: "assistant", request_id: ids[1], status: 429 },
        { code: "invalid_request", key: "poor", level: "WARN", model: undefined, request_id: ids[2], status: 400 },
        { code: "model_not_found", key: "slow", level: "WARN", model: "none\n", request_id: ids[3], status: 404 },
        {
          code: "rate_limit_exceeded",
          key: "slow",
          level: "WARN",
          model: "assistant",
          request_id: ids[4],
          status: 429,
        },
      ],
    )
    assert.strictEqual(
      lines[0].message,
      `call refused: 429 budget_exceeded, model "assistant", key poor, request ${ids[0]}`,
    )
    assert.notInclude(output, "canary")
  })
})
