/** A route as a model of `ai`: over our own providers, and over models of the AI SDK's vendors. */
import { APICallError, NoSuchModelError } from "@ai-sdk/provider"
import { assert, describe, it } from "@effect/vitest"
import * as Deployment from "@understudy/core/Deployment"
import * as Route from "@understudy/core/Route"
import * as Router from "@understudy/core/Router"
import * as Testing from "@understudy/core/Testing"
import * as AiSdk from "@understudy/providers/ai-sdk"
import * as FaultServer from "@understudy/providers/testing"
import * as Behavior from "@understudy/providers/testing/Behavior"
import {
  createProviderRegistry,
  embed,
  embedMany,
  generateText,
  isStepCount,
  jsonSchema,
  Output,
  streamText,
  tool,
} from "ai"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { awaited, callOf, rejection, upstreams } from "./Upstreams.ts"

const prompt = "Hello"

const look = tool({
  description: "Looks somewhere",
  inputSchema: jsonSchema<{ where: string }>({
    type: "object",
    properties: { where: { type: "string" } },
    required: ["where"],
    additionalProperties: false,
  }),
  execute: ({ where }) => `Looked ${where}`,
})

const calls = Behavior.answer({ arguments: '{"where":"up"}' })

const reviewed = Output.object({
  schema: jsonSchema<{ stars: number }>({
    type: "object",
    properties: { stars: { type: "integer" } },
    required: ["stars"],
    additionalProperties: false,
  }),
})

/** A scripted router, as models of `ai`. */
const scripted = (...outcomes: Parameters<typeof Testing.script>[0]) => {
  const script = Testing.script(outcomes)
  const understudy = AiSdk.createUnderstudy({
    deployments: { only: Deployment.make({ model: "only", provider: script.layer, retry: { times: 0 } }) },
  })
  return { script, understudy, model: understudy("only") }
}

