/** What budgets and the ledger cost: a call of a key with all of them on, against one without a database. */
import { randomUUID } from "node:crypto"
import { join } from "node:path"
import { type Configuration, deployment, startGateway } from "./gateway.ts"
import { each, endAll, interleave, measured, press, shape, startAll, streamed, whole } from "./measure.ts"
import { bar, median, type Row, type Section } from "./table.ts"
import type { Setting, Spec } from "./target.ts"

const key = "secret-of-the-benchmark"

/** One route over two deployments with a price, called by one key. */
const priced = (upstream: number): Configuration => {
  const one = { ...deployment("openai", upstream), price: { input: 1, output: 4 } }
  return {
    deployments: { primary: one, backup: one },
    routes: { bench: { fallback: ["primary", "backup"] } },
    keys: [{ id: "bench", key }],
  }
}

/** The same with a database: a ledger, and budgets of the key, the route, the vendor and everything that are never used up. */
const booked = (upstream: number, folder: string): Configuration => {
  const budget = { amount: 1_000_000, window: "month" }
  const scopes = [{ key: "bench" }, { route: "bench" }, { vendor: "openai" }, { all: true }]
  return {
    ...priced(upstream),
    database: `sqlite:${join(folder, `${randomUUID()}.db`)}`,
    budgets: { list: scopes.map((scope) => ({ ...scope, ...budget })) },
  }
}

const headers = { authorization: `Bearer ${key}` }

const specs: ReadonlyArray<Spec> = [
  {
    name: "off",
    title: "without a database",
    start: async (setting) => ({
      ...(await startGateway(setting, { configuration: priced(setting.upstream.port) })),
      headers,
    }),
  },
  {
    name: "on",
    title: "budgets and ledger",
    start: async (setting) => ({
      ...(await startGateway(setting, { configuration: booked(setting.upstream.port, setting.folder) })),
      headers,
    }),
  },
]

export const books = async (given: Setting): Promise<Section> => {
  const setting = { ...given, includes: () => true }
  const seconds = setting.quick ? 1.5 : 3
  const running = await startAll<{ readonly call: number; readonly event: number }>(setting, specs)
  for (const { target } of running) await press(setting, target, whole(target), shape.connections, 2)
  await interleave(
    setting,
    running,
    async (target) => {
      const calls = await measured(setting, target, whole(target), shape.connections, seconds)
      const streams = await measured(setting, target, streamed(target, shape.chunks, 0), shape.streams, seconds)
      return { call: calls.cpu / calls.requests, event: streams.cpu / streams.events }
    },
    ({ call, event }) => `${call.toFixed(1)} µs a call, ${event.toFixed(2)} µs an event`,
  )
  endAll(running)
  const row = (title: string, digits: number, of: "call" | "event"): Row => ({
    title,
    digits,
    values: each(running, (samples) => median(samples.map((sample) => sample[of]))),
  })
  const calls = row("CPU a call, µs", 1, "call")
  const events = row("CPU a streamed event, µs", 2, "event")
  return {
    title: "books",
    columns: specs,
    ratios: [{ of: "on", to: "off" }],
    rows: [calls, events],
    bars: [bar("budgets and ledger: CPU of a call, of one without", calls, "on", "off", { atMost: 1.05 })],
  }
}
