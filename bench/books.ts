/** What budgets and the ledger cost: a call of a key with all of them on, against one without a database. */
import { randomUUID } from "node:crypto"
import { globSync } from "node:fs"
import { join } from "node:path"
import type { TestPostgres } from "../packages/http/test/store/TestPostgres.ts"
import { type Configuration, deployment, startGateway } from "./gateway.ts"
import { columns, each, endAll, interleave, measured, press, shape, startAll, streamed, whole } from "./measure.ts"
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
const booked = (upstream: number, database: string): Configuration => {
  const budget = { amount: 1_000_000, window: "month" }
  const scopes = [{ key: "bench" }, { route: "bench" }, { vendor: "openai" }, { all: true }]
  return {
    ...priced(upstream),
    database,
    budgets: { list: scopes.map((scope) => ({ ...scope, ...budget })) },
  }
}

const headers = { authorization: `Bearer ${key}` }

/** A server of PostgreSQL of this run, where its programs are installed. */
const startPostgres = async (): Promise<TestPostgres | undefined> => {
  if (globSync("/usr/lib/postgresql/*/bin/postgres").length === 0) return undefined
  const { start } = await import("../packages/http/test/store/TestPostgres.ts")
  return start()
}

const starting = (configure: (setting: Setting) => Promise<Configuration>): Spec["start"] => {
  return async (setting) => ({
    ...(await startGateway(setting, { configuration: await configure(setting) })),
    headers,
  })
}

const specs = (postgres: TestPostgres | undefined): ReadonlyArray<Spec> => [
  {
    name: "off",
    title: "without a database",
    start: starting(async ({ upstream }) => priced(upstream.port)),
  },
  {
    name: "on",
    title: "budgets and ledger",
    start: starting(async ({ folder, upstream }) =>
      booked(upstream.port, `sqlite:${join(folder, `${randomUUID()}.db`)}`),
    ),
  },
  {
    name: "postgres",
    title: "with PostgreSQL",
    optional: true,
    start: starting(async ({ upstream }) => {
      if (postgres === undefined) throw new Error("postgresql is not installed")
      return booked(upstream.port, await postgres.database())
    }),
  },
]

export const books = async (given: Setting): Promise<Section> => {
  const postgres = await startPostgres()
  try {
    return await compare({ ...given, includes: () => true }, specs(postgres))
  } finally {
    await postgres?.close()
  }
}

const compare = async (setting: Setting, specs: ReadonlyArray<Spec>): Promise<Section> => {
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
    columns: columns(running),
    ratios: [
      { of: "on", to: "off" },
      { of: "postgres", to: "off" },
    ],
    rows: [calls, events],
    bars: [
      bar("budgets and ledger: CPU of a call, of one without", calls, "on", "off", { atMost: 1.05 }),
      bar("the same with PostgreSQL, without its own CPU", calls, "postgres", "off", { atMost: 1.05 }),
    ],
  }
}
