/** Conversations, with the `openai` client: their items, and the calls that read and add to them. */
import { assert, it } from "@effect/vitest"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { SqlClient } from "effect/sql/SqlClient"
import { APIError } from "openai"
import type OpenAI from "openai"
import * as Store from "../../src/store/Store.ts"
import { onEach } from "../store/Databases.ts"
import * as TestGateway from "../TestGateway.ts"

type Gateway = Effect.Success<ReturnType<typeof TestGateway.make>>

const rejected = (call: () => Promise<unknown>) =>
  Effect.map(Effect.exit(Effect.promise(call)), (exit) => {
    const [failure] = exit._tag === "Failure" ? exit.cause.reasons : []
    const error = failure?._tag === "Die" ? failure.defect : undefined
    assert.instanceOf(error, APIError)
    return error as APIError
  })

const user = (content: string) => ({ type: "message" as const, role: "user" as const, content })

/** The texts of the items of a conversation, oldest first. */
const textsOf = ({ client }: Pick<Gateway, "client">, id: string) =>
  Effect.promise(async () => {
    const page = await client.conversations.items.list(id, { order: "asc", limit: 100 })
    return page.data.map((item) => {
      const [part] = item.type === "message" ? item.content : []
      return part !== undefined && "text" in part ? part.text : item.type
    })
  })

