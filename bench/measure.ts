/** What a client sees of a target under a load, and what the load costs the target's process. */
import { once } from "node:events"
import { end } from "./children.ts"
import type { Load, Report, Seen } from "./load.ts"
import { cpuMicros } from "./process.ts"
import type { Asked, Setting, Spec, Target } from "./target.ts"

/** The number of concurrent requests. */
export const shape = { connections: 32, streams: 16, chunks: 200, paceMillis: 2 }

const messages = [
  { role: "system", content: "You answer in one sentence, plainly, and never mention that you are a stand-in." },
  { role: "user", content: "Who goes on when the lead actor cannot, and how does the audience find out?" },
]

/** The body of a short request that is not streamed. */
export const whole = (asked: Asked) => ({ model: asked.model, messages, temperature: 0.7, max_tokens: 256 })

/** The body of a request for a stream of `chunks`, with `pace` milliseconds between them. */
export const streamed = (asked: Asked, chunks: number, pace: number) => ({
  model: asked.model,
  messages,
  stream: true,
  max_tokens: chunks,
  ...(pace > 0 ? { user: `${pace}` } : {}),
})

/** Has the load generator put a target under load, lap by lap. */
const laps = async function* (
  { generator }: Setting,
  { headers, port }: Asked,
  body: object,
  connections: number,
  laps: ReadonlyArray<number>,
): AsyncGenerator<Seen> {
  generator.send({ port, headers, body, connections, laps } satisfies Load)
  for (const seconds of laps) {
    const timeout = AbortSignal.timeout(seconds * 1000 + 20_000)
    const [report] = (await once(generator, "message", { signal: timeout })) as [Report]
    if ("failed" in report) throw new Error(report.failed)
    yield report.seen
  }
}

/** Puts a target under load for some seconds. */
export const press = async (setting: Setting, asked: Asked, body: object, connections: number, seconds: number) => {
  for await (const _ of laps(setting, asked, body, connections, [seconds]));
}

/** Measures a target under a load, after some seconds of the same load: by default a moment. CPU time is in microseconds. */
export const measured = async (
  setting: Setting,
  target: Target,
  body: object,
  connections: number,
  seconds: number,
  warmUp = Math.min(0.3, seconds / 4),
) => {
  const pid = target.child.pid!
  let before = 0
  let last: (Seen & { readonly cpu: number }) | undefined
  for await (const seen of laps(setting, target, body, connections, [warmUp, seconds])) {
    const now = cpuMicros(pid)
    last = { ...seen, cpu: now - before }
    before = now
  }
  return last!
}

/** One call. */
export const post = (asked: Asked, body: object) =>
  fetch(`http://127.0.0.1:${asked.port}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer x", ...asked.headers },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  })

/** Fails unless the target returns the upstream's response, complete and streamed: a fast error is no response. */
export const check = async (asked: Asked) => {
  const text = async (body: object) => {
    const answer = await post(asked, body)
    return `${answer.status} ${await answer.text()}`
  }
  const answer = await text(whole(asked))
  if (!/^200 .*knows every line/s.test(answer)) throw new Error(`unexpected answer: ${answer}`)
  const stream = await text(streamed(asked, 5, shape.paceMillis))
  const contents = stream.match(/ understudy/g)?.length ?? 0
  if (!stream.startsWith("200 ") || contents !== 5 || !stream.trimEnd().endsWith("data: [DONE]"))
    throw new Error(`unexpected stream: ${stream}`)
}

/** A target that runs, with what was measured of it in each round. */
export interface Running<A> {
  readonly spec: Spec
  readonly target: Target
  readonly samples: Array<A>
}

/** Says why a target is not measured. Only an optional one may fail. */
const leaveOut = (setting: Setting, { optional, title }: Spec, cause: unknown) => {
  if (optional !== true) throw new Error(`${title} failed`, { cause })
  setting.say(`${title} is left out: ${cause instanceof Error ? cause.message : String(cause)}`)
}

/** Starts those of the targets that the run includes, and checks their answers. */
export const startAll = async <A>(setting: Setting, specs: ReadonlyArray<Spec>): Promise<ReadonlyArray<Running<A>>> => {
  const running: Array<Running<A>> = []
  for (const spec of specs.filter(({ name }) => setting.includes(name))) {
    setting.say(`starting ${spec.title}`)
    try {
      const target = await spec.start(setting)
      await check(target)
      running.push({ spec, target, samples: [] })
    } catch (error) {
      leaveOut(setting, spec, error)
    }
  }
  return running
}

/** Does something with each target, one after another. Returns those with which it succeeded. */
export const inTurn = async <A>(
  setting: Setting,
  running: ReadonlyArray<Running<A>>,
  use: (running: Running<A>) => Promise<void>,
): Promise<ReadonlyArray<Running<A>>> => {
  const lasted: Array<Running<A>> = []
  for (const one of running) {
    try {
      await use(one)
      lasted.push(one)
    } catch (error) {
      leaveOut(setting, one.spec, error)
      end(one.target.child)
    }
  }
  return lasted
}

/** Measures each target once a round, one after another, so that noise affects all of them. */
export const interleave = async <A>(
  setting: Setting,
  running: ReadonlyArray<Running<A>>,
  turn: (target: Target, spec: Spec, round: number) => Promise<A>,
  tell: (sample: A) => string,
): Promise<ReadonlyArray<Running<A>>> => {
  let lasting = running
  for (let round = 1; round <= setting.rounds; round++) {
    lasting = await inTurn(setting, lasting, async ({ samples, spec, target }) => {
      const sample = await turn(target, spec, round)
      samples.push(sample)
      setting.say(`round ${round}/${setting.rounds} ${spec.title.padEnd(20)} ${tell(sample)}`)
    })
  }
  return lasting
}

/** One value for each target. */
export const each = <A>(running: ReadonlyArray<Running<A>>, value: (samples: ReadonlyArray<A>) => number) =>
  Object.fromEntries(running.map(({ samples, spec }) => [spec.name, value(samples)]))

export const columns = (running: ReadonlyArray<Running<unknown>>) =>
  running.map(({ spec: { name, title } }) => ({ name, title }))

export const endAll = (running: ReadonlyArray<Running<unknown>>) => running.forEach(({ target }) => end(target.child))
