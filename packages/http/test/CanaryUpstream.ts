/**
 * A stand-in of every vendor, of AWS's token service and of a proxy in between, which echoes secrets in every place where an
 * upstream can. Which place it is, and whose secrets it knows, stands in the model that it is asked for: `case--3--openai`.
 */
import * as EventStream from "@understudy/providers/internal/testing/EventStream"
import * as Effect from "effect/Effect"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"

/** A secret that is known at sight, in whichever form: see `leaks`. */
export const canary = (name: string): string => `canary/${name}+0123456789`

/** An AWS access key's id. */
export const accessKeyId = (kind: "AKIA" | "ASIA"): string => `${kind}CANARY0123456789`

/** How an upstream echoes: as it was sent, and escaped. */
const forms: ReadonlyArray<(text: string) => string> = [
  (text) => text,
  (text) => text.toUpperCase(),
  (text) => Buffer.from(text).toString("base64"),
  (text) => Buffer.from(text).toString("base64url"),
  (text) => Buffer.from(`user:${text}`).toString("base64"),
  encodeURIComponent,
  (text) => encodeURIComponent(text).toLowerCase(),
  (text) => encodeURIComponent(encodeURIComponent(text)),
  (text) => text.replaceAll("/", String.raw`\/`),
  // As .NET's and PHP's JSON have it.
  (text) => text.replaceAll("/", String.raw`\u002f`).replaceAll("+", String.raw`\u002B`),
]

/** All secrets in all forms, as an error's text may have them. */
const allForms = (secrets: ReadonlyArray<string>): string =>
  secrets.flatMap((secret) => forms.map((form) => form(secret))).join(" ")

/** The digits of base64 that a text alone decides, whatever stands before it. */
const base64 = (text: string): ReadonlyArray<string> =>
  [0, 1, 2].map((before) =>
    Buffer.from("x".repeat(before) + text)
      .toString("base64")
      .slice(Math.ceil((before * 8) / 6), Math.floor(((before + text.length) * 8) / 6)),
  )

const marks = new RegExp(
  ["canary/", "0123456789", ...base64("canary/"), ...base64("CANARY0123"), ...base64("CANARY/")].join("|"),
  "gi",
)

/** What of secrets stands in a text, in whichever form, whole or for the most part, with what stands around it. */
export const leaks = (text: string): ReadonlyArray<string> => {
  let plain = text
  for (let level = 0; level < 4; level++) {
    const found = [...plain.matchAll(marks)].map(({ index }) => plain.slice(Math.max(0, index - 80), index + 60))
    if (found.length > 0) return found
    plain = unescaped(plain)
  }
  return []
}

const unescaped = (text: string): string =>
  text.replaceAll(
    /%([\da-f]{2})|\\u00([\da-f]{2})|\\([/\\])/gi,
    (_, percent?: string, unit?: string, bare?: string) =>
      bare ?? String.fromCharCode(Number.parseInt(percent ?? unit ?? "3f", 16)),
  )

// ---------------------------------------------------------------------------------------------------------------------
// Places
// ---------------------------------------------------------------------------------------------------------------------

interface Echo {
  readonly status?: number
  readonly statusText?: string
  readonly headers?: Record<string, string>
  readonly body: string | Uint8Array
  readonly trailers?: Record<string, string>
}

const json = { "content-type": "application/json" }
const sse = { "content-type": "text/event-stream" }
const frames = { "content-type": "application/vnd.amazon.eventstream" }

/** What an error says in each vendor's shape, all at once. */
const told = (words: string) => ({
  __type: words,
  message: words,
  request_id: words,
  type: "error",
  error: {
    code: words,
    type: words,
    status: words,
    param: words,
    message: words,
    metadata: { raw: words },
    details: [
      { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: words },
      { "@type": "type.googleapis.com/google.rpc.BadRequest", fieldViolations: [{ field: words }] },
    ],
  },
})

/** An answer in each vendor's shape, all at once. */
const answer = (words: string) => ({
  id: words,
  model: words,
  type: "message",
  role: "assistant",
  object: "chat.completion",
  stop_reason: "end_turn",
  content: [{ type: "text", text: words }],
  choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: words } }],
  candidates: [{ content: { role: "model", parts: [{ text: words }] }, finishReason: "STOP" }],
  output: { message: { role: "assistant", content: [{ text: words }] } },
  stopReason: "end_turn",
  responseId: words,
  modelVersion: words,
  data: [{ index: 0, embedding: [0.5], object: words }],
  usage: {},
})

