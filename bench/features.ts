/**
 * What features cost: a call with budgets and a ledger, on a tape, or with traces, against one with none of them.
 *
 * The differences are smaller than what a shared machine adds to one second and not to the next, or to one core and not to the
 * other, so a gateway with a feature and one without it are under load at the same time on the same core.
 *
 * Both are new processes, whose load does not pause before it is measured, nor opens connections anew: for both V8 discards
 * compiled code, and compiles it again.
 */
import type { ChildProcess } from "node:child_process"
import { globSync, mkdtempSync, rmSync } from "node:fs"
import { join } from "node:path"
import type { TestPostgres } from "../packages/http/test/store/TestPostgres.ts"
import { closeLater, end, start as startChild } from "./children.ts"
import { type Configuration, deployment, type Options, startGateway } from "./gateway.ts"
import { columns, each, endAll, interleave, measured, shape, startAll, streamed, whole } from "./measure.ts"
import { bindTo } from "./process.ts"
import { type Bar, mean, median, type Row, type Section, standardError } from "./table.ts"
import type { Asked, Setting, Spec, Target } from "./target.ts"

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

/** A server of PostgreSQL of this run, if the run includes it and its programs are installed. */
const startPostgres = async ({ includes }: Setting): Promise<TestPostgres | undefined> => {
  if (!includes("postgres") || globSync("/usr/lib/postgresql/*/bin/postgres").length === 0) return undefined
  const { start } = await import("../packages/http/test/store/TestPostgres.ts")
  const postgres = await start()
  closeLater(postgres.close)
  return postgres
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

const off = spec("off", "without", ({ upstream }) => priced(upstream.port))

const specs = (postgres: TestPostgres | undefined, { against }: Setting): ReadonlyArray<Spec> => [
  // What its ratio differs from 1 by is noise.
  { ...off, name: "control", title: "none, as a control" },
  spec("books", "budgets and ledger", ({ folder, upstream }) =>
    booked(upstream.port, `sqlite:${join(folder, "ledger.db")}`),
  ),
  spec(streams, "the same, streamed", ({ folder, upstream }) =>
    booked(upstream.port, `sqlite:${join(folder, "ledger.db")}`),
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
    record: { file: join(folder, "calls.tape") },
  })),
  spec("unsampled", "traces, none sampled", ({ upstream }) => traced(upstream.port, 0)),
  spec("sampled", "traces, 1 of 10", ({ upstream }) => traced(upstream.port, 0.1)),
  spec("traced", "all traces", ({ upstream }) => traced(upstream.port, 1)),
  ...(against === undefined
    ? []
    : [spec("against", `without, ${against.name}`, ({ upstream }) => priced(upstream.port), { revision: against })]),
]

/** The column whose calls are streamed, in as many events as those of the other parts of the bench. */
const streams = "streams"

const bodyOf = ({ name }: Spec, asked: Asked) => (name === streams ? streamed(asked, shape.chunks, 0) : whole(asked))

/** Microseconds of CPU a call of two gateways under load at the same time. */
interface Pair {
  readonly without: number
  readonly feature: number
}

/** Seconds of load: those in which the compiler does its work, and those that are measured. */
interface Duration {
  readonly warmUp: number
  readonly seconds: number
}

const duration = (quick: boolean): Duration => (quick ? { warmUp: 3, seconds: 2 } : { warmUp: 45, seconds: 10 })

/** The core of both gateways of a pair. The upstream and the load generators find another. */
const core = 1

/** Pairs of each feature in a round: one for each order of the two starts. */
const pairs = 2

/** Starts gateways, measures the CPU of a call of each, all at the same time with load generators of their own, and ends them. */
const sideBySide = async (
  setting: Setting,
  specs: ReadonlyArray<Spec>,
  body: (asked: Asked) => object,
): Promise<ReadonlyArray<number>> => {
  const folder = mkdtempSync(join(setting.folder, "pair-"))
  const { seconds, warmUp } = duration(setting.quick)
  const started: Array<{ readonly target: Target; readonly generator: ChildProcess }> = []
  try {
    for (const spec of specs) {
      const target = await spec.start({ ...setting, folder })
      started.push({ target, generator: startChild("load.ts") })
    }
    return await Promise.all(
      started.map(async ({ generator, target }) => {
        bindTo(core, target.child.pid!)
        const own = { ...setting, generator }
        const connections = shape.connections / started.length
        const { cpu, requests } = await measured(own, target, body(target), connections, seconds, warmUp)
        return cpu / requests
      }),
    )
  } finally {
    for (const { generator, target } of started) [target.child, generator].forEach(end)
    // A process that was killed a moment ago can still create a file.
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Measures one pair. The order of the two starts alternates, so that what it adds to one of them cancels out. */
const compare = async (setting: Setting, spec: Spec, round: number): Promise<Pair> => {
  const order = round % 2 === 1 ? [off, spec] : [spec, off]
  const measures = await sideBySide(setting, order, (asked) => bodyOf(spec, asked))
  return { without: measures[order.indexOf(off)]!, feature: measures[order.indexOf(spec)]! }
}

const ratio = ({ feature, without }: Pair) => feature / without

export const features = async (given: Setting): Promise<Section> => {
  const postgres = await startPostgres(given)
  try {
    return await compareAll({ ...given, rounds: given.rounds * (given.quick ? 1 : pairs) }, specs(postgres, given))
  } finally {
    await postgres?.close()
  }
}

const compareAll = async (setting: Setting, specs: ReadonlyArray<Spec>): Promise<Section> => {
  // The first start checks the answers and tells which keys of the configuration a revision does not know.
  const running = await startAll<Pair>(setting, specs)
  endAll(running)
  const lasting = await interleave(
    setting,
    running,
    (_, spec, round) => compare(setting, spec, round),
    (pair) =>
      `${pair.feature.toFixed(1)} µs a call, ${pair.without.toFixed(1)} without: ratio ${ratio(pair).toFixed(3)}`,
  )
  const row = (title: string, digits: number, value: (samples: ReadonlyArray<Pair>) => number): Row => ({
    title,
    digits,
    values: each(lasting, value),
  })
  const ratios = row("CPU a call, of one without", 3, (samples) => mean(samples.map(ratio)))
  const bar = (title: string, of: string, atMost: number): Bar => ({ title, value: ratios.values[of], atMost })
  const { seconds, warmUp } = duration(setting.quick)
  return {
    title: "features",
    note:
      `Pairs for each feature: ${setting.rounds}. A pair is a new gateway with it and a new one without, under load on ` +
      `one core at the same time, measured for ${seconds} s after ${warmUp} s. CPU is the median; the ratio is the mean of the pairs' ratios.`,
    columns: columns(lasting),
    ratios: [],
    rows: [
      row("CPU a call without, µs", 1, (samples) => median(samples.map(({ without }) => without))),
      row("CPU a call, µs", 1, (samples) => median(samples.map(({ feature }) => feature))),
      ratios,
      row("standard error of the ratio", 3, (samples) => standardError(samples.map(ratio))),
    ],
    bars: [
      bar("budgets and ledger: CPU of a call, of one without", "books", 1.05),
      bar(`the same, streamed in ${shape.chunks} events`, streams, 1.05),
      bar("the same in PostgreSQL, without its own CPU", "postgres", 1.05),
      bar("every call recorded: CPU of a call, of one without", "recorded", 1.02),
      bar("traces, none sampled: CPU of a call, of one without", "unsampled", 1.05),
    ],
  }
}
