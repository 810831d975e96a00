import { assert, describe, it } from "@effect/vitest"
import * as Chat from "@understudy/core/Chat"
import { Provider } from "@understudy/core/Provider"
import type { ProviderError, Reason } from "@understudy/core/ProviderError"
import * as Bedrock from "@understudy/providers/bedrock"
import * as FaultServer from "@understudy/providers/testing"
import * as Behavior from "@understudy/providers/testing/Behavior"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

const keys = { accessKeyId: Redacted.make("AKIDEXAMPLE"), secretAccessKey: Redacted.make("wJalrXUtnFEMI") }

/** Nothing of the machine's own environment. */
const environment = (env: Record<string, string> = {}) =>
  Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))

const connected = (options: Bedrock.Options = {}) =>
  Effect.gen(function* () {
    const server = yield* FaultServer.make()
    const provider = yield* Bedrock.make({ region: "eu-west-1", endpoint: server.url, ...keys, ...options })
    return { server, provider }
  }).pipe(environment())

const asked = (model: string, part: Partial<Chat.Request> = {}): Chat.Request => ({
  model,
  messages: [Chat.user("What is the weather in Paris?")],
  ...part,
})

/** By a layer to which only the environment says anything. */
const askIn = (env: Record<string, string>) =>
  Effect.flatMap(Provider, (provider) => provider.chat(asked("ok"))).pipe(
    Effect.provide(Bedrock.layer()),
    environment(env),
  )

const tools: ReadonlyArray<Chat.Tool> = [
  { name: "get_weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
]

/** The parts that came, and how the stream ended. */
const outcome = (stream: Stream.Stream<Chat.Frame, ProviderError>) =>
  Effect.gen(function* () {
    const parts: Array<Chat.Part> = []
    const exit = yield* Stream.runForEach(stream, (frame) => Effect.sync(() => parts.push(...frame.parts))).pipe(
      Effect.result,
    )
    return { parts, text: parts.map((part) => (part.type === "text" ? part.text : "")).join(""), exit }
  })

const types = (parts: ReadonlyArray<Chat.Part>) => [...new Set(parts.map((part) => part.type))]

const failureOf = (exit: { readonly _tag: string; readonly failure?: ProviderError }): Reason["_tag"] | undefined =>
  exit.failure?.reason._tag

describe("chat", () => {
  it.live("answers, signed for the region", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* connected()
      const model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
      const answer = yield* provider.chat(asked(model))
      assert.strictEqual(answer.finishReason, "stop")
      assert.isAbove(Chat.text(answer).length, 0)
      assert.isAbove(answer.usage?.outputTokens ?? 0, 0)
      assert.strictEqual(answer.native?.protocol, "converse")

      const request = yield* server.received(model)
      assert.strictEqual(answer.id, "00000000-0000-4000-8000-000000000001")
      assert.match(request.path, /^\/model\/us\.anthropic\.claude-sonnet-4-5-20250929-v1%3A0\/converse$/)
      assert.match(
        request.headers.authorization ?? "",
        /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-west-1\/bedrock\/aws4_request/,
      )
      assert.deepStrictEqual(request.body, {
        messages: [{ role: "user", content: [{ text: "What is the weather in Paris?" }] }],
      })
    }).pipe(Effect.scoped),
  )

  it.live("sends bytes as the SDK does", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* connected()
      const source: Chat.Source = { type: "base64", mediaType: "image/png", data: "iVBORw0KGgo=" }
      yield* provider.chat(
        asked("ok", {
          messages: [
            Chat.user([
              { type: "text", text: "Look" },
              { type: "image", source },
            ]),
          ],
        }),
      )
      const { body } = yield* server.received("ok")
      assert.deepStrictEqual(body, {
        messages: [
          {
            role: "user",
            content: [{ text: "Look" }, { image: { format: "png", source: { bytes: "iVBORw0KGgo=" } } }],
          },
        ],
      })
    }).pipe(Effect.scoped),
  )

  it.live("calls a tool, and goes on with its result", () =>
    Effect.gen(function* () {
      const { provider } = yield* connected()
      const answer = yield* provider.chat(asked("ok", { tools, toolChoice: "required" }))
      assert.strictEqual(answer.finishReason, "tool-calls")
      const [call] = Chat.toolCalls(answer)
      assert.strictEqual(call?.name, "get_weather")
      assert.property(JSON.parse(call?.arguments ?? ""), "city")
      const last = yield* provider.chat(
        asked("ok", {
          tools,
          messages: [Chat.user("Weather?"), Chat.assistant(answer.content), Chat.toolResult(call?.id ?? "", "21 °C")],
        }),
      )
      assert.strictEqual(last.finishReason, "stop")
    }).pipe(Effect.scoped),
  )

  it.live("sends a native body as it is, for this model", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* connected()
      const body = {
        modelId: "theirs",
        messages: [{ role: "user", content: [{ text: "Native" }] }],
        requestMetadata: {},
      }
      yield* provider.chat(asked("ok", { native: { protocol: "converse", body } }))
      assert.deepStrictEqual((yield* server.received("ok")).body, { messages: body.messages, requestMetadata: {} })
    }).pipe(Effect.scoped),
  )

  it.live("does not send what cannot be said", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* connected()
      for (const each of [
        Effect.flip(provider.chat(asked("ok", { sampling: { n: 2 } }))),
        Effect.flip(Stream.runDrain(provider.stream(asked("ok", { sampling: { n: 2 } })))),
      ]) {
        assert.strictEqual((yield* each).reason._tag, "Unsupported")
      }
      assert.strictEqual(yield* server.attempts("ok"), 0)
    }).pipe(Effect.scoped),
  )
})

