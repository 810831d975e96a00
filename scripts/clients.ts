/**
 * Shows that Claude Code and Codex work by changing a base URL: installs both aside, starts a gateway whose first
 * deployment is down and whose second is another vendor's, has each read a file with a tool in one turn without a
 * terminal, and tells what came of it. Nobody's account is used: the vendors are the fault server. `--fault` breaks the
 * first in another of its ways, `--backup` has another vendor answer.
 *
 *     npm run clients [-- --only claude,codex] [--fault cut-2] [--backup gemini]
 *
 * The programs come from the npm registry, some 800 MB on disk, and are kept in the system's temporary folder.
 */
import * as FaultServer from "@understudy/providers/testing"
import * as Behaviour from "@understudy/providers/testing/Behaviour"
import * as Effect from "effect/Effect"
import type { ChildProcess } from "node:child_process"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"

const root = join(import.meta.dirname, "..")
const installed = join(tmpdir(), "understudy-clients")

const playbill = "Tonight the part of Hamlet is played by the understudy."
const prompt = "Read playbill.txt and say what is on it."

/** How a deployment of each vendor's is configured, all of them being at this URL. */
const vendors = {
  openai: (url: string) => `provider: openai, baseUrl: "${url}/v1", apiKey: x`,
  responses: (url: string) => `provider: openai, api: responses, baseUrl: "${url}/v1", apiKey: x`,
  anthropic: (url: string) => `provider: anthropic, baseUrl: "${url}", apiKey: x`,
  bedrock: (url: string) => `provider: bedrock, endpoint: "${url}", region: us-east-1, bearerToken: x`,
  gemini: (url: string) => `provider: gemini, baseUrl: "${url}", apiKey: x`,
}
type Vendor = keyof typeof vendors

/** A client that is a program of its own. */
interface Agent {
  readonly title: string
  readonly package: string
  readonly version: string
  readonly binary: string
  readonly primary: Vendor
  /** Where `--backup` names no other. */
  readonly backup: Vendor
  /** What the backup has it do with the file at this path. */
  readonly call: (file: string) => { readonly tool: string; readonly arguments: string }
  readonly args: (gateway: string) => ReadonlyArray<string>
  readonly env: (gateway: string, home: string) => Readonly<Record<string, string>>
  /** What it tells its user, from an event that it prints. */
  readonly said: (event: Event) => string | undefined
}

/** A line of JSON that a client prints. */
interface Event {
  readonly type?: string
  readonly result?: string
  readonly item?: { readonly type?: string; readonly text?: string }
}

const { values } = parseArgs({
  options: { only: { type: "string" }, fault: { type: "string", default: "503" }, backup: { type: "string" } },
})
const isVendor = (name: string): name is Vendor => name in vendors
const { backup } = values
if (backup !== undefined && !isVendor(backup))
  throw new Error(`--backup takes one of ${Object.keys(vendors).join(", ")}`)

const setting = (name: string, value: string) => ["-c", `${name}=${JSON.stringify(value)}`]

const agents: Readonly<Record<string, Agent>> = {
  claude: {
    title: "Claude Code",
    package: "@anthropic-ai/claude-code",
    version: "2.1.332",
    binary: "claude",
    primary: "anthropic",
    backup: "openai",
    call: (file) => ({ tool: "Read", arguments: JSON.stringify({ file_path: file }) }),
    args: () => ["-p", prompt, "--output-format", "stream-json", "--verbose", "--permission-mode", "dontAsk"],
    env: (gateway) => ({
      ANTHROPIC_BASE_URL: gateway,
      ANTHROPIC_AUTH_TOKEN: "any",
      ANTHROPIC_MODEL: "assistant",
      ANTHROPIC_DEFAULT_HAIKU_MODEL: "assistant",
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    }),
    said: ({ result, type }) => (type === "result" ? result : undefined),
  },
  codex: {
    title: "Codex",
    package: "@openai/codex",
    version: "0.171.0",
    binary: "codex",
    primary: "responses",
    backup: "anthropic",
    call: (file) => ({ tool: "exec_command", arguments: JSON.stringify({ cmd: `cat ${file}` }) }),
    args: (gateway) => [
      "exec",
      "--json",
      "--ephemeral",
      "--skip-git-repo-check",
      "--sandbox=read-only",
      "--model=assistant",
      ...setting("model_provider", "understudy"),
      ...setting("model_providers.understudy.name", "Understudy"),
      ...setting("model_providers.understudy.base_url", `${gateway}/v1`),
      ...setting("model_providers.understudy.env_key", "UNDERSTUDY_API_KEY"),
      ...setting("model_providers.understudy.wire_api", "responses"),
      prompt,
    ],
    env: (_, home) => ({ CODEX_HOME: home, UNDERSTUDY_API_KEY: "any" }),
    said: ({ item, type }) => (type === "item.completed" && item?.type === "agent_message" ? item.text : undefined),
  },
}

