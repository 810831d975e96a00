/** `GET /metrics` of a gateway as a process, after calls and faults: what docs/operations.md lists, with the same labels. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Metrics from "../../../../test/Metrics.ts"
import { ask, clean, start, url } from "../cli/Process.ts"
import * as Redis from "../state/TestRedis.ts"

let redis: Redis.TestRedis | undefined

beforeAll(async () => {
  redis = Redis.installed ? await Redis.start() : undefined
}, 60_000)

afterAll(async () => {
  clean()
  await redis?.kill()
})

const configuration = () => `
database: sqlite:./understudy.db
responses: { store: true }
${redis === undefined ? "" : `state: { redis: "${redis.url}" }`}
budgets: { list: [{ id: all-day, all: true, amount: 10, window: day }] }
keys: [{ id: team-a, key: sk-team-a }]
deployments:
  throttled: { provider: simulated, model: s, failureRate: 1, status: 429, retryAfter: 1h }
  slow: { provider: simulated, model: s, firstToken: 30s, latency: 30s }
  backup: { provider: simulated, model: s, price: { input: 1, output: 2 }, limits: { concurrency: 100, queue: {} }, faults: [{ share: 1, latency: 1ms }] }
  pool: { provider: openai, model: m, baseUrl: "http://127.0.0.1:9/v1", apiKeys: [sk-one, sk-two] }
routes:
  assistant: { fallback: [throttled, backup], retry: { times: 0 } }
  hedged: { hedge: { after: 10ms, budget: 1 }, across: [slow, backup] }
  cached: { fallback: [backup], cache: { ttl: 5m, max: 10 } }
  kept: { balance: round-robin, across: [backup, slow], affinity: { by: session } }
  halved: { split: [{ use: backup, share: 1 }, { use: slow, share: 0 }] }
  mirrored: { fallback: [backup], shadow: { to: throttled, share: 1 } }
  failing: { fallback: [throttled], retry: { times: 0 } }
guardrails: [{ name: unreachable, url: "http://127.0.0.1:1/", on: [before], routes: [cached], onError: pass }]
`

/** The labels of each metric, without those of histograms' buckets. */
const scraped = (text: string): ReadonlyMap<string, ReadonlySet<string>> => {
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = "", type = ""]) => [name, type]))
  const labels = new Map([...types.keys()].map((name) => [name, new Set<string>()]))
  for (const [, series = "", set = ""] of text.matchAll(/^([a-z_]+)(?:\{(.*)\})? \S+$/gm)) {
    const histogram = series.replace(/_(?:bucket|sum|count)$/, "")
    const name = types.get(histogram) === "histogram" ? histogram : series
    for (const [, label = ""] of set.matchAll(/(\w+)="/g)) if (label !== "le") labels.get(name)?.add(label)
  }
  return labels
}

const plain = (listed: ReadonlyMap<string, ReadonlySet<string>>) =>
  [...listed].map(([name, labels]) => `${name} ${[...labels].toSorted().join(" ")}`).toSorted()

describe("GET /metrics", { timeout: 60_000 }, () => {
  it("has the metrics and labels that docs/operations.md lists, and no others", async () => {
    const serving = start(["--port", "0"], {
      files: { "understudy.yaml": configuration() },
      env: { UNDERSTUDY_API_KEY: "sk-operator" },
    })
    const base = await url(serving)
    const key = { "x-api-key": "sk-team-a" }
    await fetch(`${base}/admin/faults`, {
      method: "POST",
      headers: { "x-api-key": "sk-operator", "content-type": "application/json" },
      body: JSON.stringify({ target: "backup", for: "5m" }),
    })
    for (const model of [
      "assistant",
      "assistant",
      "hedged",
      "cached",
      "cached",
      "kept",
      "failing",
      "halved",
      "mirrored",
    ]) {
      await (await ask(base, { model, max_tokens: 8 }, key)).text()
    }
    await (await ask(base, { stream: true }, key)).text()
    const response = await fetch(`${base}/metrics`, { headers: { "x-api-key": "sk-operator" } })
    assert.strictEqual(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8")
    const documented = new Map(Metrics.documented())
    // A simulated provider needs no price: `api/Cost.test.ts` has one that does.
    documented.delete("understudy_unpriced_attempts_total")
    // Of the main process of several workers: `workers/Workers.test.ts`.
    for (const name of ["understudy_workers", "understudy_worker_restarts_total"]) documented.delete(name)
    if (redis === undefined) documented.delete("understudy_state_degraded")
    assert.deepStrictEqual(plain(scraped(await response.text())), plain(documented))
  })
})
