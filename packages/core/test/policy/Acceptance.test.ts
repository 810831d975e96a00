import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as Chat from "../../src/model/Chat.ts"
import * as Deployment from "../../src/deployment/Deployment.ts"
import { Provider } from "../../src/model/Provider.ts"
import type { Accept } from "../../src/policy/Acceptance.ts"
import * as BoundRoute from "../../src/route/BoundRoute.ts"
import * as Route from "../../src/route/Route.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"

const tools: ReadonlyArray<Chat.Tool> = [{ name: "get_weather" }, { name: "get_time" }]

const schema = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
}

const ask = (part: Partial<Chat.Request>): Chat.Request => ({
  model: "assistant",
  messages: [Chat.user("What now?")],
  ...part,
})

const forced = (toolChoice: Chat.ToolChoice, part: Partial<Chat.Request> = {}) => ask({ tools, toolChoice, ...part })

const formed = (format: Chat.Format = { type: "json-schema", name: "place", schema, strict: true }) => ask({ format })

/** The parts of an answer, said by one provider, whole or streamed. */
const saying = (...choices: ReadonlyArray<ReadonlyArray<Chat.Part>>): Layer.Layer<Provider> => {
  const parts = choices.flat()
  const stream = () => Stream.rechunk(Stream.fromArray(parts.map((part): Chat.Frame => ({ parts: [part] }))), 1)
  const choice = (wanted: number): Chat.Choice => {
    let text = ""
    const content: Array<Chat.AssistantContent> = []
    let finish: Chat.FinishReason = "other"
    for (const part of parts) {
      if (("choice" in part ? (part.choice ?? 0) : 0) !== wanted) continue
      if (part.type === "text") text += part.text
      if (part.type === "refusal") content.push({ type: "refusal", text: part.text })
      if (part.type === "tool-call") content.push({ type: "tool-call", id: part.id, name: part.name, arguments: "{}" })
      if (part.type === "finish") finish = part.reason
    }
    return { content: [{ type: "text", text }, ...content], finishReason: finish }
  }
  const last = Math.max(...parts.map((part) => ("choice" in part ? (part.choice ?? 0) : 0)))
  return Layer.succeed(Provider, {
    protocol: "mine",
    stream,
    chat: () =>
      Effect.succeed({
        ...choice(0),
        ...(last === 0 ? undefined : { alternatives: Array.from({ length: last }, (_, index) => choice(index + 1)) }),
        usage: { inputTokens: 3, outputTokens: 4 },
      }),
  })
}

const text = (text: string): Chat.Part => ({ type: "text", text })
const call = (name: string, index = 0): Chat.Part => ({ type: "tool-call", index, id: `call_${index}`, name })
const ends = (reason: Chat.FinishReason): Chat.Part => ({ type: "finish", reason })
const of = (choice: number, parts: ReadonlyArray<Chat.Part>): ReadonlyArray<Chat.Part> =>
  parts.map((part) => ({ ...part, choice }) as Chat.Part)

const backup = saying([text("backup"), ends("content-filter")])

const router = (primary: Layer.Layer<Provider>, policy: (route: Route.Route) => Route.Route = (route) => route) =>
  Router.layer({
    deployments: {
      primary: Deployment.make({ model: "p", provider: primary }),
      backup: Deployment.make({ model: "b", provider: backup }),
    },
    routes: { assistant: policy(Route.fallback("primary", "backup")) },
    defaults: { retry: { times: 0 } },
  })

/** Who answered a request, whole and streamed, and why the primary did not. */
const outcomes = (request: Chat.Request) =>
  Effect.gen(function* () {
    const { chat, chatStream } = yield* Router.Router
    const plain = yield* chat(request)
    const streamed = yield* Effect.scoped(
      Effect.flatMap(chatStream(request), ({ frames, receipt }) => Effect.as(Stream.runDrain(frames), receipt)),
    )
    return [plain.receipt, streamed].map(({ attempts, deployment }) =>
      deployment === "primary" ? "primary" : `${attempts[0]?.reason}: ${attempts[0]?.message}`,
    )
  })

