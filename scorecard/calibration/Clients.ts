/** Clients of the calibration: the planned calls, each made at its time, and how long its response took until its end. */
import type { PlannedCall } from "@understudy/core/Rehearsal"
import * as Filler from "@understudy/core/internal/rehearsal/Filler"
import * as Effect from "effect/Effect"
import * as Http from "node:http"
import * as StandIn from "./StandIn.ts"

/** How a call ended for its client. */
export interface Ended {
  /** From the request until the last byte. */
  readonly millis: number
  readonly isAnswered: boolean
}

/** Makes the calls at their times, which are clock milliseconds. Returns when the last one has ended. */
export const run = (url: string, calls: ReadonlyArray<PlannedCall>): Effect.Effect<ReadonlyArray<Ended>> =>
  Effect.acquireUseRelease(
    Effect.sync(() => new Http.Agent({ keepAlive: true })),
    (agent) =>
      Effect.forEach(
        calls,
        (call) =>
          Effect.andThen(
            until(call.at),
            Effect.suspend(() => make(`${url}/v1/chat/completions`, agent, call)),
          ),
        { concurrency: "unbounded" },
      ),
    (agent) => Effect.sync(() => agent.destroy()),
  )

const until = (at: number): Effect.Effect<void> => Effect.suspend(() => Effect.sleep(Math.max(0, at - StandIn.now())))

/** The request of a call, whose number the stand-in reads. */
export const bodyOf = ({ inputTokens, model, number, streaming }: PlannedCall): string =>
  JSON.stringify({
    model,
    stream: streaming,
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: Filler.about(inputTokens) },
          { type: "text", text: String(number) },
        ],
      },
    ],
  })

const make = (url: string, agent: Http.Agent, call: PlannedCall): Effect.Effect<Ended> =>
  Effect.callback((resume) => {
    const startedAt = performance.now()
    const end = (isAnswered: boolean) =>
      resume(Effect.sync(() => ({ millis: performance.now() - startedAt, isAnswered })))
    const headers = { "content-type": "application/json" }
    const request = Http.request(url, { method: "POST", agent, headers }, (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (piece: string) => (text += piece))
      response.on("error", () => end(false))
      response.on("end", () => end(response.statusCode === 200 && isComplete(text, call.streaming)))
    })
    request.on("error", () => end(false))
    request.end(bodyOf(call))
    return Effect.sync(() => request.destroy())
  })

const isComplete = (text: string, streaming: boolean): boolean =>
  text.includes('"finish_reason":"stop"') && (!streaming || text.endsWith("data: [DONE]\n\n"))