describe("a deployment's own", () => {
  const guardrail = { id: "gr-1", version: "2", trace: "enabled", streaming: "async" } as const
  const prompt = "arn:aws:bedrock:us-west-2:123456789012:prompt/PROMPT12345:3"

  it.live("guardrail is on every call, whatever the call says", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* connected({ guardrail })
      const theirs = { guardrailConfig: { guardrailIdentifier: "none", guardrailVersion: "1" } }
      yield* provider.chat(asked("ok", { vendor: { converse: theirs } }))
      yield* Stream.runDrain(provider.stream(asked("ok")))
      const [whole, streamed] = (yield* server.requests).map(({ body }) => body as Record<string, unknown>)
      const config = { guardrailIdentifier: "gr-1", guardrailVersion: "2", trace: "enabled" }
      assert.deepStrictEqual(whole?.["guardrailConfig"], config)
      assert.deepStrictEqual(streamed?.["guardrailConfig"], { ...config, streamProcessingMode: "async" })
    }).pipe(Effect.scoped),
  )

  it.live("prompt is asked with its variables, and with nothing that it says itself", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* connected({ promptVariables: { tone: "formal", length: "10" } })
      const answer = yield* provider.chat(
        asked(prompt, {
          sampling: { maxTokens: 5 },
          vendor: { converse: { promptVariables: { tone: { text: "warm" } } } },
        }),
      )
      assert.deepStrictEqual(answer.droppedParams, ["maxTokens, which the managed prompt defines"])
      const { body, path } = yield* server.received(prompt)
      assert.strictEqual(path, `/model/${encodeURIComponent(prompt)}/converse`)
      assert.deepStrictEqual(body, {
        messages: [{ role: "user", content: [{ text: "What is the weather in Paris?" }] }],
        promptVariables: { tone: { text: "warm" }, length: { text: "10" } },
      })
      for (const more of [{ tools }, { messages: [Chat.system("Be brief."), Chat.user("Hi")] }]) {
        const error = yield* Effect.flip(provider.chat(asked(prompt, more)))
        assert.strictEqual(error.reason._tag, "Unsupported")
      }
      yield* provider.chat(asked("ok"))
      assert.notProperty((yield* server.received("ok")).body, "promptVariables")
    }).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "None")),
  )

  it("region is the one its ARN names", () => {
    assert.strictEqual(Bedrock.regionOf(prompt), "us-west-2")
    assert.strictEqual(Bedrock.regionOf("arn:aws-us-gov:bedrock:us-gov-west-1::inference-profile/x"), "us-gov-west-1")
    assert.isUndefined(Bedrock.regionOf("us.anthropic.claude-sonnet-4-5"))
  })
})

