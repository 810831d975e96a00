/**
 * The longest time for which one caller's body keeps the gateway from all others: the worst wait of its event loop, for
 * bodies that are made to be costly, in every dialect, to a deployment of the same protocol and to one of another.
 *
 *     node bench/stalls.ts                      # bodies of 4 MB
 *     node bench/stalls.ts --mb 19 --only chat --shape "top-level"
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, request } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { freePort } from "./children.ts"
import { bodies, endpoints } from "./stalls/shapes.ts"
import { line, number } from "./table.ts"

const { values } = parseArgs({
  options: { mb: { type: "string", default: "4" }, only: { type: "string" }, shape: { type: "string" } },
})
const size = Number(values.mb) * 1e6
/** Milliseconds of one stall that are borne for each MB of a body, and for a smaller one. */
const bar = 100

const upstream = createServer((request, response) => {
  request.resume()
  request.on("end", () => {
    response.writeHead(400, { "content-type": "application/json" })
    response.end(`{"error":{"message":"no","type":"invalid_request_error","code":400,"status":"INVALID_ARGUMENT"}}`)
  })
}).listen(0, "127.0.0.1")
await once(upstream, "listening")
const at = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`

const folder = mkdtempSync(join(tmpdir(), "understudy-stalls-"))
const file = join(folder, "stalls.yaml")
const port = await freePort()
writeFileSync(
  file,
  `deployments:
  openai: { provider: openai, model: gpt-4o, apiKey: x, baseUrl: "${at}/v1" }
  anthropic: { provider: anthropic, model: claude-sonnet-4-5, apiKey: x, baseUrl: "${at}" }
  gemini: { provider: gemini, model: gemini-2.5-pro, apiKey: x, baseUrl: "${at}" }
`,
)

const main = fileURLToPath(new URL("../packages/http/src/main.js", import.meta.url))
const probe = new URL("./stalls/probe.ts", import.meta.url).href
const start = async () => {
  const args = ["serve", "--config", file, "--port", `${port}`, "--log-level", "none"]
  const child = fork(main, args, { execArgv: ["--import", probe], stdio: "ignore" })
  const up = () => ask("/ready", undefined).then(({ status }) => status === 200)
  const deadline = performance.now() + 60_000
  while (performance.now() < deadline && !(await up().catch(() => false))) {
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return child
}

const ask = (path: string, body: Buffer | undefined) =>
  new Promise<{ readonly status: number; readonly text: string }>((resolve, reject) => {
    const method = body === undefined ? "GET" : "POST"
    const headers = { "content-type": "application/json", "anthropic-version": "2023-06-01" }
    const asked = request({ port, host: "127.0.0.1", path, method, headers, agent: false }, (answer) => {
      let text = ""
      answer.on("data", (bytes: Buffer) => (text += bytes.toString()))
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text }))
    })
    asked.on("error", reject)
    asked.end(body)
  })

interface Seen {
  readonly stall: number
  readonly cpu: number
  readonly memory: number
}

let child = await start()
const seen = async (): Promise<Seen> => {
  child.send("now")
  const [report] = await once(child, "message")
  return report as Seen
}

const rows: Array<{ readonly name: string; readonly cells: ReadonlyArray<string>; readonly each: number }> = []
process.once("exit", () => {
  child.kill("SIGKILL")
  rmSync(folder, { recursive: true, force: true })
})

for (const model of ["openai", "anthropic"]) {
  for (const endpoint of endpoints(model)) {
    if (values.only !== undefined && !values.only.split(",").includes(endpoint.name)) continue
    // The first call of a kind loads and compiles what it needs.
    await ask(endpoint.path, Buffer.from(`{${endpoint.model},${endpoint.least}}`))
    for (const make of bodies(endpoint, size)) {
      const { name, text } = make()
      if (values.shape !== undefined && !name.includes(values.shape)) continue
      const bytes = Buffer.from(text)
      await seen()
      // The probe has to take a first measure before it can tell how long one took.
      await new Promise((resolve) => setTimeout(resolve, 30))
      const { status, text: told } = await ask(endpoint.path, bytes).catch((error: unknown) => ({
        status: 0,
        text: String(error),
      }))
      if (child.exitCode !== null || child.signalCode !== null) child = await start()
      const { cpu, memory, stall } = await seen()
      // What a busy machine keeps the process waiting for is not the body's.
      const own = Math.min(stall, cpu)
      const each = own / Math.max(1, bytes.length / 1e6)
      const cells = [
        `${endpoint.name} → ${model}`,
        name,
        number(bytes.length / 1e6, 1),
        `${status}`,
        number(stall, 0),
        number(each, 0),
        number(cpu, 0),
        number(memory, 0),
        each > bar ? "**FAIL**" : "",
      ]
      rows.push({ name, cells, each })
      console.log(line(cells), status === 200 ? "" : told.slice(0, 160))
    }
  }
}

const worst = [...rows].sort((a, b) => b.each - a.each)
const head = ["endpoint", "body", "MB", "status", "stall, ms", "ms a MB", "CPU, ms", "MB resident", ""]
console.log([`\nThe worst of ${rows.length}:\n`, line(head), line(head.map(() => "---"))].join("\n"))
for (const { cells } of worst.slice(0, 20)) console.log(line(cells))
const failed = worst.filter(({ each }) => each > bar).length
console.log(`\n${failed} of ${rows.length} stall the loop for more than ${bar} ms a MB.`)
child.kill()
upstream.close()
process.exit(failed > 0 ? 1 : 0)
