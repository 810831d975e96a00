/** Gateways as processes of their own, with one budget in one PostgreSQL, under 400 callers. */
import { afterAll, afterEach, assert, beforeAll, beforeEach, describe, it } from "@effect/vitest"
import { once } from "node:events"
import type { Started } from "../cli/Process.ts"
import { clean, start, url } from "../cli/Process.ts"
import * as TestPostgres from "../store/TestPostgres.ts"
import type { Metered } from "./MeteredUpstream.ts"
import * as MeteredUpstream from "./MeteredUpstream.ts"

let postgres: TestPostgres.TestPostgres
let database: string
let upstream: Metered
let gateways: ReadonlyArray<{ readonly process: Started; readonly base: string }>

const { input, output } = MeteredUpstream.price

const configuration = (database: string, upstream: string) => `
database: "${database}"
deployments:
  one: { provider: openai, model: m, baseUrl: "${upstream}", apiKey: upstream-key, local: false, price: { input: ${input}, output: ${output} }, circuit: { failures: 1000 } }
  two: { provider: openai, model: m, baseUrl: "${upstream}", apiKey: upstream-key, local: false, price: { input: ${input}, output: ${output} }, circuit: { failures: 1000 } }
routes: { assistant: { fallback: [one, two], retry: { times: 1, base: 5ms, max: 20ms } } }
keys: [{ id: caller, key: sk-the-callers-key, budgets: [{ amount: 1, window: day }] }]
`

const operator = "sk-the-operators-key"

const headers = { authorization: "Bearer sk-the-callers-key", "content-type": "application/json" }

const call = (base: string, stream: boolean, signal: AbortSignal) =>
  fetch(`${base}/v1/chat/completions`, {
    method: "POST",
    headers,
    signal,
    body: JSON.stringify({
      model: "assistant",
      stream,
      max_tokens: 30,
      messages: [{ role: "user", content: "secret words" }],
    }),
  })

/**
 * A caller that goes on until the budget has refused it three times in a row, or its gateway is gone. A part of its calls are
 * streams, a part are aborted in the middle.
 */
const caller = async (base: string, seed: number): Promise<void> => {
  const draw = MeteredUpstream.random(seed)
  for (let refused = 0; refused < 3;) {
    const abort = new AbortController()
    const timer = draw() < 0.1 ? setTimeout(() => abort.abort(), draw() * 40) : undefined
    try {
      const response = await call(base, draw() < 0.6, abort.signal)
      const text = await response.text()
      if (response.status === 429) {
        assert.include(text, "budget_exceeded")
        refused++
        await new Promise((resolve) => setTimeout(resolve, 100))
      } else refused = 0
    } catch (error) {
      if (!abort.signal.aborted && (error as { cause?: { code?: string } }).cause?.code === "ECONNREFUSED") return
    } finally {
      clearTimeout(timer)
    }
  }
}

const callers = (count: number) =>
  Promise.all(Array.from({ length: count }, (_, index) => caller(gateways[index % 2]!.base, index + 1)))

/** An amount of the database, in US dollars. */
const dollars = (statement: string): number => Number(TestPostgres.query(database, statement)) / 1e9

/** What the ledger says was spent, in US dollars, once both gateways have written what they have. */
const booked = async (): Promise<number> => {
  await new Promise((resolve) => setTimeout(resolve, 2000))
  return dollars("SELECT coalesce(sum(cost), 0) FROM spend_daily")
}

const leased = (column: "granted" | "spent"): number => dollars(`SELECT sum(${column}) FROM budget_leases`)

describe.skipIf(!TestPostgres.installed)("two gateways with one budget of a dollar", { timeout: 120_000 }, () => {
  beforeAll(async () => {
    postgres = await TestPostgres.start()
  }, 60_000)
  beforeEach(async () => {
    upstream = await MeteredUpstream.start(7)
    database = await postgres.database()
    const files = { "understudy.yaml": configuration(database, upstream.url) }
    const env = { UNDERSTUDY_API_KEY: operator }
    gateways = await Promise.all(
      [1, 2].map(async () => {
        const process = start(["--port", "0"], { files, env })
        return { process, base: await url(process) }
      }),
    )
  }, 60_000)
  afterEach(() => {
    clean()
    upstream.close()
  })
  afterAll(() => postgres?.close(), 60_000)

  it("spend at most the dollar, and nearly all of it", async () => {
    await callers(400)
    const cost = upstream.cost()
    assert.isAtMost(cost, 1)
    assert.isAtLeast(cost, 0.95)
    // What it did not report of broken streams is estimated, and not too low.
    assert.closeTo(await booked(), cost, 0.03)
    assert.closeTo(leased("spent"), await booked(), 1e-9)
    assert.isAtMost(leased("granted"), 1)
  })

  it("spend at most the dollar when one of them is killed, and the books lack at most a second", async () => {
    const [killed] = gateways
    const running = callers(400)
    while (upstream.cost() < 0.4) await new Promise((resolve) => setTimeout(resolve, 5))
    const before = upstream.cost()
    killed!.process.child.kill("SIGKILL")
    await once(killed!.process.child, "close")
    await running
    const cost = upstream.cost()
    assert.isAtMost(cost, 1)
    assert.isAbove(cost, before)
    assert.isAtMost(await booked(), cost + 0.03)
    assert.isAtMost(leased("granted"), 1)
  })
})