describe("stream", () => {
  it.live("brings the answer in pieces", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* connected()
      yield* server.script("ok", [Behavior.answer({ text: "To be, or not to be: 🎭" })])
      const { exit, parts, text } = yield* outcome(provider.stream(asked("ok")))
      assert.strictEqual(exit._tag, "Success")
      assert.strictEqual(text, "To be, or not to be: 🎭")
      assert.deepStrictEqual(types(parts), ["start", "text", "finish", "usage"])
    }).pipe(Effect.scoped),
  )

  it.live("brings a tool's arguments in pieces", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* connected()
      const args = JSON.stringify({ city: "Paris", note: "data: [DONE]" })
      yield* server.script("ok", [Behavior.answer({ arguments: args })])
      const { parts } = yield* outcome(provider.stream(asked("ok", { tools })))
      assert.deepStrictEqual(
        parts.filter((part) => part.type === "tool-call").map(({ index, name }) => ({ index, name })),
        [{ index: 0, name: "get_weather" }],
      )
      assert.strictEqual(parts.map((part) => (part.type === "tool-call-delta" ? part.arguments : "")).join(""), args)
      assert.isTrue(parts.some((part) => part.type === "finish" && part.reason === "tool-calls"))
    }).pipe(Effect.scoped),
  )

  it.live("skips a malformed event in an answer that ends well", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* connected()
      yield* server.script("ok", [Behavior.malformedEvent(1, { text: "All of it, in pieces" })])
      const { exit, text } = yield* outcome(provider.stream(asked("ok")))
      assert.strictEqual(exit._tag, "Success")
      assert.strictEqual(text, "All of it, in pieces")
    }).pipe(Effect.scoped),
  )

  it.live("ends as the upstream ended: without a finish, if there was none", () =>
    Effect.gen(function* () {
      const { provider } = yield* connected()
      const broken = yield* outcome(provider.stream(asked("eof-no-finish")))
      assert.strictEqual(broken.exit._tag, "Success")
      assert.deepStrictEqual(types(broken.parts), ["start", "text"])
      const whole = yield* outcome(provider.stream(asked("no-done")))
      assert.deepStrictEqual(types(whole.parts), ["start", "text", "finish"])
    }).pipe(Effect.scoped),
  )

  it.live("fails at an exception, before the first token or after", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* connected()
      const cases: ReadonlyArray<readonly [Behavior.Fault, Reason["_tag"]]> = [
        ["rate-limit", "RateLimited"],
        ["quota", "QuotaExhausted"],
        ["overloaded", "Overloaded"],
        ["server-error", "ServerError"],
        ["timeout", "ServerError"],
        ["context-length", "ContextWindowExceeded"],
        ["content-policy", "ContentPolicy"],
        ["unsupported-parameter", "Unsupported"],
        ["invalid-request", "InvalidRequest"],
      ]
      for (const [fault, tag] of cases) {
        yield* server.script("it", [Behavior.errorEvent("first", fault), Behavior.errorEvent(2, fault)])
        const first = yield* outcome(provider.stream(asked("it")))
        assert.deepStrictEqual([first.parts.length, failureOf(first.exit)], [0, tag], fault)
        const later = yield* outcome(provider.stream(asked("it")))
        assert.deepStrictEqual([types(later.parts), failureOf(later.exit)], [["start", "text"], tag], fault)
      }
    }).pipe(Effect.scoped),
  )
})

