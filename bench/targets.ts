/** What is measured: each in a process of its own, all in front of the same upstream. */
import type { ChildProcess } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { freePort, startForeign, startServer } from "./children.ts"
import * as Portkey from "./portkey.ts"

export type Name = "proxy" | "gateway" | "translating" | "portkey"

export const names: ReadonlyArray<Name> = ["proxy", "gateway", "translating", "portkey"]

export const titles: Readonly<Record<Name, string>> = {
  proxy: "bare Node proxy",
  gateway: "Understudy",
  translating: "translating",
  portkey: "Portkey",
}

export interface Target {
  readonly child: ChildProcess
  readonly port: number
  /** The model to ask for. */
  readonly model: string
  readonly headers: Readonly<Record<string, string>>
}

export interface Options {
  /** The upstream's port. */
  readonly upstream: number
  /** A folder to write configuration in. */
  readonly folder: string
  /** Where the gateway's CPU profile goes, if one is wanted. */
  readonly profile?: string | undefined
}

/** One route over two deployments, with limits on and too high to bind; circuit, retry and timeouts by default. */
const configuration = (vendor: string, baseUrl: string) => `deployments:
${["primary", "backup"]
  .map(
    (name) => `  ${name}:
    provider: ${vendor}
    model: stand-in
    apiKey: x
    baseUrl: "${baseUrl}"
    local: false
    limits: { rpm: 1000000000, tpm: 1000000000000, concurrency: 100000 }
`,
  )
  .join("")}routes:
  bench: { fallback: [primary, backup] }
`

const gatewayEntry = fileURLToPath(new URL("../packages/http/src/main.ts", import.meta.url))

/** The gateway, called over OpenAI's API for all deployments. */
const gateway = async (options: Options, vendor: string, baseUrl: string): Promise<Target> => {
  const file = join(options.folder, `${vendor}.yaml`)
  writeFileSync(file, configuration(vendor, baseUrl))
  const profiling = options.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${options.profile}`]
  const port = await freePort()
  const child = await startForeign({
    name: "the gateway",
    args: [...profiling, gatewayEntry, "serve", "--config", file, "--port", `${port}`, "--log-level", "warn"],
    cwd: options.folder,
    url: `http://127.0.0.1:${port}/ready`,
  })
  return { child, port, model: "bench", headers: {} }
}

export const start: Readonly<Record<Name, (options: Options) => Promise<Target>>> = {
  proxy: async (options) => {
    const { child, port } = await startServer("proxy.ts", [`http://127.0.0.1:${options.upstream}`])
    return { child, port, model: "stand-in", headers: {} }
  },
  gateway: (options) => gateway(options, "openai", `http://127.0.0.1:${options.upstream}/v1`),
  translating: (options) => gateway(options, "anthropic", `http://127.0.0.1:${options.upstream}`),
  portkey: async (options) => {
    const entry = await Portkey.install()
    const folder = join(options.folder, "portkey")
    mkdirSync(folder, { recursive: true })
    const port = await freePort()
    const child = await startForeign({
      name: "Portkey",
      args: [entry, "--headless", `--port=${port}`],
      cwd: folder,
      env: { NODE_ENV: "production" },
      url: `http://127.0.0.1:${port}/`,
    })
    return { child, port, model: "stand-in", headers: { "x-portkey-config": Portkey.config(options.upstream) } }
  },
}
