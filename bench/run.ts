/**
 * `npm run bench`: what the gateway costs, beside the bare proxy and, with `--against`, another revision, in interleaved
 * rounds in front of one stand-in upstream.
 *
 *     npm run bench -- [--quick [--peers]] [--rounds N] [--against REV] [--part calls,…] [--only proxy,gateway,…] [--profile]
 */
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { cpus, tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { bodies } from "./bodies.ts"
import { calls } from "./calls.ts"
import { start as startChild, startServer, stopAll } from "./children.ts"
import { features } from "./features.ts"
import { overload } from "./overload.ts"
import { peers } from "./peers.ts"
import { summarise } from "./profile.ts"
import { checkout } from "./revision.ts"
import { scale } from "./scale.ts"
import { start } from "./startup.ts"
import { streams } from "./streams.ts"
import { type Bar, render, renderBars, type Section } from "./table.ts"
import type { Setting } from "./target.ts"
import { workers } from "./workers.ts"

const parts: Readonly<Record<string, (setting: Setting) => Promise<Section>>> = {
  start,
  calls,
  bodies,
  scale,
  streams,
  overload,
  features,
  workers,
  peers,
}
/** A file that prints its own table, in a process of its own. */
const apart = "decode"
const names = [...Object.keys(parts), apart]

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    against: { type: "string" },
    part: { type: "string" },
    only: { type: "string" },
    peers: { type: "boolean", default: false },
    profile: { type: "boolean", default: false },
  },
})
const left = flags.quick ? [apart, ...(flags.peers ? [] : ["peers"])] : []
const chosen = flags.part?.split(",") ?? names.filter((part) => !left.includes(part))
const rounds = Number(flags.rounds ?? (flags.quick ? 2 : 5))
if (!chosen.every((part) => names.includes(part)) || !Number.isInteger(rounds) || rounds < 1) {
  console.error(`--part takes some of ${names.join(",")}; --rounds a number from 1`)
  process.exit(2)
}
const only = flags.only?.split(",")
const say = (text: string) => console.error(text)
const folder = mkdtempSync(join(tmpdir(), "understudy-bench-"))
process.once("exit", () => rmSync(folder, { recursive: true, force: true }))

const measure = async () => {
  const against = flags.against === undefined ? undefined : await checkout(flags.against)
  const profile = flags.profile ? mkdtempSync(join(tmpdir(), "understudy-profile-")) : undefined
  const upstream = { ...(await startServer("upstream.ts")), model: "stand-in", headers: {} }
  const generator = startChild("load.ts")
  const includes = (name: string) => only === undefined || only.includes(name)
  const setting = { upstream, folder, generator, rounds, quick: flags.quick, against, profile, includes, say }
  const processors = cpus()
  console.log(
    `Node ${process.versions.node}, ${processors.length} × ${processors[0]?.model.trim()}: the target, the upstream and the load ` +
      `generator share ${processors.length === 1 ? "the one core" : `these ${processors.length} cores`}.\n`,
  )
  const bars: Array<Bar> = []
  for (const part of Object.keys(parts).filter((part) => chosen.includes(part))) {
    const began = performance.now()
    const section = await parts[part]!(setting)
    say(`${part} took ${((performance.now() - began) / 1000).toFixed(0)} s`)
    console.log(`${render(section)}\n`)
    bars.push(...section.bars)
  }
  if (bars.length > 0) console.log(`${renderBars(bars)}\n`)
  if (chosen.includes(apart)) await once(startChild(`${apart}.ts`), "exit")
  if (profile !== undefined) console.log(`\n${summarise(profile, 40)}`)
}

try {
  await measure()
} finally {
  await stopAll()
}
process.exit()
