/**
 * Concurrent calls through the gateway by the OpenAI client, and the result of each.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import OpenAI, { APIError } from "openai"

/** A finished call. Without a `deployment`, it failed with `status`. */
export interface FinishedCall {
  readonly number: number
  readonly millis: number
  readonly deployment: string | undefined
  readonly status: number
  readonly message: string
}

export interface CallSettings {
  /** The gateway's address. */
  readonly url: string
  readonly apiKey: string
  readonly model: string
  readonly requests: number
}

/** Makes `requests` calls concurrently. Runs `onFinished` for each as it finishes. */
export const make = (
  { apiKey, model, requests, url }: CallSettings,
  onFinished: (finished: FinishedCall) => Effect.Effect<void>,
): Effect.Effect<ReadonlyArray<FinishedCall>> => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0, logLevel: "off" })
  const call = (number: number): Effect.Effect<FinishedCall> =>
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
      const finished = { number, millis: (yield* Clock.currentTimeMillis) - startedAt, ...outcome }
      yield* onFinished(finished)
      return finished
    })
  return Effect.forEach(
    Array.from({ length: requests }, (_, index) => index + 1),
    call,
    { concurrency: "unbounded" },
  )
}
