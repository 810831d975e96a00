/**
 * Reloads under load: a gateway as a process of its own, calls at a fixed rate, half of them streams that last, and another
 * configuration every moment. No call may fail, memory must not grow, and upstreams that are no longer used must lose their
 * connections.
 *
 * The calls are made at their times, whether or not earlier ones have ended, so that a gateway that stands still is seen.
 */
import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

export interface Options {
  /** Calls a second. */
  readonly rate: number
  readonly seconds: number
  /** How long a stream lasts, in milliseconds. */
  readonly stream: number
  /** The time between two reloads, in milliseconds. */
  readonly every: number
  /** Whether the gateway may reject calls when it is overloaded. On a machine that is busy with other work, `false`. */
  readonly overload: boolean
}

export interface Report {
  readonly calls: number
  readonly streams: number
  /** What was wrong with the calls that failed. */
  readonly failures: ReadonlyArray<string>
  /** The reloads that were put in force, and the bad ones, all of which must be rejected. */
  readonly reloads: number
  readonly rejected: number
  /** What was wrong with the reply to a reload. */
  readonly refused: ReadonlyArray<string>
  /** The calls that each upstream answered. */
  readonly answered: ReadonlyArray<number>
  /** The time to the complete answer of calls that are not streamed: the median, the 99th percentile, and the slowest. */
  readonly latency: { readonly p50: number; readonly p99: number; readonly max: number }
  /** The time to the reply of a reload that was put in force, likewise. */
  readonly reloading: { readonly p50: number; readonly p99: number; readonly max: number }
  /** Resident memory of the gateway each second, in megabytes. */
  readonly memory: ReadonlyArray<number>
  /**
   * Connections to the upstream that the last configuration does not name, once all calls have ended and the time is over for
   * which it keeps idle ones.
   */
  readonly leftOver: number
}

/** What is wrong with a report, if anything is. */
export const complaints = ({ failures, leftOver, memory, refused }: Report): ReadonlyArray<string> => {
  const third = Math.floor(memory.length / 3)
  const [early, late] = [median(memory.slice(third, 2 * third)), median(memory.slice(-third))]
  return [
    ...failures.slice(0, 5).map((failure) => `a call failed: ${failure}`),
    ...refused.slice(0, 5).map((reply) => `a reload was answered with ${reply}`),
    ...(leftOver > 0 ? [`${leftOver} connections to an upstream that is no longer used`] : []),
    // Less is seen in a short run: the process is still warming up.
    ...(third >= 15 && late > 1.1 * early ? [`memory grew from ${early} to ${late} MB`] : []),
  ]
}

export const play = async (options: Options): Promise<Report> => {
  const { every, rate, seconds, stream } = options
  const upstreams = [await startUpstream(stream), await startUpstream(stream)] as const
  const folder = mkdtempSync(join(tmpdir(), "understudy-reloads-"))
  const file = join(folder, "understudy.yaml")
  const write = (text: string) => {
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
  }
  const ports = upstreams.map(({ port }) => port)
  write(configuration(options, ports, 0))
  const gateway = await startGateway(file, folder)
  const agent = new Http.Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY })
  try {
    const failures: Array<string> = []
    const latencies: Array<number> = []
    const reloadTimes: Array<number> = []
    const calls: Array<Promise<void>> = []
    const refused: Array<string> = []
    const memory: Array<number> = []
    let [reloads, rejected, streams] = [0, 0, 0]
    const startedAt = performance.now()
    const until = startedAt + seconds * 1000

    const reloading = (async () => {
      for (let turn = 1; performance.now() < until; turn++) {
        await sleep(Math.max(0, startedAt + turn * every - performance.now()))
        const isBad = turn % 7 === 0
        write(isBad ? bad : configuration(options, ports, turn))
        const began = performance.now()
        const { body, status } = await post(agent, gateway.port, "/admin/reload", undefined)
        if (!isBad) reloadTimes.push(performance.now() - began)
        if (status !== (isBad ? 422 : 200)) refused.push(`${status} ${body}`)
        else if (isBad) rejected++
        else reloads++
      }
    })()
    const watching = (async () => {
      while (performance.now() < until) {
        memory.push(residentMegabytes(gateway.child))
        await sleep(1000)
      }
    })()
    for (let call = 0; call < rate * seconds; call++) {
      const due = startedAt + (call * 1000) / rate
      const early = due - performance.now()
      if (early > 1) await sleep(early)
      const isStream = call % 2 === 0
      if (isStream) streams++
      const began = performance.now()
      calls.push(
        post(agent, gateway.port, "/v1/chat/completions", { ...ask, stream: isStream }).then(
          ({ body, status }) => {
            const whole = isStream ? body.trimEnd().endsWith("data: [DONE]") : body.includes('"finish_reason":"stop"')
            if (status !== 200 || !whole)
              failures.push(`${isStream ? "stream" : "call"} ${call}: ${status} ${body.slice(-300)}`)
            else if (!isStream) latencies.push(performance.now() - began)
          },
          (error: unknown) => void failures.push(`${isStream ? "stream" : "call"} ${call}: ${String(error)}`),
        ),
      )
    }
    await Promise.all(calls)
    await Promise.all([reloading, watching])
    // The last one names the first upstream alone.
    write(configuration(options, [ports[0]!, ports[0]!], 0))
    const { body, status } = await post(agent, gateway.port, "/admin/reload", undefined)
    if (status !== 200) refused.push(`${status} ${body}`)
    for (let waited = 0; upstreams[1].connections() > 0 && waited < 15_000; waited += 20) await sleep(20)
    return {
      calls: calls.length,
      streams,
      failures,
      reloads,
      rejected,
      refused,
      answered: upstreams.map(({ answered }) => answered()),
      latency: quantiles(latencies),
      reloading: quantiles(reloadTimes),
      memory,
      leftOver: upstreams[1].connections(),
    }
  } finally {
    agent.destroy()
    gateway.child.kill("SIGKILL")
    for (const { server } of upstreams) {
      server.closeAllConnections()
      server.close()
    }
    rmSync(folder, { recursive: true, force: true })
  }
}

