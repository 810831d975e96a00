import { afterAll, assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { openSync } from "node:fs"
import { join } from "node:path"
import { FileOutput } from "../../src/cli/Output.ts"
import { freePort } from "../Programs.ts"
import { ask } from "./Process.ts"

const main = join(import.meta.dirname, "..", "..", "src", "main.js")
const children = new Set<ReturnType<typeof spawn>>()
afterAll(() => children.forEach((child) => child.kill("SIGKILL")))

const answers = async (base: string): Promise<boolean> => {
  for (let times = 0; times < 500; times++) {
    const ready = await fetch(`${base}/ready`).then(
      ({ ok }) => ok,
      () => false,
    )
    if (ready) return true
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return false
}

describe.concurrent("a gateway whose log cannot be written", { timeout: 30_000 }, () => {
  for (const where of ["a full disk", "a reader that is gone"] as const) {
    it(`serves calls: ${where}`, async () => {
      const port = await freePort()
      const full = where === "a full disk" ? openSync("/dev/full", "w") : "pipe"
      const child = spawn(process.execPath, [main, "serve", "--port", String(port)], { stdio: ["ignore", full, full] })
      children.add(child)
      child.stdout?.destroy()
      child.stderr?.destroy()
      const base = `http://127.0.0.1:${port}`
      assert.isTrue(await answers(base))
      for (let times = 0; times < 3; times++) assert.strictEqual((await ask(base)).status, 200)
      assert.isNull(child.exitCode)
      child.kill("SIGINT")
      await once(child, "exit")
      children.delete(child)
    })
  }
})

describe("FileOutput", () => {
  it("ends a partial line, and reports the lost lines once it can write again", () => {
    let room = 8
    let file = ""
    const output = new FileOutput((bytes) => {
      if (room === 0) throw Object.assign(new Error("full"), { code: "ENOSPC" })
      const part = bytes.subarray(0, room)
      room -= part.length
      file += Buffer.from(part).toString()
      return part.length
    })
    output.write("first\n")
    output.write("second\n")
    output.write("third\n")
    room = 1000
    output.write("fourth\n")
    output.write("fifth\n")
    assert.strictEqual(file, "first\nse\n2 lines of this log could not be written: ENOSPC\nfourth\nfifth\n")
  })

  it("reports the lost lines of a JSON log as an object", () => {
    let isFull = true
    let file = ""
    const output = new FileOutput((bytes) => {
      if (isFull) throw Object.assign(new Error("full"), { code: "ENOSPC" })
      file += Buffer.from(bytes).toString()
      return bytes.length
    }, "json")
    output.write("{}\n")
    isFull = false
    output.write("{}\n")
    const message = "1 lines of this log could not be written: ENOSPC"
    assert.strictEqual(file, `${JSON.stringify({ level: "ERROR", message, lines: 1 })}\n{}\n`)
  })
})
