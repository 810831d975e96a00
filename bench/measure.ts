/** One turn of one target: what a client sees, what the process costs. */
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import type { Load, Report, Seen } from "./load.ts"

/** A server to ask: a target, or the upstream itself. */
export interface Asked {
  readonly port: number
  readonly model: string
  readonly headers: Readonly<Record<string, string>>
}

/** Seconds given to each measurement, and to the first warm-up. */
export interface Pace {
  readonly warm: number
  readonly throughput: number
  readonly latency: number
  readonly stream: number
  readonly firstToken: number
}

/** The number of concurrent requests. */
export const shape = { connections: 32, streams: 16, chunks: 200, paceMillis: 2 }

const messages = [
  { role: "system", content: "You answer in one sentence, plainly, and never mention that you are a stand-in." },
  { role: "user", content: "Who goes on when the lead actor cannot, and how does the audience find out?" },
]

const whole = (asked: Asked) => ({ model: asked.model, messages, temperature: 0.7, max_tokens: 256 })
const streamed = (asked: Asked, chunks: number, pace: number) => ({
  model: asked.model,
  messages,
  stream: true,
  max_tokens: chunks,
  ...(pace > 0 ? { user: `${pace}` } : {}),
})

/** Asks the load generator for one measurement. */
export const ask = async (generator: ChildProcess, load: Load): Promise<Seen> => {
  generator.send(load)
  const timeout = AbortSignal.timeout(load.seconds * 1000 + 20_000)
  const [report] = (await once(generator, "message", { signal: timeout })) as [Report]
  if ("failed" in report) throw new Error(report.failed)
  return report.seen
}

/** Fails unless the target returns the upstream's response, complete and streamed: a fast error is no response. */
export const check = async (asked: Asked) => {
  const post = async (body: object) => {
    const answer = await fetch(`http://127.0.0.1:${asked.port}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer x", ...asked.headers },
      body: JSON.stringify(body),
    })
    return `${answer.status} ${await answer.text()}`
  }
  const answer = await post(whole(asked))
  if (!/^200 .*knows every line/s.test(answer)) throw new Error(`unexpected answer: ${answer}`)
  const stream = await post(streamed(asked, 5, shape.paceMillis))
  const contents = stream.match(/ understudy/g)?.length ?? 0
  if (!stream.startsWith("200 ") || contents !== 5 || !stream.trimEnd().endsWith("data: [DONE]"))
    throw new Error(`unexpected stream: ${stream}`)
}

const residentMegabytes = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024

/** CPU time spent so far, in microseconds; the kernel counts in hundredths of a second. */
const cpuMicros = (pid: number) => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

export interface Sample {
  readonly throughput: number
  readonly loadedP99: number
  readonly cpu: number
  readonly p50: number
  readonly p99: number
  readonly events: number
  readonly cpuEvent: number
  readonly firstToken: number
  readonly memory: number
}

/** Memory of a process that has started and answered nothing yet, in megabytes. */
export const idleMemory = residentMegabytes

export const warm = async (generator: ChildProcess, asked: Asked, seconds: number) => {
  const load = { port: asked.port, headers: asked.headers, seconds: seconds / 2 }
  await ask(generator, { ...load, body: whole(asked), connections: shape.connections })
  await ask(generator, { ...load, body: streamed(asked, shape.chunks, 0), connections: shape.streams })
}

/** One turn: throughput, latency, streaming, first token, in that order, each after a moment of the same load. */
export const turn = async (generator: ChildProcess, asked: Asked, pid: number, pace: Pace): Promise<Sample> => {
  const measured = async (seconds: number, body: object, connections: number) => {
    const load = { port: asked.port, headers: asked.headers, body, connections }
    await ask(generator, { ...load, seconds: Math.min(0.3, seconds / 4) })
    const before = cpuMicros(pid)
    const seen = await ask(generator, { ...load, seconds })
    return { ...seen, cpuPerSecond: (cpuMicros(pid) - before) / seconds }
  }
  const loaded = await measured(pace.throughput, whole(asked), shape.connections)
  const alone = await measured(pace.latency, whole(asked), 1)
  const stream = await measured(pace.stream, streamed(asked, shape.chunks, 0), shape.streams)
  const paced = await measured(pace.firstToken, streamed(asked, 4, shape.paceMillis), 1)
  return {
    throughput: loaded.requestsPerSecond,
    loadedP99: loaded.p99,
    cpu: loaded.cpuPerSecond / loaded.requestsPerSecond,
    p50: alone.p50,
    p99: alone.p99,
    events: stream.eventsPerSecond,
    cpuEvent: stream.cpuPerSecond / stream.eventsPerSecond,
    firstToken: paced.firstToken,
    memory: residentMegabytes(pid),
  }
}
