/** Calls that continue stored responses: with the `openai` client, vendors of every protocol, and several gateways on one database. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { SqlClient } from "effect/sql/SqlClient"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { APIError } from "openai"
import type OpenAI from "openai"
import type { Database } from "../../src/store/Store.ts"
import * as Store from "../../src/store/Store.ts"
import { onEach } from "../store/Databases.ts"
import * as TestGateway from "../TestGateway.ts"

type Params = OpenAI.Responses.ResponseCreateParamsNonStreaming
type Gateway = Effect.Success<ReturnType<typeof TestGateway.make>>

const vendors: ReadonlyArray<TestGateway.Vendor> = ["openai", "responses", "anthropic", "bedrock", "gemini"]

const weather: OpenAI.Responses.FunctionTool = {
  type: "function",
  name: "weather",
  parameters: { type: "object", properties: { city: { type: "string" } } },
  strict: false,
}

const create = ({ client }: Pick<Gateway, "client">, params: Partial<Params>) =>
  Effect.promise(() => client.responses.create({ model: "assistant", ...params, stream: false }))

/** The response at the end of a stream. */
const stream = ({ client }: Pick<Gateway, "client">, params: Partial<Params>) =>
  Effect.promise(() => {
    const { stream: _stream, ...request } = params
    return client.responses.stream({ model: "assistant", ...request }).finalResponse()
  })

const rejected = (call: Effect.Effect<unknown>) =>
  Effect.map(Effect.exit(call), (exit) => {
    const [failure] = exit._tag === "Failure" ? exit.cause.reasons : []
    const error = failure?._tag === "Die" ? failure.defect : undefined
    assert.instanceOf(error, APIError)
    return error as APIError
  })

/** All fields of a response, those that the SDK has no type for included. */
const fieldsOf = (response: object): Record<string, unknown> => ({ ...response })

/** What the upstream was last sent. */
const sent = ({ upstream }: Gateway) =>
  Effect.map(upstream.requests, (requests) => requests.at(-1)?.body as Record<string, unknown>)

/** The responses that were not stored, by the metrics. */
const lost = ({ url }: Gateway) =>
  Effect.promise(async () => {
    const text = await (await fetch(`${url}/metrics`)).text()
    return Number(/^understudy_store_lost_responses_total (\d+)$/m.exec(text)?.[1])
  })

