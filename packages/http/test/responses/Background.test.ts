/** Background responses in the database: what readers of their streams read, and whose leases are renewed. */
import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { SqlClient } from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"
import { Drain } from "../../src/Drain.ts"
import type { Ended } from "../../src/responses/ResponseStore.ts"
import { ResponseStore } from "../../src/responses/ResponseStore.ts"
import * as SqlResponseStore from "../../src/responses/SqlResponseStore.ts"
import * as Store from "../../src/store/Store.ts"
import { onEach } from "../store/Databases.ts"
import { recorded } from "./Statements.ts"

const event = (type: string, sequence: number) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence })}\n\n`

const responseOf = (status: string) => JSON.stringify({ id: "resp_1", object: "response", status, output: [] })

const queued: Ended = {
  id: "resp_1",
  key_id: "",
  previous_id: null,
  conversation_id: null,
  extends: [],
  model: "assistant",
  status: "queued",
  input: "[]",
  response: responseOf("queued"),
}

onEach("background responses in the database", ({ database }) => {
  const make = Effect.gen(function* () {
    const StoreLive = Store.layer(yield* Effect.promise(database))
    const StoresLive = SqlResponseStore.layer({ keep: Duration.days(30), background: 1 })
    const context = yield* Layer.build(Layer.provideMerge(StoresLive, Layer.merge(StoreLive, Drain.layer)))
    return { store: Context.get(context, ResponseStore), sql: Context.get(context, SqlClient) } as const
  })

  it.live("whose end could not be stored do not keep their lease while others run", () =>
    Effect.gen(function* () {
      const { sql, store } = yield* make
      const isDone = yield* Deferred.make<void>()
      yield* store.start(queued, () => Effect.as(Deferred.await(isDone), responseOf("completed")))
      yield* sql`INSERT INTO responses
        SELECT 'resp_2' AS id, key_id, previous_id, conversation_id, model, status, size, created_at, expires_at, input, response,
          gateway_id, lease_until
        FROM responses WHERE id = 'resp_1'`
      const leaseOf = (id: string) =>
        Effect.map(
          sql<{ readonly lease: number }>`SELECT lease_until AS lease FROM responses WHERE id = ${id}`,
          ([row]) => row?.lease ?? 0,
        )
      const left = yield* leaseOf("resp_2")
      yield* Effect.repeat(leaseOf("resp_1"), {
        until: (lease) => lease > left,
        schedule: Schedule.spaced("50 millis"),
      })
      assert.strictEqual(yield* leaseOf("resp_2"), left)
      yield* Deferred.succeed(isDone, undefined)
    }),
  )

  for (const [end, wholeReads] of [
    ["response.completed", 0],
    ["response.output_text.done", 1],
  ] as const) {
    it.live(`read whole rows ${wholeReads} times if the last event is ${end}`, () =>
      Effect.gen(function* () {
        const { store } = yield* make
        const isRead = yield* Deferred.make<void>()
        yield* store.start(queued, (publish) =>
          Effect.gen(function* () {
            yield* publish(event("response.created", 0))
            yield* Deferred.await(isRead)
            yield* publish(event(end, 1))
            return responseOf("completed")
          }),
        )
        const events = Stream.tap(store.events(queued, -1), (text) =>
          text === "" ? Effect.void : Deferred.succeed(isRead, undefined),
        )
        const [text, statements] = yield* recorded(Stream.mkString(events))
        const types = [...text.matchAll(/^event: (.*)$/gm)].map(([, type]) => type)
        assert.deepStrictEqual(types.slice(0, 2), ["response.created", end])
        assert.strictEqual(types.at(-1), "response.completed")
        const texts = statements.map(([statement]) => statement)
        const whole = texts.filter((statement) => statement.includes("SELECT *"))
        assert.lengthOf(whole, wholeReads)
        // One statement for each look.
        for (const statement of texts) if (!whole.includes(statement)) assert.include(statement, "response_events")
      }),
    )
  }
})
