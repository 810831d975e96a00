/**
 * Calls through the gateway, all at once, by a real client: what became of each, in the order they end.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import OpenAI, { APIError } from "openai"

/** A call that has ended. `deployment` is whose answer it is; without one, it failed with `status`. */
export interface Ended {
  readonly number: number
  readonly millis: number
  readonly deployment: string | undefined
  readonly status: number
  readonly message: string
}

export interface Asking {
  /** The gateway's address. */
  readonly url: string
  readonly apiKey: string
  readonly model: string
  readonly requests: number
}

/** Makes so many calls at once; `told` hears of each as it ends. */
export const make = (
  { apiKey, model, requests, url }: Asking,
  told: (ended: Ended) => Effect.Effect<void>,
): Effect.Effect<ReadonlyArray<Ended>> => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0, logLevel: "off" })
  const call = (number: number): Effect.Effect<Ended> =>
    Effect.gen(function* () {
      const startedAt = yield* Clock.currentTimeMillis
      const outcome = yield* Effect.promise((signal) =>
        client.chat.completions
          .create(
            {
              model,
              messages: [{ role: "user", content: `Request ${number}: say hello.` }],
              max_completion_tokens: 100,
            },
            { signal },
          )
          .withResponse()
          .then(
            ({ response }) => ({
              deployment: decodeURI(response.headers.get("x-understudy-deployment") ?? ""),
              status: response.status,
              message: "",
            }),
            (error: unknown) => ({
              deployment: undefined,
              status: error instanceof APIError ? (error.status ?? 0) : 0,
              message: error instanceof Error ? error.message : String(error),
            }),
          ),
      )
      const ended = { number, millis: (yield* Clock.currentTimeMillis) - startedAt, ...outcome }
      yield* told(ended)
      return ended
    })
  return Effect.forEach(
    Array.from({ length: requests }, (_, index) => index + 1),
    call,
    { concurrency: "unbounded" },
  )
}
