/**
 * What a caller is told when every deployment fails: for each failure and each dialect the status, the code, when to ask
 * again and whether that is of use, at the first call and at the next. The SDKs of vendors and the coding agents decide by
 * these alone whether they retry, and how long they sleep.
 */
import Anthropic from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { Route } from "@understudy/core"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { connect } from "node:net"
import { text } from "node:stream/consumers"
import OpenAI from "openai"
import type { ConfiguredKey } from "../src/auth/VirtualKey.ts"
import * as TestGateway from "./TestGateway.ts"

const messages = [{ role: "user", content: "Hello?" }]

/** How each dialect asks, and where its errors say what. */
const dialects = {
  chat: {
    path: "/v1/chat/completions",
    body: { messages },
    code: ({ error }: Told) => error.code,
    requestId: ({ error }: Told) => error.request_id,
  },
  messages: {
    path: "/v1/messages",
    body: { messages, max_tokens: 16 },
    code: ({ error }: Told) => `${error.type}: ${error.details.error_code}`,
    requestId: ({ request_id }: Told) => request_id,
  },
  responses: {
    path: "/v1/responses",
    body: { input: "Hello?" },
    code: ({ error }: Told) => error.code,
    requestId: ({ error }: Told) => error.request_id,
  },
  gemini: {
    path: "/v1beta/models/assistant:generateContent",
    body: { contents: [{ role: "user", parts: [{ text: "Hello?" }] }] },
    code: ({ error }: Told) => `${error.code} ${error.status}: ${detail(error, "ErrorInfo")?.reason}`,
    requestId: ({ error }: Told) => detail(error, "ErrorInfo")?.metadata.requestId,
  },
}

type Dialect = keyof typeof dialects

// oxlint-disable-next-line typescript/no-explicit-any
type Told = any

const detail = (error: Told, type: string): Told =>
  error.details.find((each: Told) => each["@type"].endsWith(`google.rpc.${type}`))

type Asked = Pick<Refusal, "body" | "headers" | "key" | "model">

/** What a client decides by. `wait` is `retry-after`, above 10 s rounded up to ten: time passes between two calls. */
interface Answer {
  readonly status: number
  readonly code: string
  readonly wait?: number
  /** Whether `x-should-retry: false` is said. */
  readonly final?: true
}

