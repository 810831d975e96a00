/** What calls cost: throughput, latency, streaming and memory after load, beside the bare proxy. */
import { stop } from "./children.ts"
import {
  columns,
  each,
  endAll,
  interleave,
  measured,
  press,
  type Running,
  shape,
  startAll,
  streamed,
  whole,
} from "./measure.ts"
import { residentMegabytes } from "./process.ts"
import { bar, median, number, type Row, type Section, type Values } from "./table.ts"
import type { Setting, Target } from "./target.ts"
import { gateway, ledgers, proxy, revised, translating, upstream } from "./targets.ts"

/** Seconds given to each measurement, and to the warm-up. */
export interface Pace {
  readonly warm: number
  readonly throughput: number
  readonly latency: number
  readonly stream: number
  readonly firstToken: number
}

const pace = (quick: boolean): Pace =>
  quick
    ? { warm: 4, throughput: 1.5, latency: 0.7, stream: 1.5, firstToken: 0.7 }
    : { warm: 12, throughput: 2.5, latency: 1, stream: 2.5, firstToken: 1 }

export interface Sample {
  readonly throughput: number
  readonly loadedP99: number
  readonly cpu: number
  readonly p50: number
  readonly p99: number
  readonly events: number
  readonly cpuEvent: number
  readonly firstToken: number
  readonly memory: number
}

export const warm = async (setting: Setting, target: Target, seconds: number) => {
  await press(setting, target, whole(target), shape.connections, seconds / 2)
  await press(setting, target, streamed(target, shape.chunks, 0), shape.streams, seconds / 2)
}

/** One turn: throughput, latency, streaming, first token, in that order. */
export const turn = async (setting: Setting, target: Target, pace: Pace): Promise<Sample> => {
  const loaded = await measured(setting, target, whole(target), shape.connections, pace.throughput)
  const alone = await measured(setting, target, whole(target), 1, pace.latency)
  const stream = await measured(setting, target, streamed(target, shape.chunks, 0), shape.streams, pace.stream)
  const paced = await measured(setting, target, streamed(target, 4, shape.paceMillis), 1, pace.firstToken)
  return {
    throughput: loaded.requestsPerSecond,
    loadedP99: loaded.p99,
    cpu: loaded.cpu / loaded.requests,
    p50: alone.p50,
    p99: alone.p99,
    events: stream.eventsPerSecond,
    cpuEvent: stream.cpu / stream.events,
    firstToken: paced.firstToken,
    memory: residentMegabytes(target.child.pid!),
  }
}

export const tell = ({ cpu, cpuEvent, firstToken, p50, throughput }: Sample) =>
  `${throughput.toFixed(0)} requests/s · ${cpu.toFixed(0)} µs of CPU · p50 ${p50.toFixed(3)} ms · ` +
  `${cpuEvent.toFixed(1)} µs an event · first token ${firstToken.toFixed(3)} ms`

/** The rows that a table of calls shows. */
export const rows = (running: ReadonlyArray<Running<Sample>>, direct: ReadonlyArray<Sample>) => {
  const field = (name: keyof Sample) => each(running, (samples) => median(samples.map((sample) => sample[name])))
  const added = (name: keyof Sample): Values => {
    const without = median(direct.map((sample) => sample[name]))
    return each(running, (samples) => median(samples.map((sample) => sample[name])) - without)
  }
  const row = (title: string, digits: number, values: Values): Row => ({ title, digits, values })
  return {
    throughput: row("requests a second, 32 connections", 0, field("throughput")),
    cpu: row("CPU a request, µs", 0, field("cpu")),
    loadedP99: row("p99 under that load, ms", 2, field("loadedP99")),
    p50: row("latency, 1 connection, p50, ms", 3, field("p50")),
    p99: row("latency, 1 connection, p99, ms", 3, field("p99")),
    added: row("added by it, p50, ms", 3, added("p50")),
    events: row("streamed events a second, 16 connections", 0, field("events")),
    cpuEvent: row("CPU a streamed event, µs", 1, field("cpuEvent")),
    firstToken: row("first token delayed by, p50, ms", 3, added("firstToken")),
    memory: row(
      "memory after load, MB",
      0,
      each(running, (samples) => samples.at(-1)!.memory),
    ),
  }
}

export const calls = async (setting: Setting): Promise<Section> => {
  const times = pace(setting.quick)
  const running = await startAll<Sample>(setting, [
    proxy,
    gateway,
    translating,
    ...ledgers,
    ...revised(setting).gateway,
  ])
  const direct: Running<Sample> = { spec: upstream, target: setting.upstream, samples: [] }
  await warm(setting, direct.target, 1)
  for (const { target } of running) await warm(setting, target, times.warm)
  await interleave(setting, [direct, ...running], (target) => turn(setting, target, times), tell)
  // A CPU profile is written when the process ends by itself.
  if (setting.profile !== undefined) await Promise.all(running.map(({ target }) => stop(target.child)))
  endAll(running)

  const { added, cpu, cpuEvent, events, firstToken, loadedP99, memory, p50, p99, throughput } = rows(
    running,
    direct.samples,
  )
  const best = (name: "throughput" | "events") => number(Math.max(...direct.samples.map((sample) => sample[name])), 0)
  return {
    title: "calls",
    note:
      `Medians of ${setting.rounds} interleaved rounds; streams of ${shape.chunks} chunks. The upstream alone: ` +
      `${best("throughput")} requests a second, ${best("events")} events a second.`,
    columns: columns(running),
    ratios: [
      { of: "gateway", to: "proxy" },
      { of: "translating", to: "gateway" },
      { of: "ledger", to: "gateway" },
      { of: "ledger-postgres", to: "gateway" },
      { of: "gateway", to: "against" },
    ],
    rows: [throughput, cpu, loadedP99, p50, p99, added, events, cpuEvent, firstToken, memory],
    bars: [
      bar("requests a second, of the other revision", throughput, "gateway", "against", { atLeast: 1.7 }),
      bar("CPU of a request, of the bare proxy", cpu, "gateway", "proxy", { atMost: 1.7 }),
      bar("CPU of a streamed event, of the bare proxy", cpuEvent, "gateway", "proxy", { atMost: 1.4 }),
      bar("first token delayed, of the bare proxy's own delay", firstToken, "gateway", "proxy", { atMost: 2 }),
      bar("memory after load, of the bare proxy", memory, "gateway", "proxy", { atMost: 1.15 }),
      bar("CPU of a translated request, of a passed one", cpu, "translating", "gateway", { atMost: 2 }),
      bar("CPU of a request with a ledger, of one without", cpu, "ledger", "gateway", { atMost: 1.05 }),
      bar("CPU of a translated event, of a passed one", cpuEvent, "translating", "gateway", { atMost: 2 }),
    ],
  }
}
