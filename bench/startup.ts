/** What a start costs: the time until the first answer, CPU, and the memory of a process that then has nothing to do. */
import { end, startUntil } from "./children.ts"
import { columns, each, endAll, interleave, post, type Running, startAll, whole } from "./measure.ts"
import { cpuMicros, residentMegabytes } from "./process.ts"
import { bar, median, type Row, type Section } from "./table.ts"
import type { Program, Setting } from "./target.ts"
import { gateway, proxy, revised } from "./targets.ts"

export interface Start {
  /** Milliseconds from spawning the process until a call is answered with 200. */
  readonly answer: number
  /** CPU time spent until then, in milliseconds. */
  readonly cpu: number
  /** Resident set size in MB after a while without calls. */
  readonly idle: number
}

const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

/** Starts a program, calls it every five milliseconds until it answers, and ends it after some idle seconds. */
export const startup = async (program: Program, idleSeconds: number): Promise<Start> => {
  const began = performance.now()
  const child = await startUntil(program, () => post(program, whole(program)).then(({ ok }) => ok), 5)
  const answer = performance.now() - began
  const cpu = cpuMicros(child.pid!) / 1000
  await pause(idleSeconds * 1000)
  const idle = residentMegabytes(child.pid!)
  end(child)
  return { answer, cpu, idle }
}

const tell = ({ answer, cpu, idle }: Start) =>
  `${answer.toFixed(0)} ms · ${cpu.toFixed(0)} ms of CPU · ${idle.toFixed(0)} MB idle`

/** The rows that a table of starts shows. */
export const rows = (running: ReadonlyArray<Running<Start>>) => {
  const row = (title: string, name: keyof Start): Row => ({
    title,
    digits: 0,
    values: each(running, (samples) => median(samples.map((sample) => sample[name]))),
  })
  return {
    answer: row("start until the first answer, ms", "answer"),
    cpu: row("CPU until then, ms", "cpu"),
    idle: row("memory idle, MB", "idle"),
  }
}

export const start = async (setting: Setting): Promise<Section> => {
  // The first start fills caches and tells which keys of the configuration a revision does not know.
  const running = await startAll<Start>(setting, [proxy, gateway, ...revised(setting).gateway])
  endAll(running)
  await interleave(setting, running, async (_, { program }) => startup(await program!(setting), 2), tell)
  const { answer, cpu, idle } = rows(running)
  return {
    title: "start",
    columns: columns(running),
    ratios: [
      { of: "gateway", to: "proxy" },
      { of: "gateway", to: "against" },
    ],
    rows: [answer, cpu, idle],
    bars: [
      bar("`serve` until its first answer, of the bare proxy", answer, "gateway", "proxy", { atMost: 3 }),
      bar("idle memory, of the bare proxy", idle, "gateway", "proxy", { atMost: 1.5 }),
    ],
  }
}
