/**
 * `npm run calibrate`: each case for two minutes through a gateway against stand-ins on sockets, and in a rehearsal. Prints how far they
 * differ, and writes it into docs/rehearsal.md. Fails if they differ by more than they may.
 * `-- --only outage --seconds 30 --seed 2` for others, which are printed only.
 */
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { parseArgs } from "node:util"
import * as Calibration from "./calibration/Calibration.ts"
import { cases } from "./calibration/Case.ts"
import * as Document from "./calibration/Document.ts"
import * as Figures from "./calibration/Figures.ts"

const { values: flags } = parseArgs({
  options: {
    only: { type: "string" },
    seconds: { type: "string", default: "120" },
    seed: { type: "string", default: "1" },
  },
})

const root = join(import.meta.dirname, "..")
execFileSync(process.execPath, ["scripts/bundle.ts"], { cwd: root })
const options = {
  seconds: Number(flags.seconds),
  seed: Number(flags.seed),
  main: join(root, "packages", "http", "bundle", "main.js"),
}

const chosen = cases.filter(({ name }) => flags.only === undefined || flags.only === name)
if (chosen.length === 0) throw new Error(`--only is one of ${cases.map(({ name }) => name).join(", ")}`)

const results: Array<Document.Result> = []
for (const { name, title, ...each } of chosen) {
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  const { live, simulated } = await Effect.runPromise(Calibration.calibrate({ name, title, ...each }, options))
  const differences = Figures.differences(live, simulated)
  results.push({ title, live, simulated, differences })
  console.log(`${name}: ${live.calls} calls, ${simulated.calls} simulated`)
  console.log(`  answered ${(live.answered * 100).toFixed(2)} %, simulated ${(simulated.answered * 100).toFixed(2)} %`)
  // Where other programs take the processors, calls take longer than their stand-ins say.
  console.log(`  event loop of clients and stand-ins late by ${(delay.percentile(99) / 1e6 - 10).toFixed(0)} ms (p99)`)
  for (const { bar, difference, figure, isWithin, live, simulated } of differences) {
    console.log(
      `  ${figure.padEnd(16)} ${live.padStart(8)}  ${simulated.padStart(8)}  ${difference} of ${bar}${isWithin ? "" : "  MISSED"}`,
    )
    if (!isWithin) process.exitCode = 1
  }
}
if (process.argv.length === 2 && process.exitCode === undefined) Document.write(results)