/** The same of OpenAI's Responses, whose `output` is a list. */
const responsesAnswer = (words: string) => ({
  ...answer(words),
  object: "response",
  status: "completed",
  output: [{ type: "message", id: words, role: "assistant", content: [{ type: "output_text", text: words }] }],
})

const errorIn = (words: string) => JSON.stringify(told(words))

/** Every place in which an upstream can echo `words`. */
const places: Readonly<Record<string, (words: string) => Echo>> = {
  "an error": (words) => ({ status: 400, headers: json, body: errorIn(words) }),
  "an error of its own making": (words) => ({ status: 500, headers: json, body: errorIn(words) }),
  "an error's code alone": (words) => ({
    status: 422,
    headers: json,
    body: JSON.stringify({ error: { code: words } }),
  }),
  "an error in words": (words) => ({ status: 500, body: `Bad request: ${words}` }),
  "headers and status text": (words) => ({
    status: 401,
    statusText: words,
    headers: {
      "content-type": `application/json; ${words}`,
      "x-request-id": words,
      "request-id": words,
      "retry-after": words,
      "x-amzn-requestid": words,
      "x-amzn-errortype": words,
      "www-authenticate": words,
    },
    body: "",
  }),
  "headers of a good answer": (words) => ({
    statusText: words,
    headers: { ...json, "x-request-id": words, "request-id": words, "x-amzn-requestid": words },
    body: JSON.stringify(answer("Hello.")),
  }),
  "an encoding that is none": (words) => ({
    headers: { ...json, "content-encoding": `${"-".repeat(60)}${words}` },
    body: "{}",
  }),
  "a redirect": (words) => ({
    status: 302,
    headers: { location: `http://127.0.0.1:1/${encodeURIComponent(words)}` },
    body: `<a href="/${encodeURIComponent(words)}">Found</a>`,
  }),
  "an error in an answer": (words) => ({ headers: json, body: errorIn(words) }),
  "JSON that is none": (words) => ({ headers: json, body: `${words} {"id": "${words}` }),
  "JSON that is broken, of a refusal": (words) => ({
    status: 400,
    headers: json,
    body: `{"error": {"message": "${words}`,
  }),
  "an answer": (words) => ({ headers: json, body: JSON.stringify(answer(words)) }),
  "an answer of Responses": (words) => ({ headers: json, body: JSON.stringify(responsesAnswer(words)) }),
  "an error in a stream": (words) => ({ headers: sse, body: `event: error\ndata: ${errorIn(words)}\n\n` }),
  "a comment, an id and a name in a stream": (words) => ({
    headers: sse,
    body: `: ${words}\nid: ${words}\nevent: ${words}\ndata: {"type":"ping"}\n\nretry: ${words}\n${words}: ${words}\n\n`,
  }),
  "a stream of its own": (words) => ({
    headers: sse,
    body: `data: ${JSON.stringify({ ...answer(words), choices: [{ index: 0, delta: { content: words } }] })}\n\ndata: ${words}\n\n`,
    trailers: { "x-error": words },
  }),
  "a stream of Responses": (words) => ({
    headers: sse,
    body: [
      { type: "response.created", response: { ...responsesAnswer(words), status: "in_progress", output: [] } },
      { type: "response.output_text.delta", item_id: words, output_index: 0, content_index: 0, delta: words },
      { type: "response.failed", response: { ...responsesAnswer(words), status: "failed", error: told(words).error } },
    ]
      .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
      .join(""),
  }),
  "a stream of Messages": (words) => ({
    headers: sse,
    body: [
      { type: "message_start", message: { ...answer(words), content: [] } },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: words } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: words } },
      told(words),
    ]
      .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
      .join(""),
  }),
  "an event of AWS's": (words) => ({
    headers: { ...frames, "x-amzn-requestid": words },
    body: Buffer.concat([
      EventStream.event("messageStart", { role: "assistant" }),
      EventStream.event("contentBlockDelta", { contentBlockIndex: 0, delta: { text: words } }),
      EventStream.event(words, { message: words }),
      EventStream.rawEvent("contentBlockDelta", words),
    ]),
  }),
  "an exception of AWS's": (words) => ({ headers: frames, body: EventStream.exception(words, words) }),
  "an error of AWS's": (words) => ({ headers: frames, body: EventStream.error(words, words) }),
}

/** Where a text is cut after 200 characters: the secret, in one form, begins before and ends beyond. */
const page = (secret: string): Echo => ({
  status: 502,
  headers: { "content-type": "text/html" },
  body: `<html>${"-".repeat(170)}${secret}</html>`,
})

/** An answer that holds a secret in one form alone, as JSON has it. */
const sole = (secret: string): Echo => ({
  headers: json,
  body: JSON.stringify(answer("@secret")).replaceAll("@secret", secret),
})

