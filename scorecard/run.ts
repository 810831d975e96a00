/**
 * `npm run scorecard`: plays every fault through the gateway, prints the outcomes, and writes docs/scorecard.md.
 * Fails if any outcome is not as expected.
 */
import * as Effect from "effect/Effect"
import { writeFileSync } from "node:fs"
import { cpus } from "node:os"
import { join } from "node:path"
import * as Cost from "./Cost.ts"
import * as Document from "./Document.ts"
import * as Score from "./Score.ts"

const score = await Effect.runPromise(Score.play)
const costs = await Effect.runPromise(Cost.measure(100))
const processors = cpus()
const text = [
  Document.found(score),
  Document.measured(
    costs,
    `Node ${process.versions.node}, ${processors.length} × ${processors[0]?.model.trim()}; gateway, upstream and caller share one thread.`,
  ),
].join("\n")

console.log(text)
writeFileSync(join(import.meta.dirname, "..", "docs", "scorecard.md"), text)
for (const complaint of score.complaints) console.error(complaint)
const slow = costs.movingOn.filter(({ median }) => !(median < 5))
for (const { median, title } of slow) console.error(`moving on by ${title} costs ${median} ms`)
if (score.complaints.length > 0 || slow.length > 0) process.exitCode = 1
