/** Shadow calls of a gateway, with the real clients, and a server that counts what it was sent. */
import { assert, describe, it } from "@effect/vitest"
import { Route } from "@understudy/core"
import type { Receipt } from "@understudy/core/Receipt"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as TestGateway from "../TestGateway.ts"

const shadowed = Route.to("primary").pipe(Route.retry({ times: 0 }), Route.shadow({ to: "backup", share: 1 }))

/** A gateway whose route `assistant` is `primary`, with shadow calls to `backup`, and the receipts of those, as they end. */
const make = Effect.fnUntraced(function* (options: TestGateway.Options = {}) {
  const gateway = yield* TestGateway.make({ route: shadowed, ...options })
  const ended: Array<Receipt> = []
  const waiting: Array<{ readonly count: number; readonly done: Deferred.Deferred<void> }> = []
  yield* gateway.router.subscribe((event) => {
    if (event._tag !== "CallEnded" || event.shadowOf === undefined) return
    ended.push(event.receipt)
    for (const { count, done } of waiting) if (ended.length >= count) Deferred.doneUnsafe(done, Exit.void)
  })
  /** The receipts of shadow calls, once so many have ended. */
  const shadows = (count: number) =>
    Effect.suspend(() => {
      const done = Deferred.makeUnsafe<void>()
      if (ended.length >= count) return Effect.succeed(ended)
      waiting.push({ count, done })
      return Effect.as(Deferred.await(done), ended)
    })
  return { ...gateway, shadows }
})

const question = (content = "Hello?") => ({ model: "assistant", messages: [{ role: "user" as const, content }] })