/** Checks streams too: they are held. */
const accepting =
  (accept: Accept) =>
  (route: Route.Route): Route.Route =>
    route.pipe(Route.accept(accept), Route.stream({ protect: "full" }))

const onPrimary = (accept: Accept) => () => Route.fallback(accepting(accept)(Route.to("primary")), "backup")

const both = (outcome: string): ReadonlyArray<string> => [outcome, outcome]

describe("a forced tool", () => {
  const said = { weather: [call("get_weather"), ends("tool-calls")], words: [text("It rains."), ends("stop")] }
  const missing = "NotAccepted: the tool was not called: get_weather"
  const rows: ReadonlyArray<
    readonly [title: string, request: Chat.Request, answer: ReadonlyArray<Chat.Part>, outcome: string]
  > = [
    ["called by its name", forced({ name: "get_weather" }), said.weather, "primary"],
    ["called after words", forced({ name: "get_weather" }), [text("I look."), ...said.weather], "primary"],
    ["called, though the end says stop", forced("required"), [call("get_time"), ends("stop")], "primary"],
    ["not called by its name", forced({ name: "get_weather" }), said.words, missing],
    ["not called, and nothing said", forced({ name: "get_weather" }), [ends("stop")], missing],
    ["not called, with an unknown end", forced({ name: "get_weather" }), [text("Hm"), ends("other")], missing],
    ["not called, though the end says so", forced({ name: "get_weather" }), [text("Hm"), ends("tool-calls")], missing],
    [
      "another called in its place",
      forced({ name: "get_weather" }),
      [call("get_time"), ends("tool-calls")],
      `${missing}; get_time was`,
    ],
    ["any called", forced("required"), said.weather, "primary"],
    [
      "none called",
      forced("required"),
      said.words,
      "NotAccepted: the tool was not called: none of get_weather, get_time",
    ],
    [
      "one called that was not offered",
      forced("required"),
      [call("rm"), ends("tool-calls")],
      "NotAccepted: the tool was not called: none of get_weather, get_time; rm was",
    ],
    [
      "one called beside another",
      forced({ name: "get_time" }),
      [call("get_time"), call("get_weather", 1), ends("tool-calls")],
      "primary",
    ],
    ["refused", forced("required"), [{ type: "refusal", text: "No." }, ends("stop")], "primary"],
    ["refused at the end", forced("required"), [text("No."), ends("refusal")], "primary"],
    ["filtered", forced("required"), [text("It"), ends("content-filter")], "primary"],
    ["cut short before a word", forced("required"), [text(" "), ends("length")], "primary"],
    [
      "cut short while it writes text",
      forced("required"),
      [text("It"), ends("length")],
      "NotAccepted: the tool was not called: none of get_weather, get_time",
    ],
    ["paused", forced("required"), [text("It"), ends("pause")], "primary"],
    ["left to the model", forced("auto"), said.words, "primary"],
    ["forbidden", forced("none"), said.words, "primary"],
    ["not offered", ask({ toolChoice: "required" }), said.words, "primary"],
    ["of the vendor's own", forced({ name: "web_search" }), said.words, "primary"],
    [
      "any, of the vendor's own too",
      forced("required", { vendor: { messages: { tools: [{}] } } }),
      said.words,
      "primary",
    ],
    [
      "any, of OpenAI's own too",
      forced("required", { droppedParams: [Chat.hostedTool("web_search")] }),
      said.words,
      "primary",
    ],
  ]
  for (const [title, request, answer, outcome] of rows) {
    it.effect(title, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* outcomes(request), both(outcome))
      }).pipe(Effect.provide(router(saying(answer)))),
    )
  }

  it.effect("must be called in every choice", () => {
    const several = forced("required", { sampling: { n: 2 } })
    const good = saying(of(0, said.weather), of(1, said.weather))
    const bad = saying(of(0, said.weather), of(1, said.words))
    const late = saying(of(0, [call("get_weather")]), of(1, said.words), of(0, [ends("tool-calls")]))
    const missing = "NotAccepted: the tool was not called: none of get_weather, get_time"
    const play = (primary: Layer.Layer<Provider>) => Effect.provide(outcomes(several), routerOf(primary))
    const routerOf = (primary: Layer.Layer<Provider>) =>
      Router.layer({
        deployments: {
          primary: Deployment.make({ model: "p", provider: primary }),
          backup: Deployment.make({ model: "b", provider: good }),
        },
        routes: { assistant: Route.fallback("primary", "backup") },
        defaults: { retry: { times: 0 } },
      })
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* play(good), both("primary"))
      assert.deepStrictEqual(yield* play(bad), both(missing))
      assert.deepStrictEqual(yield* play(late), both(missing))
    })
  })

  it.effect("is not retried, and its failure does not count for the circuit", () => {
    const primary = Testing.script([Testing.reply("It rains.")])
    return Effect.gen(function* () {
      const { chat } = yield* Router.Router
      for (let time = 0; time < 5; time++) {
        const { receipt } = yield* chat(forced("required"))
        assert.strictEqual(receipt.attempts[0]?.usage?.outputTokens, 5, "what it used is known all the same")
      }
      assert.strictEqual(primary.requests.length, 5)
      const { receipt } = yield* chat(ask({}))
      assert.strictEqual(receipt.deployment, "primary")
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: {
            primary: Deployment.make({ model: "p", provider: primary.layer }),
            backup: Deployment.make({ model: "b", provider: backup }),
          },
          routes: { assistant: Route.fallback("primary", "backup") },
        }),
      ),
    )
  })

  it.effect("fails the call as an upstream error when no deployment calls it", () => {
    const words = saying(said.words)
    return Effect.gen(function* () {
      const { chat } = yield* Router.Router
      const error = yield* Effect.flip(chat(forced("required")))
      assert.strictEqual(error.kind, "NotAccepted")
      assert.include(error.message, "the tool was not called")
    }).pipe(
      Effect.provide(
        Router.layer({
          deployments: { primary: Deployment.make({ model: "p", provider: words }) },
          routes: { assistant: Route.to("primary") },
          defaults: { retry: { times: 0 } },
        }),
      ),
    )
  })

  it.effect("may come later than the first-token timeout while text arrives, but not after the idle timeout", () => {
    const slow = Testing.script([
      {
        ...Testing.callTool("get_weather", {}),
        tokenDelay: "8 seconds",
        frames: [
          { parts: [text("a")] },
          { parts: [text("b")] },
          { parts: [text("c")] },
          { parts: [text("d")] },
          { parts: [call("get_weather")] },
          { parts: [ends("tool-calls")] },
        ],
      },
      { ...Testing.hang(), frames: [{ parts: [text("a")] }] },
    ])
    return Effect.gen(function* () {
      const { chatStream } = yield* Router.Router
      const run = Effect.scoped(
        Effect.flatMap(chatStream(forced("required")), ({ frames, receipt }) =>
          Effect.as(Stream.runDrain(frames), receipt),
        ),
      )
      const first = yield* Effect.forkChild(run)
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual((yield* Fiber.join(first)).deployment, "primary")
      const second = yield* Effect.forkChild(run)
      yield* TestClock.adjust("60 seconds")
      const receipt = yield* Fiber.join(second)
      assert.strictEqual(receipt.deployment, "backup")
      assert.include(receipt.attempts[0]?.message, "no further event")
      assert.strictEqual(slow.inFlight(), 0)
    }).pipe(Effect.provide(router(slow.layer)))
  })

  it.effect("is buffered up to stream.buffer", () =>
    Effect.gen(function* () {
      const { chatStream } = yield* Router.Router
      const { message } = yield* Effect.flip(Effect.scoped(chatStream(forced("required"))))
      assert.include(message, "exceeds the 64 bytes")
    }).pipe(
      Effect.provide(
        router(saying([text("a".repeat(100)), ...said.weather]), (route) => Route.stream({ buffer: 64 })(route)),
      ),
    ),
  )
})

