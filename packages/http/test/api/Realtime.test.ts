/** `/v1/realtime` by the real `openai` SDK and by `ws`, over a server with the Realtime API that fails on demand. */
import { assert, describe, it } from "@effect/vitest"
import { BudgetedRouter, Budgets, Deployment, Route, Router } from "@understudy/core"
import * as RateLimit from "@understudy/core/internal/admission/RateLimit"
import type { Receipt } from "@understudy/core/Receipt"
import { total } from "@understudy/core/Receipt"
import * as Azure from "@understudy/providers/internal/openai/Azure"
import * as RealtimeServer from "@understudy/providers/testing/RealtimeServer"
import * as OpenAi from "@understudy/providers/openai"
import * as ByteSize from "effect/ByteSize"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import { OpenAI } from "openai"
import { OpenAIRealtimeWS } from "openai/realtime/ws"
import { WebSocket } from "ws"
import type { ConfiguredKey, VirtualKey } from "../../src/auth/VirtualKey.ts"
import * as Keyring from "../../src/auth/Keyring.ts"
import { Drain } from "../../src/Drain.ts"
import * as KeyedRouter from "../../src/keys/KeyedRouter.ts"
import * as RealtimeSettings from "../../src/RealtimeSettings.ts"
import * as Server from "../../src/Server.ts"
import * as TestTls from "../../../providers/test/transport/TestTls.ts"

const apiKey = Redacted.make("sk-upstream-secret-0123456789")

interface Options {
  readonly names?: ReadonlyArray<string>
  readonly deployment?: Partial<Deployment.Options>
  readonly keys?: ReadonlyArray<ConfiguredKey>
  /** The keys, if they change while the gateway serves. */
  readonly keyring?: Keyring.Keyring
  readonly budget?: number
  readonly realtime?: Partial<RealtimeSettings.Settings> | false
  readonly write?: Duration.Input
}

/** A gateway with a deployment of each name at one upstream, and the route `voice` that tries them in turn. */
const make = Effect.fnUntraced(function* (options: Options = {}) {
  const { budget, deployment, keys = [], names = ["primary", "backup"], realtime = {} } = options
  const upstream = yield* RealtimeServer.make
  const provider = OpenAi.layer({ baseUrl: `${upstream.url}/v1`, apiKey })
  const azure = Azure.layer({ endpoint: upstream.url, apiKey, apiVersion: "2025-04-01-preview" })
  const RouterLive = Router.layer({
    deployments: {
      ...Object.fromEntries(
        names.map((name) => [name, Deployment.make({ model: name, provider, retry: { times: 0 }, ...deployment })]),
      ),
      azure: Deployment.make({ model: "mine", provider: azure }),
    },
    routes: {
      voice: Route.fallback(names[0]!, ...names.slice(1)).pipe(Route.timeout({ write: options.write ?? "1 minute" })),
    },
  })
  const budgets = [
    { id: "all", scope: { type: "all" }, amount: budget ?? 0, window: { unit: "day" }, atLimit: "refuse" } as const,
  ]
  const BudgetedLive =
    budget === undefined ? RouterLive : Layer.provide(BudgetedRouter.layer, [RouterLive, Budgets.layerMemory(budgets)])
  const keyring = options.keyring ?? new Keyring.Keyring(keys.map(Keyring.configured))
  const KeyedLive = keyring.isOpen
    ? BudgetedLive
    : Layer.provide(KeyedRouter.layer(keyring), [BudgetedLive, RateLimit.layerMemory])
  const ServerLive = Server.layer({
    host: "127.0.0.1",
    port: 0,
    auth: { hosts: [], origins: [], keys: keyring },
    maxBody: ByteSize.megabytes(1),
    realtime: realtime === false ? false : { ...RealtimeSettings.defaults, ...realtime },
    drain: { delay: Duration.zero, timeout: Duration.seconds(5) },
  }).pipe(
    Layer.provideMerge(KeyedLive),
    Layer.provideMerge(Drain.layer),
    Layer.provide([Layer.succeed(Metric.MetricRegistry, new Map()), Layer.succeed(References.MinimumLogLevel, "None")]),
  )
  const context = yield* Layer.build(ServerLive)
  const url = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
  const ended: Array<Receipt> = []
  yield* Context.get(context, Router.Router).subscribe((event) => {
    if (event._tag === "CallEnded") ended.push(event.receipt)
  })
  return { upstream, url, ended, drain: Context.get(context, Drain), router: Context.get(context, Router.Router) }
})

