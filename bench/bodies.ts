/** What each further kB of a request's body costs: a long conversation against a short one. */
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import * as Result from "effect/Result"
import { conversation } from "./conversation.ts"
import { columns, each, endAll, interleave, measured, press, startAll, whole } from "./measure.ts"
import { bar, median, type Row, type Section } from "./table.ts"
import type { Asked, Setting, Target } from "./target.ts"
import { gateway, proxy, revised, translating } from "./targets.ts"

/** CPU of a request in microseconds. */
interface Sample {
  readonly short: number
  readonly long: number
}

const connections = 8

const long = ({ model }: Asked) => ({
  model,
  ...Result.getOrThrow(ChatCompletions.Request.encode(conversation(model))).body,
})

const kilobytes = (body: object) => Buffer.byteLength(JSON.stringify(body)) / 1000

export const bodies = async (setting: Setting): Promise<Section> => {
  const seconds = setting.quick ? 1 : 1.5
  const { gateway: other, translating: otherTranslating } = revised(setting)
  const running = await startAll<Sample>(setting, [proxy, gateway, translating, ...other, ...otherTranslating])
  const sizes = { short: kilobytes(whole(setting.upstream)), long: kilobytes(long(setting.upstream)) }
  for (const { target } of running) {
    await press(setting, target, whole(target), connections, seconds)
    await press(setting, target, long(target), connections, seconds)
  }
  const cpu = async (target: Target, body: object) => {
    const { cpu, requests } = await measured(setting, target, body, connections, seconds)
    return cpu / requests
  }
  await interleave(
    setting,
    running,
    async (target) => ({ short: await cpu(target, whole(target)), long: await cpu(target, long(target)) }),
    ({ long, short }) => `${short.toFixed(0)} µs of CPU · ${long.toFixed(0)} µs for the long body`,
  )
  endAll(running)

  const row = (title: string, digits: number, value: (sample: Sample) => number): Row => ({
    title,
    digits,
    values: each(running, (samples) => median(samples.map(value))),
  })
  const further = row("CPU of each further kB, µs", 2, ({ long, short }) => (long - short) / (sizes.long - sizes.short))
  return {
    title: "bodies",
    columns: columns(running),
    ratios: [
      { of: "gateway", to: "proxy" },
      { of: "translating", to: "gateway" },
      { of: "gateway", to: "against" },
      { of: "translating", to: "against-translating" },
    ],
    rows: [
      row(`CPU a request of ${sizes.short.toFixed(1)} kB, µs`, 0, ({ short }) => short),
      row(`CPU a request of ${sizes.long.toFixed(0)} kB, µs`, 0, ({ long }) => long),
      further,
    ],
    bars: [
      bar("CPU of each further kB, of the bare proxy", further, "gateway", "proxy", { atMost: 2 }),
      bar("CPU of each further kB translated, of the other revision", further, "translating", "against-translating", {
        atMost: 0.6,
      }),
    ],
  }
}