const ask = { model: "assistant", messages: [{ role: "user", content: "Who goes on when the lead cannot?" }] }

const quantiles = (values: ReadonlyArray<number>) => {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

const bad = "deployments: { lead: { provider: openai, model: m, limits: { rpm: -1 } } }\n"

/** A configuration that differs from the one before in everything that a reload changes: credentials, addresses, limits, routes. */
const configuration = ({ overload }: Options, ports: ReadonlyArray<number>, turn: number): string => {
  const [lead, spare] = turn % 2 === 0 ? ports : ports.toReversed()
  const extra = Array.from(
    { length: turn % 3 },
    (_, index) =>
      `  extra-${index}: { provider: openai, model: m, local: false, apiKey: k, baseUrl: "http://127.0.0.1:${spare}/v1" }`,
  )
  return [
    ...(overload ? [] : ["server: { overload: false }"]),
    "deployments:",
    `  lead: { provider: openai, model: m, local: false, apiKey: "key-${turn % 5}", baseUrl: "http://127.0.0.1:${lead}/v1", limits: { rpm: ${100_000 + turn} } }`,
    `  kept: { provider: openai, model: m, local: false, apiKey: kept, baseUrl: "http://127.0.0.1:${ports[0]}/v1", limits: { concurrency: ${10_000 + turn} } }`,
    ...extra,
    "routes:",
    `  assistant: [${["lead", "kept", ...extra.map((_, index) => `extra-${index}`)].join(", ")}]`,
    "",
  ].join("\n")
}

// ---------------------------------------------------------------------------------------------------------------------
// The processes
// ---------------------------------------------------------------------------------------------------------------------

interface Upstream {
  readonly server: Http.Server
  readonly port: number
  readonly answered: () => number
  readonly connections: () => number
}

const pieces = 20

/** Answers chat completions; a stream lasts `millis`. */
const startUpstream = async (millis: number): Promise<Upstream> => {
  let [answered, connections] = [0, 0]
  const server = Http.createServer((request, response) => {
    let body = ""
    request.on("data", (chunk) => (body += chunk))
    request.on("end", () => {
      answered++
      if (!body.includes('"stream":true')) {
        response.writeHead(200, { "content-type": "application/json" })
        response.end(
          JSON.stringify({
            id: "c",
            object: "chat.completion",
            created: 1,
            model: "m",
            choices: [{ index: 0, message: { role: "assistant", content: "The understudy." }, finish_reason: "stop" }],
            usage: { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 },
          }),
        )
        return
      }
      response.writeHead(200, { "content-type": "text/event-stream" })
      let sent = 0
      const chunk = (delta: object, finish: string | null) =>
        `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
      const timer = setInterval(() => {
        if (sent < pieces) return void response.write(chunk({ role: "assistant", content: `word ${sent++} ` }, null))
        clearInterval(timer)
        response.end(`${chunk({}, "stop")}data: [DONE]\n\n`)
      }, millis / pieces)
      response.on("close", () => clearInterval(timer))
    })
  })
  server.on("connection", (socket) => {
    connections++
    socket.on("close", () => connections--)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  return { server, port, answered: () => answered, connections: () => connections }
}

const main = join(import.meta.dirname, "..", "packages", "http", "src", "main.js")

const startGateway = async (file: string, folder: string): Promise<{ child: ChildProcess; port: number }> => {
  const child = spawn(process.execPath, [main, "serve", "--config", file, "--port", "0"], {
    cwd: folder,
    env: { PATH: process.env["PATH"], NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  })
  let printed = ""
  const port = await new Promise<number>((resolve, reject) => {
    const read = (text: Buffer) => {
      if (printed.length < 10_000) printed += text
      const found = /serves http:\/\/127\.0\.0\.1:(\d+)\//.exec(printed)
      if (found !== null) resolve(Number(found[1]))
    }
    child.stdout.on("data", read)
    child.stderr.on("data", read)
    child.once("close", () => reject(new Error(`the gateway ended: ${printed}`)))
  })
  return { child, port }
}

const residentMegabytes = ({ pid }: ChildProcess): number =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024)

const post = (
  agent: Http.Agent,
  port: number,
  path: string,
  body: object | undefined,
): Promise<{ readonly status: number; readonly body: string }> =>
  new Promise((resolve, reject) => {
    const sent = Http.request(
      { agent, port, path, host: "127.0.0.1", method: "POST", headers: { "content-type": "application/json" } },
      (response) => {
        let text = ""
        response.on("data", (chunk) => (text += chunk))
        response.on("error", reject)
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }))
      },
    )
    sent.on("error", reject)
    sent.end(body === undefined ? "" : JSON.stringify(body))
  })