/** Each place with all secrets in all forms; and, for each form alone, a page that is cut, and an answer. */
const all: ReadonlyArray<readonly [name: string, echo: (secrets: ReadonlyArray<string>) => Echo]> = [
  ...Object.entries(places).map(
    ([name, echo]) => [name, (secrets: ReadonlyArray<string>) => echo(allForms(secrets))] as const,
  ),
  ...Object.entries({
    "a page that is cut": page,
    "an answer of one form": sole,
  }).flatMap(([name, echo]) =>
    forms.map(
      (form, at) => [`${name}, ${at}`, (secrets: ReadonlyArray<string>) => echo(secrets.map(form).join(" "))] as const,
    ),
  ),
]

const played = (at: number, secrets: ReadonlyArray<string>): Echo => all[at]?.[1](secrets) ?? { status: 404, body: "" }

/** The names of the places, by whose numbers they are asked for. */
export const names: ReadonlyArray<string> = all.map(([name]) => name)

// ---------------------------------------------------------------------------------------------------------------------
// The server
// ---------------------------------------------------------------------------------------------------------------------

/** A role's credentials, which the deployments that assume one are given. */
export const role = { id: accessKeyId("ASIA"), secret: canary("rolesecret"), token: canary("roletoken") }

const granted = `<Credentials><AccessKeyId>${role.id}</AccessKeyId><SecretAccessKey>${role.secret}</SecretAccessKey>
<SessionToken>${role.token}</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>`

/** Gives out roles, unless they are called `denied`: to a web identity, of which it knows the token, or to keys. */
const tokens = (form: URLSearchParams, keys: ReadonlyArray<string>): Echo => {
  const action = form.get("Action") ?? ""
  const identity = form.get("WebIdentityToken")
  const words = allForms(identity === null ? keys : [identity])
  return form.get("RoleArn")?.endsWith("/denied") === true
    ? {
        status: 400,
        headers: { "content-type": "text/xml", "x-amzn-requestid": words },
        body: `<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code><Message>${words}</Message></Error>
<RequestId>${words}</RequestId></ErrorResponse>`,
      }
    : {
        headers: { "content-type": "text/xml" },
        body: `<${action}Response><${action}Result>${granted}</${action}Result></${action}Response>`,
      }
}

/** Serves until the scope closes. `known` are the secrets that are sent by each deployment, by its name. */
export const make = (known: Readonly<Record<string, ReadonlyArray<string>>>) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly server: Http.Server; readonly port: number; readonly asked: Set<string> }>((resume) => {
      const asked = new Set<string>()
      const server = Http.createServer((request, response) => {
        let body = ""
        request.on("data", (chunk: Buffer) => (body += chunk.toString()))
        request.on("end", () => {
          const { authorization = "" } = request.headers
          const [, at = "0", name = ""] = /case--(\d+)--(\w+)/.exec(`${request.url} ${body}`) ?? []
          asked.add(`${name} ${at}`)
          const sent = [...(known[name] ?? []), authorization, ...inQuery(request.url)].filter((text) => text !== "")
          const echo = body.includes("Action=")
            ? tokens(new URLSearchParams(body), known["denied"] ?? [])
            : played(Number(at), sent)
          const bytes = Buffer.from(echo.body)
          response.writeHead(echo.status ?? 200, fit(echo.statusText ?? ""), {
            ...echo.headers,
            ...(echo.trailers === undefined ? undefined : { trailer: "x-error" }),
          })
          // In two chunks, the first of which ends within a secret.
          const half = Math.floor(bytes.length / 2)
          response.write(bytes.subarray(0, half), () => {
            if (echo.trailers !== undefined) response.addTrailers(echo.trailers)
            response.end(bytes.subarray(half))
          })
        })
      })
      const tunnel = allForms(known["tunnel"] ?? [])
      server.on("connect", (_, socket) => {
        socket.on("error", () => undefined)
        socket.end(`HTTP/1.1 403 ${tunnel}\r\nx-error: ${tunnel}\r\n\r\n${tunnel}`)
      })
      server.maxHeadersCount = 0
      server.listen(0, "127.0.0.1", () =>
        resume(Effect.succeed({ server, port: (server.address() as AddressInfo).port, asked })),
      )
    }),
    ({ server }) =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      }),
  )

const fit = (statusText: string): string => statusText.replaceAll(/[^\x20-\x7e]/g, "?") || "Said"

const inQuery = (url = ""): ReadonlyArray<string> =>
  url.includes("?")
    ? [...new URLSearchParams(url.slice(url.indexOf("?"))).values()].filter((text) => text.includes("canary"))
    : []
