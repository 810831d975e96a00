/** A client that reads the gateway's raw bytes, without an SDK. */
import * as Effect from "effect/Effect"
import * as Http from "node:http"
import type { Dialect, Question } from "./dialects/Dialect.ts"

/** What came, and how it ended: `"hung"` when the limit struck, `"left"` when this caller went away on purpose. */
export interface Received {
  /** 0 if there was no answer at all. */
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly text: string
  readonly end: "ended" | "cut" | "hung" | "left"
  /** Milliseconds until the first event of a stream, comments not counted, and until the end. */
  readonly firstEvent: number
  readonly millis: number
}

export interface Options {
  readonly agent?: Http.Agent
  /** Longest wait for the end, in milliseconds. */
  readonly limit?: number
  /** Goes away after that many milliseconds, or on the first byte. */
  readonly leave?: number | "first-byte" | undefined
}

/** Asks the gateway at `url` in that dialect. */
export const ask = (url: string, { path, request }: Dialect, question: Question, options?: Options) =>
  Effect.flatMap(written(request(question)), (body) => post(`${url}${path(question)}`, body, options))

interface Body {
  readonly contentType: string
  readonly bytes: Uint8Array
}

/** A request as JSON, or as the form that it is. */
const written = (request: unknown): Effect.Effect<Body> =>
  request instanceof FormData
    ? Effect.promise(async () => {
        const form = new Response(request)
        return { contentType: form.headers.get("content-type") ?? "", bytes: await form.bytes() }
      })
    : Effect.succeed({ contentType: "application/json", bytes: Buffer.from(JSON.stringify(request)) })

/** POSTs a request to an absolute URL. */
const post = (url: string, { bytes, contentType }: Body, { agent, leave, limit = 40_000 }: Options = {}) =>
  Effect.callback<Received>((resume) => {
    const startedAt = performance.now()
    let status = 0
    let headers: Http.IncomingHttpHeaders = {}
    let text = ""
    let firstEvent = 0
    let over = false
    const finish = (end: Received["end"]): void => {
      if (over) return
      over = true
      clearTimeout(timer)
      clearTimeout(leaving)
      resume(Effect.succeed({ status, headers, text, end, firstEvent, millis: performance.now() - startedAt }))
      if (end !== "ended") request.destroy()
    }
    const request = Http.request(url, {
      method: "POST",
      headers: { "content-type": contentType, "content-length": bytes.length },
      agent: agent ?? false,
    })
    const timer = setTimeout(() => finish("hung"), limit)
    const leaving = typeof leave === "number" ? setTimeout(() => finish("left"), leave) : undefined
    request.on("response", (response) => {
      status = response.statusCode ?? 0
      headers = response.headers
      response.setEncoding("utf8")
      response.on("data", (chunk: string) => {
        text += chunk
        if (firstEvent === 0 && /^data: /m.test(text)) firstEvent = performance.now() - startedAt
        if (leave === "first-byte") finish("left")
      })
      response.on("end", () => finish("ended"))
      response.on("error", () => finish("cut"))
    })
    request.on("error", () => finish("cut"))
    request.end(bytes)
    return Effect.sync(() => finish("left"))
  })