const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.andThen(Effect.sleep(5), until(condition))))

/** The events of a session until it is closed, and how it was closed or refused. */
class Client {
  readonly socket: WebSocket
  readonly events: Array<{ readonly type: string; readonly [field: string]: unknown }> = []
  readonly closed = Deferred.makeUnsafe<readonly [number, string]>()
  readonly refused = Deferred.makeUnsafe<{
    readonly status: number | undefined
    readonly code: string
    readonly retryAfter: string | undefined
  }>()
  headers: Readonly<Record<string, unknown>> = {}

  constructor(url: string, headers: Record<string, string> = {}) {
    this.socket = new WebSocket(url.replace("http", "ws"), { headers })
    this.socket.on("error", () => {})
    this.socket.on("upgrade", ({ headers }) => (this.headers = headers))
    this.socket.on("message", (data, isBinary) => {
      this.events.push(isBinary ? { type: "binary", data: String(data) } : JSON.parse(String(data)))
    })
    this.socket.on("close", (code, reason) => {
      Deferred.doneUnsafe(this.closed, Effect.succeed([code, reason.toString()] as const))
    })
    this.socket.on("unexpected-response", (_, response) => {
      let text = ""
      response.on("data", (chunk: Buffer) => (text += chunk.toString()))
      response.on("end", () => {
        const { headers, statusCode: status } = response
        const refused = { status, code: JSON.parse(text).error.code, retryAfter: headers["retry-after"] }
        Deferred.doneUnsafe(this.refused, Effect.succeed(refused))
      })
    })
  }

  send(event: object): void {
    this.socket.send(JSON.stringify(event))
  }

  types(): ReadonlyArray<string> {
    return this.events.map(({ type }) => type)
  }

  /** Waits for an event of this type, of this number. */
  has(type: string, count = 1): Effect.Effect<void> {
    return until(() => this.types().filter((each) => each === type).length >= count)
  }
}

const dial = (url: string, headers?: Record<string, string>) =>
  Effect.acquireRelease(
    Effect.sync(() => new Client(url, headers)),
    ({ socket }) => Effect.sync(() => socket.terminate()),
  )

const voice = (url: string) => dial(`${url}/v1/realtime?model=voice`)

