/**
 * What a second worker gives: calls a second, and the CPU of a call, with limits that the main process counts and without.
 *
 * On a machine with two cores the load generator and the upstream take a share of both. What two workers would do on cores of
 * their own follows from the CPU of a call: one worker has one core for its calls, two have two for theirs.
 */
import { type Configuration, deployment, startGateway, usual } from "./gateway.ts"
import { each, endAll, interleave, measured, press, shape, startAll, whole } from "./measure.ts"
import { bar, median, type Row, type Section } from "./table.ts"
import type { Setting, Spec, Target } from "./target.ts"

const counts = [1, 2]

/** The route without limits. */
const unlimited = (upstream: number): Configuration => {
  const limited = deployment("openai", upstream)
  const entries = Object.entries(limited).filter(([name]) => name !== "limits")
  const unlimited = Object.fromEntries(entries)
  return { deployments: { primary: unlimited, backup: unlimited }, routes: { bench: ["primary", "backup"] } }
}

const cases = [
  { name: "limits", title: "with limits", configuration: (upstream: number) => usual("openai", upstream) },
  { name: "none", title: "without limits", configuration: unlimited },
]

/** Waits until all workers serve: the gateway is ready when the first does. */
const allServe = async (target: Target, workers: number): Promise<Target> => {
  if (workers === 1) return target
  const serving = async () => (await fetch(`http://127.0.0.1:${target.port}/metrics`)).text()
  for (let metrics = await serving(); !metrics.includes(`understudy_workers ${workers}\n`); metrics = await serving()) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return target
}

const spec = (configuration: (upstream: number) => Configuration, workers: number): Spec => ({
  name: `${workers}`,
  title: workers === 1 ? "one worker" : `${workers} workers`,
  start: async (setting) => {
    const options = { configuration: { ...configuration(setting.upstream.port), server: { workers } } }
    return allServe(await startGateway(setting, options), workers)
  },
})

interface Sample {
  readonly cpu: number
  readonly requestsPerSecond: number
}

const rowsOf = async (
  setting: Setting,
  { configuration, title }: (typeof cases)[number],
): Promise<ReadonlyArray<Row>> => {
  const seconds = setting.quick ? 1 : 3
  const running = await startAll<Sample>(
    setting,
    counts.map((workers) => spec(configuration, workers)),
  )
  // Each worker compiles what runs often for itself.
  for (const { target } of running) await press(setting, target, whole(target), shape.connections, 6)
  await interleave(
    setting,
    running,
    async (target) => {
      const { cpu, requests, requestsPerSecond } = await measured(
        setting,
        target,
        whole(target),
        shape.connections,
        seconds,
      )
      return { cpu: cpu / requests, requestsPerSecond }
    },
    ({ cpu, requestsPerSecond }) => `${title}: ${requestsPerSecond.toFixed(0)} calls/s, ${cpu.toFixed(0)} µs of CPU`,
  )
  endAll(running)
  const cpu = each(running, (samples) => median(samples.map((sample) => sample.cpu)))
  return [
    {
      title: `${title}: calls a second, with the load generator and the upstream`,
      digits: 0,
      values: each(running, (samples) => median(samples.map((sample) => sample.requestsPerSecond))),
    },
    { title: `${title}: CPU a call, main process included, µs`, digits: 0, values: cpu },
    {
      title: `${title}: calls a second, each worker on a core of its own, by that CPU`,
      digits: 0,
      values: Object.fromEntries(
        Object.entries(cpu).map(([workers, micros]) => [workers, (Number(workers) * 1e6) / micros]),
      ),
    },
  ]
}

export const workers = async (given: Setting): Promise<Section> => {
  const setting = { ...given, includes: () => true }
  const rows: Array<ReadonlyArray<Row>> = []
  for (const each of cases) rows.push(await rowsOf(setting, each))
  return {
    title: "workers",
    columns: counts.map((count) => ({ name: `${count}`, title: count === 1 ? "one worker" : `${count} workers` })),
    ratios: [{ of: "2", to: "1" }],
    rows: rows.flat(),
    bars: rows.map(([, , row], index) =>
      bar(`two workers, calls a second, ${cases[index]!.title}`, row!, "2", "1", { atLeast: 1.8 }),
    ),
  }
}