describe("accept: schema", () => {
  const json = (value: unknown) => [text(JSON.stringify(value)), ends("stop")]
  const misses = "NotAccepted: the response does not match its JSON schema: "
  const noJson = "NotAccepted: the response is not JSON"
  const rows: ReadonlyArray<
    readonly [title: string, request: Chat.Request, answer: ReadonlyArray<Chat.Part>, outcome: string]
  > = [
    ["fits", formed(), json({ city: "Paris" }), "primary"],
    ["fits, in pieces", formed(), [text('{"city"'), text(':"Paris"}'), ends("stop")], "primary"],
    ["misses a field", formed(), json({}), `${misses}answer: has no city`],
    ["has another type", formed(), json({ city: 7 }), `${misses}answer.city: is not of type string`],
    ["has one field more", formed(), json({ city: "Paris", land: "France" }), `${misses}answer.land: is not allowed`],
    ["is not JSON", formed(), [text("Paris"), ends("stop")], noJson],
    ["is JSON in a fence", formed(), [text('```json\n{"city":"Paris"}\n```'), ends("stop")], noJson],
    ["is nothing", formed(), [ends("stop")], noJson],
    ["is cut short", formed(), [text('{"ci'), ends("length")], "primary"],
    ["is refused", formed(), [{ type: "refusal", text: "No." }, ends("stop")], "primary"],
    ["calls a tool first", { ...formed(), tools }, [call("get_time"), ends("tool-calls")], "primary"],
    [
      "is said not to be strict",
      formed({ type: "json-schema", name: "place", schema, strict: false }),
      json({}),
      "primary",
    ],
    ["is any JSON", formed({ type: "json" }), json([1]), "primary"],
    ["is any JSON, and none", formed({ type: "json" }), [text("Paris"), ends("stop")], noJson],
    ["is free", ask({}), [text("Paris"), ends("stop")], "primary"],
  ]
  for (const [title, request, answer, outcome] of rows) {
    it.effect(title, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* outcomes(request), both(outcome))
      }).pipe(Effect.provide(router(saying(answer), accepting("schema")))),
    )
  }

  it.effect("is not checked without accept: schema", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* outcomes(formed()), both("primary"))
    }).pipe(Effect.provide(router(saying(json({}))))),
  )

  it.effect("sends no part of a stream before it is complete", () => {
    const primary = Testing.script([Testing.reply(['{"city"', ":7}"])])
    return Effect.gen(function* () {
      const { chatStream } = yield* Router.Router
      const shown = yield* Effect.scoped(
        Effect.flatMap(chatStream(formed()), ({ frames }) => Stream.runCollect(frames)),
      )
      assert.notInclude(JSON.stringify([...shown]), "city")
      assert.include(JSON.stringify([...shown]), "backup")
    }).pipe(Effect.provide(router(primary.layer, accepting("schema"))))
  })

  it.effect("is shown by explain", () =>
    Effect.gen(function* () {
      const { explain } = yield* Router.Router
      assert.include(JSON.stringify(yield* explain(formed())), '"accept":{"schema":"request"}')
    }).pipe(Effect.provide(router(saying(json({})), Route.accept("schema")))),
  )
})

