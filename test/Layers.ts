import { readFileSync } from "node:fs"
import { join } from "node:path"

const architecture = readFileSync(join(import.meta.dirname, "..", "ARCHITECTURE.md"), "utf8")
const [, listed = ""] = /bottom to top[^:]*:([^;]*?), and then/.exec(architecture) ?? []

/** The folders of packages/core/src as ARCHITECTURE.md lists them, bottom to top. */
export const layers: ReadonlyArray<string> = [...listed.matchAll(/`([\w-]+)`/g)].map(([, name = ""]) => name)
