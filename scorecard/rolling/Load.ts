/**
 * Calls at a steady rate, whether or not earlier ones have ended: complete responses and streams, in Chat Completions and
 * Messages by turns. Each is judged by its end.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Http from "node:http"

export interface Options {
  readonly port: number
  /** Calls a second. */
  readonly rate: number
  /** The share of calls that are streams: 0 to 1. */
  readonly streams: number
  /** Milliseconds that a call may take until it counts as failed. */
  readonly limit: number
}

export interface Tally {
  complete: number
  streamed: number
  /** The most streams that were open at once. */
  mostOpen: number
  readonly failures: Array<Failure>
}

export interface Failure {
  /** Seconds after the first call. */
  readonly sentAt: number
  readonly endedAt: number
  readonly how: string
}

const messages = [{ role: "user", content: "Hello" }]

/** The two protocols, with how a stream and a complete response of each end. */
const protocols = [
  {
    path: "/v1/chat/completions",
    body: (stream: boolean) => ({ model: stream ? "stream" : "whole", stream, messages }),
    ending: /"finish_reason":"stop".*\n\ndata: \[DONE\]\n\n$/s,
    complete: /"finish_reason":"stop"/,
  },
  {
    path: "/v1/messages",
    body: (stream: boolean) => ({ model: stream ? "stream" : "whole", stream, messages, max_tokens: 1000 }),
    ending: /event: message_stop\ndata: .*\n\n$/,
    complete: /"stop_reason":"end_turn"/,
  },
] as const

/** Makes one call. Returns what was wrong with it, if anything. */
const call = (options: Options, agent: Http.Agent, index: number, stream: boolean) =>
  Effect.callback<string | undefined>((resume) => {
    const protocol = protocols[index % protocols.length] ?? protocols[0]
    let text = ""
    const fail = (how: string) => resume(Effect.succeed(`${stream ? "stream" : "complete"}: ${how}`))
    const request = Http.request(
      {
        port: options.port,
        host: "127.0.0.1",
        method: "POST",
        path: protocol.path,
        agent,
        headers: { "content-type": "application/json" },
      },
      (response) => {
        response.setEncoding("utf8")
        response.on("data", (piece: string) => (text += piece))
        response.on("error", ({ message }) => fail(`broken after ${text.length} bytes: ${message}`))
        response.on("end", () => {
          const { statusCode } = response
          if (statusCode !== 200) return fail(`status ${statusCode}: ${text.slice(0, 120)}`)
          const isGood = (stream ? protocol.ending : protocol.complete).test(text)
          return isGood ? resume(Effect.undefined) : fail(`ends with ${JSON.stringify(text.slice(-200))}`)
        })
      },
    )
    request.on("error", ({ message }) => fail(message))
    request.setTimeout(options.limit, () => request.destroy(new Error(`no byte for ${options.limit} ms`)))
    request.end(JSON.stringify(protocol.body(stream)))
    return Effect.sync(() => request.destroy())
  })

/** Makes calls until `until` returns, and waits for the last one. */
export const run = Effect.fnUntraced(function* <E>(options: Options, until: Effect.Effect<void, E>) {
  const tally: Tally = { complete: 0, streamed: 0, mostOpen: 0, failures: [] }
  const agent = yield* Effect.acquireRelease(
    Effect.sync(() => new Http.Agent({ keepAlive: true })),
    (agent) => Effect.sync(() => agent.destroy()),
  )
  const startedAt = performance.now()
  const seconds = () => (performance.now() - startedAt) / 1000
  let open = 0
  const one = (index: number) => {
    const stream = Math.floor((index + 1) * options.streams) > Math.floor(index * options.streams)
    if (stream) tally.mostOpen = Math.max(tally.mostOpen, ++open)
    const sentAt = seconds()
    return Effect.map(call(options, agent, index, stream), (how) => {
      if (stream) open -= 1
      if (how !== undefined) tally.failures.push({ sentAt, endedAt: seconds(), how })
      else if (stream) tally.streamed += 1
      else tally.complete += 1
    })
  }
  const running: Array<Fiber.Fiber<void>> = []
  // As many as are due, so that a late timer delays calls and skips none.
  const send = Effect.forever(
    Effect.gen(function* () {
      const due = seconds() * options.rate
      while (running.length < due) running.push(yield* Effect.forkScoped(one(running.length)))
      yield* Effect.sleep(5)
    }),
  )
  yield* Effect.raceFirst(send, until)
  yield* Fiber.awaitAll(running)
  return tally
}, Effect.scoped)