describe("a realtime session", () => {
  it.live("is relayed to the deployment of its route by the SDK, with model names of the route replaced", () =>
    Effect.gen(function* () {
      const { ended, upstream, url } = yield* make({
        deployment: { price: { input: 4, output: 16, units: { audioInput: 32, audioOutput: 64 } } },
      })
      const client = new OpenAI({ apiKey: "anything", baseURL: `${yield* TestTls.before(url)}/v1` })
      const realtime = new OpenAIRealtimeWS({ model: "voice" }, client)
      const types: Array<string> = []
      const done = Deferred.makeUnsafe<string>()
      realtime.on("event", ({ type }) => types.push(type))
      realtime.on("error", (error) => types.push(`error ${error.message}`))
      realtime.on("session.created", () => {
        realtime.send({ type: "session.update", session: { type: "realtime", model: "voice" } })
        realtime.send({ type: "response.create" })
      })
      realtime.on("response.output_audio_transcript.done", ({ transcript }) =>
        Deferred.doneUnsafe(done, Effect.succeed(transcript)),
      )
      assert.strictEqual(yield* Deferred.await(done), "I am primary.")
      yield* until(() => types.at(-1) === "response.done")
      assert.deepStrictEqual(types, [
        "session.created",
        "session.updated",
        "response.created",
        "response.output_audio.delta",
        "response.output_audio.delta",
        "response.output_audio_transcript.done",
        "response.done",
      ])
      realtime.close()
      yield* until(() => ended.length === 1)
      const connected = upstream.connections[0]!
      assert.deepStrictEqual(connected.received, [
        { type: "session.update", session: { type: "realtime", model: "primary" } },
        { type: "response.create" },
      ])
      assert.strictEqual(connected.headers["authorization"], `Bearer ${Redacted.value(apiKey)}`)
      assert.strictEqual(yield* Deferred.await(connected.closed), 1000)
      const [receipt] = ended
      assert.deepStrictEqual(
        [receipt?.outcome, receipt?.deployment, receipt?.operation],
        ["success", "primary", "realtime"],
      )
      const { cost, inputTokens, outputTokens } = total(receipt!)
      assert.deepStrictEqual([inputTokens, outputTokens], [20, 10])
      // 5 text and 15 audio tokens in, 2 text and 8 audio tokens out.
      assert.closeTo(cost ?? 0, (5 * 4 + 15 * 32 + 2 * 16 + 8 * 64) / 1_000_000, 1e-12)
    }),
  )

  it.live("passes text and binary messages on as they are", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* make()
      const client = yield* dial(`${url}/v1/realtime?model=voice&intent=realtime`, { "openai-beta": "realtime=v1" })
      yield* client.has("session.created")
      client.socket.send('{ "type": "custom",  "n": 1.50 }')
      client.socket.send(Buffer.from([1, 2, 3]))
      yield* client.has("binary")
      assert.deepStrictEqual(upstream.connections[0]?.received.length, 2)
      assert.deepStrictEqual(upstream.connections[0]?.query, { model: "primary", intent: "realtime" })
      assert.strictEqual(upstream.connections[0]?.headers["openai-beta"], "realtime=v1")
    }),
  )

  it.live("calls Azure's versioned API by the name of the deployment", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* make()
      const client = yield* dial(`${url}/v1/realtime?model=azure`)
      yield* client.has("session.created")
      const { headers, query } = upstream.connections[0]!
      assert.deepStrictEqual(query, { "api-version": "2025-04-01-preview", deployment: "mine" })
      assert.deepStrictEqual([headers["path"], headers["api-key"]], ["/openai/realtime", Redacted.value(apiKey)])
      assert.notProperty(headers, "authorization")
    }),
  )

  it.live("sums the usage of its responses, and counts as one call", () =>
    Effect.gen(function* () {
      const { ended, url } = yield* make()
      const client = yield* voice(url)
      yield* client.has("session.created")
      for (let turn = 1; turn <= 3; turn++) {
        client.send({ type: "response.create" })
        yield* client.has("response.done", turn)
      }
      client.socket.close(1000, "thanks")
      yield* until(() => ended.length > 0)
      assert.strictEqual(ended.length, 1)
      assert.deepStrictEqual(
        ended[0]?.attempts.map(({ usage }) => [usage?.inputTokens, usage?.units?.audioOutputTokens]),
        [[60, 24]],
      )
    }),
  )
})