onEach("stored responses", ({ database }) => {
  const make = (options: TestGateway.Options = {}) =>
    Effect.flatMap(Effect.promise(database), (stored) => TestGateway.make({ database: stored, ...options }))

  it.live("are read, listed and deleted by their ids", () =>
    Effect.gen(function* () {
      const gateway = yield* make({ vendor: "responses" })
      const first = yield* create(gateway, { input: "one", metadata: { team: "a" } })
      assert.deepInclude(fieldsOf(first), { store: true, previous_response_id: null, metadata: { team: "a" } })
      const second = yield* stream(gateway, { input: "two", previous_response_id: first.id })
      assert.strictEqual(second.previous_response_id, first.id)
      const { responses } = gateway.client
      const read = yield* Effect.promise(() => responses.retrieve(second.id))
      assert.strictEqual(read.output_text, second.output_text)
      assert.deepInclude(fieldsOf(read), {
        id: second.id,
        status: "completed",
        store: true,
        previous_response_id: first.id,
      })
      const items = yield* Effect.promise(() => responses.inputItems.list(second.id, { order: "asc" }))
      assert.deepStrictEqual(
        items.data.map((item) => ("role" in item ? item.role : item.type)),
        ["user", "assistant", "user"],
      )
      const [only] = (yield* Effect.promise(() => responses.inputItems.list(second.id, { limit: 1 }))).data
      assert.deepInclude(only, { type: "message", role: "user", content: [{ type: "input_text", text: "two" }] })
      yield* Effect.promise(() => responses.delete(first.id))
      assert.strictEqual((yield* rejected(Effect.promise(() => responses.retrieve(first.id)))).status, 404)
      const orphan = yield* rejected(create(gateway, { input: "three", previous_response_id: second.id }))
      assert.deepInclude(orphan, { status: 400, code: "previous_response_not_found", param: "previous_response_id" })
    }),
  )

  it.live("are not stored if the call says so, or if it fails", () =>
    Effect.gen(function* () {
      const gateway = yield* make({ vendor: "responses" })
      const first = yield* create(gateway, { input: "one" })
      const second = yield* create(gateway, { input: "two", store: false, previous_response_id: first.id })
      assert.deepInclude(fieldsOf(second), { store: false })
      assert.include(JSON.stringify(yield* sent(gateway)), '"one"')
      const error = yield* rejected(create(gateway, { input: "three", previous_response_id: second.id }))
      assert.strictEqual(error.code, "previous_response_not_found")
    }),
  )

  it.live("are sent whole to OpenAI, which stores nothing and gets its own reasoning back", () =>
    Effect.gen(function* () {
      const gateway = yield* make({ vendor: "responses", primary: { model: "gpt-5" } })
      const first = yield* create(gateway, { input: "one", metadata: { team: "a" }, tools: [weather] })
      const body = yield* sent(gateway)
      assert.deepStrictEqual(body["input"], "one")
      assert.deepStrictEqual(body["store"], false)
      assert.deepStrictEqual(body["include"], ["reasoning.encrypted_content"])
      assert.notProperty(body, "metadata")
      yield* create(gateway, { input: "two", previous_response_id: first.id })
      const next = yield* sent(gateway)
      assert.notProperty(next, "previous_response_id")
      const [user, call, last] = next["input"] as ReadonlyArray<Record<string, unknown>>
      assert.deepStrictEqual(user, { type: "message", role: "user", content: "one" })
      assert.strictEqual(call?.["type"], first.output[0]?.type)
      assert.notProperty(call, "id")
      assert.deepStrictEqual(last, { type: "message", role: "user", content: "two" })
    }),
  )

  for (const vendor of ["responses", "anthropic"] as const) {
    it.live(`say so where the database does not take them, answered by ${vendor}`, () =>
      Effect.gen(function* () {
        const stored = yield* Effect.promise(database)
        const gateway = yield* TestGateway.make({ database: stored, vendor })
        const sql = Context.get(yield* Layer.build(Store.layer(stored)), SqlClient)
        assert.strictEqual(yield* lost(gateway), 0)
        yield* sql`DROP TABLE responses`
        for (const response of [yield* create(gateway, { input: "one" }), yield* stream(gateway, { input: "one" })]) {
          assert.include(response.output_text, "primary goes on instead")
          assert.deepInclude(fieldsOf(response), { status: "completed", store: false })
        }
        const error = yield* rejected(create(gateway, { input: "two", previous_response_id: "resp_1" }))
        assert.deepInclude(error, { status: 503, code: "database_unavailable" })
        assert.strictEqual(yield* lost(gateway), 2)
      }),
    )
  }

  it.live("are not found by what is no id", () =>
    Effect.gen(function* () {
      const gateway = yield* make()
      for (const id of ["\u0000", "\ud800", "a b", "x".repeat(1000)]) {
        const error = yield* rejected(create(gateway, { input: "one", previous_response_id: id }))
        assert.strictEqual(error.code, "previous_response_not_found")
        const input = [{ type: "item_reference" as const, id }]
        assert.strictEqual((yield* rejected(create(gateway, { input }))).status, 404)
      }
      const paths = ["%00", "%00/input_items", "%ff", "..%2f"]
      for (const path of paths) {
        const { status } = yield* Effect.promise(() => fetch(`${gateway.url}/v1/responses/${path}`))
        assert.include([400, 404], status, path)
      }
    }),
  )

  it.live("are found by the references that clients send in place of items", () =>
    Effect.gen(function* () {
      const gateway = yield* make({ vendor: "anthropic" })
      const first = yield* create(gateway, { input: "one" })
      const [message] = first.output
      yield* create(gateway, {
        input: [
          { role: "user", content: "one" },
          { type: "item_reference", id: message?.id ?? "" },
          { role: "user", content: "two" },
        ],
      })
      assert.include(JSON.stringify(yield* sent(gateway)), "primary goes on instead")
      const input = [{ type: "item_reference" as const, id: "msg_none" }]
      assert.deepInclude(yield* rejected(create(gateway, { input })), { status: 404, param: "input[0]" })
    }),
  )

  it.live("belong to the key of their call", () =>
    Effect.gen(function* () {
      const key = (id: string) => ({ id, key: Redacted.make(`sk-${id}-secret-of-this-test`) })
      const gateway = yield* make({ keys: [key("a"), key("b")] })
      const [a, b] = ["a", "b"].map((id) => TestGateway.clientOf(gateway.url, `sk-${id}-secret-of-this-test`))
      if (a === undefined || b === undefined) return assert.fail("no clients")
      const own = yield* create({ client: a }, { input: "one" })
      assert.strictEqual((yield* Effect.promise(() => a.responses.retrieve(own.id))).id, own.id)
      assert.strictEqual((yield* rejected(Effect.promise(() => b.responses.retrieve(own.id)))).status, 404)
      assert.strictEqual((yield* rejected(Effect.promise(() => b.responses.delete(own.id)))).status, 404)
      const items = Effect.promise(() => b.responses.inputItems.list(own.id))
      assert.strictEqual((yield* rejected(items)).status, 404)
      const chained = yield* rejected(create({ client: b }, { input: "two", previous_response_id: own.id }))
      assert.strictEqual(chained.code, "previous_response_not_found")
    }),
  )

  it.live("go on with another vendor, which is not sent what only the first can read, by name", () =>
    Effect.gen(function* () {
      const gateway = yield* make({ vendor: "responses", backup: "anthropic" })
      const file = { type: "input_file" as const, file_id: "file-1" }
      const first = yield* create(gateway, {
        input: [
          { role: "user", content: [{ type: "input_text", text: "one" }, file] },
          { type: "web_search_call", id: "ws_1", status: "completed", action: { type: "search", query: "q" } } as never,
          { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gAAAA" },
        ],
      })
      yield* gateway.upstream.script("primary", [Behavior.refuse("overloaded")])
      const { data, response } = yield* Effect.promise(() =>
        gateway.client.responses
          .create({ model: "assistant", input: "two", previous_response_id: first.id })
          .withResponse(),
      )
      assert.include(data.output_text, "backup goes on instead")
      const dropped = response.headers.get("x-understudy-dropped-params") ?? ""
      for (const name of [
        "input_file parts of earlier responses with a file_id",
        "web_search_call items",
        "reasoning",
      ]) {
        assert.include(dropped, name)
      }
      const body = JSON.stringify(yield* sent(gateway))
      for (const text of ["file-1", "ws_1", "gAAAA"]) assert.notInclude(body, text)
      assert.include(body, "only available to another provider")
      // The first vendor gets all of it again.
      yield* gateway.upstream.script("primary", [Behavior.answer()])
      yield* create(gateway, { model: "primary", input: "three", previous_response_id: data.id })
      const back = JSON.stringify(yield* sent(gateway))
      for (const text of ["file-1", "ws_1", "gAAAA"]) assert.include(back, text)
    }),
  )

  it.live("count in the tokens of a call that continues them", () =>
    Effect.gen(function* () {
      const gateway = yield* make({ vendor: "anthropic" })
      const count = (params: object) =>
        Effect.promise(() => gateway.client.responses.inputTokens.count({ model: "assistant", ...params }))
      const first = yield* create(gateway, { input: "word ".repeat(200) })
      const alone = yield* count({ input: "two" })
      const continued = yield* count({ input: "two", previous_response_id: first.id })
      assert.isAbove(continued.input_tokens, alone.input_tokens + 100)
      assert.isAbove((yield* count({ previous_response_id: first.id })).input_tokens, 100)
    }),
  )

  it.live("are replaced by a compaction item for the calls after it", () =>
    Effect.gen(function* () {
      const gateway = yield* make({ vendor: "anthropic" })
      const first = yield* create(gateway, { input: "the first question" })
      yield* gateway.upstream.script("primary", [Behavior.answer({ text: "the summary" })])
      const compacted = yield* create(gateway, {
        input: [{ type: "compaction_trigger" } as never],
        previous_response_id: first.id,
      })
      assert.include(JSON.stringify(yield* sent(gateway)), "the first question")
      yield* create(gateway, { input: "the next question", previous_response_id: compacted.id })
      const body = JSON.stringify(yield* sent(gateway))
      assert.match(body, /the summary.*the next question/)
      assert.notInclude(body, "the first question")
    }),
  )

  it.live("are not larger together than a body may be", () =>
    Effect.gen(function* () {
      const gateway = yield* make({ maxBody: 3000 })
      const text = "word ".repeat(500)
      const first = yield* create(gateway, { input: text })
      const error = yield* rejected(create(gateway, { input: "two", previous_response_id: first.id }))
      assert.deepInclude(error, { status: 413, code: "request_too_large", param: "previous_response_id" })
    }),
  )

  it.live("are not larger than a body may be when they are referenced many times", () =>
    Effect.gen(function* () {
      const gateway = yield* make({ maxBody: 5000 })
      yield* gateway.upstream.script("primary", [Behavior.withText(Behavior.answer(), "word ".repeat(500))])
      const first = yield* create(gateway, { input: "one" })
      const [message] = first.output
      const references = (count: number) =>
        Array.from({ length: count }, () => ({ type: "item_reference" as const, id: message?.id ?? "" }))
      yield* create(gateway, { input: references(1) })
      const error = yield* rejected(create(gateway, { input: references(20) }))
      assert.deepInclude(error, { status: 413, code: "request_too_large", param: "input" })
    }),
  )

  it.live("are not found by ids that no row can have", () =>
    Effect.gen(function* () {
      const gateway = yield* make()
      for (const id of ["resp_\0", `resp_${"x".repeat(10_000)}`]) {
        const input = [{ type: "item_reference" as const, id }]
        assert.strictEqual((yield* rejected(create(gateway, { input }))).status, 404)
        assert.strictEqual((yield* rejected(create(gateway, { input: "one", previous_response_id: id }))).status, 400)
        assert.strictEqual((yield* rejected(create(gateway, { input: "one", conversation: id }))).status, 404)
      }
      const { responses } = gateway.client
      const calls = [
        Effect.promise(() => responses.retrieve("resp_\0")),
        Effect.promise(() => responses.delete("resp_\0")),
      ]
      for (const call of calls) assert.strictEqual((yield* rejected(call)).status, 404)
    }),
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// Random chains
// ---------------------------------------------------------------------------------------------------------------------

const Turn = Schema.Struct({
  vendor: Schema.Literals(vendors),
  streamed: Schema.Boolean,
  /** Whether the model calls a tool, whose result the next turn sends. */
  calls: Schema.Boolean,
  /** How many responses before the last one the turn continues. */
  back: Schema.Literals([0, 0, 0, 1, 2]),
})

interface Ended {
  readonly id: string
  /** The marks of the whole conversation, in order. */
  readonly marks: ReadonlyArray<string>
  readonly callId: string | undefined
}

describe("a chain of turns over vendors and gateways", { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "understudy-chains-"))
  let files = 0
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.live.prop(
    "gives each vendor exactly the whole conversation",
    { turns: Schema.NonEmptyArray(Turn) },
    ({ turns }) =>
      Effect.scoped(
        Effect.gen(function* () {
          const gateways = new Map<string, Gateway>()
          const shared: Database = { type: "sqlite", file: join(folder, `${++files}.db`) }
          for (const vendor of new Set(turns.map((turn) => turn.vendor))) {
            gateways.set(vendor, yield* TestGateway.make({ database: shared, vendor }))
          }
          const ended: Array<Ended> = []
          for (const [index, { back, streamed, vendor, ...turn }] of turns.entries()) {
            const gateway = gateways.get(vendor)
            if (gateway === undefined) return assert.fail("no gateway")
            const before = ended.at(-1 - Math.min(back, Math.max(0, ended.length - 1)))
            // The stand-ins call no tool once they have the result of one.
            const calls = turn.calls && before?.callId === undefined
            const mark = `mark-${index}-`
            yield* gateway.upstream.script("primary", [Behavior.answer(calls ? {} : { text: `${mark}answer` })])
            const response = yield* (streamed ? stream : create)(gateway, {
              input:
                before?.callId === undefined
                  ? `${mark}question`
                  : [{ type: "function_call_output", call_id: before.callId, output: `${mark}question` }],
              tools: [weather],
              tool_choice: calls ? "required" : "none",
              ...(before === undefined ? undefined : { previous_response_id: before.id }),
            })
            const asked = [...(before?.marks ?? []), `${mark}question`]
            const body = JSON.stringify(yield* sent(gateway))
            assert.deepStrictEqual(marksIn(body), asked)
            const [call] = response.output
            ended.push({
              id: response.id,
              marks: calls ? asked : [...asked, `${mark}answer`],
              callId: call?.type === "function_call" ? call.call_id : undefined,
            })
            assert.strictEqual(call?.type === "function_call", calls)
            if (before?.callId !== undefined) assert.match(body, /weather/)
          }
          return undefined
        }),
      ),
    { arbitrary: { runs: 12 } },
  )
})

/** The marks of questions and answers in a body, in order. */
const marksIn = (body: string): ReadonlyArray<string> =>
  [...body.matchAll(/mark-\d+-(?:question|answer)/g)].map(([mark]) => mark)
