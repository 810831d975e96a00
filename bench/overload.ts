/** What becomes of a gateway that is offered twice what it can answer. */
import { once } from "node:events"
import { setTimeout as pause } from "node:timers/promises"
import { end, start as startChild } from "./children.ts"
import { columns, each, endAll, interleave, measured, press, shape, startAll, whole } from "./measure.ts"
import { cpuMicros } from "./process.ts"
import type { Surge, Surged } from "./surge.ts"
import { median, type Row, type Section } from "./table.ts"
import type { Setting, Target } from "./target.ts"
import { gateway, revised } from "./targets.ts"

interface Sample {
  /** Requests a second at 32 connections. */
  readonly capacity: number
  readonly offered: number
  /** Cores that the gateway uses, at 32 connections and under overload. If they differ, something else holds it back. */
  readonly cores: { readonly usual: number; readonly overloaded: number }
  readonly surged: Surged
}

const connections = 1024

const percentile = (values: ReadonlyArray<number>, share: number) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))]!

export const overload = async (setting: Setting): Promise<Section> => {
  const seconds = setting.quick ? 3 : 5
  const running = await startAll<Sample>(setting, [gateway, ...revised(setting).gateway])
  for (const { target } of running) await press(setting, target, whole(target), shape.connections, 5)
  const turn = async (target: Target): Promise<Sample> => {
    const {
      cpu,
      requests,
      requestsPerSecond: capacity,
    } = await measured(setting, target, whole(target), shape.connections, 2)
    const generator = startChild("surge.ts")
    const { headers, port } = target
    const offered = 2 * capacity
    const before = { cpu: cpuMicros(target.child.pid!), at: performance.now() }
    generator.send({ port, headers, body: whole(target), connections, offered, seconds } satisfies Surge)
    const signal = AbortSignal.timeout(seconds * 1000 + 30_000)
    const [surged] = (await once(generator, "message", { signal })) as [Surged]
    const overloaded = (cpuMicros(target.child.pid!) - before.cpu) / 1000 / (performance.now() - before.at)
    const cores = { usual: (cpu / requests / 1e6) * capacity, overloaded }
    end(generator)
    await pause(500)
    return { capacity, offered, cores, surged }
  }
  await interleave(
    setting,
    running,
    turn,
    ({ capacity, offered, surged }) =>
      `${capacity.toFixed(0)} at 32 connections · offered ${offered.toFixed(0)}: ${surged.answered.toFixed(0)} answered, ` +
      `${surged.refused.toFixed(0)} refused, ${surged.lost.toFixed(0)} lost · p99 ${percentile(surged.first, 0.99).toFixed(0)} ms`,
  )
  endAll(running)

  const row = (title: string, digits: number, value: (sample: Sample) => number): Row => ({
    title,
    digits,
    values: each(running, (samples) => median(samples.map(value))),
  })
  const goodput = row("goodput, of that at 32 connections", 2, ({ capacity, surged }) => surged.answered / capacity)
  const first = row(
    "first answer of a new connection, p99, s",
    2,
    ({ surged }) => percentile(surged.first, 0.99) / 1000,
  )
  return {
    title: `overload: twice its capacity, ${connections.toLocaleString("en-GB")} connections`,
    columns: columns(running),
    ratios: [],
    rows: [
      row("answered a second at 32 connections", 0, ({ capacity }) => capacity),
      row("offered a second", 0, ({ offered }) => offered),
      row("answered a second", 0, ({ surged }) => surged.answered),
      row("refused a second", 0, ({ surged }) => surged.refused),
      row("lost a second", 0, ({ surged }) => surged.lost),
      row("cores used at 32 connections", 2, ({ cores }) => cores.usual),
      row("cores used", 2, ({ cores }) => cores.overloaded),
      goodput,
      first,
      row("the same, not opened all at once, p99, s", 2, ({ surged }) => percentile(surged.probes, 0.99) / 1000),
    ],
    bars: [
      { title: "goodput under overload, of that at 32 connections", value: goodput.values["gateway"], atLeast: 0.9 },
      { title: "first answer of a new connection under overload, p99, s", value: first.values["gateway"], atMost: 1 },
    ],
  }
}
