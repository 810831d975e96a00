/** What a stream costs while nothing comes: the memory of each of thousands. */
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { setTimeout as pause } from "node:timers/promises"
import { end, start as startChild } from "./children.ts"
import type { Held, Hold } from "./hold.ts"
import { columns, each, endAll, interleave, press, shape, startAll, streamed, whole } from "./measure.ts"
import { residentMegabytes } from "./process.ts"
import { median, type Section } from "./table.ts"
import type { Setting, Spec } from "./target.ts"
import { gateway, proxy, revised } from "./targets.ts"

/** Milliseconds between the chunks of a stream: longer than a measurement, shorter than the gateway's idle timeout. */
const pace = 25_000

const openFiles = () => Number(/Max open files\s+\d+\s+(\d+)/.exec(readFileSync("/proc/self/limits", "utf8"))?.[1])

/** A target needs two files for each stream, and some for itself. */
const most = () => Math.min(10_000, Math.floor((openFiles() - 500) / 2))

/** Memory in kB of each of `count` streams, in a fresh process. */
const measure = async (setting: Setting, spec: Spec, count: number) => {
  const target = await spec.start(setting)
  const holder = startChild("hold.ts")
  try {
    // Memory is compared with that of a process that has worked before.
    await press(setting, target, whole(target), shape.connections, 1)
    await press(setting, target, streamed(target, shape.chunks, 0), shape.streams, 1)
    await pause(1500)
    const before = residentMegabytes(target.child.pid!)
    const { headers, port } = target
    holder.send({ port, headers, body: streamed(target, 1000, pace), streams: count } satisfies Hold)
    const [{ begun, failure }] = (await once(holder, "message", { signal: AbortSignal.timeout(60_000) })) as [Held]
    if (begun < count) setting.say(`${spec.title} began ${begun} of ${count} streams: ${failure}`)
    await pause(3000)
    return (1024 * (residentMegabytes(target.child.pid!) - before)) / begun
  } finally {
    end(holder)
    end(target.child)
  }
}

export const streams = async (setting: Setting): Promise<Section> => {
  const count = most()
  const running = await startAll<number>(setting, [proxy, gateway, ...revised(setting).gateway])
  endAll(running)
  const rounds = Math.min(setting.rounds, setting.quick ? 1 : 2)
  await interleave(
    { ...setting, rounds },
    running,
    (_, spec) => measure(setting, spec, count),
    (kilobytes) => `${kilobytes.toFixed(1)} kB a stream`,
  )
  const values = each(running, median)
  return {
    title: "streams",
    columns: columns(running),
    ratios: [
      { of: "gateway", to: "proxy" },
      { of: "gateway", to: "against" },
    ],
    rows: [{ title: `memory of each of ${count.toLocaleString("en-GB")} idle streams, kB`, digits: 1, values }],
    bars: [{ title: "memory of each idle stream, kB", value: values["gateway"], atMost: 20 }],
  }
}
