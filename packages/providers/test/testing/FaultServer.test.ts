import type { Buffer } from "node:buffer"
import { connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as Behavior from "../../src/testing/Behavior.ts"
import * as FaultServer from "../../src/testing/FaultServer.ts"
import * as FaultName from "../../src/testing/FaultName.ts"
import type { Answer, Vendor } from "./raw.ts"
import { ask, vendors } from "./raw.ts"

const make = FaultServer.make({ pace: { settle: 10, ping: 5 } })

const body = (answer: Answer): unknown => JSON.parse(answer.bytes.toString())
const spoken = "one two three four five"
const pieces = 5

// ---------------------------------------------------------------------------------------------------------------------
// Streams
// ---------------------------------------------------------------------------------------------------------------------

const outputs = (vendor: Vendor, count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, () => vendor.output)
const exceptions = {
  openai: ["error"],
  anthropic: ["error"],
  bedrock: ["serviceUnavailableException"],
  gemini: ["error"],
  responses: ["error", "response.failed"],
}
const whole = (vendor: Vendor) => [...vendor.preamble, ...outputs(vendor, pieces), ...vendor.finish, ...vendor.done]
const until = (vendor: Vendor, after: number) => [...vendor.preamble, ...outputs(vendor, after)]

interface StreamCase {
  readonly name: string
  readonly behavior: Behavior.Behavior
  readonly events: (vendor: Vendor) => ReadonlyArray<string>
  readonly broken?: ReadonlyArray<string>
}

const text = spoken
const streams: ReadonlyArray<StreamCase> = [
  { name: "answer", behavior: Behavior.answer({ text }), events: whole },
  { name: "slow first token", behavior: Behavior.answer({ text, delay: 20 }), events: whole },
  {
    name: "empty text",
    behavior: Behavior.answer({ text: "" }),
    events: (vendor) => [...vendor.preamble, ...vendor.finish, ...vendor.done],
  },
  {
    name: "cut at the preamble",
    behavior: Behavior.cut(0, { text }),
    events: (vendor) => until(vendor, 0),
    broken: ["UND_ERR_SOCKET"],
  },
  {
    name: "cut after three",
    behavior: Behavior.cut(3, { text }),
    events: (vendor) => until(vendor, 3),
    broken: ["UND_ERR_SOCKET"],
  },
  {
    name: "reset after three",
    behavior: Behavior.cut(3, { text, how: "reset" }),
    events: (vendor) => until(vendor, 3),
    broken: ["ECONNRESET", "UND_ERR_SOCKET"],
  },
  {
    name: "malformed event",
    behavior: Behavior.malformedEvent(2, { text }),
    events: (vendor) => [
      ...until(vendor, 2),
      "malformed",
      ...outputs(vendor, pieces - 2),
      ...vendor.finish,
      ...vendor.done,
    ],
  },
  {
    name: "no done",
    behavior: Behavior.noDone({ text }),
    events: (vendor) => [...until(vendor, pieces), ...vendor.finish],
  },
  { name: "no finish", behavior: Behavior.noFinish({ text }), events: (vendor) => until(vendor, pieces) },
  {
    name: "error event first",
    behavior: Behavior.errorEvent("first", "overloaded", { text }),
    events: (vendor) => exceptions[vendor.name],
  },
  {
    name: "error event after two",
    behavior: Behavior.errorEvent(2, "overloaded", { text }),
    events: (vendor) => [...until(vendor, 2), ...exceptions[vendor.name]],
  },
  { name: "half json", behavior: Behavior.halfJson({ text }), events: (vendor) => until(vendor, 1) },
  { name: "empty", behavior: Behavior.empty, events: () => [] },
]

describe.each(vendors)("$name streams", (vendor) => {
  it.live.each(streams)("$name", ({ behavior, events, broken }) =>
    Effect.gen(function* () {
      const server = yield* make
      yield* server.script("m", [behavior])
      const answer = yield* ask(server, vendor, "m", { stream: true })
      assert.strictEqual(answer.status, 200)
      assert.deepStrictEqual(vendor.events(answer.bytes), events(vendor))
      if (broken === undefined) assert.isUndefined(answer.broken)
      else assert.include(broken, answer.broken)
      const request = yield* server.received("m")
      assert.strictEqual(yield* server.closed(request), broken === undefined ? "answered" : "broken")
    }),
  )

  it.live("stall: nothing more, until the client leaves", () =>
    Effect.gen(function* () {
      const server = yield* make
      yield* server.script("m", [Behavior.stall(3, { text })])
      const enough = (bytes: Buffer) => vendor.events(bytes).length === until(vendor, 3).length
      const answer = yield* ask(server, vendor, "m", { stream: true, enough })
      assert.deepStrictEqual(vendor.events(answer.bytes), until(vendor, 3))
      assert.strictEqual(yield* server.closed(yield* server.received("m")), "left")
    }),
  )
})

describe("pings", () => {
  it.live.each(vendors.filter(({ name }) => name !== "bedrock" && name !== "gemini"))(
    "$name: a stalled stream that keeps alive",
    (vendor) =>
      Effect.gen(function* () {
        const server = yield* make
        yield* server.script("m", [Behavior.stall(1, { text, pings: true })])
        const ping = vendor.name === "anthropic" ? "ping" : "comment"
        const begun = until(vendor, 1)
        const enough = (bytes: Buffer) => vendor.events(bytes).length >= begun.length + 3
        const answer = yield* ask(server, vendor, "m", { stream: true, enough })
        assert.deepStrictEqual(vendor.events(answer.bytes).slice(0, begun.length + 3), [...begun, ping, ping, ping])
        assert.strictEqual(yield* server.closed(yield* server.received("m")), "left")
      }),
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

const errors: Record<Behavior.Fault, readonly [openai: string, anthropic: string, bedrock: string, gemini: string]> = {
  "rate-limit": [
    "429 rate_limit_exceeded",
    "429 rate_limit_error",
    "429 ThrottlingException",
    "429 RESOURCE_EXHAUSTED",
  ],
  quota: ["429 insufficient_quota", "400 invalid_request_error", "429 ThrottlingException", "429 RESOURCE_EXHAUSTED"],
  "bad-key": [
    "401 invalid_api_key",
    "401 authentication_error",
    "403 UnrecognizedClientException",
    "400 INVALID_ARGUMENT",
  ],
  forbidden: [
    "403 unsupported_country_region_territory",
    "403 permission_error",
    "403 AccessDeniedException",
    "403 PERMISSION_DENIED",
  ],
  "unknown-model": ["404 model_not_found", "404 not_found_error", "400 ValidationException", "404 NOT_FOUND"],
  "context-length": [
    "400 context_length_exceeded",
    "400 invalid_request_error",
    "400 ValidationException",
    "400 INVALID_ARGUMENT",
  ],
  "content-policy": [
    "400 invalid_prompt",
    "400 invalid_request_error",
    "400 ValidationException",
    "400 INVALID_ARGUMENT",
  ],
  "invalid-request": [
    "400 decimal_above_max_value",
    "400 invalid_request_error",
    "400 ValidationException",
    "400 INVALID_ARGUMENT",
  ],
  "unsupported-parameter": [
    "400 unsupported_parameter",
    "400 invalid_request_error",
    "400 ValidationException",
    "400 INVALID_ARGUMENT",
  ],
  timeout: ["408 Timeout", "504 timeout_error", "408 ModelTimeoutException", "504 DEADLINE_EXCEEDED"],
  "server-error": ["500 server_error", "500 api_error", "500 InternalServerException", "500 INTERNAL"],
  overloaded: [
    "503 server_is_overloaded",
    "529 overloaded_error",
    "503 ServiceUnavailableException",
    "503 UNAVAILABLE",
  ],
}

const said = (vendor: Vendor, answer: Answer): string => {
  if (vendor.name === "bedrock")
    return `${answer.status} ${String(answer.headers["x-amzn-errortype"]).split(":", 1)[0]}`
  const { error } = body(answer) as {
    readonly error: { readonly type: string; readonly code?: string | null; readonly status?: string }
  }
  if (vendor.name === "gemini") return `${answer.status} ${error.status}`
  return `${answer.status} ${vendor.name === "anthropic" ? error.type : (error.code ?? error.type)}`
}

const retryAfter = (
  server: FaultServer.FaultServer,
  vendor: Vendor,
  form: Behavior.RetryAfter["form"],
  millis: number,
) =>
  Effect.gen(function* () {
    yield* server.script("m", [Behavior.refuse("rate-limit", { form, millis })])
    return yield* ask(server, vendor, "m")
  })

/** Whose errors a wire's are: both of OpenAI's have the same. */
const columns = { openai: 0, responses: 0, anthropic: 1, bedrock: 2, gemini: 3 } as const

describe.each(vendors.map((vendor) => ({ ...vendor, index: columns[vendor.name] })))(
  "$name errors",
  ({ index, ...vendor }) => {
    it.live.each(Behavior.faults)("%s", (fault) =>
      Effect.gen(function* () {
        const server = yield* make
        for (const stream of [false, true]) {
          const answer = yield* ask(server, vendor, fault, { stream })
          assert.strictEqual(said(vendor, answer), errors[fault][index])
          assert.strictEqual(answer.headers["content-type"], "application/json")
          assert.strictEqual(answer.bytes.toString().includes("sk-secret"), fault === "bad-key")
        }
      }),
    )

    it.effect("says when to come back, in every form", () =>
      Effect.gen(function* () {
        const server = yield* make
        yield* TestClock.setTime(1_000_000)
        assert.strictEqual((yield* retryAfter(server, vendor, "seconds", 2_000)).headers["retry-after"], "2")
        assert.strictEqual((yield* retryAfter(server, vendor, "millis", 50)).headers["retry-after-ms"], "50")
        assert.strictEqual(
          (yield* retryAfter(server, vendor, "date", 2_000)).headers["retry-after"],
          "Thu, 01 Jan 1970 00:16:42 GMT",
        )
        const { bytes, headers: reset } = yield* retryAfter(server, vendor, "reset", 361_500)
        assert.strictEqual(reset["x-ratelimit-reset-requests"], index === 0 ? "6m1.5s" : undefined)
        assert.strictEqual(
          reset["anthropic-ratelimit-requests-reset"],
          index === 1 ? "1970-01-01T00:22:41.500Z" : undefined,
        )
        assert.strictEqual(bytes.toString().includes('"retryDelay":"361.5s"'), vendor.name === "gemini")
        assert.isUndefined(reset["retry-after"])
      }),
    )
  },
)

// ---------------------------------------------------------------------------------------------------------------------
// Whole answers and broken ones
// ---------------------------------------------------------------------------------------------------------------------

describe.each(vendors)("$name plain", (vendor) => {
  it.live("whole where only a stream could fail", () =>
    Effect.gen(function* () {
      const server = yield* make
      for (const model of [
        "ok",
        "slow-first-token-20",
        "malformed-event",
        "no-done",
        "eof-no-finish",
        "error-event-first",
      ]) {
        const answer = yield* ask(server, vendor, model)
        assert.strictEqual(answer.status, 200)
        assert.include(answer.bytes.toString(), FaultServer.line(model))
      }
    }),
  )

  it.live("half a JSON, nothing, a page", () =>
    Effect.gen(function* () {
      const server = yield* make
      const half = yield* ask(server, vendor, "half-json")
      assert.strictEqual(half.status, 200)
      assert.isUndefined(half.broken)
      assert.throws(() => body(half), SyntaxError)
      const empty = yield* ask(server, vendor, "empty-200")
      assert.deepStrictEqual([empty.status, empty.bytes.length, empty.broken], [200, 0, undefined])
      for (const stream of [false, true]) {
        const page = yield* ask(server, vendor, "html-502", { stream })
        assert.deepStrictEqual([page.status, page.headers["content-type"]], [502, "text/html"])
        assert.isUndefined(page.headers["x-amzn-errortype"])
      }
    }),
  )

  it.live("cut in its body", () =>
    Effect.gen(function* () {
      const server = yield* make
      const answer = yield* ask(server, vendor, "cut-3")
      assert.strictEqual(answer.status, 200)
      assert.isAbove(answer.bytes.length, 0)
      assert.strictEqual(answer.broken, "UND_ERR_SOCKET")
    }),
  )

  it.live("reset before headers", () =>
    Effect.gen(function* () {
      const server = yield* make
      for (const stream of [false, true]) {
        const answer = yield* ask(server, vendor, "reset", { stream })
        assert.deepStrictEqual([answer.status, answer.bytes.length], [0, 0])
        assert.include(["ECONNRESET", "UND_ERR_SOCKET"], answer.broken)
      }
    }),
  )

  it.live.each(["silent", "stall-3"])("%s: until the client leaves", (model) =>
    Effect.gen(function* () {
      const server = yield* make
      const asking = yield* Effect.forkChild(ask(server, vendor, model))
      const request = yield* server.received(model)
      assert.strictEqual(yield* server.inFlight, 1)
      yield* Fiber.interrupt(asking)
      assert.strictEqual(yield* server.closed(request), "left")
      yield* server.idle
    }),
  )

  it.live("flapping: down, up, and down again", () =>
    Effect.gen(function* () {
      const server = yield* make
      const statuses: Array<number> = []
      for (let turn = 0; turn < 6; turn++) statuses.push((yield* ask(server, vendor, "flapping-2")).status)
      assert.deepStrictEqual(statuses, [500, 500, 200, 200, 500, 500])
    }),
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// The server itself
// ---------------------------------------------------------------------------------------------------------------------

const [openai, anthropic, bedrock, , responses] = vendors as readonly [Vendor, Vendor, Vendor, Vendor, Vendor]

describe("FaultServer", () => {
  it.live("records what came", () =>
    Effect.gen(function* () {
      const server = yield* make
      yield* ask(server, bedrock, "us.anthropic.claude:0/ok", { stream: true })
      yield* ask(server, openai, "ok", { body: { model: "ok", messages: [], top_k: 3 } })
      const [first, second] = yield* server.requests
      assert.deepInclude(first, { serial: 1, attempt: 1, vendor: "bedrock", method: "POST", stream: true })
      assert.strictEqual(first?.model, "us.anthropic.claude:0/ok")
      assert.strictEqual(first?.path, "/model/us.anthropic.claude%3A0%2Fok/converse-stream")
      assert.deepInclude(second, { serial: 2, vendor: "openai", model: "ok", stream: false })
      assert.deepStrictEqual(second?.body, { model: "ok", messages: [], top_k: 3 })
      assert.strictEqual(second?.headers["authorization"], "Bearer sk-secret")
      assert.isAtLeast(second?.ended?.at ?? 0, second?.arrived ?? 1)
      assert.strictEqual(yield* server.attempts("ok"), 1)
    }),
  )

  it.live("echoes the fields it does not know", () =>
    Effect.gen(function* () {
      const server = yield* make
      for (const vendor of [openai, anthropic, responses]) {
        for (const stream of [false, true]) {
          const asked = { ...(vendor.body("ok", stream) as object), x_mine: { deep: [1] } }
          const answer = yield* ask(server, vendor, "ok", { stream, body: asked })
          assert.include(answer.bytes.toString(), '"echo":{"x_mine":{"deep":[1]}}')
        }
      }
    }),
  )

  it.live("takes each vendor through a script by itself, and counts the model's attempts together", () =>
    Effect.gen(function* () {
      const server = yield* make
      for (const vendor of vendors) {
        assert.isAtLeast((yield* ask(server, vendor, "500-once")).status, 500)
        assert.strictEqual((yield* ask(server, vendor, "500-once")).status, 200)
      }
      assert.strictEqual(yield* server.attempts("500-once"), 2 * vendors.length)
    }),
  )

  it.live("a script goes before the name, can be a name, and begins anew when set", () =>
    Effect.gen(function* () {
      const server = yield* make
      const status = Effect.map(ask(server, openai, "503"), (answer) => answer.status)
      yield* server.script("503", [Behavior.answer(), Behavior.refuse("quota")])
      assert.deepStrictEqual([yield* status, yield* status, yield* status], [200, 429, 429])
      yield* server.script("503", "500-once")
      assert.deepStrictEqual([yield* status, yield* status], [500, 200])
      yield* server.script("503", "500-once")
      assert.deepStrictEqual([yield* status, yield* status], [500, 200])
    }),
  )

  it.live("dies of a script that is none", () =>
    Effect.gen(function* () {
      const server = yield* make
      assert.isTrue(Exit.hasDies(yield* Effect.exit(server.script("m", "429-onec"))))
      assert.isTrue(Exit.hasDies(yield* Effect.exit(server.script("m", []))))
    }),
  )

  it.live("answers what is nobody's with 404, and what is no request with 400", () =>
    Effect.gen(function* () {
      const server = yield* make
      const lost = yield* ask(server, { ...openai, path: () => "/v1/nowhere" }, "ok")
      assert.strictEqual(lost.status, 404)
      for (const vendor of vendors) {
        assert.strictEqual((yield* ask(server, vendor, "ok", { body: "text" })).status, 400)
      }
      assert.strictEqual((yield* ask(server, openai, "", {})).status, 400)
    }),
  )

  it.live("keeps only the newest requests", () =>
    Effect.gen(function* () {
      const server = yield* FaultServer.make({ history: 2 })
      for (let turn = 0; turn < 3; turn++) yield* ask(server, openai, "ok")
      assert.deepStrictEqual(
        (yield* server.requests).map(({ attempt }) => attempt),
        [2, 3],
      )
      assert.strictEqual(yield* server.attempts("ok"), 3)
    }),
  )

  it.live("waits for a request that is still to come, and for connections to go", () =>
    Effect.gen(function* () {
      const server = yield* make
      const waiting = yield* Effect.forkChild(server.received("ok", 2))
      yield* ask(server, openai, "ok")
      yield* ask(server, openai, "ok")
      assert.strictEqual((yield* Fiber.join(waiting)).attempt, 2)
      yield* server.drained
      assert.strictEqual(yield* server.openSockets, 0)
    }),
  )

  it.live("leaves nothing behind: every name, every vendor, both modes, at once, some clients gone early", () =>
    Effect.gen(function* () {
      const server = yield* make
      const asked = vendors.flatMap((vendor) =>
        FaultName.names.flatMap((model) => [false, true].map((stream) => ask(server, vendor, model, { stream }))),
      )
      yield* Effect.forEach(asked, (asking, index) => Effect.timeoutOption(asking, index % 7 === 0 ? 5 : 200), {
        concurrency: "unbounded",
        discard: true,
      })
      yield* server.idle
      yield* server.drained
      assert.isTrue((yield* server.requests).every(({ ended }) => ended !== undefined))
    }),
  )

  it.live("closes with its scope: mid-stream, silent, and idle connections alike", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const server = yield* Scope.provide(FaultServer.make(), scope)
      const asking = yield* Effect.forkChild(
        Effect.all([ask(server, openai, "silent"), ask(server, anthropic, "stall-2", { stream: true })], {
          concurrency: "unbounded",
        }),
      )
      yield* server.received("silent")
      yield* server.received("stall-2")
      const { port } = new URL(server.url)
      const idle = yield* Effect.callback<ReturnType<typeof connect>>((resume) => {
        const socket = connect(Number(port), "127.0.0.1", () => resume(Effect.succeed(socket)))
      })
      const gone = yield* Effect.forkChild(
        Effect.callback<void>((resume) => {
          idle.on("error", () => {})
          idle.on("close", () => resume(Effect.void))
        }),
        { startImmediately: true },
      )
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(gone)
      const broken = (yield* Fiber.join(asking)).map((answer) => answer.broken)
      assert.notInclude(broken, undefined)
      const refused = yield* ask(server, openai, "ok")
      assert.strictEqual(refused.broken, "ECONNREFUSED")
    }),
  )
})