describe("failures", () => {
  it.live("are told apart by what Bedrock sends", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* connected()
      const cases: ReadonlyArray<readonly [string, Reason["_tag"]]> = [
        ["rate-limit", "RateLimited"],
        ["quota", "QuotaExhausted"],
        ["bad-key", "Authentication"],
        ["forbidden", "Permission"],
        ["unknown-model", "ModelNotFound"],
        ["context-length", "ContextWindowExceeded"],
        ["content-policy", "ContentPolicy"],
        ["invalid-request", "InvalidRequest"],
        ["unsupported-parameter", "Unsupported"],
        ["timeout", "Timeout"],
        ["server-error", "ServerError"],
        ["overloaded", "Overloaded"],
        ["html-502", "ServerError"],
        ["html-503", "Overloaded"],
      ]
      for (const [model, tag] of cases) {
        const whole = yield* Effect.flip(provider.chat(asked(model)))
        assert.strictEqual(whole.reason._tag, tag, model)
        const streamed = yield* outcome(provider.stream(asked(model)))
        assert.strictEqual(failureOf(streamed.exit), tag, `${model}, streamed`)
        assert.notInclude(whole.message, "AKIDEXAMPLE")
        assert.isDefined(whole.status)
        assert.strictEqual(yield* server.attempts(model), 2, "nobody tried again")
      }
    }).pipe(Effect.scoped),
  )

  it.live("say when to come back", () =>
    Effect.gen(function* () {
      const { provider } = yield* connected()
      for (const model of ["429-retry-after-2", "429-retry-after-ms-2000"]) {
        const error = yield* Effect.flip(provider.chat(asked(model)))
        assert.strictEqual(error.retryAfter?.toString(), "2000 millis", model)
      }
    }).pipe(Effect.scoped),
  )

  it.live("are the network's when the connection breaks", () =>
    Effect.gen(function* () {
      const { provider } = yield* connected()
      for (const model of ["reset", "cut-2", "cut-2-reset"]) {
        const whole = yield* Effect.flip(provider.chat(asked(model)))
        assert.strictEqual(whole.reason._tag, "Network", model)
        const streamed = yield* outcome(provider.stream(asked(model)))
        assert.strictEqual(failureOf(streamed.exit), "Network", `${model}, streamed`)
        assert.deepStrictEqual(types(streamed.parts), model === "reset" ? [] : ["start", "text"])
      }
      const nobody = yield* Bedrock.make({ region: "eu-west-1", endpoint: "http://127.0.0.1:1", ...keys }).pipe(
        environment(),
      )
      assert.strictEqual((yield* Effect.flip(nobody.chat(asked("ok")))).reason._tag, "Network")
    }).pipe(Effect.scoped),
  )

  it.live("are malformed where a good status brings no answer", () =>
    Effect.gen(function* () {
      const { provider } = yield* connected()
      for (const model of ["html-200", "empty-200", "half-json"]) {
        assert.strictEqual((yield* Effect.flip(provider.chat(asked(model)))).reason._tag, "Malformed", model)
      }
      assert.strictEqual(failureOf((yield* outcome(provider.stream(asked("html-200")))).exit), "Malformed")
    }).pipe(Effect.scoped),
  )
})

describe("stopping", () => {
  it.live("closes the upstream, whatever it is doing", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* connected()
      for (const model of ["silent", "stall-1"]) {
        for (const call of [provider.chat(asked(model)), Stream.runDrain(provider.stream(asked(model)))]) {
          const fiber = yield* Effect.forkChild(call)
          const request = yield* server.received(model, (yield* server.attempts(model)) + 1)
          yield* Fiber.interrupt(fiber)
          assert.strictEqual(yield* server.closed(request), "left", model)
        }
      }
    }).pipe(Effect.scoped),
  )

  it.live("after a few parts closes the upstream", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* connected()
      const taken = yield* Stream.runCollect(Stream.take(provider.stream(asked("stall-2")), 2))
      assert.lengthOf(taken, 2)
      assert.strictEqual(yield* server.closed(yield* server.received("stall-2")), "left")
    }).pipe(Effect.scoped),
  )

  it.live("closing the layer closes its connections", () =>
    Effect.gen(function* () {
      const server = yield* FaultServer.make()
      const scope = yield* Scope.make()
      const provider = yield* Bedrock.make({ region: "eu-west-1", endpoint: server.url, ...keys }).pipe(
        environment(),
        Scope.provide(scope),
      )
      yield* provider.chat(asked("ok"))
      yield* provider.chat(asked("ok"))
      assert.strictEqual(yield* server.openSockets, 1)
      yield* Scope.close(scope, Exit.void)
      yield* server.drained
    }).pipe(Effect.scoped),
  )
})

