import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Tracer from "effect/Tracer"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Chat from "../../src/model/Chat.ts"
import { Provider } from "../../src/model/Provider.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import { CaptureContent, PropagatedSpan } from "../../src/telemetry/Telemetry.ts"
import * as Testing from "../../src/Testing.ts"
import * as RecordingTracer from "../support/RecordingTracer.ts"
import * as TestRouter from "../support/TestRouter.ts"

const noRetry = { deployment: { retry: { times: 0 } } }

/** Runs a call under a recording tracer while time passes, and gives its spans. */
const traced = <A, E>(
  call: Effect.Effect<A, E, Router.Router>,
  layer: Layer.Layer<Router.Router, unknown>,
  time: "1 minute" | "0 millis" = "1 minute",
) =>
  Effect.gen(function* () {
    const recording = RecordingTracer.make()
    const exit = yield* Effect.exit(TestRouter.during(time, call)).pipe(
      Effect.withTracer(recording.tracer),
      Effect.provide(layer),
    )
    return { ...recording, exit, tree: RecordingTracer.tree(recording) }
  })

const streamed = Effect.scoped(
  Effect.gen(function* () {
    const router = yield* Router.Router
    const { frames } = yield* router.chatStream(TestRouter.request)
    return yield* Stream.runDrain(frames)
  }),
)

const attributesOf = ({ attributes }: Tracer.NativeSpan) => Object.fromEntries(attributes)

