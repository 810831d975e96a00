/** Understudy as a target: the working tree or another revision, with a configuration. */
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { freePort, startForeign } from "./children.ts"
import { type Revision, workingTree } from "./revision.ts"
import type { Program, Setting, Target } from "./target.ts"

/** A configuration file as data. JSON is YAML. */
export type Configuration = Readonly<Record<string, unknown>>

export type Vendor = "openai" | "anthropic"

/** A deployment of the upstream with limits that are too high to take effect; circuit, retry and timeouts by default. */
export const deployment = (vendor: Vendor, upstream: number): Configuration => ({
  provider: vendor,
  model: "stand-in",
  apiKey: "x",
  baseUrl: `http://127.0.0.1:${upstream}${vendor === "openai" ? "/v1" : ""}`,
  local: false,
  limits: { rpm: 1_000_000_000, tpm: 1_000_000_000_000, concurrency: 100_000 },
})

/** One route over two deployments, named `bench`. */
export const usual = (vendor: Vendor, upstream: number): Configuration => ({
  deployments: { primary: deployment(vendor, upstream), backup: deployment(vendor, upstream) },
  routes: { bench: { fallback: ["primary", "backup"] } },
})

/** Keys of the configuration that a revision turned out not to know, by its root. */
const unknown = new Map<string, Set<string>>()

const without = (value: unknown, keys: ReadonlySet<string>): unknown => {
  if (Array.isArray(value)) return value.map((item) => without(item, keys))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, item]) => (keys.has(name) ? [] : [[name, without(item, keys)]])),
  )
}

/** Which Understudy is started, and how. */
export interface Options {
  readonly configuration: Configuration
  /** Default: the working tree. */
  readonly revision?: Revision
  /** Options of Node itself. */
  readonly node?: ReadonlyArray<string>
}

/** The arguments of Node with which a revision starts the gateway, by its root. */
const commands = new Map<string, ReadonlyArray<string>>()

/** The command of a revision's image. Builds the bundle if the image runs one. Revisions before the bundle run sources. */
const command = ({ root }: Revision): ReadonlyArray<string> => {
  const known = commands.get(root)
  if (known !== undefined) return known
  const dockerfile = join(root, "deploy/Dockerfile")
  const image = existsSync(dockerfile) ? readFileSync(dockerfile, "utf8") : ""
  const entry = /^ENTRYPOINT \["node", (.*"(?:\/app\/)?packages\/http\/bundle\/main\.js")\]$/m.exec(image)?.[1]
  if (entry !== undefined) execFileSync(process.execPath, ["scripts/bundle.ts"], { cwd: root })
  const args = entry === undefined ? ["packages/http/src/main.ts"] : (JSON.parse(`[${entry}]`) as ReadonlyArray<string>)
  const found = args.map((arg) => arg.replace(/^(?:\/app\/)?(?=packages\/)/, `${root}/`))
  commands.set(root, found)
  return found
}

/** The program and its free port. Keys of the configuration that the revision is known not to know are left out. */
export const program = async (
  setting: Setting,
  { configuration, node = [], revision = workingTree }: Options,
): Promise<Program> => {
  const port = await freePort()
  const file = join(setting.folder, `${port}.yaml`)
  writeFileSync(file, JSON.stringify(without(configuration, unknown.get(revision.root) ?? new Set())))
  return {
    name: `Understudy ${revision.name}`.trim(),
    args: [...node, ...command(revision), "serve", "--config", file, "--port", `${port}`, "--log-level", "warn"],
    cwd: setting.folder,
    port,
    model: "bench",
    headers: {},
  }
}

/** Starts Understudy and waits until it is ready. Learns which keys of the configuration another revision does not know. */
export const startGateway = async (setting: Setting, options: Options): Promise<Target> => {
  const found = await program(setting, options)
  try {
    const child = await startForeign({ ...found, url: `http://127.0.0.1:${found.port}/ready` })
    return { ...found, child }
  } catch (error) {
    const key = /unknown key `([^`]+)`/.exec(String(error))?.[1]
    if (key === undefined || options.revision === undefined) throw error
    unknown.set(options.revision.root, new Set(unknown.get(options.revision.root)).add(key))
    return startGateway(setting, options)
  }
}
