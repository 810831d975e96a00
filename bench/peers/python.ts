/** Packages from PyPI, each in a virtual environment of its own in the cache. */
import { existsSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { cache, run } from "../cache.ts"

/** The folder of an environment's programs, installed on first use. `requirement` is one of pip's, with an exact version. */
export const install = async (name: string, requirement: string) => {
  const folder = join(cache, name)
  const complete = join(folder, "complete")
  if (!existsSync(complete)) {
    rmSync(folder, { recursive: true, force: true })
    await run("python3", ["-m", "venv", folder])
    await run(join(folder, "bin/pip"), ["install", "--quiet", "--disable-pip-version-check", requirement])
    writeFileSync(complete, requirement)
  }
  return join(folder, "bin")
}