describe("accept", () => {
  const said = (words: string, reason: Chat.FinishReason = "stop") => [text(words), ends(reason)]
  const refusal: ReadonlyArray<Chat.Part> = [{ type: "refusal", text: "No." }, ends("stop")]
  const called = [call("get_time"), ends("tool-calls")]
  const cites = {
    name: "cites a source",
    test: (response: Chat.Response) => Chat.text(response).includes("https://"),
  }
  const rows: ReadonlyArray<
    readonly [title: string, accept: Accept, answer: ReadonlyArray<Chat.Part>, missed: string | undefined]
  > = [
    ["matches the route's schema", { schema }, said('{"city":"Paris"}'), undefined],
    [
      "misses the route's schema",
      { schema },
      said('{"city":7}'),
      "the response does not match its JSON schema: answer.city: is not of type string",
    ],
    ["is not JSON", { schema }, said("Paris"), "the response is not JSON"],
    ["has a tool call in place of the schema", { schema }, called, undefined],
    ["is as long as it must be", { length: { min: 5, max: 5 } }, said("Paris"), undefined],
    ["is shorter", { length: { min: 6 } }, said("Paris"), "the response is shorter than 6 characters"],
    ["is longer", { length: { max: 4 } }, said("Paris"), "the response is longer than 4 characters"],
    ["has characters of two code units", { length: { min: 4, max: 4 } }, said("\u{1f642}".repeat(4)), undefined],
    [
      "has too few characters of two code units",
      { length: { min: 5 } },
      said("\u{1f642}".repeat(4)),
      "the response is shorter than 5 characters",
    ],
    ["was cut by the request's own limit", { length: { min: 6 } }, said("Paris", "length"), undefined],
    ["has a tool call in place of a text", { length: { min: 6 } }, called, undefined],
    ["is a refusal, which other checks let pass", { schema, length: { min: 6 } }, refusal, undefined],
    ["is a refusal", { refusal: false }, refusal, "the response is a refusal"],
    ["ends as a refusal", { refusal: false }, said("No.", "refusal"), "the response is a refusal: it ended by refusal"],
    [
      "ends by a content filter",
      { refusal: false },
      said("It", "content-filter"),
      "the response is a refusal: it ended by content-filter",
    ],
    ["is no refusal", { refusal: false }, said("I can't say enough good of Paris."), undefined],
    [
      "begins like a refusal",
      { refusal: { startsWith: ["i can't"] } },
      said(" I can\u2019t help with that."),
      "the response begins like a refusal",
    ],
    ["begins otherwise", { refusal: { startsWith: ["I can't"] } }, said("Sure. I can't wait."), undefined],
    ["passes the predicate", { predicate: cites }, said("See https://example.com"), undefined],
    ["fails the predicate", { predicate: cites }, said("Trust me."), 'the response fails "cites a source"'],
    [
      "fails a predicate that is an effect",
      { predicate: { name: "is approved", test: () => Effect.as(Effect.yieldNow, false) } },
      said("Trust me."),
      'the response fails "is approved"',
    ],
    [
      "passes all of several checks",
      { length: { min: 2 }, refusal: false, predicate: cites },
      said("https://"),
      undefined,
    ],
    [
      "misses the second of several checks",
      { length: { min: 2 }, refusal: false, predicate: cites },
      said("Trust me."),
      'the response fails "cites a source"',
    ],
  ]
  for (const [title, accept, answer, missed] of rows) {
    it.effect(`a response that ${title} ${missed === undefined ? "is the answer" : "is a failed attempt"}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(
          yield* outcomes(ask({})),
          both(missed === undefined ? "primary" : `NotAccepted: ${missed}`),
        )
      }).pipe(Effect.provide(router(saying(answer), onPrimary(accept)))),
    )
  }

  it.effect("checks every choice", () => {
    const several = ask({ sampling: { n: 2 } })
    const primary = saying(of(0, said("long enough")), of(1, said("short")))
    return Effect.gen(function* () {
      const { chat } = yield* Router.Router
      const { receipt } = yield* chat(several)
      assert.strictEqual(receipt.attempts[0]?.message, "the response is shorter than 6 characters")
    }).pipe(Effect.provide(router(primary, onPrimary({ length: { min: 6 } }))))
  })

  it.effect("does not check, or hold, a stream without protect: full", () => {
    const primary = Testing.script([Testing.hang({ output: "No." })])
    return Effect.gen(function* () {
      const { chatStream } = yield* Router.Router
      const first = yield* Effect.scoped(
        Effect.flatMap(chatStream(ask({})), ({ frames }) =>
          Stream.runHead(Stream.filter(frames, ({ parts }) => parts.some(Chat.isOutput))),
        ),
      )
      assert.include(JSON.stringify(first), "No.")
    }).pipe(Effect.provide(router(primary.layer, Route.accept({ length: { min: 100 } }))))
  })

  it.effect("decides on a text that is too long before its end", () => {
    const primary = Testing.script([Testing.hang({ output: "much too long" })])
    return Effect.gen(function* () {
      const { chatStream } = yield* Router.Router
      const receipt = yield* Effect.scoped(
        Effect.flatMap(chatStream(ask({})), ({ frames, receipt }) => Effect.as(Stream.runDrain(frames), receipt)),
      )
      assert.strictEqual(receipt.attempts[0]?.message, "the response is longer than 8 characters")
      assert.strictEqual(primary.inFlight(), 0)
    }).pipe(Effect.provide(router(primary.layer, onPrimary({ length: { max: 8 } }))))
  })

  it.effect("has the predicate see the whole response of a stream, and its request", () => {
    let seen: readonly [Chat.Response, Chat.Request] | undefined
    const predicate = {
      name: "looks",
      test: (response: Chat.Response, request: Chat.Request) => {
        seen = [response, request]
        return true
      },
    }
    const usage: Chat.Part = { type: "usage", usage: { inputTokens: 3, outputTokens: 4 } }
    const parts: ReadonlyArray<Chat.Part> = [
      { type: "start", id: "r1", model: "p" },
      text("Hel"),
      text("lo"),
      call("get_time"),
      { type: "tool-call-delta", index: 0, arguments: '{"a":' },
      { type: "tool-call-delta", index: 0, arguments: "1}" },
      usage,
      ends("tool-calls"),
    ]
    return Effect.gen(function* () {
      const { chatStream } = yield* Router.Router
      yield* Effect.scoped(Effect.flatMap(chatStream(ask({})), ({ frames }) => Stream.runDrain(frames)))
      const [response, request] = seen ?? assert.fail("the predicate did not run")
      assert.strictEqual(response.model, "p")
      assert.strictEqual(Chat.text(response), "Hello")
      assert.deepStrictEqual(
        Chat.toolCalls(response).map((each) => each.arguments),
        ['{"a":1}'],
      )
      assert.deepStrictEqual([response.finishReason, response.usage?.outputTokens], ["tool-calls", 4])
      assert.strictEqual(Chat.text({ content: [] }), "")
      assert.deepStrictEqual(request.messages, ask({}).messages)
    }).pipe(Effect.provide(router(saying(parts), accepting({ predicate }))))
  })

  it.effect("asks each deployment once, takes an error branch, and fails as NotAccepted when none is left", () => {
    const [a, b] = [Testing.script([Testing.reply("No.")]), Testing.script([Testing.reply("No.")])]
    const strong = Testing.script([Testing.reply("A long and thorough answer.")])
    const layer = Router.layer({
      deployments: {
        a: Deployment.make({ model: "a", provider: a.layer }),
        b: Deployment.make({ model: "b", provider: b.layer }),
        strong: Deployment.make({ model: "strong", provider: strong.layer }),
      },
      routes: {
        none: Route.fallback("a", "b").pipe(Route.accept({ length: { min: 10 } })),
        branch: Route.to("a").pipe(Route.onError(["NotAccepted"], "strong"), Route.accept({ length: { min: 10 } })),
      },
    })
    return Effect.gen(function* () {
      const { chat } = yield* Router.Router
      const error = yield* Effect.flip(chat({ ...ask({}), model: "none" }))
      assert.strictEqual(error.kind, "NotAccepted")
      assert.isTrue(error.permanent)
      assert.include(error.message, "a: NotAccepted: the response is shorter than 10 characters")
      assert.deepStrictEqual([a.requests.length, b.requests.length], [1, 1])
      assert.isDefined(error.receipt?.attempts[0]?.usage, "what was spent is known")
      const { receipt } = yield* chat({ ...ask({}), model: "branch" })
      assert.strictEqual(receipt.deployment, "strong")
    }).pipe(Effect.provide(layer))
  })

  it("rejects policies that check nothing", () => {
    const problems = (accept: Accept) => {
      const made = BoundRoute.make(
        { x: Route.to("a").pipe(Route.accept(accept)) },
        new Map([["a", { name: "a", deployment: { model: "a" } }]]),
        {},
      )
      return Result.isFailure(made) ? made.failure.map(({ message, path }) => `${path}: ${message}`) : []
    }
    assert.deepStrictEqual(problems({ length: { min: 5, max: 4 } }), [
      'routes.x.accept.length: expected a range such as { min: 20, max: 4000 }, with `min` up to `max`, found {"min":5,"max":4}',
    ])
    assert.lengthOf(problems({ length: {} }), 1)
    assert.lengthOf(problems({ refusal: { startsWith: [] } }), 1)
    assert.lengthOf(problems({ refusal: { startsWith: ["I cannot"] }, length: { max: 4 } }), 0)
  })
})
