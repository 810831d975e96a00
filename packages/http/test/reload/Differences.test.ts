import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Config from "../../src/Config.ts"
import * as Differences from "../../src/reload/Differences.ts"
import { InForce } from "../../src/reload/InForce.ts"

const decoded = (document: object) => Result.getOrThrow(Config.decode(document, () => undefined))

const base = {
  deployments: {
    cloud: { provider: "openai", model: "m", apiKey: "one", timeout: { attempt: "10s" } },
    implied: { provider: "anthropic", model: "m" },
    local: { provider: "ollama", model: "m" },
  },
  routes: { assistant: ["cloud", "local"] },
}

const none: ReadonlySet<string> = new Set()

describe("InForce.optionsFor", () => {
  it("keeps the provider of a deployment whose vendor's settings are the same, whatever else changed", () => {
    const inForce = new InForce(decoded(base))
    const same = inForce.optionsFor(
      decoded({
        ...base,
        deployments: {
          ...base.deployments,
          cloud: { ...base.deployments.cloud, weight: 2, timeout: { attempt: "20s" } },
        },
      }),
      none,
    )
    for (const name of ["cloud", "implied", "local"]) {
      assert.strictEqual(same.deployments[name]?.provider, inForce.options.deployments[name]?.provider, name)
    }
    assert.strictEqual(same.deployments["cloud"]?.weight, 2)
  })

  it("makes another one for another credential, address, model or connect timeout", () => {
    const inForce = new InForce(decoded(base))
    for (const change of [
      { apiKey: "two" },
      { baseUrl: "http://127.0.0.1:1/v1" },
      { model: "n" },
      { timeout: { connect: "1s" } },
      { headers: { "x-team": "search" } },
      { provider: "groq" },
    ]) {
      const cloud = { ...base.deployments.cloud, ...change }
      const other = inForce.optionsFor(decoded({ ...base, deployments: { ...base.deployments, cloud } }), none)
      const provider = other.deployments["cloud"]?.provider
      assert.notStrictEqual(provider, inForce.options.deployments["cloud"]?.provider, JSON.stringify(change))
      assert.strictEqual(other.deployments["local"]?.provider, inForce.options.deployments["local"]?.provider)
    }
  })

  it("makes another one for a credential of the environment that changed, where the deployment sets none", () => {
    const inForce = new InForce(decoded(base))
    const changed = new Set(["ANTHROPIC_API_KEY", "OPENAI_API_KEY"])
    const other = inForce.optionsFor(decoded(base), changed)
    const isKept = (name: string) => other.deployments[name]?.provider === inForce.options.deployments[name]?.provider
    assert.deepStrictEqual(["cloud", "implied", "local"].map(isKept), [true, false, true])
  })

  it("remembers the deployments of former configurations, whose last calls end later", () => {
    const inForce = new InForce(decoded(base))
    const next = decoded({ ...base, deployments: { local: base.deployments.local }, routes: {} })
    inForce.replace(next, inForce.optionsFor(next, none))
    assert.deepStrictEqual(Object.keys(inForce.options.deployments), ["local"])
    assert.strictEqual(inForce.deployments["cloud"]?.provider, "openai")
    assert.deepStrictEqual([...inForce.unbilled], ["local"])
  })
})

describe("untilRestart", () => {
  it("names every setting that a reload does not put in force, and no other", () => {
    const started = decoded({ ...base, server: { port: 1, drain: { delay: "1s" } } })
    const now = decoded({
      deployments: { local: base.deployments.local },
      defaults: { retry: { times: 0 } },
      keys: [{ id: "a", key: "k" }],
      server: { port: 2, drain: { delay: "2s" }, host: "localhost" },
      database: "sqlite:./x.db",
      budgets: { list: [{ id: "whole", all: true, amount: 5, window: "month" }], lease: 0.5 },
      usageLog: { file: "./usage.jsonl" },
      record: { file: "./calls.tape" },
      state: { redis: "redis://localhost" },
    })
    assert.deepStrictEqual(Differences.untilRestart(started, now).toSorted(), [
      "budgets.lease",
      "database",
      "server.drain",
      "server.host",
      "server.port",
      "state.redis",
      "usageLog",
    ])
    assert.deepStrictEqual(Differences.untilRestart(started, started), [])
  })
})
