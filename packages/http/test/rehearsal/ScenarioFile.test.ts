import { assert, describe, it } from "@effect/vitest"
import * as ScenarioFile from "@understudy/http/internal/rehearsal/ScenarioFile"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"

const problems = (text: string) =>
  Result.match(ScenarioFile.parse(text, "monday.yaml"), {
    onSuccess: () => [],
    onFailure: (problems) => problems.map(({ message, path }) => `${path}: ${message}`),
  })

describe("a scenario file", () => {
  it("says how deployments behave, what befalls them, and who calls", () => {
    const scenario = Result.getOrThrow(
      ScenarioFile.parse(
        `
description: Two bad hours.
deployments:
  "gpt-*": { firstToken: { median: 400ms, p95: 2s }, tokensPerSecond: 80, failures: [{ share: 0.01, status: 429, after: 50ms }], cut: 0.001 }
incidents:
  - { from: 8h, for: 1h, where: { vendor: openai }, outage: true }
  - { from: 9h, for: 30m, where: { region: eu-west-1, deployments: ["a*"] }, slower: 3, failures: [{ share: 0.2 }], quota: 0.5 }
traffic:
  rate: 600/m
  keys: { team-a: 3, team-b: 1 }
  bursts: [{ from: 1h, for: 5m, factor: 4 }]
  clientRetries: { times: 2, after: 1s }
`,
        "monday.yaml",
      ),
    )
    assert.deepInclude(scenario, { name: "monday.yaml", description: "Two bad hours." })
    assert.deepStrictEqual(scenario.deployments, {
      "gpt-*": {
        firstToken: { median: 400, p95: 2000 },
        tokensPerSecond: 80,
        cut: 0.001,
        failures: [{ share: 0.01, status: 429, after: 50, reason: { _tag: "RateLimited", retryAfter: undefined } }],
      },
    })
    assert.deepStrictEqual(
      scenario.incidents?.map(({ change, from, where }) => [
        Duration.toHours(from as Duration.Duration),
        where,
        change,
      ]),
      [
        [8, { vendor: "openai" }, { outage: true }],
        [
          9,
          { region: "eu-west-1", deployments: ["a*"] },
          {
            slower: 3,
            quota: 0.5,
            failures: [{ share: 0.2, status: undefined, reason: { _tag: "Network" }, after: 200 }],
          },
        ],
      ],
    )
    assert.deepStrictEqual(scenario.traffic, {
      rate: 10,
      callers: { "team-a": 3, "team-b": 1 },
      bursts: [{ from: 3_600_000, for: 300_000, factor: 4 }],
      clientRetries: { times: 2, after: 1000 },
    })
  })

  it("names every value that it cannot use, and what it expects", () => {
    assert.deepStrictEqual(
      problems(`
deployments: { gpt: { firstToken: fast, cut: 2 } }
incidents: [{ from: 1h, for: 0s, outge: true }]
traffic: { rate: 10/y, hours: [1, 2] }
`),
      [
        'deployments.gpt.firstToken: expected a duration such as 500ms, or a distribution such as { median: 500ms, p95: 2s } or { mean: 1s }, found "fast"',
        "deployments.gpt.cut: expected a share from 0 to 1, found 2",
        "incidents[0].outge: unknown key `outge`: did you mean `outage`? Known keys: from, for, where, outage, slower, slowerFirstToken, failures, cut, stall, quota.",
        'incidents[0].for: expected a duration above 0, such as 500ms, 2s, 5m or 1h, found "0s"',
        'traffic.rate: expected calls a second, such as 10/s, 600/m or 10, found "10/y"',
        "traffic.hours: expected a list of 24 numbers, one for each hour in UTC, found a list",
      ],
    )
    assert.match(problems("a: [")[0] ?? "", /^line 1: not YAML/)
  })
})
