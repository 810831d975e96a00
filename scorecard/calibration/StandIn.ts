/**
 * Vendors on a socket, for the calibration: a server with OpenAI's API that plays the fates which the rehearsal draws from a scenario,
 * by the same numbers, in real time. A model is a deployment of the scenario. The second part of a request's first message is the
 * number of its call.
 */
import type { PlannedCall, Scenario } from "@understudy/core/Rehearsal"
import type { Answer } from "@understudy/core/internal/rehearsal/Answer"
import * as Answers from "@understudy/core/internal/rehearsal/Answer"
import * as BehaviorFates from "@understudy/core/internal/rehearsal/BehaviorFates"
import type { Fate, Fates, RehearsedCall } from "@understudy/core/internal/rehearsal/Fate"
import * as Scenarios from "@understudy/core/internal/rehearsal/Scenario"
import * as FaultPlayer from "@understudy/providers/internal/testing/FaultPlayer"
import type { Step } from "@understudy/providers/internal/testing/FaultPlayer"
import { openAi } from "@understudy/providers/internal/testing/OpenAi"
import { fields, json, list, stringOf, textOf } from "@understudy/providers/internal/testing/Wire"
import type { Exchange, Fields, Headers, WireRequest } from "@understudy/providers/internal/testing/Wire"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"

/** Milliseconds between two events of a stream. */
const interval = 200

/** Milliseconds by the clock of the system, with fractions. */
export const now = (): number => performance.timeOrigin + performance.now()

// ---------------------------------------------------------------------------------------------------------------------
// Fates
// ---------------------------------------------------------------------------------------------------------------------

const faults = { 429: "rate-limit", 500: "server-error", 503: "overloaded" } as const

const isKnown = (status: number): status is keyof typeof faults => status in faults

/** What the stand-in does at which time. Times are clock milliseconds, in order. */
type Timed = readonly [at: number, ...steps: ReadonlyArray<Step>]

const head = (status: number, headers: Headers): Step => ({ _tag: "Head", status, headers })
const write = (bytes: string | Uint8Array): Step => ({ _tag: "Write", bytes })
const jsonType: Headers = { "content-type": "application/json" }

/** The steps of a fate that was drawn at `from`, in clock milliseconds. */
export const steps = (
  fate: Fate,
  from: number,
  request: WireRequest,
  exchange: Exchange,
  answer: Answer,
): ReadonlyArray<Step> => {
  const timed = fate._tag === "Fails" ? failing(fate, request, exchange) : answering(fate, request, exchange, answer)
  let at = from
  return timed.flatMap(([due, ...steps]) => {
    const millis = Math.max(0, Math.round(due - from) - Math.round(at - from))
    at = due
    return [{ _tag: "Wait", millis }, ...steps]
  })
}

const failing = (
  { at, error }: Extract<Fate, { readonly _tag: "Fails" }>,
  request: WireRequest,
  exchange: Exchange,
): ReadonlyArray<Timed> => {
  const { reason, status } = error
  if (status === undefined) return [[at, { _tag: "Reset" }]]
  if (!isKnown(status)) throw new Error(`The stand-in has no error of status ${status}`)
  const { body, headers } = openAi.error(request, exchange, faults[status])
  const wait = "retryAfter" in reason ? reason.retryAfter : undefined
  const later: Headers = wait === undefined ? {} : { "retry-after": String(Duration.toSeconds(wait)) }
  return [[at, head(status, { ...jsonType, ...headers, ...later }), write(JSON.stringify(body)), { _tag: "End" }]]
}

