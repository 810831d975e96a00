/** `npm run example NAME` runs an example; without a name, it lists them. None needs a network or a credential. */
import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { basename, join } from "node:path"

/** All files here except this one and the tests; `stage/` is what they share. */
const examples = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts") && file !== basename(import.meta.filename))
  .map((file) => basename(file, ".ts"))

const firstLine = (name: string): string =>
  /^\/\*\* (.*?)( \*\/)?$/m.exec(readFileSync(join(import.meta.dirname, `${name}.ts`), "utf8"))?.[1] ?? ""

const [name] = process.argv.slice(2)
if (name !== undefined && examples.includes(name)) {
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, `${name}.ts`)], { stdio: "inherit" })
  process.exitCode = status ?? 1
} else {
  if (name !== undefined) console.error(`There is no example called "${name}".\n`)
  for (const each of examples) console.log(`npm run example ${each.padEnd(24)} ${firstLine(each)}`)
  process.exitCode = name === undefined ? 0 : 1
}
