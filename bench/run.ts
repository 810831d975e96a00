/**
 * `npm run bench`: the bare proxy, the gateway, the same translating, and Portkey in front of one stand-in upstream, in
 * interleaved rounds; then how long a long conversation takes to read.
 *
 *     npm run bench -- [--quick] [--rounds N] [--only proxy,gateway,translating,portkey] [--profile]
 */
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { cpus, tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { start as startChild, startServer, stop, stopAll } from "./children.ts"
import { check, idleMemory, type Pace, type Sample, shape, turn, warm } from "./measure.ts"
import { summarise } from "./profile.ts"
import { type Result, render } from "./table.ts"
import { type Name, names, start, type Target, titles } from "./targets.ts"

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    only: { type: "string" },
    profile: { type: "boolean", default: false },
  },
})
const chosen = flags.only === undefined ? names : names.filter((name) => flags.only!.split(",").includes(name))
const rounds = Number(flags.rounds ?? (flags.quick ? 2 : 5))
if (chosen.length === 0 || !Number.isInteger(rounds) || rounds < 1) {
  console.error(`--only takes some of ${names.join(",")}; --rounds a number from 1`)
  process.exit(2)
}
const pace: Pace = flags.quick
  ? { warm: 5, throughput: 1.5, latency: 1, stream: 1.5, firstToken: 1 }
  : { warm: 16, throughput: 4, latency: 2, stream: 4, firstToken: 2 }

const say = (text: string) => console.error(text)

const measure = async (folder: string) => {
  const upstream = await startServer("upstream.ts")
  const generator = startChild("load.ts")
  const profile = flags.profile ? mkdtempSync(join(tmpdir(), "understudy-profile-")) : undefined
  const direct = { port: upstream.port, model: "stand-in", headers: {} }
  const running: Array<{
    readonly name: Name
    readonly target: Target
    readonly result: Result & { samples: Array<Sample> }
  }> = []
  for (const name of chosen) {
    say(`starting ${titles[name]}`)
    try {
      const target = await start[name]({ upstream: upstream.port, folder, profile })
      const idle = idleMemory(target.child.pid!)
      await check(target)
      running.push({ name, target, result: { idle, samples: [] } })
    } catch (error) {
      say(`${titles[name]} is left out: ${error instanceof Error ? error.message : String(error)}`)
      // Portkey needs a network the first time; the others have no excuse.
      if (name !== "portkey") process.exitCode = 1
    }
  }
  await warm(generator, direct, 1)
  for (const { target } of running) await warm(generator, target, pace.warm)
  const directSamples: Array<Sample> = []
  for (let round = 1; round <= rounds; round++) {
    directSamples.push(await turn(generator, direct, upstream.child.pid!, pace))
    for (const { name, target, result } of running) {
      const sample = await turn(generator, target, target.child.pid!, pace).catch((cause: unknown) => {
        throw new Error(`${titles[name]} failed under load`, { cause })
      })
      result.samples.push(sample)
      const { throughput, p50, events, firstToken } = sample
      say(
        `round ${round}/${rounds} ${titles[name].padEnd(16)} ${throughput.toFixed(0)} requests/s · p50 ${p50.toFixed(3)} ms · ` +
          `${events.toFixed(0)} events/s · first token ${firstToken.toFixed(3)} ms`,
      )
    }
  }
  for (const { target } of running) await stop(target.child)
  const results = {
    direct: directSamples,
    targets: Object.fromEntries(running.map(({ name, result }) => [name, result])),
  }
  const processors = cpus()
  console.log(
    `Node ${process.versions.node}, ${processors.length} × ${processors[0]?.model.trim()}: the target, the upstream and the load ` +
      `generator share ${processors.length === 1 ? "the one core" : `these ${processors.length} cores`}.\n` +
      `Medians of ${rounds} interleaved rounds; streams of ${shape.chunks} chunks. Straight at the upstream: ` +
      `${Math.max(...directSamples.map((sample) => sample.throughput)).toFixed(0)} requests a second, ` +
      `${Math.max(...directSamples.map((sample) => sample.events)).toFixed(0)} events a second.\n`,
  )
  console.log(render(results))
  if (flags.only === undefined) {
    console.log()
    await once(startChild("decode.ts"), "exit")
  }
  if (profile !== undefined) console.log(`\n${summarise(profile, 40)}`)
}

const folder = mkdtempSync(join(tmpdir(), "understudy-bench-"))
process.once("exit", () => rmSync(folder, { recursive: true, force: true }))
try {
  await measure(folder)
} finally {
  await stopAll()
}
process.exit()