const answering = (
  { end, error, first, last }: Extract<Fate, { readonly _tag: "Answers" }>,
  request: WireRequest,
  exchange: Exchange,
  { text, tokens }: Answer,
): ReadonlyArray<Timed> => {
  const ending: Step = { _tag: error === undefined ? "End" : error === "silence" ? "Hang" : "Reset" }
  if (!request.stream) {
    if (error !== undefined) return [[last, ending]]
    const body = openAi.plain(request, exchange, { _tag: "Text", pieces: [text(0, tokens)], finish: "stop" })
    return [[last, head(200, jsonType), write(JSON.stringify(body)), ending]]
  }
  const times = [first]
  for (let at = first + interval; at < last; at += interval) times.push(at)
  if (last > first) times.push(last)
  let sent = 0
  const pieces = times.map((at) => {
    const from = sent
    sent = at >= end ? tokens : Math.max(from, 1, Math.floor(((at - first) / (end - first)) * tokens))
    return text(from, sent)
  })
  const events = openAi.stream(request, exchange, { _tag: "Text", pieces, finish: "stop" })
  const start = [head(200, { "content-type": openAi.streamType }), ...events.preamble.map(write)]
  const over = error === undefined ? [...events.finish, ...events.done].map(write) : []
  return times.map((at, index): Timed => [
    at,
    ...(index === 0 ? start : []),
    ...(pieces[index] === "" ? [] : [write(events.output[index]!)]),
    ...(index === times.length - 1 ? [...over, ending] : []),
  ])
}

// ---------------------------------------------------------------------------------------------------------------------
// The server
// ---------------------------------------------------------------------------------------------------------------------

/** The number of the call of a request. */
const numberOf = (body: Fields): number => {
  const [, part] = list(fields(list(body["messages"])[0])["content"])
  return Number(stringOf(fields(part)["text"]))
}

/** The answer to a request, which may be to resume a broken one. */
const answerTo = (body: Fields, tokens: number): Answer => {
  const messages = list(body["messages"]).map(fields)
  const broken = messages.find(({ role }) => role === "assistant")
  const asked = broken === undefined ? undefined : messages[messages.indexOf(broken) + 1]
  return Answers.make(tokens, Number.POSITIVE_INFINITY, textOf(broken?.["content"]), textOf(asked?.["content"]))
}

export interface Options {
  readonly scenario: Scenario
  readonly deployments: ReadonlyArray<string>
  readonly seed: number
}

export interface StandIn {
  /** `http://127.0.0.1:port` */
  readonly url: string
  /** Begins the scenario now, in clock milliseconds, with the calls that will come. */
  readonly begin: (at: number, calls: ReadonlyArray<PlannedCall>) => void
}

/** A listening server, until the scope closes. */
export const make = ({ deployments, scenario, seed }: Options): Effect.Effect<StandIn, never, Scope.Scope> => {
  let calls: ReadonlyArray<PlannedCall> = []
  let fates = new Map<string, Fates>()
  const begun = new Map<number, RehearsedCall>()
  let serial = 0

  const answer = (path: string, body: Fields, response: Http.ServerResponse): void => {
    const request = openAi.read(path, body)
    const planned = calls[numberOf(body)]
    const fateOf = request === undefined ? undefined : fates.get(request.model)
    if (request === undefined || planned === undefined || fateOf === undefined) {
      return FaultPlayer.play(FaultPlayer.notFound("POST", path), response, () => {})
    }
    const call = begun.get(planned.number) ?? { ...planned, attempts: 0 }
    begun.set(planned.number, call)
    const at = now()
    const exchange = { serial: ++serial, now: at, key: "" }
    const written = answerTo(body, call.outputTokens)
    const fate = fateOf(call, at, written.tokens)
    FaultPlayer.play(steps(fate, at, request, exchange, written), response, () => {})
  }

  const listening = Effect.callback<Http.Server>((resume) => {
    const server = Http.createServer((incoming, response) => {
      const chunks: Array<Buffer> = []
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
      incoming.on("end", () => answer(incoming.url ?? "", fields(json(Buffer.concat(chunks).toString())), response))
    })
    server.keepAliveTimeout = 0
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  })
  return Effect.acquireRelease(listening, (server) =>
    Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      server.closeAllConnections()
    }),
  ).pipe(
    Effect.map((server): StandIn => {
      const address = server.address()
      return {
        url: `http://127.0.0.1:${address !== null && typeof address === "object" ? address.port : 0}`,
        begin: (at, planned) => {
          calls = planned
          begun.clear()
          fates = new Map(
            deployments.map((name) => {
              const phases = Scenarios.phasesOf(scenario, { name, vendor: undefined, region: undefined }, at)
              return [name, BehaviorFates.make(name, seed, phases)]
            }),
          )
        },
      }
    }),
  )
}
