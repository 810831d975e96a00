/** A call of each dialect, whole and streamed, over a connection that is kept. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { Agent, request } from "node:http"

export interface Answer {
  readonly status: number
  readonly connection: string | undefined
  readonly retryAfter: string | undefined
  /** `retry-after-ms`. */
  readonly retryAfterMillis: string | undefined
  readonly text: string
  /** Whether the answer came to its end, rather than being cut. */
  readonly whole: boolean
}

/** Over a connection that is kept, where there is one. */
export const agent = Effect.acquireRelease(
  Effect.sync(() => new Agent({ keepAlive: true, maxSockets: 1 })),
  (agent) => Effect.sync(() => agent.destroy()),
)

/** Sends a POST with a body, or a GET without one. `begun` is done once the response has begun. */
export const send = (
  url: string,
  path: string,
  body: object | undefined,
  via: Agent,
  { begun, headers }: { readonly begun?: Deferred.Deferred<void>; readonly headers?: Record<string, string> } = {},
) =>
  Effect.callback<Answer, Error>((resume) => {
    const sent = request(
      `${url}${path}`,
      {
        method: body === undefined ? "GET" : "POST",
        agent: via,
        headers: { "content-type": "application/json", ...headers },
      },
      (response) => {
        let text = ""
        if (begun !== undefined) Deferred.doneUnsafe(begun, Effect.void)
        response.on("data", (chunk) => (text += chunk))
        response.on("error", () => {})
        response.on("close", () =>
          resume(
            Effect.succeed({
              status: response.statusCode!,
              connection: response.headers["connection"],
              retryAfter: response.headers["retry-after"],
              retryAfterMillis: response.headers["retry-after-ms"]?.toString(),
              text,
              whole: response.complete,
            }),
          ),
        )
      },
    )
    sent.on("error", (error) => resume(Effect.fail(error)))
    sent.end(body === undefined ? undefined : JSON.stringify(body))
    return Effect.sync(() => sent.destroy())
  })

const messages = [{ role: "user", content: "hi" }]

/** How each dialect is asked, the code of its errors from the gateway's own, and how a stream ends that a shutdown cuts off. */
export const dialects = {
  chat: {
    path: () => "/v1/chat/completions",
    body: (stream: boolean) => ({ model: "assistant", messages, stream }),
    code: (own: string) => own,
    last: /data: \{"error":\{.*"code":"draining".*\}\}\n\n$/,
  },
  messages: {
    path: () => "/v1/messages",
    body: (stream: boolean) => ({ model: "assistant", messages, stream, max_tokens: 100 }),
    code: () => "overloaded_error",
    last: /event: error\ndata: \{"type":"error","error":\{"type":"overloaded_error".*\}\n\n$/,
  },
  responses: {
    path: () => "/v1/responses",
    body: (stream: boolean) => ({ model: "assistant", input: "hi", stream }),
    code: (own: string) => own,
    last: /event: response\.failed\n[^]*shutting down[^]*\n\n$/,
  },
  gemini: {
    path: (stream: boolean) =>
      `/v1beta/models/assistant:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    body: () => ({ contents: [{ role: "user", parts: [{ text: "hi" }] }] }),
    code: () => "UNAVAILABLE",
    last: /\{"error":\{"code":503,.*shutting down[^]*$/,
  },
  generate: {
    path: () => "/api/generate",
    body: (stream: boolean) => ({ model: "assistant", prompt: "hi", stream }),
    code: (own: string) => own,
    last: /data: \{"error":"This gateway is shutting down.*"code":"draining".*\}\n\n$/,
  },
}
export const names = Object.keys(dialects) as ReadonlyArray<keyof typeof dialects>
