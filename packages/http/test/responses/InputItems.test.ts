/** The items that responses of long chains were generated from, by pages. */
import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SqlClient } from "effect/sql/SqlClient"
import * as ItemPage from "../../src/api/ItemPage.ts"
import { Drain } from "../../src/Drain.ts"
import type { PageOf } from "../../src/responses/Items.ts"
import { ResponseStore } from "../../src/responses/ResponseStore.ts"
import * as Rows from "../../src/responses/Rows.ts"
import * as SqlResponseStore from "../../src/responses/SqlResponseStore.ts"
import * as Store from "../../src/store/Store.ts"
import { onEach } from "../store/Databases.ts"
import { recorded } from "./Statements.ts"

const idOf = (index: number) => `resp_${String(index).padStart(32, "0")}`
const textOf = ({ content }: Readonly<Record<string, unknown>>) => JSON.stringify(content)

onEach("input items", ({ database }) => {
  /** The store, with a chain of so many responses. One input in three has an id of its client's. */
  const chain = Effect.fnUntraced(function* (length: number) {
    const StoreLive = Store.layer(yield* Effect.promise(database))
    const settings = { keep: Duration.days(30), background: 1 }
    const context = yield* Layer.build(
      Layer.provideMerge(SqlResponseStore.layer(settings), Layer.merge(StoreLive, Drain.layer)),
    )
    const sql = Context.get(context, SqlClient)
    const now = yield* Clock.currentTimeMillis
    for (let index = 0; index < length; index++) {
      const id = idOf(index)
      const own = index % 3 === 0 ? { id: `own_${index}` } : undefined
      const input = JSON.stringify([
        { role: "user", content: `q${index}` },
        { ...own, role: "user", content: `r${index}` },
      ])
      const output = [{ id: `msg_${index}`, type: "message", role: "assistant", content: [`a${index}`] }]
      const row = { key_id: "", conversation_id: null, model: "assistant", status: "completed", size: 1 }
      const times = { created_at: now, expires_at: now + 1_000_000, gateway_id: null, lease_until: null }
      const previous_id = index === 0 ? null : idOf(index - 1)
      yield* Rows.insert(sql, { ...row, ...times, id, previous_id, input, response: JSON.stringify({ output }) })
      yield* Rows.insertItems(sql, id, [`msg_${index}`])
    }
    const store = Context.get(context, ResponseStore)
    const page = Effect.fnUntraced(function* (id: string, query: PageOf) {
      const items = yield* store.inputItems("", id, query)
      if (items === undefined) return assert.fail(`no ${id}`)
      return yield* ItemPage.of(query, yield* ItemPage.read(query, items))
    })
    return { sql, store, page } as const
  })

  const all: PageOf = { order: "asc", after: undefined, limit: 100 }

  it.live("are on the same pages whatever their size and order, with ids that stay", () =>
    Effect.gen(function* () {
      const { page } = yield* chain(8)
      const { data } = yield* page(idOf(7), all)
      const turns = Array.from({ length: 8 }, (_, index) => [`"q${index}"`, `"r${index}"`, `["a${index}"]`]).flat()
      assert.deepStrictEqual(
        data.map((item) => textOf(item).replace(/.*"text":("[^"]*").*/, "$1")),
        turns.slice(0, -1),
      )
      assert.strictEqual(new Set(data.map(({ id }) => id)).size, data.length)
      assert.deepStrictEqual((yield* page(idOf(4), all)).data, data.slice(0, 14))
      for (const order of ["asc", "desc"] as const) {
        for (const limit of [1, 2, 3, 7, 22, 23, 24]) {
          const read: Array<unknown> = []
          let after: string | undefined
          for (let hasMore = true; hasMore;) {
            const next = yield* page(idOf(7), { order, limit, after })
            read.push(...next.data)
            after = String(next.last_id)
            hasMore = next.has_more
            assert.isTrue(next.data.length === limit || !hasMore)
          }
          assert.deepStrictEqual(read, order === "asc" ? [...data] : data.toReversed(), `${order}, ${limit} a page`)
        }
      }
    }),
  )

  it.live("are read from no more responses than the page needs", () =>
    Effect.gen(function* () {
      const { page } = yield* chain(60)
      const reads = (query: PageOf) =>
        Effect.map(recorded(page(idOf(59), query)), ([{ data }, statements]) => {
          const turns = statements.filter(([text]) => text.includes("response FROM"))
          return [data.length, turns.flatMap(([, values]) => values).filter((value) => value !== "").length]
        })
      assert.deepStrictEqual(yield* reads({ ...all, order: "desc", limit: 1 }), [1, 1])
      assert.deepStrictEqual(yield* reads({ ...all, order: "desc", limit: 20 }), [20, 11])
      assert.deepStrictEqual(yield* reads({ ...all, limit: 20 }), [20, 11])
      // From the response that has the item on.
      const [item] = (yield* page(idOf(50), { ...all, order: "desc", limit: 1, after: "msg_49" })).data
      for (const after of ["msg_50", String(item?.["id"])]) {
        assert.deepStrictEqual(yield* reads({ order: "desc", limit: 3, after }), [3, 2], after)
      }
    }),
  )

  it.live("are none after an item that is not theirs, and of a chain that is not whole", () =>
    Effect.gen(function* () {
      const { page, store } = yield* chain(4)
      for (const after of ["msg_3", "msg_none", `msg_${"0".repeat(31)}1_in_9`]) {
        assert.propertyVal(yield* Effect.flip(page(idOf(3), { ...all, after })), "param", "after")
      }
      yield* store.remove("", idOf(1))
      assert.isUndefined(yield* store.inputItems("", idOf(3), all))
      assert.isUndefined(yield* store.inputItems("other", idOf(0), all))
    }),
  )
})
