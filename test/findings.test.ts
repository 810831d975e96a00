import { assert, describe, it } from "@effect/vitest"
import { accessSync, constants, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

const folder = join(import.meta.dirname, "../findings")
const scripts = readdirSync(folder).filter((name) => name.endsWith(".sh"))

describe("findings", () => {
  it("are each listed in their README, and executable", () => {
    const listed = [...readFileSync(join(folder, "README.md"), "utf8").matchAll(/^\| \[([^\]]+)\]\(\1\)/gm)]
    assert.deepStrictEqual(listed.map(([, name = ""]) => name).toSorted(), scripts.toSorted())
    for (const name of scripts) accessSync(join(folder, name), constants.X_OK)
  })

  it("install exact versions only, and fail when what they see has changed", () => {
    for (const name of scripts) {
      const script = readFileSync(join(folder, name), "utf8")
      for (const [, packages = ""] of script.matchAll(/(?:npm install|pip install -q)((?: [^\n&]+)?)/g)) {
        for (const one of packages.split(" ").filter((word) => word !== "" && !word.startsWith("-")))
          assert.match(one, /.(@|==)\d/, `${name}: ${one}`)
      }
      assert.match(script, /^set -euo pipefail$/m, name)
      assert.match(script, /^diff seen - <<'SEEN'$/m, name)
    }
  })
})
