/**
 * `npm run scorecard`: plays every fault through the gateway, prints the outcomes, and writes docs/scorecard.md.
 * Fails if any outcome is not as expected.
 *
 * `npm run scorecard -- --outcomes` does not measure latency, for which other load on the machine matters: the measurements in the
 * document stay as they are.
 */
import * as Effect from "effect/Effect"
import { readFileSync, writeFileSync } from "node:fs"
import { cpus } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Cost from "./Cost.ts"
import * as Document from "./Document.ts"
import * as Score from "./Score.ts"

const file = join(import.meta.dirname, "..", "docs", "scorecard.md")
const { values } = parseArgs({ options: { outcomes: { type: "boolean", default: false } } })

/** The measurements as Markdown, and the fallbacks that take too long. */
const measured = async (): Promise<{ readonly text: string; readonly slow: Cost.Costs["movingOn"] }> => {
  if (values.outcomes) return { text: Document.parts(readFileSync(file, "utf8")).measured, slow: [] }
  const costs = await Effect.runPromise(Cost.measure(100))
  const processors = cpus()
  const processor = `Node ${process.versions.node}, ${processors.length} × ${processors[0]?.model.trim()}; gateway, upstream and caller share one thread.`
  return { text: Document.measured(costs, processor), slow: costs.movingOn.filter(({ median }) => !(median < 5)) }
}

const score = await Effect.runPromise(Score.play)
const { slow, text: measurements } = await measured()
const text = [Document.found(score), measurements].join("\n")

console.log(text)
writeFileSync(file, text)
for (const complaint of score.complaints) console.error(complaint)
for (const { median, title } of slow) console.error(`moving on by ${title} costs ${median} ms`)
if (score.complaints.length > 0 || slow.length > 0) process.exitCode = 1