for (const kind of ["own", "ai-sdk"] as const) {
  describe(`a route over ${kind === "own" ? "our own providers" : "models of the AI SDK"}`, () => {
    it.live("falls back, and has the attempts and the cost in the provider metadata", () =>
      Effect.gen(function* () {
        const { assistant, server } = yield* upstreams(kind)
        yield* server.script("lead", "503")
        const { finalStep, finishReason, text, usage } = yield* awaited(() =>
          generateText({ model: assistant, prompt }),
        )
        const { attempts, call, cost, deployment } = callOf(finalStep)
        assert.strictEqual(text, FaultServer.line("understudy"))
        assert.strictEqual(finishReason, "stop")
        assert.isAbove(usage.inputTokens ?? 0, 0)
        assert.isAbove(usage.outputTokens ?? 0, 0)
        assert.isNotEmpty(call)
        assert.strictEqual(deployment, "understudy")
        assert.deepStrictEqual(
          attempts.map(({ deployment, outcome, reason, status }) => [deployment, outcome, reason, status]),
          [
            ["lead", "failure", "Overloaded", 503],
            ["understudy", "success", undefined, undefined],
          ],
        )
        const expected = ((usage.inputTokens ?? 0) + 2 * (usage.outputTokens ?? 0)) / 1_000_000
        assert.closeTo(cost ?? 0, expected, 1e-12)
      }),
    )

    it.live("streams what the understudy answers", () =>
      Effect.gen(function* () {
        const { assistant, server } = yield* upstreams(kind)
        yield* server.script("lead", "error-event-first")
        const result = streamText({ model: assistant, prompt })
        const text = yield* awaited(() => result.text)
        const step = yield* awaited(() => result.finalStep)
        assert.strictEqual(text, FaultServer.line("understudy"))
        assert.strictEqual(callOf(step).deployment, "understudy")
        assert.lengthOf(callOf(step).attempts, 2)
        assert.isDefined(callOf(step).cost)
        assert.strictEqual(yield* awaited(() => result.finishReason), "stop")
      }),
    )

    it.live("is called once, whatever `maxRetries` is, when every deployment fails", () =>
      Effect.gen(function* () {
        const { assistant, server } = yield* upstreams(kind)
        yield* server.script("lead", "503")
        yield* server.script("understudy", "529")
        const error = yield* rejection(() => generateText({ model: assistant, prompt, maxRetries: 5 }))
        if (!APICallError.isInstance(error)) return assert.fail(String(error))
        assert.strictEqual(error.statusCode, 503)
        assert.isFalse(error.isRetryable)
        assert.deepInclude(error.data, { kind: "Unavailable" })
        assert.isDefined(error.responseHeaders?.["retry-after"])
        assert.strictEqual(yield* server.attempts("lead"), 1)
        assert.strictEqual(yield* server.attempts("understudy"), 1)
      }),
    )

    it.live("ends a stream that breaks with an error, and has its attempts in the metadata", () =>
      Effect.gen(function* () {
        const { assistant, server } = yield* upstreams(kind)
        yield* server.script("lead", [Behavior.cut(3, { text: "One two three four five" })])
        const errors: Array<unknown> = []
        const result = streamText({ model: assistant, prompt, onError: ({ error }) => void errors.push(error) })
        yield* awaited(() => result.consumeStream())
        const [error] = errors
        if (!APICallError.isInstance(error)) return assert.fail(String(error))
        assert.deepInclude(error.data, { kind: "StreamInterrupted" })
        assert.strictEqual(yield* awaited(() => result.text), "One two three")
        assert.strictEqual(yield* awaited(() => result.finishReason), "error")
        const step = yield* awaited(() => result.finalStep)
        assert.deepInclude(callOf(step).attempts[0], { outcome: "failure", reason: "Network" })
        assert.strictEqual(yield* server.attempts("understudy"), 0)
      }),
    )

    it.live("resumes a stream that breaks, if the route says so", () =>
      Effect.gen(function* () {
        const { assistant, server } = yield* upstreams(kind, { policy: Route.stream({ protect: "full" }) })
        yield* server.script("lead", [Behavior.cut(3)])
        const result = streamText({ model: assistant, prompt })
        assert.strictEqual(yield* awaited(() => result.text), FaultServer.line("understudy"))
        assert.strictEqual(yield* awaited(() => result.finishReason), "stop")
      }),
    )

    it.live("continues a stream that breaks from where it stopped, in one text", () =>
      Effect.gen(function* () {
        const { assistant, server } = yield* upstreams(kind, { policy: Route.stream({ protect: "continue" }) })
        yield* server.script("lead", [Behavior.cut(3, { text: "One two three" })])
        yield* server.script("understudy", [Behavior.answer({ text: "One two three four five" })])
        const result = streamText({ model: assistant, prompt })
        const types = yield* awaited(async () => {
          const types: Array<string> = []
          for await (const { type } of result.fullStream) types.push(type)
          return types
        })
        assert.strictEqual(yield* awaited(() => result.text), "One two three four five")
        assert.strictEqual(types.filter((type) => type === "text-start").length, 1)
        assert.strictEqual(types.filter((type) => type === "text-end").length, 1)
      }),
    )

    it.live("runs tools over several steps, each on the deployment that answers", () =>
      Effect.gen(function* () {
        const { assistant, server } = yield* upstreams(kind)
        yield* server.script("lead", [calls, Behavior.refuse("overloaded")])
        yield* server.script("understudy", [Behavior.answer()])
        const { steps, text } = yield* awaited(() =>
          generateText({ model: assistant, prompt, tools: { look }, stopWhen: isStepCount(5) }),
        )
        assert.deepStrictEqual(
          steps.map((step) => callOf(step).deployment),
          ["lead", "understudy"],
        )
        assert.deepStrictEqual(
          steps[0]?.toolResults.map(({ input, output }) => [input, output]),
          [[{ where: "up" }, "Looked up"]],
        )
        assert.include(text, "Looked up")
      }),
    )

    it.live("streams tools over several steps, with the choice of the tool", () =>
      Effect.gen(function* () {
        const { assistant, server } = yield* upstreams(kind)
        yield* server.script("lead", [calls, Behavior.answer()])
        const result = streamText({
          model: assistant,
          prompt,
          tools: { look },
          stopWhen: isStepCount(5),
          prepareStep: ({ stepNumber }) => ({
            toolChoice: stepNumber === 0 ? { type: "tool", toolName: "look" } : "auto",
          }),
        })
        const steps = yield* awaited(() => result.steps)
        assert.deepStrictEqual(
          steps.map(({ finishReason }) => finishReason),
          ["tool-calls", "stop"],
        )
        assert.include(yield* awaited(() => result.text), "Looked up")
        const { body } = yield* server.received("lead", 1)
        assert.deepNestedPropertyVal(body, "tool_choice", { type: "function", function: { name: "look" } })
      }),
    )

    it.live("gives an object by its schema, which the vendor gets", () =>
      Effect.gen(function* () {
        const { assistant, server } = yield* upstreams(kind)
        yield* server.script("lead", [Behavior.answer({ text: '{"stars":5}' })])
        const { output } = yield* awaited(() => generateText({ model: assistant, prompt, output: reviewed }))
        assert.deepStrictEqual(output, { stars: 5 })
        const { body } = yield* server.received("lead")
        assert.nestedPropertyVal(body, "response_format.type", "json_schema")
        assert.nestedPropertyVal(body, "response_format.json_schema.strict", true)
        assert.nestedPropertyVal(body, "response_format.json_schema.schema.properties.stars.type", "integer")
      }),
    )

    it.live("closes the upstream when a call is aborted: a complete one, one before output, one within a stream", () =>
      Effect.gen(function* () {
        const { assistant, server } = yield* upstreams(kind)
        yield* server.script("lead", [Behavior.silent, Behavior.silent, Behavior.stall(2)])
        const text = new AbortController()
        const aborted = rejection(() => generateText({ model: assistant, prompt, abortSignal: text.signal }))
        const leaving = (attempt: number, controller: AbortController) =>
          Effect.gen(function* () {
            const request = yield* server.received("lead", attempt)
            controller.abort()
            assert.strictEqual(yield* server.closed(request), "left")
          })
        const [error] = yield* Effect.all([aborted, leaving(1, text)], { concurrency: 2 })
        assert.propertyVal(error, "name", "AbortError")

        const early = new AbortController()
        const unstarted = streamText({ model: assistant, prompt, abortSignal: early.signal })
        yield* Effect.all([awaited(() => unstarted.consumeStream()), leaving(2, early)], { concurrency: 2 })

        const late = new AbortController()
        let isAborted = false
        const begun = streamText({
          model: assistant,
          prompt,
          abortSignal: late.signal,
          onAbort: () => void (isAborted = true),
        })
        const reading = awaited(async () => {
          for await (const _ of begun.textStream) if (!late.signal.aborted) late.abort()
        })
        yield* reading
        assert.strictEqual(yield* server.closed(yield* server.received("lead", 3)), "left")
        assert.isTrue(isAborted)
        assert.strictEqual(yield* server.attempts("understudy"), 0)
        yield* server.idle
      }),
    )

    it.live("cancels running calls when it is closed: a complete one, and a stream between two reads", () =>
      Effect.gen(function* () {
        const { assistant, server, understudy } = yield* upstreams(kind)
        yield* server.script("lead", [Behavior.stall(2), Behavior.silent])
        const { stream } = yield* awaited(() =>
          assistant.doStream({ prompt: [{ role: "user", content: [{ type: "text", text: prompt }] }] }),
        )
        const reader = stream.getReader()
        yield* awaited(() => reader.read())
        const failed = yield* Effect.forkChild(rejection(() => generateText({ model: assistant, prompt })))
        const requests = [yield* server.received("lead", 1), yield* server.received("lead", 2)]
        yield* awaited(() => understudy.close())
        for (const request of requests) assert.strictEqual(yield* server.closed(request), "left")
        assert.instanceOf(yield* Fiber.join(failed), Error)
        assert.strictEqual(yield* server.attempts("understudy"), 0)
        assert.propertyVal(yield* rejection(() => reader.read()), "name", "AbortError")
        yield* server.idle
      }),
    )

    it.live("closes the upstream when the reader of a stream leaves", () =>
      Effect.gen(function* () {
        const { assistant, server } = yield* upstreams(kind)
        yield* server.script("lead", [Behavior.stall(2)])
        const { stream } = yield* awaited(() =>
          assistant.doStream({ prompt: [{ role: "user", content: [{ type: "text", text: prompt }] }] }),
        )
        const reader = stream.getReader()
        yield* awaited(() => reader.read())
        yield* awaited(() => reader.cancel())
        assert.strictEqual(yield* server.closed(yield* server.received("lead")), "left")
        yield* server.idle
      }),
    )

    it.live(
      "closes the upstream when a call is aborted between two reads, and rejects the next with the signal's reason",
      () =>
        Effect.gen(function* () {
          const { assistant, server } = yield* upstreams(kind)
          yield* server.script("lead", [Behavior.stall(2)])
          const controller = new AbortController()
          const { stream } = yield* awaited(() => assistant.doStream({ prompt: [], abortSignal: controller.signal }))
          const reader = stream.getReader()
          yield* awaited(() => reader.read())
          const reason = new Error("enough")
          controller.abort(reason)
          assert.strictEqual(yield* server.closed(yield* server.received("lead")), "left")
          assert.strictEqual(yield* rejection(() => reader.read()), reason)
          yield* server.idle
        }),
    )

    it.live("sends images and files", () =>
      Effect.gen(function* () {
        const { assistant, server } = yield* upstreams(kind)
        const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
        yield* awaited(() =>
          generateText({
            model: assistant,
            messages: [
              {
                role: "user",
                content: [
                  { type: "file", mediaType: "image", data: png },
                  {
                    type: "file",
                    mediaType: "application/pdf",
                    data: new TextEncoder().encode("%PDF"),
                    filename: "a.pdf",
                  },
                  { type: "text", text: "What is this?" },
                ],
              },
            ],
          }),
        )
        const { body } = yield* server.received("lead")
        assert.nestedPropertyVal(body, "messages[0].content[0].image_url.url", `data:image/png;base64,${png}`)
        assert.nestedPropertyVal(body, "messages[0].content[1].file.filename", "a.pdf")
        assert.nestedPropertyVal(
          body,
          "messages[0].content[1].file.file_data",
          `data:application/pdf;base64,${btoa("%PDF")}`,
        )
      }),
    )

    it.live("gives a cached response, and says so", () =>
      Effect.gen(function* () {
        const { assistant, server } = yield* upstreams(kind, { policy: Route.cache({ ttl: "1 minute" }) })
        for (const cache of ["miss", "hit"]) {
          const complete = yield* awaited(() => generateText({ model: assistant, prompt }))
          const streamed = streamText({ model: assistant, prompt })
          assert.strictEqual(complete.text, FaultServer.line("lead"))
          assert.strictEqual(yield* awaited(() => streamed.text), FaultServer.line("lead"))
          assert.strictEqual(callOf(complete.finalStep).cache, cache)
          assert.strictEqual(callOf(yield* awaited(() => streamed.finalStep)).cache, cache)
        }
        assert.strictEqual(yield* server.attempts("lead"), 2)
      }),
    )

    it.live("reports a setting that was not sent as a warning", () =>
      Effect.gen(function* () {
        const { assistant } = yield* upstreams(kind)
        const { warnings } = yield* awaited(() => generateText({ model: assistant, prompt, topK: 3 }))
        assert.deepStrictEqual(
          warnings?.map((warning) => warning.type === "unsupported" && warning.feature.toLowerCase().replace("_", "")),
          ["topk"],
        )
      }),
    )

    it.live("leaves nothing open", () =>
      Effect.gen(function* () {
        const { assistant, server } = yield* upstreams(kind)
        yield* server.script("lead", [Behavior.answer(), Behavior.cut(2), Behavior.refuse("overloaded")])
        for (let call = 0; call < 3; call++) {
          yield* awaited(() => streamText({ model: assistant, prompt, onError: () => {} }).consumeStream())
        }
        yield* server.idle
      }),
    )
  })
}