// ---------------------------------------------------------------------------------------------------------------------
// Processes
// ---------------------------------------------------------------------------------------------------------------------

const running = new Set<ChildProcess>()

const start = (command: string, args: ReadonlyArray<string>, cwd: string, env: NodeJS.ProcessEnv = process.env) => {
  const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] })
  running.add(child)
  child.once("exit", () => running.delete(child))
  const printed = { out: "", err: "" }
  child.stdout.on("data", (bytes: Buffer) => (printed.out += bytes.toString()))
  child.stderr.on("data", (bytes: Buffer) => (printed.err += bytes.toString()))
  return { child, printed }
}

/** What it printed, once it is done: within three minutes. */
const run = async (...args: Parameters<typeof start>) => {
  const { child, printed } = start(...args)
  const slow = setTimeout(() => child.kill("SIGKILL"), 180_000)
  const [code, signal] = await once(child, "close")
  clearTimeout(slow)
  return { ...printed, ended: signal === null ? `with ${code}` : `by ${signal}`, ok: code === 0 }
}

const install = async ({ package: name, version, title }: Agent) => {
  const manifest = join(installed, "node_modules", name, "package.json")
  if (existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).version === version) return
  console.log(`Installing ${title} ${version} in ${installed} …`)
  mkdirSync(installed, { recursive: true })
  const flags = ["--no-audit", "--no-fund", "--loglevel=error", "--save-exact"]
  const npm = await run("npm", ["install", "--prefix", installed, ...flags, `${name}@${version}`], installed)
  if (!npm.ok) throw new Error(`npm could not install ${name}: ${npm.err}`)
}

/** The gateway as its operator starts it, once it says where it takes calls. */
const serve = async (config: string, folder: string) => {
  const entry = join(root, "packages/http/src/main.ts")
  const { child, printed } = start(process.execPath, [entry, "serve", "--config", config, "--port", "0"], folder)
  while (child.exitCode === null) {
    const url = /serves (\S+)\/v1/.exec(printed.out)?.[1]
    if (url !== undefined) return { child, url }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`the gateway did not start\n${printed.out}${printed.err}`)
}

// ---------------------------------------------------------------------------------------------------------------------
// One client's turn
// ---------------------------------------------------------------------------------------------------------------------

const eventsOf = (printed: string): ReadonlyArray<Event> =>
  printed.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line) as Event] : []))

/** Whether the client read the file by way of the backup, and said so. */
const turn = async (agent: Agent, upstream: FaultServer.FaultServer, folder: string): Promise<boolean> => {
  const [home, work] = [join(folder, "home"), join(folder, "work")]
  for (const path of [home, work]) mkdirSync(path, { recursive: true })
  const file = join(work, "playbill.txt")
  writeFileSync(file, `${playbill}\n`)
  const config = join(folder, "understudy.yaml")
  writeFileSync(
    config,
    `deployments:
  primary: { model: primary, ${vendors[agent.primary](upstream.url)} }
  backup: { model: backup, ${vendors[backup ?? agent.backup](upstream.url)} }
routes:
  assistant: { fallback: [primary, backup], retry: { times: 0 } }
`,
  )
  await Effect.runPromise(
    Effect.andThen(
      upstream.script("primary", values.fault),
      upstream.script("backup", [Behaviour.answer(agent.call(file)), Behaviour.answer()]),
    ),
  )
  const gateway = await serve(config, folder)
  const { ended, err, ok, out } = await run(
    join(installed, "node_modules/.bin", agent.binary),
    agent.args(gateway.url),
    work,
    { PATH: process.env["PATH"], HOME: home, ...agent.env(gateway.url, home) },
  )
  gateway.child.kill()
  const answer = eventsOf(out)
    .flatMap((event) => agent.said(event) ?? [])
    .at(-1)
  const requests = await Effect.runPromise(upstream.requests)
  console.log(`${agent.title} ${agent.version}`)
  for (const { behaviour, model, path, vendor } of requests)
    console.log(`  asked of ${model}, ${vendor}: POST ${path}: ${behaviour._tag}`)
  console.log(`  said: ${answer ?? "nothing"}`)
  const came = ok && answer?.includes(playbill) === true
  console.log(
    came ? "  It ran its tool and had its answer, though its primary was down.\n" : `  FAILED, ended ${ended}\n`,
  )
  if (!came) console.log(`${out}\n${err}`)
  return came
}

const chosen = Object.entries(agents).filter(
  ([name]) => values.only === undefined || values.only.split(",").includes(name),
)
const folder = mkdtempSync(join(tmpdir(), "understudy-clients-run-"))
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL")
  rmSync(folder, { recursive: true, force: true })
})
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1))
for (const [name, agent] of chosen) {
  await install(agent)
  const came = await Effect.runPromise(
    Effect.scoped(
      Effect.flatMap(FaultServer.make(), (upstream) => Effect.promise(() => turn(agent, upstream, join(folder, name)))),
    ),
  )
  if (!came) process.exitCode = 1
}
