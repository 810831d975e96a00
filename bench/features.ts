/**
 * What features cost: a call with budgets and a ledger, on a tape, or with traces, against one with none of them.
 *
 * The differences are smaller than what a shared machine adds to one second and not to the next, so the targets take many
 * short turns, and each turn of one is next to a turn of every other.
 */
import { randomUUID } from "node:crypto"
import { globSync } from "node:fs"
import { join } from "node:path"
import type { TestPostgres } from "../packages/http/test/store/TestPostgres.ts"
import { type Configuration, deployment, type Options, startGateway } from "./gateway.ts"
import { columns, each, endAll, interleave, measured, press, shape, startAll, streamed, whole } from "./measure.ts"
import { type Bar, median, type Row, type Section } from "./table.ts"
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

/** The same with traces, of which this share is recorded and sent to the upstream. */
const traced = (upstream: number, sampling: number): Configuration => ({
  ...priced(upstream),
  telemetry: { otlp: { endpoint: `http://127.0.0.1:${upstream}` }, metrics: false, sampling },
})

const spec = (
  name: string,
  title: string,
  configure: (setting: Setting) => Promise<Configuration> | Configuration,
  rest: Pick<Spec, "optional"> & Pick<Options, "revision"> = {},
): Spec => ({
  name,
  title,
  ...(rest.optional && { optional: true }),
  start: async (setting) => ({
    ...(await startGateway(setting, {
      configuration: await configure(setting),
      ...(rest.revision && { revision: rest.revision }),
    })),
    headers,
  }),
})

const specs = (postgres: TestPostgres | undefined, { against }: Setting): ReadonlyArray<Spec> => [
  spec("off", "without", ({ upstream }) => priced(upstream.port)),
  spec("books", "budgets and ledger", ({ folder, upstream }) =>
    booked(upstream.port, `sqlite:${join(folder, `${randomUUID()}.db`)}`),
  ),
  spec(
    "postgres",
    "in PostgreSQL",
    async ({ upstream }) => {
      if (postgres === undefined) throw new Error("postgresql is not installed")
      return booked(upstream.port, await postgres.database())
    },
    { optional: true },
  ),
  spec("recorded", "recorded", ({ folder, upstream }) => ({
    ...priced(upstream.port),
    record: { file: join(folder, `${randomUUID()}.tape`) },
  })),
  spec("unsampled", "traces, none sampled", ({ upstream }) => traced(upstream.port, 0)),
  spec("sampled", "traces, 1 of 10", ({ upstream }) => traced(upstream.port, 0.1)),
  spec("traced", "all traces", ({ upstream }) => traced(upstream.port, 1)),
  ...(against === undefined
    ? []
    : [spec("against", `without, ${against.name}`, ({ upstream }) => priced(upstream.port), { revision: against })]),
]

/** What one turn of a target measures: microseconds of CPU. */
interface Sample {
  readonly call: number
  readonly event: number
}

/** Turns of each target in a round. */
const turns = 8
const seconds = 0.4

export const features = async (given: Setting): Promise<Section> => {
  const postgres = await startPostgres()
  try {
    return await compare({ ...given, rounds: given.rounds * (given.quick ? 2 : turns) }, specs(postgres, given))
  } finally {
    await postgres?.close()
  }
}

const compare = async (setting: Setting, specs: ReadonlyArray<Spec>): Promise<Section> => {
  const running = await startAll<Sample>(setting, specs)
  for (const { target } of running) {
    await press(setting, target, whole(target), shape.connections, 4)
    await press(setting, target, streamed(target, shape.chunks, 0), shape.streams, 2)
  }
  const lasting = await interleave(
    setting,
    running,
    async (target) => {
      const calls = await measured(setting, target, whole(target), shape.connections, seconds)
      const streams = await measured(setting, target, streamed(target, shape.chunks, 0), shape.streams, seconds)
      return { call: calls.cpu / calls.requests, event: streams.cpu / streams.events }
    },
    ({ call, event }) => `${call.toFixed(1)} µs a call, ${event.toFixed(2)} µs an event`,
  )
  endAll(lasting)
  const row = (title: string, digits: number, of: keyof Sample): Row => ({
    title,
    digits,
    values: each(lasting, (samples) => median(samples.map((sample) => sample[of]))),
  })
  /** The median of the ratios of neighbouring turns. */
  const ratioRow = (title: string, of: keyof Sample): Row => {
    const off = lasting.find(({ spec }) => spec.name === "off")?.samples ?? []
    return {
      title,
      digits: 3,
      values: each(lasting, (samples) => median(samples.map((sample, turn) => sample[of] / off[turn]![of]))),
    }
  }
  const calls = ratioRow("CPU a call, of one without", "call")
  const bar = (title: string, of: string, atMost: number): Bar => ({ title, value: calls.values[of], atMost })
  return {
    title: "features",
    note: `Medians of ${setting.rounds} turns of ${seconds} s each; the ratios are medians of those of neighbouring turns.`,
    columns: columns(lasting),
    ratios: [],
    rows: [
      row("CPU a call, µs", 1, "call"),
      calls,
      row("CPU a streamed event, µs", 2, "event"),
      ratioRow("CPU a streamed event, of one without", "event"),
    ],
    bars: [
      bar("budgets and ledger: CPU of a call, of one without", "books", 1.05),
      bar("the same in PostgreSQL, without its own CPU", "postgres", 1.05),
      bar("every call recorded: CPU of a call, of one without", "recorded", 1.02),
      bar("traces, none sampled: CPU of a call, of one without", "unsampled", 1.05),
    ],
  }
}