describe("the error of a call", () => {
  it.live("is NoSuchModelError for an unknown name, which suggests a similar one", () =>
    Effect.gen(function* () {
      const { understudy } = yield* upstreams("own")
      const error = yield* rejection(() => generateText({ model: understudy("asistant"), prompt }))
      if (!NoSuchModelError.isInstance(error)) return assert.fail(String(error))
      assert.strictEqual(error.modelId, "asistant")
      assert.include(error.message, 'did you mean "assistant"?')
    }),
  )

  it.live("names the setting that is not allowed, and no request is sent", () =>
    Effect.gen(function* () {
      const { assistant, server } = yield* upstreams("own")
      const failing = (understudy: Readonly<Record<string, string | number>>) =>
        rejection(() => generateText({ model: assistant, prompt, providerOptions: { understudy } }))
      assert.match(String(yield* failing({ tag: "vip" })), /providerOptions\.understudy: .*"?tag"?/s)
      assert.match(String(yield* failing({ timeout: "soon" })), /timeout: "soon" is not a duration/)
      assert.lengthOf(yield* server.requests, 0)
    }),
  )

  it.live("has no credential, which a vendor may repeat", () =>
    Effect.gen(function* () {
      for (const kind of ["own", "ai-sdk"] as const) {
        const { assistant, server } = yield* upstreams(kind)
        yield* server.script("lead", "bad-key")
        yield* server.script("understudy", "bad-key")
        const error = yield* rejection(() => generateText({ model: assistant, prompt }))
        assert.notInclude(`${String(error)} ${JSON.stringify(error)}`, "sk-secret")
      }
    }),
  )
})

