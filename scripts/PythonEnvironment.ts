/** Python packages with their exact versions, in a virtual environment that is kept between runs. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { run } from "./Process.ts"

/** An hour: torch's wheels have some GB. */
const limit = 3_600_000

/** The interpreter of the environment in a folder. */
export const python = (folder: string): string => join(folder, "python/bin/python")

/** Installs what is missing. `flags` are pip's, such as `--no-deps`. */
export const install = async (
  folder: string,
  packages: Readonly<Record<string, string>>,
  flags: ReadonlyArray<string> = [],
): Promise<void> => {
  // pip takes seconds to find that all is there: a file remembers what was installed.
  const memory = join(folder, "python", "understudy.txt")
  const known = existsSync(memory) ? readFileSync(memory, "utf8").split("\n") : []
  const wanted = Object.entries(packages).map(([name, version]) => `${name}==${version}`)
  const missing = wanted.filter((each) => !known.includes(each))
  if (missing.length === 0) return
  console.log(`Installing ${missing.join(", ")} …`)
  mkdirSync(folder, { recursive: true })
  if (!existsSync(python(folder))) {
    const { code, err } = await run(limit, "python3", ["-m", "venv", join(folder, "python")], folder)
    if (code !== 0) throw new Error(`python3 could not make a virtual environment: ${err}`)
  }
  const { code, err } = await run(limit, python(folder), ["-m", "pip", "install", "-q", ...flags, ...missing], folder)
  if (code !== 0) throw new Error(`pip could not install ${missing.join(", ")}: ${err}`)
  writeFileSync(memory, [...known, ...missing].join("\n"))
}