describe("at connect", () => {
  const failures: ReadonlyArray<readonly [string, RealtimeServer.Behavior, string]> = [
    [
      "refuses with 401",
      { type: "refuse", status: 401, error: { message: "no", code: "invalid_api_key" } },
      "Authentication",
    ],
    [
      "refuses with 429",
      { type: "refuse", status: 429, error: { message: "slow", code: "rate_limit_exceeded" } },
      "RateLimited",
    ],
    ["refuses with 503", { type: "refuse", status: 503, error: { message: "down" } }, "Overloaded"],
    ["has no such endpoint", { type: "refuse", status: 404, error: { message: "Not Found" } }, "Unsupported"],
    ["is cut before its first event", { type: "close" }, "Network"],
    ["closes before its first event", { type: "close", code: 1011, reason: "oops" }, "Network"],
    [
      "names the error in its close frame",
      { type: "close", code: 3000, reason: "invalid_request_error.invalid_api_key" },
      "Authentication",
    ],
    ["begins with an error event", { type: "error", error: { type: "server_error", message: "busy" } }, "ServerError"],
    ["stalls", { type: "stall" }, "Timeout"],
  ]
  for (const [what, behavior, reason] of failures) {
    it.live(`falls back from a deployment that ${what}`, () =>
      Effect.gen(function* () {
        const { ended, upstream, url } = yield* make({ deployment: { timeout: { firstToken: "300 millis" } } })
        upstream.script("primary", [behavior])
        const client = yield* voice(url)
        yield* client.has("session.created")
        assert.strictEqual(client.headers["x-understudy-deployment"], "backup")
        client.send({ type: "response.create" })
        yield* client.has("response.done")
        assert.deepStrictEqual(client.types().slice(0, 2), ["session.created", "response.created"])
        client.socket.close(1000)
        yield* until(() => ended.length === 1)
        assert.deepStrictEqual(
          ended[0]?.attempts.map(({ outcome, reason }) => reason ?? outcome),
          [reason, "success"],
        )
        // The socket of the failed attempt is gone too.
        yield* until(() => upstream.open() === 0)
      }),
    )
  }

  it.live("is refused with a response of HTTP when no deployment gives a session", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* make()
      const error = { message: "Rate limit reached", type: "requests", code: "rate_limit_exceeded" }
      for (const name of ["primary", "backup"])
        upstream.script(name, [{ type: "refuse", status: 429, error, headers: { "retry-after": "30" } }])
      const client = yield* voice(url)
      const refused = yield* Deferred.await(client.refused)
      assert.deepStrictEqual([refused.status, refused.code], [429, "rate_limit_exceeded"])
      assert.isAtLeast(Number(refused.retryAfter), 1)
      const unknown = yield* dial(`${url}/v1/realtime?model=nothing`)
      assert.strictEqual((yield* Deferred.await(unknown.refused)).status, 404)
      const [none, call, transcription] = yield* Effect.all([
        dial(`${url}/v1/realtime`),
        dial(`${url}/v1/realtime?call_id=rtc_1`),
        dial(`${url}/v1/realtime?intent=transcription`),
      ])
      for (const each of [none, call, transcription])
        assert.strictEqual((yield* Deferred.await(each.refused)).status, 400)
    }),
  )

  it.live("stops its attempt when the client gives up", () =>
    Effect.gen(function* () {
      const { ended, upstream, url } = yield* make()
      upstream.script("primary", [{ type: "stall" }])
      const client = yield* voice(url)
      yield* until(() => upstream.connections.length === 1)
      client.socket.terminate()
      yield* until(() => ended.length === 1)
      assert.strictEqual(ended[0]?.outcome, "cancelled")
      yield* until(() => upstream.open() === 0)
    }),
  )

  it.live("is not there when sessions are switched off", () =>
    Effect.gen(function* () {
      const { url } = yield* make({ realtime: false })
      const refused = yield* Deferred.await((yield* voice(url)).refused)
      assert.deepStrictEqual([refused.status, refused.code], [404, "not_found"])
    }),
  )
})