describe("the settings of a call", () => {
  it.live("are the conditions of routes: tags and headers", () =>
    Effect.gen(function* () {
      const named = (name: string) =>
        Deployment.make({ model: name, provider: Testing.script([Testing.reply(name)]).layer })
      const understudy = AiSdk.createUnderstudy({
        deployments: { plain: named("plain"), vip: named("vip"), beta: named("beta") },
        routes: {
          picky: Route.when(
            [
              { if: { tags: ["vip"] }, use: "vip" },
              { if: { headers: { "x-ring": "beta" } }, use: "beta" },
            ],
            "plain",
          ),
        },
      })
      const model = understudy("picky")
      const texts = yield* awaited(() =>
        Promise.all([
          generateText({ model, prompt }),
          generateText({ model, prompt, providerOptions: { understudy: { tags: ["vip"] } } }),
          generateText({ model, prompt, headers: { "X-Ring": "beta" } }),
        ]),
      )
      assert.deepStrictEqual(
        texts.map(({ text }) => text),
        ["plain", "vip", "beta"],
      )
    }),
  )

  it.live("reach the request: reasoning, the end user, metadata, fields of vendors", () =>
    Effect.gen(function* () {
      const { model, script } = scripted(Testing.reply("Hi"))
      yield* awaited(() =>
        generateText({
          model,
          prompt,
          system: "Be brief.",
          maxOutputTokens: 100,
          temperature: 0.5,
          stopSequences: ["END"],
          reasoning: "low",
          providerOptions: {
            understudy: {
              user: "u1",
              metadata: { plan: "pro" },
              parallelToolCalls: false,
              reasoningBudget: 1000,
              vendor: { messages: { container: "c1" } },
            },
            openai: { store: false },
          },
        }),
      )
      const [request] = script.requests
      assert.deepInclude(request, {
        messages: [
          { role: "system", content: [{ type: "text", text: "Be brief." }] },
          { role: "user", content: [{ type: "text", text: prompt }] },
        ],
        sampling: { maxTokens: 100, temperature: 0.5, stop: ["END"] },
        reasoning: { effort: "low", budget: 1000 },
        user: "u1",
        metadata: { plan: "pro" },
        parallelToolCalls: false,
        vendor: { messages: { container: "c1" } },
        droppedParams: ["providerOptions.openai.store"],
      })
    }),
  )
})

