/** Responses in the background: polled, streamed and cancelled through any gateway on the database, with the `openai` client. */
import { assert, it } from "@effect/vitest"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { SqlClient } from "effect/sql/SqlClient"
import { APIError } from "openai"
import type OpenAI from "openai"
import * as RunningRows from "../../src/responses/RunningRows.ts"
import type { Database } from "../../src/store/Store.ts"
import * as Store from "../../src/store/Store.ts"
import { onEach } from "../store/Databases.ts"
import * as TestGateway from "../TestGateway.ts"

type Gateway = Effect.Success<ReturnType<typeof TestGateway.make>>

const background = { model: "assistant", input: "one", background: true } as const

const create = ({ client }: Gateway, params: object = {}) =>
  Effect.promise(() => client.responses.create({ ...background, ...params, stream: false }))

const read = ({ client }: Gateway, { id }: { readonly id: string }) =>
  Effect.promise(() => client.responses.retrieve(id))

/** The response, once it has another status than those of a response that runs. */
const ended = (gateway: Gateway, response: { readonly id: string }) =>
  Effect.repeat(read(gateway, response), {
    until: ({ status }) => status !== "queued" && status !== "in_progress",
    schedule: Schedule.spaced("20 millis"),
  })

const rejected = (call: Effect.Effect<unknown>) =>
  Effect.map(Effect.exit(call), (exit) => {
    const [failure] = exit._tag === "Failure" ? exit.cause.reasons : []
    const error = failure?._tag === "Die" ? failure.defect : undefined
    assert.instanceOf(error, APIError)
    return error as APIError
  })

/** Two gateways on one database. */
const two = (database: () => Promise<Database>, options: TestGateway.Options = {}) =>
  Effect.gen(function* () {
    const shared = { ...options, database: yield* Effect.promise(database) }
    return [yield* TestGateway.make(shared), yield* TestGateway.make(shared), shared.database] as const
  })