const ask = (url: string, dialect: Dialect, streamed: boolean, { body: text, headers, key, model }: Asked = {}) =>
  Effect.promise(async (): Promise<Answer> => {
    const { body, code, path, requestId } = dialects[dialect]
    const target =
      streamed && dialect === "gemini" ? path.replace("generateContent", "streamGenerateContent?alt=sse") : path
    const sent = {
      ...body,
      ...(dialect === "gemini" ? undefined : { stream: streamed, model: model ?? "assistant" }),
    }
    const answer = await fetch(`${url}${target.replace("assistant", model ?? "assistant")}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(key === undefined ? undefined : { authorization: `Bearer ${key}` }),
        ...headers,
      },
      body: text ?? JSON.stringify(sent),
    })
    const told: Told = await answer.json()
    const id = answer.headers.get("x-request-id")
    assert.isAtLeast(id?.length ?? 0, 3)
    assert.strictEqual(answer.headers.get("request-id"), id)
    assert.strictEqual(requestId(told), id)
    const seconds = answer.headers.get("retry-after")
    const millis = answer.headers.get("retry-after-ms")
    assert.strictEqual(seconds, millis === null ? null : String(Math.max(1, Math.ceil(Number(millis) / 1000))))
    const said = /Try again in (\d+) s\./.exec(told.error.message)?.[1] ?? null
    assert.strictEqual(said, seconds)
    if (dialect === "gemini") {
      assert.strictEqual(detail(told.error, "RetryInfo")?.retryDelay, seconds === null ? undefined : `${seconds}s`)
    }
    const should = answer.headers.get("x-should-retry")
    assert.include([null, "false"], should)
    return {
      status: answer.status,
      code: code(told),
      ...(seconds === null ? undefined : { wait: rounded(Number(seconds)) }),
      ...(should === null ? undefined : { final: true }),
    }
  })

const rounded = (seconds: number): number => (seconds <= 10 ? seconds : Math.ceil(seconds / 10) * 10)

/** What `code` is called in each dialect. */
const codes = (code: string, type: string, google: string): Record<Dialect, string> => ({
  chat: code,
  messages: `${type}: ${code}`,
  responses: code,
  gemini: `${google}: ${code.toUpperCase()}`,
})

const limited = { status: 429, code: codes("rate_limit_exceeded", "rate_limit_error", "429 RESOURCE_EXHAUSTED") }
const unavailable = { status: 503, code: codes("upstream_unavailable", "overloaded_error", "503 UNAVAILABLE") }
const lasting = { ...unavailable, code: { ...unavailable.code, responses: "server_is_overloaded" } }
const upstream = { status: 502, code: codes("upstream_error", "api_error", "502 INTERNAL") }
const timeout = { status: 504, code: codes("upstream_timeout", "timeout_error", "504 DEADLINE_EXCEEDED") }
const tooLong = {
  status: 400,
  code: codes("context_length_exceeded", "invalid_request_error", "400 INVALID_ARGUMENT"),
  final: true,
} as const
const invalid = {
  status: 400,
  code: codes("invalid_request", "invalid_request_error", "400 INVALID_ARGUMENT"),
  final: true,
} as const
const policy = {
  status: 400,
  code: codes("content_policy_violation", "invalid_request_error", "400 INVALID_ARGUMENT"),
  final: true,
} as const

/** An answer whose code is told for each dialect. */
type Row = Omit<Answer, "code"> & { readonly code: Record<Dialect, string> }

type Script = string | ReadonlyArray<Behavior.Behavior>

const overloadedFor = (seconds: number): Script => [
  Behavior.refuse("overloaded", { form: "seconds", millis: seconds * 1000 }),
]

/** What each of all deployments does, and what callers are told of it: at first, then while circuits and cooldowns stand. */
const table: ReadonlyArray<
  readonly [failure: string, primary: Script, backup: Script | undefined, first: Row, next: Row]
> = [
  ["429 without retry-after", "429", undefined, { ...limited, wait: 1 }, { ...limited, wait: 1 }],
  ["429, retry-after 30", "429-retry-after-30", undefined, { ...limited, wait: 30 }, { ...limited, wait: 30 }],
  [
    "429, retry-after 300",
    "429-retry-after-300",
    undefined,
    { ...limited, wait: 300, final: true },
    { ...limited, wait: 30 },
  ],
  ["503", "503", undefined, { ...unavailable, wait: 2 }, { ...unavailable, wait: 2 }],
  ["503, retry-after 30", overloadedFor(30), undefined, { ...unavailable, wait: 30 }, { ...unavailable, wait: 30 }],
  [
    "503, retry-after 90",
    overloadedFor(90),
    undefined,
    { ...lasting, wait: 90, final: true },
    { ...lasting, wait: 90, final: true },
  ],
  ["500", "500", undefined, { ...upstream, wait: 2 }, { ...upstream, wait: 2 }],
  ["502", "html-502", undefined, { ...upstream, wait: 2 }, { ...upstream, wait: 2 }],
  ["a reset", "reset", undefined, { ...upstream, wait: 2 }, { ...upstream, wait: 2 }],
  ["an empty body", "empty-200", undefined, { ...upstream, wait: 2 }, { ...upstream, wait: 2 }],
  ["408", "timeout", undefined, timeout, { ...upstream, wait: 2 }],
  ["a dead key", "bad-key", undefined, { ...upstream, final: true }, { ...upstream, final: true }],
  ["no right", "forbidden", undefined, { ...upstream, final: true }, { ...upstream, final: true }],
  ["no such model", "unknown-model", undefined, { ...upstream, final: true }, { ...upstream, final: true }],
  ["no quota", "quota", undefined, { ...upstream, final: true }, { ...upstream, final: true }],
  ["a dead key, no quota", "bad-key", "quota", { ...upstream, final: true }, { ...upstream, final: true }],
  ["a dead key, 429 for 30 s", "bad-key", "429-retry-after-30", { ...upstream, wait: 30 }, { ...upstream, wait: 30 }],
  ["a dead key, 503", "bad-key", "503", { ...upstream, wait: 2 }, { ...upstream, wait: 2 }],
  ["429 for 30 s, 503", "429-retry-after-30", "503", { ...upstream, wait: 2 }, { ...upstream, wait: 2 }],
  ["too long", "context-length", undefined, tooLong, tooLong],
  ["a mistake of the caller's", "invalid-request", undefined, invalid, invalid],
  ["a content policy", "content-policy", undefined, policy, policy],
]

/** What is refused before any deployment is asked: by the key that was sent, if any, the model, and the body. */
interface Refusal {
  readonly what: string
  readonly options?: TestGateway.Options
  readonly drains?: true
  readonly key?: string
  readonly model?: string
  readonly headers?: Record<string, string>
  readonly body?: string
  readonly status: number | Record<Dialect, number>
  readonly code: Record<Dialect, string>
  readonly wait?: number
  readonly final?: true
}

const held: ConfiguredKey = { id: "a", key: Redacted.make("sk-a"), routes: ["backup"], limits: { rpm: 1 } }

const notFound = codes("model_not_found", "not_found_error", "404 NOT_FOUND")

const refusals: ReadonlyArray<Refusal> = [
  {
    what: "no key",
    options: { keys: [held] },
    status: 401,
    code: codes("invalid_api_key", "authentication_error", "401 UNAUTHENTICATED"),
    final: true,
  },
  {
    what: "a model that the key may not call",
    options: { keys: [held] },
    key: "sk-a",
    status: { chat: 403, messages: 404, responses: 403, gemini: 403 },
    code: { ...notFound, gemini: "403 PERMISSION_DENIED: MODEL_NOT_FOUND" },
    final: true,
  },
  { what: "a model that there is not", model: "assistent", status: 404, code: notFound, final: true },
  {
    what: "a call that is larger than its key's limit",
    options: { keys: [{ ...held, routes: ["assistant"], limits: { tpm: 1 } }] },
    key: "sk-a",
    status: 429,
    code: limited.code,
    final: true,
  },
  {
    what: "a page of another origin",
    headers: { origin: "https://example.com" },
    status: 403,
    code: codes("origin_not_allowed", "permission_error", "403 PERMISSION_DENIED"),
    final: true,
  },
  {
    what: "a body that is no JSON",
    body: "{",
    status: 400,
    code: codes("invalid_json", "invalid_request_error", "400 INVALID_ARGUMENT"),
    final: true,
  },
  {
    what: "a body that is too large",
    options: { maxBody: 10 },
    status: 413,
    code: codes("request_too_large", "request_too_large", "413 INVALID_ARGUMENT"),
    final: true,
  },
  {
    what: "another content type",
    headers: { "content-type": "text/plain" },
    status: 415,
    code: codes("unsupported_media_type", "invalid_request_error", "415 INVALID_ARGUMENT"),
    final: true,
  },
  {
    what: "a gateway that goes down",
    drains: true,
    status: 503,
    code: codes("draining", "overloaded_error", "503 UNAVAILABLE"),
    wait: 1,
  },
]

const opensAtOnce = { circuit: { failures: 1 } } as const

describe.concurrent("a call that every deployment fails", () => {
  for (const [failure, primary, backup, first, next] of table) {
    for (const dialect of Object.keys(dialects) as ReadonlyArray<Dialect>) {
      it.live(`${failure}, ${dialect}`, () =>
        Effect.gen(function* () {
          const route = (backup === undefined ? Route.fallback("primary") : Route.fallback("primary", "backup")).pipe(
            Route.retry({ times: 0 }),
          )
          for (const streamed of [false, true]) {
            const { upstream, url } = yield* TestGateway.make({ route, primary: opensAtOnce, backups: opensAtOnce })
            yield* upstream.script("primary", primary)
            if (backup !== undefined) yield* upstream.script("backup", backup)
            for (const row of [first, next]) {
              assert.deepStrictEqual(yield* ask(url, dialect, streamed), { ...row, code: row.code[dialect] })
            }
          }
        }).pipe(Effect.scoped),
      )
    }
  }
})

describe.concurrent("a call that is refused before any deployment is asked", () => {
  for (const { code, drains, final, options, status, wait, what, ...asked } of refusals) {
    for (const dialect of Object.keys(dialects) as ReadonlyArray<Dialect>) {
      it.live(`${what}, ${dialect}`, () =>
        Effect.gen(function* () {
          const { drain, upstream, url } = yield* TestGateway.make(options)
          if (drains) yield* drain.begin
          for (const streamed of [false, true]) {
            assert.deepStrictEqual(yield* ask(url, dialect, streamed, asked), {
              status: typeof status === "number" ? status : status[dialect],
              code: code[dialect],
              ...(wait === undefined ? undefined : { wait }),
              ...(final === undefined ? undefined : { final }),
            })
          }
          assert.deepStrictEqual(yield* upstream.requests, [])
        }),
      )
    }
  }

  it.live("a virtual key at its limit", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make({ keys: [{ ...held, routes: ["assistant"] }] })
      yield* Effect.promise(() =>
        TestGateway.post(url, JSON.stringify({ model: "assistant", messages }), {
          "content-type": "application/json",
          authorization: "Bearer sk-a",
        }),
      )
      for (const dialect of Object.keys(dialects) as ReadonlyArray<Dialect>) {
        const answer = yield* ask(url, dialect, false, { key: "sk-a" })
        assert.deepStrictEqual(answer, { ...limited, code: limited.code[dialect], wait: 60 })
      }
    }),
  )

  it.live("an unknown path, in the protocol of its prefix", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make()
      for (const path of ["/v1/nothing", "/v1/messages/nothing", "/v1beta/nothing", "/%zz"]) {
        const answer = yield* Effect.promise(() => fetch(`${url}${path}`, { method: "POST" }))
        const id = answer.headers.get("x-request-id") ?? assert.fail(path)
        assert.strictEqual(answer.status, 404)
        assert.strictEqual(answer.headers.get("x-should-retry"), "false")
        assert.include(yield* Effect.promise(() => answer.text()), id)
      }
    }),
  )

  it.live("malformed HTTP, and requests that Node rejects itself", () =>
    Effect.gen(function* () {
      const { url } = yield* TestGateway.make()
      for (const [status, sent] of [
        ["400", "nonsense\r\n\r\n"],
        [
          "400",
          `POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`,
        ],
        ["431", `GET / HTTP/1.1\r\nx: ${"x".repeat(20_000)}`],
        ["417", "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nexpect: wonders\r\ncontent-length: 2\r\n\r\n{}"],
        ["405", "CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n"],
        ["421", "GET /v1/models HTTP/1.1\r\nconnection: close\r\n\r\n"],
      ] as const) {
        const socket = connect(Number(new URL(url).port), "127.0.0.1")
        socket.write(sent)
        const answer = yield* Effect.promise(() => text(socket))
        const [head = "", body = ""] = answer.split("\r\n\r\n")
        assert.match(head, new RegExp(`^HTTP/1.1 ${status} `))
        const id = /^x-request-id: (.+)$/m.exec(head)?.[1]?.trim()
        const told = JSON.parse(body)
        assert.strictEqual(told.request_id ?? told.error.request_id, id)
      }
    }),
  )
})

/** SDKs as they are, with the retries that they make by themselves. */
const clients: Readonly<Record<string, (url: string) => Promise<unknown>>> = {
  "openai, chat completions": (url) => openai(url).chat.completions.create({ model: "assistant", messages: [hello] }),
  "openai, responses": (url) => openai(url).responses.create({ model: "assistant", input: "Hello?" }),
  "@anthropic-ai/sdk": (url) =>
    new Anthropic({ baseURL: url, apiKey: "any", logLevel: "off" }).messages.create({
      model: "assistant",
      messages: [hello],
      max_tokens: 16,
    }),
}

const hello = { role: "user" as const, content: "Hello?" }

const openai = (url: string) => new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", logLevel: "off" })

describe.concurrent("an SDK with its own retries", () => {
  const route = Route.fallback("primary").pipe(Route.retry({ times: 0 }))

  for (const [name, create] of Object.entries(clients)) {
    for (const script of ["bad-key", "quota", "429-retry-after-300"]) {
      it.live(`${name}: ${script}, one request, and no sleep`, () =>
        Effect.gen(function* () {
          const { upstream, url } = yield* TestGateway.make({ route, primary: opensAtOnce })
          yield* upstream.script("primary", script)
          yield* Effect.promise(() => create(url).then(() => assert.fail("answered"), String))
          assert.strictEqual(yield* upstream.attempts("primary"), 1)
        }),
      )
    }

    it.live(`${name}: 429 without retry-after, retried when the deployment's cooldown ends`, () =>
      Effect.gen(function* () {
        const { upstream, url } = yield* TestGateway.make({ route })
        yield* upstream.script("primary", "429-times-2")
        yield* Effect.promise(() => create(url))
        assert.strictEqual(yield* upstream.attempts("primary"), 3)
      }),
    )

    it.live(`${name}: a recovered provider whose circuit is open`, () =>
      Effect.gen(function* () {
        const { upstream, url } = yield* TestGateway.make({ route, primary: opensAtOnce })
        yield* upstream.script("primary", "503-once")
        yield* Effect.promise(() => create(url))
        assert.strictEqual(yield* upstream.attempts("primary"), 2)
      }),
    )
  }
})
