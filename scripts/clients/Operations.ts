/**
 * The endpoints besides chat through the vendors' own SDKs, on a route whose primary is down: each client makes a call of each, and the
 * gateway's usage log says which deployment answered.
 */
import * as FaultServer from "@understudy/providers/testing"
import * as Effect from "effect/Effect"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as FilesUpstream from "../../packages/http/test/FilesUpstream.ts"
import { folder, run, serve } from "../Process.ts"
import type { Packages } from "./Install.ts"
import { install, python } from "./Install.ts"

interface Client {
  readonly title: string
  readonly packages: Packages
  /** The program in `programs`. */
  readonly program: string
}

/** In the order of the table. */
export const clients: ReadonlyArray<Client> = [
  { title: "`openai` (npm) 7.59.0", packages: { npm: { openai: "7.59.0" } }, program: "openai-operations.mjs" },
  { title: "`openai` (PyPI) 3.57.0", packages: { pypi: { openai: "3.57.0" } }, program: "openai_operations.py" },
  { title: "`cohere-ai` (npm) 8.1.0", packages: { npm: { "cohere-ai": "8.1.0" } }, program: "cohere-rerank.mjs" },
  { title: "`cohere` (PyPI) 7.3.1", packages: { pypi: { cohere: "7.3.1" } }, program: "cohere_rerank.py" },
]

/** What a client tells of a call: what it read of the response, or its error. */
interface Told {
  readonly call: string
  readonly said?: string
  readonly error?: string
}

/** What became of the calls of a client, by their names: `"answered"`, or what went wrong. */
export type Answers = ReadonlyMap<string, string>

/** Two minutes for all calls of a client. */
const limit = 120_000

/** Runs the clients, each with a gateway of its own. */
export const observe = async (): Promise<ReadonlyMap<Client, Answers>> => {
  for (const { packages } of clients) await install(packages)
  const answers = new Map<Client, Answers>()
  for (const client of clients) answers.set(client, await Effect.runPromise(Effect.scoped(observed(client))))
  return answers
}

const observed = Effect.fnUntraced(function* (client: Client) {
  const upstream = yield* FaultServer.make()
  const files = yield* FilesUpstream.make
  yield* upstream.script("primary", "503")
  files.down.add("primary")
  const log = join(folder, `${client.program}.log`)
  const config = join(folder, `${client.program}.yaml`)
  writeFileSync(
    config,
    `usageLog: { file: ${JSON.stringify(log)} }
defaults: { retry: { times: 0 } }
deployments:
  primary: { provider: openai, model: primary, baseUrl: "${upstream.url}/v1", apiKey: x }
  backup: { provider: openai, model: backup, baseUrl: "${upstream.url}/v1", apiKey: x }
  files-primary: { provider: openai, model: primary, baseUrl: "${files.url}", apiKey: primary }
  files-backup: { provider: openai, model: backup, baseUrl: "${files.url}", apiKey: backup }
routes:
  assistant: [primary, backup]
  files: [files-primary, files-backup]
`,
  )
  const gateway = yield* Effect.promise(() => serve(config))
  const program = join(import.meta.dirname, "programs", client.program)
  const command = program.endsWith(".py") ? python : process.execPath
  const { err, out } = yield* Effect.promise(() => run(limit, command, [program, gateway.url, "assistant"], folder))
  gateway.stop()
  yield* Effect.promise(() => gateway.stopped)
  if (err !== "") console.error(err)
  const deployments = answering(log)
  const told = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Told)
  const answers: Answers = new Map(told.map((each) => [each.call, answer(each, deployments)]))
  for (const { call, error, said } of told) console.log(`${client.title}, ${call}: ${error ?? said}`)
  return answers
})

const answer = ({ call, error, said = "" }: Told, deployments: ReadonlyMap<string, ReadonlySet<string>>): string => {
  if (error !== undefined) return error
  if (said === "") return "an empty response"
  const names = [...(deployments.get(operationOf(call)) ?? [])]
  if (names.length === 0) return "not in the usage log"
  return names.every((name) => name.endsWith("backup")) ? "answered" : `answered by ${names.join(", ")}`
}

/** Calls are named after their operation, and what is special about them. */
const operationOf = (call: string): string => call.split(", ")[0] ?? call

/** The deployments that answered, by operation, which the usage log has as the protocol. */
const answering = (log: string): ReadonlyMap<string, ReadonlySet<string>> => {
  const deployments = new Map<string, Set<string>>()
  if (!existsSync(log)) return deployments
  for (const line of readFileSync(log, "utf8").trim().split("\n")) {
    const { deployment, protocol } = JSON.parse(line) as { readonly deployment: string; readonly protocol: string }
    deployments.set(protocol, (deployments.get(protocol) ?? new Set()).add(deployment))
  }
  return deployments
}