describe("the end of a session", () => {
  it.live("is an error event and 1011 when the provider cuts it, and what was reported until then is billed", () =>
    Effect.gen(function* () {
      for (const end of [{ response: 2 }, { response: 2, code: 1011, reason: "internal" }]) {
        const { ended, upstream, url } = yield* make({ deployment: { price: { input: 4, output: 16 } } })
        upstream.script("primary", [{ type: "session", endIn: end }])
        const client = yield* voice(url)
        yield* client.has("session.created")
        client.send({ type: "response.create" })
        yield* client.has("response.done")
        client.send({ type: "response.create" })
        const [code, reason] = yield* Deferred.await(client.closed)
        assert.strictEqual(code, 1011)
        assert.include(
          reason,
          end.code === undefined ? "the provider cut the session" : "the provider closed the session",
        )
        assert.isAtMost(Buffer.byteLength(reason), 123)
        const { error, type } = client.events.at(-1)!
        assert.strictEqual(type, "error")
        assert.propertyVal(error, "code", "stream_broken")
        yield* until(() => ended.length === 1)
        assert.deepStrictEqual([ended[0]?.outcome, ended[0]?.attempts[0]?.reason], ["failure", "Network"])
        // The first response is billed: 20 tokens in, 10 out. The second, which was cut, had reported none.
        assert.deepStrictEqual([total(ended[0]!).inputTokens, total(ended[0]!).outputTokens], [20, 10])
        assert.closeTo(total(ended[0]!).cost ?? 0, (20 * 4 + 10 * 16) / 1_000_000, 1e-12)
        yield* until(() => upstream.open() === 0)
      }
    }),
  )

  it.live("is the provider's own code and reason when it ends it in order", () =>
    Effect.gen(function* () {
      const { ended, upstream, url } = yield* make()
      const reason = "Your session hit the maximum duration of 60 minutes."
      upstream.script("primary", [{ type: "session", endIn: { response: 1, code: 1001, reason } }])
      const client = yield* voice(url)
      yield* client.has("session.created")
      client.send({ type: "response.create" })
      assert.deepStrictEqual(yield* Deferred.await(client.closed), [1001, reason])
      yield* until(() => ended.length === 1)
      assert.strictEqual(ended[0]?.outcome, "success")
    }),
  )

  it.live("closes the upstream at once when the client closes or disappears", () =>
    Effect.gen(function* () {
      const { drain, ended, upstream, url } = yield* make()
      const closing = yield* voice(url)
      yield* closing.has("session.created")
      closing.socket.close(4001, "done")
      assert.strictEqual(yield* Deferred.await(upstream.connections[0]!.closed), 1000)
      const gone = yield* voice(url)
      yield* gone.has("session.created")
      gone.socket.terminate()
      yield* Deferred.await(upstream.connections[1]!.closed)
      yield* until(() => ended.length === 2)
      assert.deepStrictEqual(
        ended.map(({ outcome }) => outcome),
        ["success", "cancelled"],
      )
      yield* drain.inFlight.none
      yield* until(() => upstream.open() === 0)
    }),
  )

  it.live("comes at its limits: duration, idle time and the size of messages", () =>
    Effect.gen(function* () {
      const short = yield* make({ realtime: { maxDuration: Duration.millis(200) } })
      const long = yield* voice(short.url)
      assert.deepStrictEqual(yield* Deferred.await(long.closed), [
        1001,
        "Your session hit the maximum duration of 200ms.",
      ])
      assert.propertyVal(long.events.at(-1)?.["error"], "code", "session_expired")
      yield* until(() => short.ended.length === 1)
      assert.strictEqual(short.ended[0]?.outcome, "success")
      const quiet = yield* make({ realtime: { idle: Duration.millis(200) } })
      assert.deepStrictEqual(yield* Deferred.await((yield* voice(quiet.url)).closed), [
        1001,
        "Your session was idle for 200ms.",
      ])
      const small = yield* make({ realtime: { maxMessage: ByteSize.bytes(1000) } })
      const large = yield* voice(small.url)
      yield* large.has("session.created")
      large.socket.send("x".repeat(1001))
      assert.strictEqual((yield* Deferred.await(large.closed))[0], 1009)
      yield* Deferred.await(small.upstream.connections[0]!.closed)
    }),
  )

  it.live("comes with 1001 when the gateway drains, after the response that is under way", () =>
    Effect.gen(function* () {
      const { drain, ended, upstream, url } = yield* make()
      const client = yield* voice(url)
      yield* client.has("session.created")
      yield* drain.begin
      const [code] = yield* Deferred.await(client.closed)
      assert.strictEqual(code, 1001)
      assert.propertyVal(client.events.at(-1)?.["error"], "code", "draining")
      assert.strictEqual(yield* Deferred.await(upstream.connections[0]!.closed), 1000)
      yield* until(() => ended.length === 1)
      assert.strictEqual(ended[0]?.outcome, "success")
      yield* drain.inFlight.none
    }),
  )
})

