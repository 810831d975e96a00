/** `@portkey-ai/gateway`, from the npm registry: a fallback over two targets. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { cache, run } from "../cache.ts"
import { freePort, startForeign } from "../children.ts"
import type { Spec } from "../target.ts"

const manifest = {
  private: true,
  dependencies: { "@portkey-ai/gateway": "1.15.2" },
  // Its own range lets in newer ones, under which every stream fails: Portkey-AI/gateway#1389.
  overrides: { "@hono/node-server": "1.14.1" },
}
const folder = join(cache, "portkey")
const entry = join(folder, "node_modules/@portkey-ai/gateway/build/start-server.js")

const install = async () => {
  if (existsSync(entry)) return
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest))
  await run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: folder })
}

/** The route of a call, which each request carries. */
const config = (upstream: number) =>
  JSON.stringify({
    strategy: { mode: "fallback" },
    targets: ["primary", "backup"].map((name) => ({
      name,
      provider: "openai",
      api_key: "x",
      custom_host: `http://127.0.0.1:${upstream}/v1`,
    })),
  })

export const portkey: Spec = {
  name: "portkey",
  title: "Portkey",
  optional: true,
  start: async (setting) => {
    await install()
    const port = await freePort()
    const child = await startForeign({
      name: "Portkey",
      args: [entry, "--headless", `--port=${port}`],
      cwd: setting.folder,
      env: { NODE_ENV: "production" },
      url: `http://127.0.0.1:${port}/`,
    })
    return { child, port, model: "stand-in", headers: { "x-portkey-config": config(setting.upstream.port) } }
  },
}