onEach("conversations", ({ database }) => {
  const make = (options: TestGateway.Options = {}) =>
    Effect.flatMap(Effect.promise(database), (stored) => TestGateway.make({ database: stored, ...options }))

  it.live("are made, read, changed and deleted, with their items", () =>
    Effect.gen(function* () {
      const { client } = yield* make()
      const { conversations } = client
      const made = yield* Effect.promise(() => conversations.create({ metadata: { topic: "a" }, items: [user("one")] }))
      assert.match(made.id, /^conv_[\da-f]{32}$/)
      assert.strictEqual(made.object, "conversation")
      assert.deepStrictEqual(yield* Effect.promise(() => conversations.retrieve(made.id)), made)
      const updated = yield* Effect.promise(() => conversations.update(made.id, { metadata: { topic: "b" } }))
      assert.deepStrictEqual(updated.metadata, { topic: "b" })
      const added = yield* Effect.promise(() =>
        conversations.items.create(made.id, { items: [user("two"), user("three")] }),
      )
      assert.lengthOf(added.data, 2)
      assert.deepStrictEqual(yield* textsOf({ client }, made.id), ["one", "two", "three"])
      const newest = yield* Effect.promise(() => conversations.items.list(made.id, { limit: 1 }))
      assert.isTrue(newest.has_more)
      const [three] = newest.data
      assert.deepStrictEqual(
        yield* Effect.promise(() => conversations.items.retrieve(three?.id ?? "", { conversation_id: made.id })),
        three,
      )
      yield* Effect.promise(() => conversations.items.delete(three?.id ?? "", { conversation_id: made.id }))
      assert.deepStrictEqual(yield* textsOf({ client }, made.id), ["one", "two"])
      const missing = yield* rejected(() => conversations.items.retrieve("msg_none", { conversation_id: made.id }))
      assert.strictEqual(missing.status, 404)
      const deleted = yield* Effect.promise(() => conversations.delete(made.id))
      assert.deepInclude(deleted, { id: made.id, deleted: true })
      assert.strictEqual((yield* rejected(() => conversations.retrieve(made.id))).status, 404)
    }),
  )

  it.live("are listed by pages", () =>
    Effect.gen(function* () {
      const { client } = yield* make()
      const { items } = client.conversations
      const texts = Array.from({ length: 7 }, (_, index) => String(index))
      const { id } = yield* Effect.promise(() => client.conversations.create({ items: texts.map(user) }))
      const { data } = yield* Effect.promise(() => items.list(id, { order: "asc" }))
      for (const order of ["asc", "desc"] as const) {
        for (const limit of [1, 3, 6, 7, 8]) {
          const read: Array<unknown> = []
          yield* Effect.promise(async () => {
            for await (const item of items.list(id, { order, limit })) read.push(item)
          })
          assert.deepStrictEqual(read, order === "asc" ? data : data.toReversed(), `${order}, ${limit} a page`)
        }
      }
      for (const after of ["msg_none", "msg_\0"]) {
        assert.strictEqual((yield* rejected(() => items.list(id, { after }))).param, "after")
      }
    }),
  )

  it.live("are read and added to by calls, whichever vendor answers", () =>
    Effect.gen(function* () {
      const gateway = yield* make({ vendor: "responses", backup: "anthropic" })
      const { client, upstream } = gateway
      const { id } = yield* Effect.promise(() => client.conversations.create({ items: [user("zero")] }))
      const ask = (input: string, params: object = {}) =>
        Effect.promise(() => client.responses.create({ model: "assistant", input, conversation: id, ...params }))
      const first = (yield* ask("one")) as OpenAI.Responses.Response
      assert.deepStrictEqual(first.conversation, { id })
      yield* upstream.script("primary", [Behavior.refuse("overloaded")])
      yield* ask("two")
      const body = JSON.stringify((yield* upstream.requests).at(-1)?.body)
      assert.match(body, /zero.*one.*primary goes on instead.*two/)
      yield* Effect.promise(() =>
        client.responses.stream({ model: "assistant", input: "three", conversation: { id } }).finalResponse(),
      )
      const texts = yield* textsOf(gateway, id)
      assert.deepStrictEqual(
        texts.map((text) => /zero|one(?!,)|two|three|primary goes on|backup goes on/.exec(text)?.[0]),
        ["zero", "one", "primary goes on", "two", "backup goes on", "three", "backup goes on"],
      )
      // Not stored, not added.
      yield* ask("four", { store: false })
      assert.lengthOf(yield* textsOf(gateway, id), texts.length)
      const chained = () => client.responses.create({ model: "assistant", input: "x", previous_response_id: first.id })
      assert.include((yield* rejected(chained)).message, "send `conversation`")
    }),
  )

  it.live("are added to by responses in the background", () =>
    Effect.gen(function* () {
      const gateway = yield* make()
      const { client } = gateway
      const { id } = yield* Effect.promise(() => client.conversations.create())
      yield* Effect.promise(() =>
        client.responses.create({ model: "assistant", input: "one", conversation: id, background: true }),
      )
      const texts = yield* Effect.repeat(textsOf(gateway, id), {
        until: ({ length }) => length > 0,
        schedule: Schedule.spaced("20 millis"),
      })
      assert.strictEqual(texts[0], "one")
      assert.lengthOf(texts, 2)
    }),
  )

  /** A gateway with a conversation whose next items the database refuses, until `accept`. */
  const refusing = Effect.gen(function* () {
    const stored = yield* Effect.promise(database)
    const gateway = yield* TestGateway.make({ database: stored })
    const sql = Context.get(yield* Layer.build(Store.layer(stored)), SqlClient)
    const { id } = yield* Effect.promise(() => gateway.client.conversations.create())
    yield* sql`INSERT INTO conversation_items (conversation_id, position, id, item) VALUES (${id}, 0, 'taken', '{}')`
    const accept = sql`DELETE FROM conversation_items WHERE id = 'taken'`
    const rowsIn = (table: string) => Effect.map(sql`SELECT * FROM ${sql(table)}`, ({ length }) => length)
    return { gateway, id, sql, accept, rowsIn } as const
  })

  it.live("and the responses that add to them are stored together, or neither", () =>
    Effect.gen(function* () {
      const { accept, gateway, id, rowsIn } = yield* refusing
      const call = Effect.promise(() =>
        gateway.client.responses.create({ model: "assistant", input: "one", conversation: id }),
      )
      assert.propertyVal(yield* call, "store", false)
      for (const table of ["responses", "response_items"]) assert.strictEqual(yield* rowsIn(table), 0, table)
      yield* accept
      assert.propertyVal(yield* call, "store", true)
      assert.strictEqual(yield* rowsIn("responses"), 1)
      assert.lengthOf(yield* textsOf(gateway, id), 2)
    }),
  )

  it.live("and the ends of background responses are stored together, once the database takes both", () =>
    Effect.gen(function* () {
      const { accept, gateway, id, rowsIn } = yield* refusing
      const { responses } = gateway.client
      const stream = yield* Effect.promise(() =>
        responses.create({ model: "assistant", input: "one", conversation: id, background: true, stream: true }),
      )
      const response = yield* Effect.promise(async () => {
        for await (const event of stream) if (event.type === "response.completed") return event.response
        return assert.fail("no response.completed")
      })
      const read = Effect.promise(() => responses.retrieve(response.id))
      assert.strictEqual((yield* read).status, "in_progress")
      assert.strictEqual(yield* rowsIn("response_items"), 0)
      yield* accept
      yield* Effect.repeat(read, {
        until: ({ status }) => status === "completed",
        schedule: Schedule.spaced("20 millis"),
      })
      assert.lengthOf(yield* textsOf(gateway, id), 2)
      assert.strictEqual(yield* rowsIn("response_items"), response.output.length)
    }),
  )

  it.live("are made with their first items, or not at all", () =>
    Effect.gen(function* () {
      const { gateway, rowsIn, sql } = yield* refusing
      yield* sql`DROP TABLE conversation_items`
      const made = yield* rejected(() => gateway.client.conversations.create({ items: [user("one")] }))
      assert.strictEqual(made.status, 503)
      assert.strictEqual(yield* rowsIn("conversations"), 1)
    }),
  )

  it.live("belong to the key that made them", () =>
    Effect.gen(function* () {
      const key = (id: string) => ({ id, key: Redacted.make(`sk-${id}-secret-of-this-test`) })
      const gateway = yield* make({ keys: [key("a"), key("b")] })
      const [a, b] = ["a", "b"].map((id) => TestGateway.clientOf(gateway.url, `sk-${id}-secret-of-this-test`))
      if (a === undefined || b === undefined) return assert.fail("no clients")
      const { id } = yield* Effect.promise(() => a.conversations.create())
      const calls = [
        () => b.conversations.retrieve(id),
        () => b.conversations.update(id, { metadata: {} }),
        () => b.conversations.delete(id),
        () => b.conversations.items.create(id, { items: [user("one")] }),
        () => b.responses.create({ model: "assistant", input: "one", conversation: id }),
      ]
      for (const call of calls) assert.strictEqual((yield* rejected(call)).status, 404)
      yield* Effect.promise(() => a.responses.create({ model: "assistant", input: "one", conversation: id }))
      return undefined
    }),
  )

  it.live("give items whose ids cannot be found ids of their own", () =>
    Effect.gen(function* () {
      const { client } = yield* make()
      const { id } = yield* Effect.promise(() => client.conversations.create())
      const ids = ["msg_a\0", `msg_${"x".repeat(10_000)}`, "msg_own"]
      const items = ids.map((itemId) => ({ ...user("one"), id: itemId }))
      const { data } = yield* Effect.promise(() => client.conversations.items.create(id, { items }))
      assert.strictEqual(data[2]?.id, "msg_own")
      for (const item of data) {
        yield* Effect.promise(() => client.conversations.items.delete(item.id ?? "", { conversation_id: id }))
      }
      assert.deepStrictEqual(yield* textsOf({ client }, id), [])
    }),
  )

  it.live("take as many items from a call as it may have, and limit those of later calls", () =>
    Effect.gen(function* () {
      const { client } = yield* make({ maxBody: 20_000_000 })
      const { id } = yield* Effect.promise(() => client.conversations.create())
      const many = Array.from({ length: 9999 }, (_, index) => user(String(index)))
      const call = (input: Array<ReturnType<typeof user>>) =>
        client.responses.create({ model: "assistant", input, conversation: id })
      const response = yield* Effect.promise(() => call(many))
      assert.propertyVal(response, "store", true)
      assert.deepStrictEqual((yield* textsOf({ client }, id)).slice(0, 3), ["0", "1", "2"])
      assert.include((yield* rejected(() => call([user("more")]))).message, "server.limits.messages")
    }),
  )

  it.live("reject what is not an item, metadata, or a conversation", () =>
    Effect.gen(function* () {
      const { client } = yield* make()
      const { conversations, responses } = client
      const item = { role: "actor", content: "Hi" } as never
      const refused = yield* rejected(() => conversations.create({ items: [item] }))
      assert.match(String(refused.param), /^items\[0\]/)
      assert.match(refused.message, /items\[0\].*expected/)
      const many = Array.from({ length: 21 }, () => user("one"))
      assert.strictEqual((yield* rejected(() => conversations.create({ items: many }))).param, "items")
      assert.strictEqual(
        (yield* rejected(() => conversations.create({ metadata: { a: 1 } as never }))).param,
        "metadata",
      )
      const both = { model: "assistant", input: "one", conversation: "conv_1", previous_response_id: "resp_1" }
      assert.strictEqual((yield* rejected(() => responses.create(both))).param, "conversation")
    }),
  )
})