onEach("background responses", ({ database, postgres }) => {
  for (const vendor of ["responses", "anthropic"] as const) {
    it.live(`are polled through another gateway, and continued, answered by ${vendor}`, () =>
      Effect.gen(function* () {
        const [first, second] = yield* two(database, { vendor })
        const queued = yield* create(first)
        assert.deepInclude({ ...queued, output: 0 }, { status: "queued", background: true, output: 0 })
        const response = yield* ended(second, queued)
        assert.deepInclude(
          { id: response.id, status: response.status, background: response.background },
          { id: queued.id, status: "completed", background: true },
        )
        assert.include(response.output_text, "primary goes on instead")
        assert.isAbove(response.usage?.output_tokens ?? 0, 0)
        yield* Effect.promise(() =>
          second.client.responses.create({ model: "assistant", input: "two", previous_response_id: queued.id }),
        )
        const [sent] = (yield* second.upstream.requests).slice(-1)
        assert.match(JSON.stringify(sent?.body), /one.*primary goes on.*two/)
      }),
    )
  }

  it.live("are streamed to their end although the database is lost for a moment", () =>
    Effect.gen(function* () {
      const server = postgres()
      // A file is not lost.
      if (server === undefined) return
      const [gateway] = yield* two(database)
      yield* gateway.upstream.script("primary", [Behavior.answer({ delay: 2000 })])
      const stream = yield* Effect.promise(() => gateway.client.responses.create({ ...background, stream: true }))
      const reading = yield* Effect.forkChild(collect(stream))
      yield* gateway.upstream.received("primary")
      yield* Effect.promise(server.kill)
      yield* Effect.promise(server.restart)
      const last = (yield* Fiber.join(reading)).at(-1)
      assert.strictEqual(last?.type, "response.completed")
    }),
  )

  it.live("fail with the error that the call would have", () =>
    Effect.gen(function* () {
      const [gateway] = yield* two(database)
      const response = yield* ended(gateway, yield* create(gateway, { model: "unknown" }))
      assert.strictEqual(response.status, "failed")
      assert.include(response.error?.message, 'no route or deployment called "unknown"')
      const chained = create(gateway, { previous_response_id: response.id })
      assert.strictEqual((yield* rejected(chained)).code, "previous_response_not_completed")
    }),
  )

  it.live("are cancelled through another gateway, which ends their attempt", () =>
    Effect.gen(function* () {
      const [first, second] = yield* two(database)
      yield* first.upstream.script("primary", [Behavior.silent])
      const queued = yield* create(first)
      const request = yield* first.upstream.received("primary")
      const cancelled = yield* Effect.promise(() => second.client.responses.cancel(queued.id))
      assert.strictEqual(cancelled.status, "cancelled")
      yield* first.upstream.closed(request)
      assert.strictEqual((yield* read(first, queued)).status, "cancelled")
      assert.strictEqual((yield* Effect.promise(() => second.client.responses.cancel(queued.id))).status, "cancelled")
      const other = yield* Effect.promise(() => first.client.responses.create({ model: "backup", input: "two" }))
      const error = yield* rejected(Effect.promise(() => first.client.responses.cancel(other.id)))
      assert.include(error.message, "Cannot cancel a synchronous response")
    }),
  )

  it.live("end when they are deleted", () =>
    Effect.gen(function* () {
      const [first, second] = yield* two(database)
      yield* first.upstream.script("primary", [Behavior.silent])
      const queued = yield* create(first)
      const request = yield* first.upstream.received("primary")
      yield* Effect.promise(() => second.client.responses.delete(queued.id))
      yield* first.upstream.closed(request)
    }),
  )

  it.live("leave no events behind when they are deleted while these are written", () =>
    Effect.gen(function* () {
      const [gateway, , shared] = yield* two(database)
      const sql = Context.get(yield* Layer.build(Store.layer(shared)), SqlClient)
      const events = (id: string) =>
        Effect.map(sql`SELECT events FROM response_events WHERE response_id = ${id}`, ({ length }) => length)
      const queued = yield* create(gateway)
      yield* ended(gateway, queued)
      const write = (batch: number) => RunningRows.insertEvents(sql, queued.id, { batch, events: [[0, "a secret"]] })
      const before = yield* events(queued.id)
      yield* write(1000)
      assert.strictEqual(yield* events(queued.id), before + 1)
      yield* Effect.promise(() => gateway.client.responses.delete(queued.id))
      yield* write(1001)
      assert.strictEqual(yield* events(queued.id), 0)
    }),
  )

  it.live("are streamed, and again after an event, through another gateway", () =>
    Effect.gen(function* () {
      const [first, second] = yield* two(database)
      const stream = yield* Effect.promise(() => first.client.responses.create({ ...background, stream: true }))
      const events = yield* collect(stream)
      const [created] = events
      if (created?.type !== "response.created") return assert.fail("no response.created")
      const last = events.at(-1)
      if (last?.type !== "response.completed") return assert.fail("no response.completed")
      assert.strictEqual(last.response.id, created.response.id)
      const again = (after: number) =>
        Effect.flatMap(
          Effect.promise(() =>
            second.client.responses.retrieve(created.response.id, { stream: true, starting_after: after }),
          ),
          collect,
        )
      assert.deepStrictEqual(yield* again(-1), events)
      assert.deepStrictEqual(yield* again(4), events.slice(5))
      assert.deepStrictEqual((yield* read(second, created.response)).output, last.response.output)
      return undefined
    }),
  )

  it.live("have failed once their gateway has died", () =>
    Effect.gen(function* () {
      const [first, second, shared] = yield* two(database)
      yield* first.upstream.script("primary", [Behavior.silent])
      const queued = yield* create(first)
      yield* first.upstream.received("primary")
      const sql = Context.get(yield* Layer.build(Store.layer(shared)), SqlClient)
      yield* sql`UPDATE responses SET gateway_id = 'dead', lease_until = 1 WHERE id = ${queued.id}`
      const response = yield* read(second, queued)
      assert.strictEqual(response.status, "failed")
      assert.include(response.error?.message, "The gateway stopped")
    }),
  )

  it.live("have failed when their gateway stops, which waits for them as for calls", () =>
    Effect.gen(function* () {
      const shared = { database: yield* Effect.promise(database), drain: { timeout: Duration.millis(50) } }
      const reader = yield* TestGateway.make(shared)
      const scope = yield* Scope.make()
      const gateway = yield* Scope.provide(TestGateway.make(shared), scope)
      yield* gateway.upstream.script("primary", [Behavior.silent])
      const queued = yield* create(gateway)
      yield* gateway.upstream.received("primary")
      assert.strictEqual(gateway.drain.inFlight.size(), 1)
      yield* Scope.close(scope, Exit.void)
      const response = yield* read(reader, queued)
      assert.strictEqual(response.status, "failed")
      assert.include(response.error?.message, "The gateway stopped")
    }),
  )

  it.live("are not more at once than the limit, and are stored", () =>
    Effect.gen(function* () {
      const [gateway] = yield* two(database, { background: 1, drain: { timeout: Duration.millis(50) } })
      yield* gateway.upstream.script("primary", [Behavior.silent])
      yield* create(gateway)
      assert.deepInclude(yield* rejected(create(gateway)), { status: 503, code: "overloaded" })
      assert.deepInclude(yield* rejected(create(gateway, { store: false })), { status: 400, param: "background" })
    }),
  )
})

const collect = (stream: AsyncIterable<OpenAI.Responses.ResponseStreamEvent>) =>
  Effect.promise(async () => {
    const events: Array<OpenAI.Responses.ResponseStreamEvent> = []
    for await (const event of stream) events.push(event)
    return events
  })