describe("a drain that does not wait any longer", () => {
  it.live("ends a session whose response is under way with 1001, and records it as failed by the shutdown", () =>
    Effect.gen(function* () {
      const { drain, ended, upstream, url } = yield* make()
      upstream.script("primary", [{ type: "session", audio: { events: 500, size: 64 * 1024 } }])
      const client = yield* voice(url)
      yield* client.has("session.created")
      client.send({ type: "response.create" })
      yield* client.has("response.created")
      client.socket.pause()
      yield* until(() => upstream.buffered() > 0)
      yield* drain.run({ delay: Duration.zero, timeout: Duration.millis(50) })
      yield* until(() => ended.length === 1)
      assert.deepStrictEqual([ended[0]?.outcome, ended[0]?.error], ["failure", "Draining"])
      client.socket.resume()
      assert.strictEqual((yield* Deferred.await(client.closed))[0], 1001)
      yield* until(() => upstream.open() === 0)
    }),
  )
})

describe("a key that changes", () => {
  const former = "sk-former"
  const headers = { authorization: `Bearer ${former}` }
  const operator = Keyring.operator(Redacted.make("sk-operator"))
  const written = (rest: Partial<ConfiguredKey> = {}) =>
    Keyring.configured({ id: "ci", key: Redacted.make(former), ...rest })
  const stored = ({ id = "ci", ...key }: Partial<VirtualKey> = {}, rest: Partial<Keyring.StoredKey> = {}) => ({
    virtualKey: { id, ...key },
    teamId: "t1",
    digest: Keyring.digestOf(former),
    length: former.length,
    previous: undefined,
    ...rest,
  })
  const team = { id: "t1", name: "platform" }
  const other = Keyring.digestOf("sk-other")

  /** A key of the database, or of the configuration, then its change. */
  type Case = readonly [
    what: string,
    change: (keys: Keyring.Keyring) => void,
    message: string,
    options?: { readonly code?: string; readonly key?: Keyring.Key },
  ]
  const cases: ReadonlyArray<Case> = [
    ["is disabled", (keys) => keys.put(stored({ disabled: true })), 'Key "ci" is disabled.'],
    [
      "is of a team that is disabled",
      (keys) => keys.putTeam({ ...team, disabled: true }),
      'The team of key "ci", "platform", is disabled.',
    ],
    ["is deleted", (keys) => keys.remove("ci"), 'Key "ci" was deleted.'],
    [
      "is rotated without an overlap",
      (keys) => keys.put(stored({}, { digest: other })),
      'Key "ci" was rotated: its former secret is not accepted any more.',
    ],
    [
      "is rotated, once the overlap ends",
      (keys) =>
        keys.put(stored({}, { digest: other, previous: { digest: Keyring.digestOf(former), until: Date.now() + 50 } })),
      'Key "ci" was rotated: its former secret expired at ',
    ],
    ["expires", (keys) => keys.put(stored({ expiresAt: Date.now() + 50 })), 'Key "ci" expired at '],
    [
      "may not call the route any more",
      (keys) => keys.put(stored({ routes: ["chat"] })),
      'Key "ci" may not call "voice". It may call: chat.',
      { code: "model_not_found" },
    ],
    [
      "is of a team that may not call the route any more",
      (keys) => keys.putTeam({ ...team, routes: ["chat"] }),
      'Key "ci" may not call "voice". It may call: chat.',
      { code: "model_not_found" },
    ],
    [
      "is not in the configuration any more",
      (keys) => keys.replaceConfigured([operator]),
      'Key "ci" was deleted.',
      { key: written() },
    ],
    [
      "has another text in the configuration",
      (keys) => keys.replaceConfigured([operator, written({ key: Redacted.make("sk-other") })]),
      'Key "ci" was rotated: its former secret is not accepted any more.',
      { key: written() },
    ],
  ]

  /** A gateway with the key, and how many listen for its changes. */
  const keyed = Effect.fnUntraced(function* (key?: Keyring.Key) {
    const keyring = new Keyring.Keyring(key === undefined ? [operator] : [operator, key], true)
    keyring.putTeam(team)
    if (key === undefined) keyring.put(stored())
    const gateway = yield* make({ keyring, deployment: { price: { input: 4, output: 16 } } })
    let listening = 0
    const onChange = keyring.onChange.bind(keyring)
    keyring.onChange = (listener) => {
      listening++
      const stop = onChange(listener)
      return () => {
        listening--
        stop()
      }
    }
    return { ...gateway, keyring, listening: () => listening }
  })

  for (const [what, change, message, { code = "invalid_api_key", key } = {}] of cases) {
    it.live(`ends its session with 1008 when it ${what}, and settles it once`, () =>
      Effect.gen(function* () {
        const { drain, ended, keyring, listening, upstream, url } = yield* keyed(key)
        const client = yield* dial(`${url}/v1/realtime?model=voice`, headers)
        yield* client.has("session.created")
        client.send({ type: "response.create" })
        yield* client.has("response.done")
        yield* until(() => listening() === 1)
        change(keyring)
        const [closed, reason] = yield* Deferred.await(client.closed)
        assert.strictEqual(closed, 1008)
        assert.isTrue(reason.startsWith(message), reason)
        const { error, type } = client.events.at(-1)!
        assert.strictEqual(type, "error")
        assert.deepInclude(error, { code, message: reason })
        assert.strictEqual(yield* Deferred.await(upstream.connections[0]!.closed), 1000)
        yield* until(() => ended.length === 1)
        assert.deepStrictEqual([ended[0]?.outcome, total(ended[0]!).inputTokens], ["success", 20])
        yield* drain.inFlight.none
        assert.strictEqual(listening(), 0)
        assert.strictEqual(ended.length, 1)
      }),
    )
  }

  it.live("keeps its session when anything else of it changes, or another key does", () =>
    Effect.gen(function* () {
      const { keyring, listening, url } = yield* keyed()
      const client = yield* dial(`${url}/v1/realtime?model=voice`, headers)
      yield* client.has("session.created")
      yield* until(() => listening() === 1)
      keyring.put(stored({ id: "other", disabled: true }, { digest: other }))
      keyring.put(stored({ routes: ["voice"], limits: { rpm: 5 }, expiresAt: Date.now() + 3_600_000 }))
      keyring.put(
        stored(
          {},
          {
            digest: Keyring.digestOf("sk-new"),
            previous: { digest: Keyring.digestOf(former), until: Date.now() + 3_600_000 },
          },
        ),
      )
      client.send({ type: "response.create" })
      yield* client.has("response.done")
      assert.isTrue(client.socket.readyState === WebSocket.OPEN)
      client.socket.close(1000)
      yield* Deferred.await(client.closed)
      yield* until(() => listening() === 0)
    }),
  )

  it.live("cuts the response that is under way", () =>
    Effect.gen(function* () {
      const { ended, keyring, upstream, url } = yield* keyed()
      upstream.script("primary", [{ type: "session", audio: { events: 500, size: 64 * 1024 } }])
      const client = yield* dial(`${url}/v1/realtime?model=voice`, headers)
      yield* client.has("session.created")
      client.send({ type: "response.create" })
      yield* client.has("response.created")
      client.socket.pause()
      yield* until(() => upstream.buffered() > 0)
      keyring.remove("ci")
      yield* until(() => upstream.open() === 0)
      client.socket.resume()
      assert.deepStrictEqual(yield* Deferred.await(client.closed), [1008, 'Key "ci" was deleted.'])
      assert.strictEqual(client.types().at(-1), "error")
      assert.notInclude(client.types(), "response.done")
      yield* until(() => ended.length === 1)
    }),
  )
})