describe("credentials", () => {
  it.live("may be a bearer key, which replaces the signature", () =>
    Effect.gen(function* () {
      const { provider, server } = yield* connected({
        accessKeyId: undefined,
        secretAccessKey: undefined,
        bearerToken: Redacted.make("bedrock-api-key-1"),
      })
      yield* provider.chat(asked("ok"))
      yield* Stream.runDrain(provider.stream(asked("ok")))
      for (const { headers } of yield* server.requests) {
        assert.strictEqual(headers.authorization, "Bearer bedrock-api-key-1")
        assert.notProperty(headers, "x-amz-date")
      }
      const error = yield* Effect.flip(provider.chat(asked("bad-key")))
      assert.match(error.message, /\*\*\*/)
      assert.notInclude(error.message, "bedrock-api-key-1")
    }).pipe(Effect.scoped),
  )

  it.live("and everything else may come from the environment", () =>
    Effect.gen(function* () {
      const server = yield* FaultServer.make()
      const env = {
        AWS_REGION: "ap-south-1",
        AWS_ENDPOINT_URL_BEDROCK_RUNTIME: server.url,
        AWS_ACCESS_KEY_ID: "AKIDENV",
        AWS_SECRET_ACCESS_KEY: "s",
        AWS_SESSION_TOKEN: "session",
      }
      yield* askIn(env)
      yield* askIn({ ...env, AWS_BEARER_TOKEN_BEDROCK: "bearer" })
      const [signed, borne] = yield* server.requests
      assert.match(signed?.headers.authorization ?? "", /Credential=AKIDENV\/\d{8}\/ap-south-1\/bedrock/)
      assert.strictEqual(signed?.headers["x-amz-security-token"], "session")
      assert.strictEqual(borne?.headers.authorization, "Bearer bearer")
    }).pipe(Effect.scoped),
  )

  it.live("that are half there stop the start", () =>
    Effect.gen(function* () {
      const region = "eu-west-1"
      const noSecret = yield* Effect.flip(Bedrock.make({ region, accessKeyId: keys.accessKeyId }))
      assert.match(noSecret.message, /AWS_SECRET_ACCESS_KEY/)
      const noId = yield* Effect.flip(Bedrock.make({ region, secretAccessKey: keys.secretAccessKey }))
      assert.match(noId.message, /AWS_ACCESS_KEY_ID/)
    }).pipe(environment(), Effect.scoped),
  )

  it.live("that nobody has fail the call, and it says where they were looked for", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "bedrock-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true })),
      )
      const file = join(folder, "config")
      writeFileSync(
        file,
        "[profile main]\nregion = sa-east-1\naws_access_key_id = AKIDFILE\naws_secret_access_key = s\n",
      )
      process.env["AWS_CONFIG_FILE"] = file
      process.env["AWS_SHARED_CREDENTIALS_FILE"] = join(folder, "none")
      process.env["AWS_EC2_METADATA_DISABLED"] = "true"
      delete process.env["AWS_REGION"]

      const server = yield* FaultServer.make()
      const provider = yield* Bedrock.make({ profile: "nobody", region: "eu-west-1", endpoint: server.url })
      const error = yield* Effect.flip(provider.chat(asked("ok")))
      assert.strictEqual(error.reason._tag, "Authentication")
      assert.match(error.message, /the profile "nobody"/)
      assert.strictEqual(yield* server.attempts("ok"), 0)

      const other = yield* Bedrock.make({ profile: "main", endpoint: server.url })
      yield* other.chat(asked("ok"))
      const { headers } = yield* server.received("ok")
      assert.match(headers.authorization ?? "", /Credential=AKIDFILE\/\d{8}\/sa-east-1\/bedrock/)

      const nowhere = yield* Effect.flip(Bedrock.make({ profile: "nobody" }))
      assert.match(nowhere.message, /no AWS region/)
    }).pipe(environment(), Effect.scoped),
  )

  it.live("of a file are read when it appears, and again after its keys were rejected", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "bedrock-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true })),
      )
      const file = join(folder, "credentials")
      process.env["AWS_CONFIG_FILE"] = join(folder, "none")
      process.env["AWS_SHARED_CREDENTIALS_FILE"] = file
      process.env["AWS_EC2_METADATA_DISABLED"] = "true"
      const write = (id: string) =>
        writeFileSync(file, `[late]\naws_access_key_id = ${id}\naws_secret_access_key = s\n`)
      const server = yield* FaultServer.make()
      const provider = yield* Bedrock.make({ profile: "late", region: "eu-west-1", endpoint: server.url })
      const missing = yield* Effect.flip(provider.chat(asked("ok")))
      assert.strictEqual(missing.reason._tag, "Authentication")

      write("AKIDFIRST")
      yield* provider.chat(asked("ok"))
      const refused = yield* Effect.flip(provider.chat(asked("bad-key")))
      assert.strictEqual(refused.reason._tag, "Authentication")

      write("AKIDSECOND")
      yield* provider.chat(asked("ok"))
      yield* provider.chat(asked("ok"))
      const signers = (yield* server.requests).map(
        ({ headers }) => /Credential=(\w+)/.exec(headers.authorization ?? "")?.[1],
      )
      assert.deepStrictEqual(signers, ["AKIDFIRST", "AKIDFIRST", "AKIDSECOND", "AKIDSECOND"])
    }).pipe(environment(), Effect.scoped),
  )
})