describe("reasoning", () => {
  it.live("is sent back with its signature in the next step", () =>
    Effect.gen(function* () {
      const signature = { issuer: "anthropic", value: "sealed" }
      const redacted = { issuer: "anthropic", value: "hidden" }
      const thinking: Testing.Outcome = {
        ...Testing.callTool("look", { where: "up" }),
        frames: [
          { parts: [{ type: "start" }] },
          { parts: [{ type: "reasoning", text: "Hm." }] },
          { parts: [{ type: "reasoning", text: "", signature }] },
          { parts: [{ type: "reasoning", text: "", redacted }] },
          ...Testing.callTool("look", { where: "up" }).frames.slice(1),
        ],
      }
      const { model, script } = scripted(thinking, Testing.reply("Done"))
      const result = streamText({ model, prompt, tools: { look }, stopWhen: isStepCount(3) })
      const [first] = yield* awaited(() => result.steps)
      assert.strictEqual(first?.reasoningText, "Hm.")
      assert.deepStrictEqual(script.requests[1]?.messages.slice(1), [
        {
          role: "assistant",
          content: [
            { type: "reasoning", text: "Hm.", signature },
            { type: "reasoning", text: "", redacted },
            { type: "tool-call", id: "call_1", name: "look", arguments: '{"where":"up"}' },
          ],
        },
        {
          role: "tool",
          content: [{ type: "tool-result", id: "call_1", content: [{ type: "text", text: "Looked up" }] }],
        },
      ])
    }),
  )
})

