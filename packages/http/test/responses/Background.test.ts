/** What readers of the stream of a background response read from the database. */
import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Drain } from "../../src/Drain.ts"
import { ResponseStore } from "../../src/responses/ResponseStore.ts"
import * as SqlResponseStore from "../../src/responses/SqlResponseStore.ts"
import * as Store from "../../src/store/Store.ts"
import { onEach } from "../store/Databases.ts"
import { recorded } from "./Statements.ts"

const event = (type: string, sequence: number) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence })}\n\n`

const responseOf = (status: string) => JSON.stringify({ id: "resp_1", object: "response", status, output: [] })

onEach("readers of background responses", ({ database }) => {
  for (const [end, wholeReads] of [
    ["response.completed", 0],
    ["response.output_text.done", 1],
  ] as const) {
    it.live(`read whole rows ${wholeReads} times if the last event is ${end}`, () =>
      Effect.gen(function* () {
        const StoreLive = Store.layer(yield* Effect.promise(database))
        const StoresLive = SqlResponseStore.layer({ keep: Duration.days(30), background: 1 })
        const store = Context.get(
          yield* Layer.build(Layer.provide(StoresLive, [StoreLive, Drain.layer])),
          ResponseStore,
        )
        const isRead = yield* Deferred.make<void>()
        const owner = { id: "resp_1", key_id: "" }
        const links = { previous_id: null, conversation_id: null, extends: [] }
        const queued = { ...owner, ...links, model: "assistant", status: "queued", response: responseOf("queued") }
        yield* store.start({ ...queued, input: "[]" }, (publish) =>
          Effect.gen(function* () {
            yield* publish(event("response.created", 0))
            yield* Deferred.await(isRead)
            yield* publish(event(end, 1))
            return responseOf("completed")
          }),
        )
        const events = Stream.tap(store.events(owner, -1), (text) =>
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
