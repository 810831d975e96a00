/** Node's asynchronous context, which the fibres of the command do not keep: see `main.js`. */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** The number of asynchronous resources that fibres make in `understudy draw`, started by this program. */
const resources = (program: ReadonlyArray<string>): number => {
  const command = ["draw", "assistant"]
  const args = ["--import", file("./asyncResources.js"), ...program, ...command]
  const printed = execFileSync(process.execPath, args, { encoding: "utf8", cwd: file(".") })
  assert.match(printed, /flowchart/)
  return Number(/resources of fibres: (\d+)/.exec(printed)?.[1])
}

describe("a fibre that waits", () => {
  it("keeps no asynchronous context in the command", () => {
    assert.strictEqual(resources([file("../../src/main.js")]), 0)
  })

  it("would keep it without the setting", () => {
    assert.isAbove(resources([file("./withoutSettings.js")]), 0)
  })
})
