/**
 * Installs clients aside, from the npm registry and from PyPI, into a folder of the system's temporary folder that is
 * kept between runs.
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { run } from "../Process.ts"
import * as Python from "../PythonEnvironment.ts"

/** Where clients are installed. */
export const installed = join(tmpdir(), "understudy-clients")

/** The Python that has the packages of PyPI. */
export const python = Python.python(installed)

/** Where npm puts a client's program. */
export const binary = (name: string): string => join(installed, "node_modules/.bin", name)

/** What a client is made of: packages with their exact versions. */
export interface Packages {
  readonly npm?: Readonly<Record<string, string>>
  readonly pypi?: Readonly<Record<string, string>>
}

/** Ten minutes: the largest client has some 400 MB. */
const limit = 600_000

const has = (name: string, version: string): boolean => {
  const manifest = join(installed, "node_modules", name, "package.json")
  return existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).version === version
}

/** Installs what is missing. */
export const install = async ({ npm = {}, pypi = {} }: Packages): Promise<void> => {
  mkdirSync(installed, { recursive: true })
  const missing = Object.entries(npm).filter(([name, version]) => !has(name, version))
  if (missing.length > 0) {
    const packages = missing.map(([name, version]) => `${name}@${version}`)
    console.log(`Installing ${packages.join(", ")} …`)
    const flags = ["--no-audit", "--no-fund", "--loglevel=error", "--save-exact"]
    const { code, err } = await run(limit, "npm", ["install", "--prefix", installed, ...flags, ...packages], installed)
    if (code !== 0) throw new Error(`npm could not install ${packages.join(", ")}: ${err}`)
  }
  await Python.install(installed, pypi)
}
