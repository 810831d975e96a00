/**
 * `npm run soak`: 20,000 calls with random faults and clients that disconnect, then a check for leaks. `-- --calls 2000
 * --seed again` for fewer or others. Fails if there are any.
 */
import * as Effect from "effect/Effect"
import { parseArgs } from "node:util"
import * as Endurance from "./Endurance.ts"

const { values: flags } = parseArgs({
  options: { calls: { type: "string", default: "20000" }, seed: { type: "string", default: "understudy" } },
})

const heap = (): number => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

const report = await Effect.runPromise(
  Endurance.play({ calls: Number(flags.calls), concurrency: 32, silence: 150, seed: flags.seed, heap }),
)
const complaints = Endurance.complaints(report)

console.log(`${report.calls} calls in ${(report.millis / 1000).toFixed(1)} s, seed "${flags.seed}"`)
for (const [end, count] of Object.entries(report.ends)) console.log(`  ${end.padEnd(10)} ${count}`)
console.log(`attempts     ${report.attempts} of at most ${report.allowed}`)
console.log(`heap, MB     ${report.heap.map((bytes) => (bytes / 1e6).toFixed(1)).join(", ")}, after each quarter`)
console.log(`left over    ${report.inFlight} in flight, ${report.exchanges} exchanges, ${report.sockets} sockets`)
for (const complaint of complaints) console.error(complaint)
if (complaints.length > 0) process.exitCode = 1
