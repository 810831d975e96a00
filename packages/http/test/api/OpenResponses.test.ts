/**
 * The compliance tests of Open Responses (https://www.openresponses.org), put to the gateway with an upstream of each
 * vendor behind it: what they ask, and what they want of the answer.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Route from "@understudy/core/Route"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as Effect from "effect/Effect"
import { eventFaults, responseFaults } from "../../../providers/test/protocols/responses/OpenResponses.ts"
import * as TestGateway from "../TestGateway.ts"

type Fields = Record<string, unknown>

interface Event extends Fields {
  readonly type: string
}

const vendors: ReadonlyArray<TestGateway.Vendor> = ["openai", "responses", "anthropic", "bedrock", "gemini"]

const user = (content: unknown) => ({ type: "message", role: "user", content })

const tool = {
  type: "function",
  name: "get_weather",
  description: "Get the current weather for a location",
  parameters: { type: "object", properties: { location: { type: "string" } }, required: ["location"] },
}

const asksWeather = { input: [user("What's the weather like in San Francisco?")], tools: [tool] }

const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

const basic = { input: [user("Say hello in exactly 3 words.")] }

/** Every test's request, but for the model. */
const asked = {
  basic,
  "system prompt": {
    input: [{ type: "message", role: "system", content: "You are a pirate." }, user("Say hello.")],
  },
  "tool calling": asksWeather,
  "image input": {
    input: [
      user([
        { type: "input_text", text: "What do you see in this image?" },
        { type: "input_image", image_url: `data:image/png;base64,${pixel}` },
      ]),
    ],
  },
  "multi-turn": {
    input: [
      user("My name is Alice."),
      { type: "message", role: "assistant", content: "Hello Alice! Nice to meet you." },
      user("What is my name?"),
    ],
  },
} satisfies Record<string, Fields>

const streamed = { streaming: basic, "tool calling, streaming": asksWeather } satisfies Record<string, Fields>

type Gateway = Effect.Success<ReturnType<typeof TestGateway.make>>

