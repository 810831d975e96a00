/**
 * `npm run reloads`: 200 calls a second for a minute, half of them streams of 3 s, and another configuration every second.
 * `-- --rate 50 --seconds 10` for fewer. Fails if a call fails, if memory grows, or if a connection is left over.
 */
import { parseArgs } from "node:util"
import * as ReloadLoad from "./ReloadLoad.ts"

const { values: flags } = parseArgs({
  options: {
    rate: { type: "string", default: "200" },
    seconds: { type: "string", default: "60" },
    stream: { type: "string", default: "3000" },
    every: { type: "string", default: "1000" },
  },
})

const report = await ReloadLoad.play({
  rate: Number(flags.rate),
  seconds: Number(flags.seconds),
  stream: Number(flags.stream),
  every: Number(flags.every),
  overload: true,
})
const complaints = ReloadLoad.complaints(report)
const { answered, calls, failures, latency, leftOver, memory, rejected, reloading, reloads, streams } = report
const times = ({ max, p50, p99 }: typeof latency) =>
  `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, slowest ${max.toFixed(1)} ms`

console.log(`calls        ${calls}, ${streams} of them streams; ${failures.length} failed`)
console.log(`reloads      ${reloads} in force, ${rejected} rejected`)
console.log(`upstreams    ${answered.join(" and ")} calls; ${leftOver} connections left to the one no longer used`)
console.log(`not streamed ${times(latency)}`)
console.log(`a reload     ${times(reloading)}`)
console.log(`memory, MB   ${memory.filter((_, second) => second % 5 === 0).join(", ")}, every 5 s`)
for (const complaint of complaints) console.error(complaint)
if (complaints.length > 0) process.exitCode = 1
