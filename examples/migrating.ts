/** A configuration of Bifrost, converted by `understudy import`, with the report of what is left in its groups. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const config = {
  providers: {
    openai: {
      keys: [
        { name: "one", value: "env.OPENAI_KEY_1", models: ["gpt-4o"], weight: 1 },
        { name: "two", value: "env.OPENAI_KEY_2", models: ["gpt-4o"], weight: 1 },
      ],
      network_config: { default_request_timeout_in_seconds: 30, max_retries: 2, insecure_skip_verify: true },
    },
    elevenlabs: { keys: [{ name: "voice", value: "env.ELEVENLABS_KEY", models: ["*"], weight: 1 }] },
  },
  logs_store: { enabled: true, type: "sqlite" },
}

const folder = mkdtempSync(join(tmpdir(), "understudy-"))
const file = join(folder, "config.json")
writeFileSync(file, JSON.stringify(config))

const understudy = join(import.meta.dirname, "..", "packages", "http", "src", "main.js")
// The report goes to standard error, so that the result can be written to a file.
const { status, stderr, stdout } = spawnSync(process.execPath, [understudy, "import", file, "--strict"], {
  encoding: "utf8",
})
rmSync(folder, { recursive: true })

console.log(stdout)
console.log(stderr.replaceAll(file, "config.json"))
// With --strict, a model that is not served, or a setting of safety and money, is an error.
console.log(`exit code ${status}`)