describe("embeddings", () => {
  it.live("fall back, and are sent in as many requests as are needed", () =>
    Effect.gen(function* () {
      const lead = Testing.script([Testing.fail({ _tag: "Overloaded" })])
      const backup = Testing.script([Testing.vectors([[1, 0]])])
      const understudy = AiSdk.createUnderstudy(
        {
          deployments: {
            lead: Deployment.make({ model: "l", provider: lead.layer, retry: { times: 0 } }),
            backup: Deployment.make({ model: "b", provider: backup.layer }),
          },
          routes: { vectors: Route.fallback("lead", "backup") },
        },
        { maxEmbeddingsPerCall: 1 },
      )
      const model = understudy.embeddingModel("vectors")
      const one = yield* awaited(() => embed({ model, value: "one", providerOptions: { understudy: { user: "u1" } } }))
      assert.deepStrictEqual(one.embedding, [1, 0])
      assert.strictEqual(callOf(one).deployment, "backup")
      const { embeddings } = yield* awaited(() => embedMany({ model, values: ["one", "two", "three"] }))
      assert.deepStrictEqual(embeddings, [
        [1, 0],
        [1, 0],
        [1, 0],
      ])
      assert.deepStrictEqual(
        backup.embeddings.map(({ input }) => input),
        [["one"], ["one"], ["two"], ["three"]],
      )
      assert.strictEqual(backup.embeddings[0]?.user, "u1")
    }),
  )
})

describe("the router", () => {
  const deployments = { only: Deployment.make({ model: "m", provider: Testing.script([Testing.reply("Hi")]).layer }) }

  it.live("may be a layer, or a runtime, which stays open", () =>
    Effect.gen(function* () {
      const layer = Router.layer({ deployments })
      const runtime = ManagedRuntime.make(layer)
      for (const router of [layer, runtime]) {
        const understudy = AiSdk.createUnderstudy(router)
        const { text } = yield* awaited(() => generateText({ model: understudy("only"), prompt }))
        assert.strictEqual(text, "Hi")
        yield* awaited(() => understudy.close())
      }
      assert.lengthOf(
        yield* awaited(() => runtime.runPromise(Effect.flatMap(Router.Router, ({ status }) => status))),
        1,
      )
      yield* runtime.disposeEffect
    }),
  )

  it.live("fails the first call with its own error if it cannot start", () =>
    Effect.gen(function* () {
      const broken: Record<string, Route.Route> = { assistant: Route.fallback("nowhere") }
      const understudy = AiSdk.createUnderstudy({ deployments, routes: broken })
      const error = yield* rejection(() => generateText({ model: understudy("assistant"), prompt }))
      assert.instanceOf(error, Router.InvalidRoutes)
    }),
  )

  it.live("is a provider for the registry of `ai`", () =>
    Effect.gen(function* () {
      const registry = createProviderRegistry({ understudy: AiSdk.createUnderstudy({ deployments }) })
      const model = registry.languageModel("understudy:only")
      const { text } = yield* awaited(() => generateText({ model, prompt }))
      assert.strictEqual(text, "Hi")
    }),
  )

  it("does not compile with a route that names no deployment", () => {
    // @ts-expect-error "nowhere" is no deployment
    AiSdk.createUnderstudy({ deployments, routes: { assistant: Route.fallback("nowhere") } })
  })

  it.live("makes no images", () =>
    Effect.sync(() => {
      assert.throws(() => AiSdk.createUnderstudy({ deployments }).imageModel("only"), NoSuchModelError)
    }),
  )
})