const post = ({ url }: Gateway, body: Fields, path = "") =>
  Effect.promise(async () => {
    const response = await fetch(`${url}/v1/responses${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "assistant", ...body }),
    })
    return { status: response.status, text: await response.text() }
  })

const whole = (gateway: Gateway, body: Fields) =>
  Effect.map(post(gateway, body), ({ status, text }) => {
    assert.strictEqual(status, 200, text)
    return JSON.parse(text) as Fields
  })

const events = (gateway: Gateway, body: Fields) =>
  Effect.map(post(gateway, { ...body, stream: true }), ({ status, text }) => {
    assert.strictEqual(status, 200, text)
    return [...text.matchAll(/^data: (.*)$/gm)].map(([, data = ""]) => JSON.parse(data) as Event)
  })

const typesOf = ({ output }: Fields) => (output as ReadonlyArray<Fields>).map(({ type }) => type)

const textsOf = ({ output }: Fields) =>
  (output as ReadonlyArray<{ readonly content: ReadonlyArray<{ readonly text: string }> }>).flatMap(({ content }) =>
    content.map(({ text }) => text),
  )

const answered = (response: Fields, calls: boolean) => {
  assert.isUndefined(responseFaults(response), JSON.stringify(response))
  assert.strictEqual(response["status"], "completed")
  assert.include(typesOf(response), calls ? "function_call" : "message")
}

/** What holds for the events of any stream that went well. */
const follow = (events: ReadonlyArray<Event>, calls: boolean) => {
  for (const event of events) assert.isUndefined(eventFaults(event), JSON.stringify(event))
  assert.deepStrictEqual(
    events.map((event) => event["sequence_number"]),
    events.map((_, index) => index),
  )
  const last = events.at(-1)
  assert.strictEqual(last?.type, "response.completed")
  answered(last?.["response"] as Fields, calls)
  if (!calls) return
  const types = events.map(({ type }) => type)
  assert.include(types, "response.function_call_arguments.delta")
  const done = events.find(({ type }) => type === "response.function_call_arguments.done")
  assert.strictEqual(done?.["name"], tool.name)
  assert.isObject(JSON.parse(String(done?.["arguments"])))
  for (const type of ["response.output_item.added", "response.output_item.done"]) {
    assert.isTrue(events.some((event) => event.type === type && (event["item"] as Fields)["type"] === "function_call"))
  }
}

for (const vendor of vendors) {
  describe(`from ${vendor}`, () => {
    for (const [name, body] of Object.entries(asked)) {
      it.live(name, () =>
        Effect.gen(function* () {
          answered(yield* whole(yield* TestGateway.make({ vendor }), body), "tools" in body)
        }),
      )
    }

    for (const [name, body] of Object.entries(streamed)) {
      it.live(name, () =>
        Effect.gen(function* () {
          follow(yield* events(yield* TestGateway.make({ vendor }), body), "tools" in body)
        }),
      )
    }

    it.live("an answer that is cut short, or breaks, is told in objects as complete", () =>
      Effect.gen(function* () {
        const gateway = yield* TestGateway.make({ vendor })
        yield* gateway.upstream.script("primary", [
          Behavior.answer({ text: "Hi", finish: "length" }),
          Behavior.answer({ text: "Hi there", finish: "length" }),
          Behavior.cut(2, { text: "one two three four five" }),
        ])
        const short = yield* whole(gateway, basic)
        assert.isUndefined(responseFaults(short))
        assert.deepInclude(short, { status: "incomplete", incomplete_details: { reason: "max_output_tokens" } })
        const ends = [yield* events(gateway, basic), yield* events(gateway, basic)]
        for (const told of ends) for (const event of told) assert.isUndefined(eventFaults(event))
        assert.deepStrictEqual(
          ends.map((told) => told.at(-1)?.type),
          ["response.incomplete", "response.failed"],
        )
      }),
    )

    it.live("one that another goes on with holds the words of both", () =>
      Effect.gen(function* () {
        const route = Route.fallback("primary", "backup").pipe(
          Route.retry({ times: 0 }),
          Route.stream({ protect: "continue" }),
        )
        const words = Array.from({ length: 90 }, (_, index) => `word${index}`)
        const text = words.join(" ")
        for (const backup of vendors) {
          const gateway = yield* TestGateway.make({ vendor, backup, route, prefilling: true })
          yield* gateway.upstream.script("primary", [Behavior.cut(60, { text })])
          yield* gateway.upstream.script("backup", [Behavior.answer({ text: ` ${words.slice(60).join(" ")}` })])
          const told = yield* events(gateway, { input: "Count.", store: false })
          follow(told, false)
          const [said = ""] = textsOf(told.at(-1)?.["response"] as Fields)
          const deltas = told.map((event) => (event.type === "response.output_text.delta" ? event["delta"] : ""))
          assert.strictEqual(said, deltas.join(""))
          for (const piece of ["word0 word1", "word88 word89"]) assert.include(said, piece)
        }
      }),
    )
  })
}

describe("errors", () => {
  it.live("name the field", () =>
    Effect.gen(function* () {
      const gateway = yield* TestGateway.make()
      const refused = (body: Fields) =>
        Effect.map(post(gateway, body), ({ status, text }) => ({ status, ...JSON.parse(text).error }))
      assert.deepInclude(yield* refused({ ...basic, model: undefined }), { status: 400, param: "model" })
      for (const [name, value] of Object.entries({
        previous_response_id: "resp_1",
        conversation: "conv_1",
        background: true,
        prompt: { id: "pmpt_1" },
      })) {
        const error = yield* refused({ ...basic, [name]: value })
        assert.deepInclude(error, { status: 400, param: name, code: "unsupported_parameter" })
        assert.isTrue(error.message.startsWith(`Unsupported parameter: '${name}'.`), error.message)
      }
    }),
  )
})