describe("CallTrace", () => {
  it.effect("has a span for a call and one for its attempt, with the attributes of the conventions", () =>
    Effect.gen(function* () {
      const provider = Layer.effect(
        Provider,
        Effect.map(Layer.build(Testing.script([Testing.reply("Hi")]).layer), (context) => ({
          ...Effect.runSync(Effect.provide(Provider, context)),
          origin: { name: "aws.bedrock", address: "bedrock.example", port: 443 },
        })),
      )
      const layer = Router.layer({
        deployments: { sonnet: Deployment.make({ model: "claude", provider, price: { input: 1, output: 2 } }) },
        routes: { assistant: Route.fallback("sonnet") },
      })
      const request: Chat.Request = {
        ...TestRouter.request,
        sampling: { maxTokens: 9, temperature: 0.5, topK: 3, stop: ["x"], n: 1 },
        format: { type: "json" },
        reasoning: { effort: "low" },
      }
      const { spans } = yield* traced(
        Effect.flatMap(Router.Router, (router) =>
          router.chat(request, { caller: "me", team: "us", tags: ["vip"], protocol: "messages" }),
        ),
        layer,
      )
      assert.lengthOf(spans, 2)
      const [call, attempt] = spans as [Tracer.NativeSpan, Tracer.NativeSpan]
      assert.deepStrictEqual([call.name, call.kind], ["chat assistant", "internal"])
      assert.deepStrictEqual([attempt.name, attempt.kind], ["chat claude", "client"])
      assert.strictEqual(attempt.traceId, call.traceId)
      assert.strictEqual(Option.getOrThrow(attempt.parent), call)
      const asked = {
        "gen_ai.operation.name": "chat",
        "gen_ai.output.type": "json",
        "gen_ai.request.reasoning.level": "low",
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_k": 3,
        "gen_ai.request.stop_sequences": ["x"],
      }
      const { "understudy.call.id": id, ...ofCall } = attributesOf(call)
      assert.match(String(id), /^\w+-1$/)
      assert.deepStrictEqual(ofCall, {
        ...asked,
        "gen_ai.provider.name": "understudy",
        "gen_ai.request.model": "assistant",
        "gen_ai.response.model": "claude",
        "understudy.route": "assistant",
        "understudy.caller": "me",
        "understudy.team": "us",
        "understudy.tags": ["vip"],
        "understudy.client.protocol": "messages",
        "understudy.outcome": "success",
        "understudy.attempts": 1,
        "understudy.deployment": "sonnet",
        "understudy.cost.usd": 0.00002,
      })
      assert.deepStrictEqual(attributesOf(attempt), {
        ...asked,
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.request.model": "claude",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "server.address": "bedrock.example",
        "server.port": 443,
        "understudy.deployment": "sonnet",
        "understudy.attempt.number": 1,
        "understudy.attempt.type": "initial",
        "understudy.outcome": "success",
        "understudy.cost.usd": 0.00002,
      })
    }),
  )

  it.effect("has the attempts of a fallback, why each was made, and what was skipped", () =>
    Effect.gen(function* () {
      const scripts = {
        first: Testing.script([Testing.fail({ _tag: "Overloaded" }, { status: 529 })]),
        second: Testing.script([Testing.fail({ _tag: "Authentication" }, { status: 401 })]),
        third: Testing.script([Testing.reply("Hi")]),
      }
      const layer = TestRouter.layer(scripts, noRetry)
      const call = Effect.andThen(TestRouter.chat(), TestRouter.chat())
      const { spans, tree } = yield* traced(call, layer)
      assert.deepStrictEqual(tree, [
        "chat assistant: success",
        "  * understudy.failover",
        "  * understudy.failover",
        "  chat first: initial failure overloaded",
        "  chat second: fallback failure authentication",
        "  chat third: fallback success",
        "chat assistant: success",
        "  * understudy.skip",
        "  * understudy.failover",
        "  chat first: initial failure overloaded",
        "  chat third: fallback success",
      ])
      assert.strictEqual(spans[1]?.attributes.get("http.response.status_code"), 529)
      const [skip] = spans.findLast(({ kind }) => kind === "internal")!.events.slice(0, 1)
      assert.deepStrictEqual(skip?.[2], {
        "understudy.deployment": "second",
        "understudy.skip.reason": "circuit_open",
      })
    }),
  )

  it.effect("has an attempt for each retry, and the error of a call that failed", () =>
    Effect.gen(function* () {
      const primary = Testing.script([Testing.fail({ _tag: "ServerError" })])
      const { exit, spans, tree } = yield* traced(
        TestRouter.chat(),
        TestRouter.layer({ primary }, { deployment: { retry: { times: 2 } } }),
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(tree, [
        "chat assistant: failure upstream",
        "  chat primary: initial failure server_error",
        "  chat primary: retry failure server_error",
        "  chat primary: retry failure server_error",
      ])
      for (const { status } of spans) assert.isTrue(status._tag === "Ended" && Exit.isFailure(status.exit))
    }),
  )

  it.effect("ends the attempt that a hedge has lost as cancelled, when it is interrupted", () =>
    Effect.gen(function* () {
      const slow = Testing.script([Testing.reply("late", { after: "30 seconds" })])
      const quick = Testing.script([Testing.reply("Hi", { after: "1 second" })])
      const route = Route.hedge({ after: "2 seconds", across: ["slow", "quick"] })
      const { spans, tree } = yield* traced(TestRouter.chat(), TestRouter.layer({ slow, quick }, { route }))
      assert.deepStrictEqual(tree, [
        "chat assistant: success",
        "  * understudy.hedge",
        "  chat slow: initial cancelled cancelled",
        "  chat quick: hedge success",
      ])
      const millis = ({ status }: Tracer.NativeSpan) =>
        status._tag === "Ended" ? Number((status.endTime - status.startTime) / 1_000_000n) : undefined
      assert.deepStrictEqual(spans.map(millis), [3000, 3000, 1000])
    }),
  )

  it.effect("has the continuation of a broken stream, and ends with the stream", () =>
    Effect.gen(function* () {
      const primary = Testing.script([
        Testing.fail({ _tag: "Network" }, { after: "1 second", output: ["Once ", "upon "] }),
      ])
      const backup = Testing.script([Testing.reply(["Once upon ", "a time."], { tokenDelay: "1 second" })])
      const route = Route.fallback("primary", "backup").pipe(Route.stream({ protect: "continue" }))
      const layer = TestRouter.layer({ primary, backup }, { route, ...noRetry })
      const { spans, tree } = yield* traced(streamed, layer)
      assert.deepStrictEqual(tree, [
        "chat assistant: success",
        "  * understudy.failover",
        "  chat primary: initial failure network",
        "  chat backup: continuation success",
      ])
      const [call, first, second] = spans.map(attributesOf)
      assert.strictEqual(call?.["gen_ai.response.time_to_first_chunk"], 1)
      assert.strictEqual(first?.["gen_ai.response.time_to_first_chunk"], 1)
      assert.deepStrictEqual(first?.["gen_ai.response.finish_reasons"], ["error"])
      assert.isTrue(first?.["understudy.usage.estimated"])
      assert.deepStrictEqual(second?.["gen_ai.response.finish_reasons"], ["stop"])
      assert.isTrue(second?.["gen_ai.request.stream"])
    }),
  )

  it.effect("ends the spans of a stream that breaks, with the kind of its error", () =>
    Effect.gen(function* () {
      const primary = Testing.script([Testing.fail({ _tag: "Network" }, { output: ["Once "] })])
      const { tree } = yield* traced(streamed, TestRouter.layer({ primary }, noRetry))
      assert.deepStrictEqual(tree, [
        "chat assistant: failure stream_interrupted",
        "  chat primary: initial failure network",
      ])
    }),
  )

  it.effect("ends the spans of a stream that its reader leaves, as cancelled", () =>
    Effect.gen(function* () {
      const recording = RecordingTracer.make()
      const primary = Testing.script([Testing.reply(["a", "b", "c"], { tokenDelay: "1 minute" })])
      yield* Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(streamed)
        yield* TestClock.adjust("90 seconds")
        assert.include(RecordingTracer.tree(recording)[0], "(open)")
        yield* Fiber.interrupt(fiber)
      }).pipe(Effect.withTracer(recording.tracer), Effect.provide(TestRouter.layer({ primary })))
      assert.deepStrictEqual(RecordingTracer.tree(recording), [
        "chat assistant: cancelled cancelled",
        "  chat primary: initial cancelled cancelled",
      ])
    }),
  )

  it.effect("ends the spans of a call that is interrupted, as cancelled", () =>
    Effect.gen(function* () {
      const recording = RecordingTracer.make()
      const primary = Testing.script([Testing.hang()])
      yield* Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(TestRouter.chat())
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(fiber)
      }).pipe(Effect.withTracer(recording.tracer), Effect.provide(TestRouter.layer({ primary })))
      assert.deepStrictEqual(RecordingTracer.tree(recording), [
        "chat assistant: cancelled cancelled",
        "  chat primary: initial cancelled cancelled",
      ])
    }),
  )

  it.effect("has no attempt for a cache hit", () =>
    Effect.gen(function* () {
      const primary = Testing.script([Testing.reply("Hi")])
      const route = Route.fallback("primary").pipe(Route.cache({ ttl: "1 hour" }))
      const call = Effect.andThen(TestRouter.chat(), TestRouter.chat())
      const { spans, tree } = yield* traced(call, TestRouter.layer({ primary }, { route }))
      assert.deepStrictEqual(tree, [
        "chat assistant: success",
        "  chat primary: initial success",
        "chat assistant: success",
      ])
      assert.deepStrictEqual(
        [0, 2].map((index) => spans[index]?.attributes.get("understudy.cache")),
        ["miss", "hit"],
      )
    }),
  )

  it.effect("says what became of the conversation of a call", () =>
    Effect.gen(function* () {
      const primary = Testing.script([Testing.reply("Hi"), Testing.fail({ _tag: "Overloaded" })])
      const backup = Testing.script([Testing.reply("Hi")])
      const route = Route.balance("ordered", ["primary", "backup"], { affinity: {} }).pipe(Route.retry({ times: 0 }))
      const call = TestRouter.chat({ session: "s" })
      const { spans } = yield* traced(Effect.andThen(call, call), TestRouter.layer({ primary, backup }, { route }))
      const calls = spans.filter(({ name }) => name === "chat assistant")
      assert.deepStrictEqual(
        calls.map(({ attributes }) => [
          attributes.get("understudy.affinity.result"),
          attributes.get("understudy.affinity.reason"),
        ]),
        [
          ["new", undefined],
          ["moved", "overloaded"],
        ],
      )
    }),
  )

  it.effect("probes the deployment whose circuit is open, if no other was tried", () =>
    Effect.gen(function* () {
      const primary = Testing.script([Testing.fail({ _tag: "Authentication" }), Testing.reply("Hi")])
      const call = Effect.andThen(Effect.exit(TestRouter.chat()), TestRouter.chat())
      const { tree } = yield* traced(call, TestRouter.layer({ primary }, noRetry))
      assert.deepStrictEqual(tree.slice(-3), [
        "chat assistant: success",
        "  * understudy.skip",
        "  chat primary: probe success",
      ])
    }),
  )

  it.effect("names embeddings by their operation", () =>
    Effect.gen(function* () {
      const primary = Testing.script([Testing.vectors([[1, 2]])])
      const call = Effect.flatMap(Router.Router, (router) =>
        router.embed({ model: "assistant", input: ["Hi"], dimensions: 2 }),
      )
      const { spans } = yield* traced(call, TestRouter.layer({ primary }))
      assert.deepStrictEqual(
        spans.map(({ attributes, name }) => [name, attributes.get("gen_ai.operation.name")]),
        [
          ["embeddings assistant", "embeddings"],
          ["embeddings primary", "embeddings"],
        ],
      )
      assert.strictEqual(spans[1]?.attributes.get("gen_ai.embeddings.dimension.count"), 2)
    }),
  )

  it.effect("has prompts and answers only if they are asked for", () =>
    Effect.gen(function* () {
      const secret = "canary-4711"
      const [text, tool] = [Testing.reply(["It is ", secret]), Testing.callTool("look", { at: secret })]
      const primary = Testing.script([text, tool, text, tool])
      const layer = TestRouter.layer({ primary })
      const ask = (router: Router.Router["Service"]) =>
        router.chat({
          model: "assistant",
          messages: [Chat.system(secret), Chat.user([{ type: "text", text: secret }])],
          tools: [{ name: "look", description: secret }],
        })
      const calls = Effect.all([Effect.flatMap(Router.Router, ask), streamed])
      const all = (spans: ReadonlyArray<Tracer.NativeSpan>) =>
        JSON.stringify(spans.map((span) => [span.name, [...span.attributes], span.events.map(([, , more]) => more)]))
      const { spans } = yield* traced(calls, layer)
      assert.notInclude(all(spans), secret)
      const asked = yield* traced(Effect.provideService(calls, CaptureContent, true), layer)
      const [, first, , second] = asked.spans.map(attributesOf)
      assert.deepStrictEqual(JSON.parse(String(first?.["gen_ai.input.messages"])), [
        { role: "system", parts: [{ type: "text", content: secret }] },
        { role: "user", parts: [{ type: "text", content: secret }] },
      ])
      assert.deepStrictEqual(JSON.parse(String(first?.["gen_ai.tool.definitions"])), [
        { type: "function", name: "look", description: secret },
      ])
      const outputs = [first, second].map((each) => JSON.parse(String(each?.["gen_ai.output.messages"])))
      assert.deepStrictEqual(outputs, [
        [{ role: "assistant", parts: [{ type: "text", content: `It is ${secret}` }], finish_reason: "stop" }],
        [
          {
            role: "assistant",
            parts: [{ type: "tool_call", id: "call_1", name: "look", arguments: { at: secret } }],
            finish_reason: "tool_call",
          },
        ],
      ])
    }),
  )

  // ---------------------------------------------------------------------------------------------------------------------

  it.effect("continues the trace of its fibre, and names it in the receipt", () =>
    Effect.gen(function* () {
      const recording = RecordingTracer.make()
      const primary = Testing.script([Testing.reply("Hi")])
      const parent = Tracer.externalSpan({ traceId: "a".repeat(32), spanId: "b".repeat(16) })
      const { receipt } = yield* TestRouter.chat().pipe(
        Effect.withParentSpan(parent),
        Effect.withTracer(recording.tracer),
        Effect.provide(TestRouter.layer({ primary })),
      )
      const [call] = recording.spans
      assert.strictEqual(Option.getOrThrow(call!.parent).spanId, parent.spanId)
      assert.deepStrictEqual([receipt.traceId, receipt.spanId], ["a".repeat(32), call?.spanId])
    }),
  )

  /** A router whose provider notes the span that it would hand on. */
  const propagating = (handed: Array<Tracer.AnySpan | undefined>) =>
    Router.layer({
      deployments: {
        assistant: Deployment.make({
          model: "m",
          provider: Layer.succeed(Provider, {
            protocol: "test",
            chat: () =>
              Effect.map(PropagatedSpan, (span) => {
                handed.push(span)
                return { content: [{ type: "text", text: "Hi" }], finishReason: "stop" as const }
              }),
            stream: () => Stream.empty,
          }),
        }),
      },
    })

  it.effect("hands providers the span of the attempt, and nothing without a tracer", () =>
    Effect.gen(function* () {
      const handed: Array<Tracer.AnySpan | undefined> = []
      const layer = propagating(handed)
      const { spans } = yield* traced(TestRouter.chat(), layer)
      const { receipt } = yield* Effect.provide(Effect.withSpan(TestRouter.chat(), "app"), layer)
      assert.deepStrictEqual(
        handed.map((span) => span?.spanId),
        [spans[1]?.spanId, undefined],
      )
      assert.isUndefined(receipt.traceId)
    }),
  )

  it.effect("has no span of a call whose parent is not sampled, and hands on the parent", () =>
    Effect.gen(function* () {
      const handed: Array<Tracer.AnySpan | undefined> = []
      const recording = RecordingTracer.make()
      const parent = Tracer.externalSpan({ traceId: "a".repeat(32), spanId: "b".repeat(16), sampled: false })
      const { receipt } = yield* TestRouter.chat().pipe(
        Effect.withParentSpan(parent),
        Effect.withTracer(recording.tracer),
        Effect.provide(propagating(handed)),
      )
      assert.lengthOf(recording.spans, 0)
      assert.deepStrictEqual(handed, [parent])
      assert.strictEqual(receipt.traceId, parent.traceId)
    }),
  )

  it.effect("has one span without attributes of a call that the tracer does not sample", () =>
    Effect.gen(function* () {
      const handed: Array<Tracer.AnySpan | undefined> = []
      const recording = RecordingTracer.make(false)
      yield* TestRouter.chat().pipe(Effect.withTracer(recording.tracer), Effect.provide(propagating(handed)))
      assert.deepStrictEqual(
        recording.spans.map(({ attributes }) => attributes.size),
        [0],
      )
      assert.strictEqual(handed[0]?.sampled, false)
    }),
  )

  it.effect("has no span where tracing is turned off", () =>
    Effect.gen(function* () {
      const primary = Testing.script([Testing.reply("Hi")])
      const { spans } = yield* traced(
        Effect.withTracerEnabled(TestRouter.chat(), false),
        TestRouter.layer({ primary }),
        "0 millis",
      )
      assert.lengthOf(spans, 0)
    }),
  )
})