describe("limits", () => {
  it.live("end a session with 1008 when a budget does not cover another response, which is never exceeded", () =>
    Effect.gen(function* () {
      // 0.01 $ a response, and at most 0.02 $: the output by the limit of the model.
      const { ended, url } = yield* make({
        budget: 0.05,
        deployment: { price: { input: 0, output: 1000 }, capabilities: { maxOutput: 20 } },
      })
      const client = yield* voice(url)
      yield* client.has("session.created")
      for (let turn = 1; turn <= 4; turn++) {
        client.send({ type: "response.create" })
        yield* client.has("response.done", turn)
      }
      const [code, reason] = yield* Deferred.await(client.closed)
      assert.deepStrictEqual([code, reason], [1008, 'Budget "all" does not cover another response.'])
      assert.propertyVal(client.events.at(-1)?.["error"], "code", "budget_exceeded")
      yield* until(() => ended.length === 1)
      const cost = total(ended[0]!).cost ?? 0
      assert.closeTo(cost, 0.04, 1e-9)
      const next = yield* voice(url)
      const refused = yield* Deferred.await(next.refused)
      assert.deepStrictEqual([refused.status, refused.code], [429, "budget_exceeded"])
    }),
  )

  it.live("count the tokens of a session as they are reported, and its permit for all of it", () =>
    Effect.gen(function* () {
      const { url } = yield* make({
        keys: [{ id: "team", key: Redacted.make("sk-team"), limits: { tpm: 50, concurrency: 1 } }],
      })
      const headers = { authorization: "Bearer sk-team" }
      const first = yield* dial(`${url}/v1/realtime?model=voice`, headers)
      yield* first.has("session.created")
      const second = yield* dial(`${url}/v1/realtime?model=voice`, headers)
      assert.strictEqual((yield* Deferred.await(second.refused)).status, 429)
      for (let turn = 1; turn <= 2; turn++) {
        first.send({ type: "response.create" })
        yield* first.has("response.done", turn)
      }
      first.socket.close(1000)
      yield* Deferred.await(first.closed)
      // 60 of 50 tokens are used: a call that takes some has to wait.
      const chat = yield* Effect.promise(() =>
        fetch(`${url}/v1/chat/completions`, {
          method: "POST",
          headers: { ...headers, "content-type": "application/json" },
          body: JSON.stringify({ model: "voice", messages: [{ role: "user", content: "Hello?" }] }),
        }),
      )
      assert.strictEqual(chat.status, 429)
    }),
  )
})

describe("backpressure", () => {
  it.live("stops reading from the provider while the client does not read, and cuts it off", () =>
    Effect.gen(function* () {
      const { ended, upstream, url } = yield* make({ write: "1 second" })
      const [size, events] = [64 * 1024, 500]
      upstream.script("primary", [{ type: "session", audio: { events, size } }])
      const client = yield* voice(url)
      yield* client.has("session.created")
      client.socket.pause()
      client.send({ type: "response.create" })
      // In base64. What the kernel buffers on the way is a few megabytes.
      yield* until(() => upstream.buffered() > 0)
      const [first, second] = [upstream.buffered(), yield* Effect.as(Effect.sleep(300), upstream.buffered)]
      assert.isAbove(second(), (size * events * 4) / 3 / 2)
      assert.isAtMost(second(), first)
      yield* until(() => ended.length === 1)
      assert.strictEqual(ended[0]?.outcome, "cancelled")
      yield* until(() => upstream.open() === 0)
    }),
  )
})
