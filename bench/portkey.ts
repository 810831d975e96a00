/** `@portkey-ai/gateway`, installed for the benchmark alone, into a cache that no package sees. */
import { execFile } from "node:child_process"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const manifest = {
  private: true,
  dependencies: { "@portkey-ai/gateway": "1.15.2" },
  // Its own range lets in newer ones, under which every stream fails: Portkey-AI/gateway#1389.
  overrides: { "@hono/node-server": "1.14.1" },
}
const cache = fileURLToPath(new URL("../node_modules/.cache/bench", import.meta.url))
const entry = join(cache, "node_modules/@portkey-ai/gateway/build/start-server.js")

/** The path of its server, installed on first use. */
export const install = async () => {
  if (existsSync(entry)) return entry
  mkdirSync(cache, { recursive: true })
  writeFileSync(join(cache, "package.json"), JSON.stringify(manifest))
  const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
  await promisify(execFile)("npm", ["install", ...flags], { cwd: cache })
  return entry
}

/** The `x-portkey-config` header that sets it the gateway's task: two targets, the second if the first fails. */
export const config = (upstream: number) =>
  JSON.stringify({
    strategy: { mode: "fallback" },
    targets: ["primary", "backup"].map((name) => ({
      name,
      provider: "openai",
      api_key: "x",
      custom_host: `http://127.0.0.1:${upstream}/v1`,
    })),
  })
