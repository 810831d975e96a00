/** `npm run example NAME` runs one; without a name, lists them. None needs a network or a credential. */
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

const examples = [
  "library",
  "streaming",
  "embedded-gateway",
  "broken-mid-conversation",
  "broken-answer",
  "knowing-why",
  "fallback-chain",
  "which-way",
]

const firstLine = (name: string): string =>
  /^\/\*\* (.*?)( \*\/)?$/m.exec(readFileSync(join(import.meta.dirname, `${name}.ts`), "utf8"))?.[1] ?? ""

const [name] = process.argv.slice(2)
if (name !== undefined && examples.includes(name) && existsSync(join(import.meta.dirname, `${name}.ts`))) {
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, `${name}.ts`)], { stdio: "inherit" })
  process.exitCode = status ?? 1
} else {
  if (name !== undefined) console.error(`There is no example called "${name}".\n`)
  for (const each of examples) console.log(`npm run example ${each.padEnd(24)} ${firstLine(each)}`)
  process.exitCode = name === undefined ? 0 : 1
}
