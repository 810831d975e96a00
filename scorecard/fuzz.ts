/**
 * `npm run fuzz`: a million mutated requests and answers in each dialect through the real gateway. `-- --count 5000 --seed
 * again --dialect messages` for fewer, others, or one dialect; `--from 42` begins with that case, `--only 42` shows it. SIGINT
 * ends it with the report so far. Ends in failure if anything is wrong.
 */
import * as Effect from "effect/Effect"
import { parseArgs } from "node:util"
import * as Dialect from "./Dialect.ts"
import * as Fuzz from "./fuzz/Fuzz.ts"

const { values: flags } = parseArgs({
  options: {
    count: { type: "string", default: "1000000" },
    seed: { type: "string", default: "understudy" },
    from: { type: "string", default: "0" },
    dialect: { type: "string" },
    only: { type: "string" },
  },
})

const heap = (): number => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

const dialects = Dialect.names.filter((name) => flags.dialect === undefined || name === flags.dialect)
if (dialects.length === 0) throw new Error(`--dialect: expected one of ${Dialect.names.join(", ")}`)

let isStopped = false
process.once("SIGINT", () => (isStopped = true))

const only = flags.only === undefined ? undefined : Number(flags.only)
const shown = only === undefined ? { from: Number(flags.from) } : { from: only, onCase: show }

for (const dialect of dialects) {
  if (isStopped) break
  const report = await Effect.runPromise(
    Fuzz.play({
      dialect,
      seed: flags.seed,
      count: only === undefined ? Number(flags.count) : 1,
      concurrency: 16,
      heap,
      isStopped: () => isStopped,
      ...shown,
    }),
  )
  const complaints = Fuzz.complaints(report)
  console.log(`${dialect}: ${report.cases} cases in ${(report.millis / 1000).toFixed(1)} s, seed "${flags.seed}"`)
  for (const [status, count] of Object.entries(report.statuses).sort()) console.log(`  ${status.padEnd(12)} ${count}`)
  console.log(`  longest stall ${report.stall.millis.toFixed(0)} ms, at case ${report.stall.at}`)
  console.log(`  heap, MB      ${report.heap.map((bytes) => (bytes / 1e6).toFixed(1)).join(", ")}, after each quarter`)
  for (const complaint of complaints) console.error(complaint)
  if (complaints.length > 0) process.exitCode = 1
}

function show(...[one, received, complaint]: Parameters<NonNullable<Fuzz.Options["onCase"]>>): void {
  console.log(`${one.kind}\n${one.bytes.toString()}\n`)
  console.log(`${received.status} ${received.end}\n${received.body.toString()}\n${complaint ?? "as it should be"}`)
}