describe("a route with a shadow", { timeout: 30_000 }, () => {
  it.live("answers the openai SDK, and sends every request to the shadow too, long ones whole", () =>
    Effect.gen(function* () {
      const { client, shadows, upstream } = yield* make()
      const long = "An old song. ".repeat(2000)
      const first = yield* Effect.promise(() => client.chat.completions.create(question(long)))
      const streamed = yield* Effect.promise(async () => {
        const stream = await client.chat.completions.create({ ...question(), stream: true, user: "ada" })
        let text = ""
        for await (const { choices } of stream) text += choices[0]?.delta.content ?? ""
        return text
      })
      assert.strictEqual(first.model, "primary")
      assert.isNotEmpty(streamed)
      const receipts = yield* shadows(2)
      assert.deepStrictEqual(
        receipts.map(({ deployment, outcome, protocol, streaming }) => [deployment, outcome, protocol, streaming]),
        [
          ["backup", "success", "chat-completions", false],
          ["backup", "success", "chat-completions", true],
        ],
      )
      for (const model of ["primary", "backup"]) {
        const [whole, stream] = [yield* upstream.received(model, 1), yield* upstream.received(model, 2)]
        const { messages } = whole.body as { readonly messages: ReadonlyArray<{ readonly content: string }> }
        assert.strictEqual(messages[0]?.content, long)
        assert.deepInclude(stream.body, { stream: true, user: "ada", model })
      }
    }),
  )

  it.live("answers the Anthropic SDK, whose shadow speaks another protocol", () =>
    Effect.gen(function* () {
      const { anthropic, shadows, upstream } = yield* make({ vendor: "anthropic", backup: "gemini" })
      const message = yield* Effect.promise(() =>
        anthropic.messages.create({ ...question(), max_tokens: 64, metadata: { user_id: "ada" } }),
      )
      assert.strictEqual(message.stop_reason, "end_turn")
      const [shadow] = yield* shadows(1)
      assert.deepStrictEqual([shadow?.deployment, shadow?.outcome, shadow?.protocol], ["backup", "success", "messages"])
      assert.deepStrictEqual([yield* upstream.attempts("primary"), yield* upstream.attempts("backup")], [1, 1])
    }),
  )

  it.live("answers while the shadow says nothing, and when it fails", () =>
    Effect.gen(function* () {
      const { client, shadows, upstream } = yield* make()
      yield* upstream.script("backup", [Behavior.silent, Behavior.refuse("server-error")])
      for (let call = 0; call < 2; call++) yield* Effect.promise(() => client.chat.completions.create(question()))
      const silent = yield* upstream.received("backup", 1)
      const [shadow] = yield* shadows(1)
      assert.deepStrictEqual([shadow?.outcome, shadow?.attempts[0]?.reason], ["failure", "ServerError"])
      // Nothing was ever sent for the first one, and it waits on.
      assert.isUndefined(silent.ended)
    }),
  )

  it.live("goes on when the client disconnects", () =>
    Effect.gen(function* () {
      const { client, shadows, upstream } = yield* make()
      yield* upstream.script("primary", [Behavior.silent])
      yield* upstream.script("backup", [Behavior.answer({ delay: 100 })])
      const abort = new AbortController()
      const call = client.chat.completions.create(question(), { signal: abort.signal }).catch(() => "aborted")
      const request = yield* upstream.received("primary")
      yield* upstream.received("backup")
      abort.abort()
      assert.strictEqual(yield* Effect.promise(() => call), "aborted")
      yield* upstream.closed(request)
      const [shadow] = yield* shadows(1)
      assert.deepStrictEqual([shadow?.deployment, shadow?.outcome], ["backup", "success"])
      yield* upstream.idle
    }),
  )

  it.live("takes nothing of the limits of a key", () =>
    Effect.gen(function* () {
      const { shadows, url } = yield* make({
        keys: [{ id: "one", key: Redacted.make("sk-one"), limits: { rpm: 2, concurrency: 1 } }],
      })
      const client = TestGateway.clientOf(url, "sk-one")
      for (let call = 0; call < 2; call++) yield* Effect.promise(() => client.chat.completions.create(question()))
      const limited = yield* Effect.promise(() =>
        client.chat.completions.create(question()).then(
          () => 200,
          (error: { readonly status: number }) => error.status,
        ),
      )
      assert.strictEqual(limited, 429)
      const receipts = yield* shadows(2)
      assert.deepStrictEqual(
        receipts.map(({ caller }) => caller),
        [undefined, undefined],
      )
    }),
  )

  it.live("ends the shadow calls that run at shutdown, and waits for none", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { client, upstream } = yield* Scope.provide(make({ drain: { timeout: Duration.hours(1) } }), scope)
      yield* upstream.script("backup", [Behavior.silent])
      yield* Effect.promise(() => client.chat.completions.create(question()))
      const request = yield* upstream.received("backup")
      yield* Effect.forkScoped(Scope.close(scope, Exit.void))
      assert.strictEqual(yield* upstream.closed(request), "left")
    }),
  )
})

describe("a route with a split", { timeout: 30_000 }, () => {
  it.live("answers a user of any SDK by one arm, which the response names", () =>
    Effect.gen(function* () {
      const split = Route.split(
        [
          { use: "primary", share: 50 },
          { use: "backup", share: 50 },
        ],
        { by: "user" },
      )
      const { anthropic, client, upstream } = yield* TestGateway.make({ route: split })
      const taken = new Map<string, Set<string | null>>()
      for (let turn = 0; turn < 3; turn++) {
        for (const user of ["user-0", "user-1", "user-2", "user-3", "user-4"]) {
          // Long enough that it is decoded by its outline.
          const body = question(turn === 0 ? "Hello?" : "An old song. ".repeat(1000))
          const headers = yield* Effect.promise(async () => {
            const call =
              turn === 1
                ? anthropic.messages.create({ ...body, max_tokens: 9, metadata: { user_id: user } }).asResponse()
                : client.chat.completions.create({ ...body, user }).asResponse()
            return (await call).headers
          })
          const arm = headers.get("x-understudy-split")
          assert.strictEqual(arm, headers.get("x-understudy-deployment"))
          taken.set(user, (taken.get(user) ?? new Set()).add(arm))
        }
      }
      assert.deepStrictEqual(
        [...taken.values()].map(({ size }) => size),
        [1, 1, 1, 1, 1],
      )
      assert.strictEqual((yield* upstream.attempts("primary")) + (yield* upstream.attempts("backup")), 15)
      assert.isAbove(yield* upstream.attempts("backup"), 0)
    }),
  )
})
