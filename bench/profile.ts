/** A CPU profile as V8 writes it, to the functions that took the time themselves. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

interface CpuProfile {
  readonly nodes: ReadonlyArray<{
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }>
  readonly samples: ReadonlyArray<number>
  readonly timeDeltas: ReadonlyArray<number>
}

const place = (url: string, lineNumber: number) =>
  url === "" ? "" : `${url.replace(/^.*node_modules\//, "").replace(/^.*\/packages\//, "")}:${lineNumber + 1}`

/** The `count` dearest functions by their own time, as Markdown; time in which nothing ran is left out. */
export const summarise = (folder: string, count: number): string => {
  const file = readdirSync(folder).find((name) => name.endsWith(".cpuprofile"))
  if (file === undefined) return `no profile was written to ${folder}`
  const profile = JSON.parse(readFileSync(join(folder, file), "utf8")) as CpuProfile
  const labels = new Map(
    profile.nodes.map(({ id, callFrame }) => [
      id,
      `${callFrame.functionName || "(anonymous)"} ${place(callFrame.url, callFrame.lineNumber)}`.trim(),
    ]),
  )
  const own = new Map<string, number>()
  profile.samples.forEach((id, index) => {
    const label = labels.get(id)!
    own.set(label, (own.get(label) ?? 0) + profile.timeDeltas[index]!)
  })
  own.delete("(idle)")
  const total = [...own.values()].reduce((sum, micros) => sum + micros, 0)
  const rows = [...own]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([label, micros]) => `| ${((100 * micros) / total).toFixed(1)} % | \`${label}\` |`)
  return [`Profile: ${join(folder, file)}`, "", "| own time | function |", "| ---: | --- |", ...rows].join("\n")
}
