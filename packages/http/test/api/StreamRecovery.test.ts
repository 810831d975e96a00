/** Streams that break after their first word, through the real `openai` client, under each `protect`. */
import { assert, describe, it } from "@effect/vitest"
import * as Route from "@understudy/core/Route"
import type { Protect, StreamPolicy } from "@understudy/core/Policies"
import * as Behavior from "@understudy/providers/testing/Behavior"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestGateway from "../TestGateway.ts"

const ask = { model: "assistant", messages: [{ role: "user" as const, content: "Tell me a story." }] }

const text = `Once upon a time ${"there was a lamp, and beside the lamp a keeper, and ".repeat(8)}they were not lonely.`
const another = "In a hole in the ground there lived somebody else."

const faults: Readonly<Record<string, Behavior.Behavior>> = {
  "cut-2": Behavior.cut(2, { text }),
  "cut-2-reset": Behavior.cut(2, { text, how: "reset" }),
  "cut-20": Behavior.cut(20, { text }),
  "stall-2": Behavior.stall(2, { text }),
  "stall-2-pings": Behavior.stall(2, { text, pings: true }),
  "error-event-after-2": Behavior.errorEvent(2, "overloaded", { text }),
  "eof-no-finish": Behavior.noFinish({ text }),
}

const serve = Effect.fnUntraced(function* (
  stream: Partial<StreamPolicy>,
  { idle = "1 minute", prefilling = false }: { readonly idle?: Duration.Input; readonly prefilling?: boolean } = {},
) {
  return yield* TestGateway.make({
    prefilling,
    route: Route.fallback("primary", "backup").pipe(
      Route.retry({ times: 0 }),
      Route.timeout({ idle }),
      Route.stream(stream),
    ),
  })
})

/** A streamed call as its client sees it. */
const read = ({ client }: Effect.Success<ReturnType<typeof serve>>) =>
  Effect.promise(async () => {
    const { data, response } = await client.chat.completions
      .create({ ...ask, stream: true, stream_options: { include_usage: true } })
      .withResponse()
    const seen = { text: "", ids: new Set<string>(), roles: 0, finishes: [] as Array<string>, usages: 0 }
    const done = (error: unknown) => ({ ...seen, error, headers: response.headers })
    try {
      for await (const { choices, id, usage } of data) {
        const [choice] = choices
        seen.ids.add(id)
        seen.text += choice?.delta.content ?? ""
        if (choice?.delta.role !== undefined) seen.roles++
        if (choice?.finish_reason) seen.finishes.push(choice.finish_reason)
        if (usage) seen.usages++
      }
      return done(undefined)
    } catch (error) {
      return done(error)
    }
  })

const broken: Record<Protect, boolean> = { preamble: true, continue: false, full: false }

for (const protect of ["preamble", "continue", "full"] as const) {
  describe(`protect: ${protect}`, () => {
    for (const [name, fault] of Object.entries(faults)) {
      it.live(`${broken[protect] ? "ends in an error" : "is whole"} after ${name}`, () =>
        Effect.gen(function* () {
          const gateway = yield* serve({ protect }, { idle: name.startsWith("stall") ? "80 millis" : "1 minute" })
          yield* gateway.upstream.script("primary", [fault])
          yield* gateway.upstream.script("backup", [Behavior.answer({ text })])
          const seen = yield* read(gateway)
          assert.strictEqual(yield* gateway.upstream.attempts("primary"), 1)
          assert.strictEqual(yield* gateway.upstream.attempts("backup"), broken[protect] ? 0 : 1)
          if (broken[protect]) {
            assert.match(String(seen.error), /broke off: primary/)
            assert.deepStrictEqual(seen.finishes, [])
          } else {
            assert.strictEqual(seen.error, undefined)
            assert.strictEqual(seen.text, text)
            assert.deepStrictEqual(seen.finishes, ["stop"])
            assert.strictEqual(seen.usages, 1)
          }
          assert.strictEqual(seen.ids.size, 1)
          assert.strictEqual(seen.roles, 1)
          yield* gateway.upstream.idle
        }),
      )
    }
  })
}

describe("protect: continue", () => {
  it.live("ends in an error, without [DONE], when the continuation does not match", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* serve({ protect: "continue" })
      yield* upstream.script("primary", [Behavior.cut(2, { text })])
      yield* upstream.script("backup", [Behavior.answer({ text: another })])
      const answer = yield* Effect.promise(() => TestGateway.post(url, JSON.stringify({ ...ask, stream: true })))
      assert.notInclude(answer.text, "[DONE]")
      assert.notInclude(answer.text, "hole")
      const { error } = JSON.parse(answer.text.split("\n\n").at(-2)?.slice("data: ".length) ?? "")
      assert.strictEqual(error.code, "stream_broken")
      assert.deepStrictEqual(
        error.attempts.map((attempt: Record<string, unknown>) => attempt["reason"]),
        ["network", "unsupported"],
      )
    }),
  )

  it.live("sends the delivered text and the part to repeat to the other deployment", () =>
    Effect.gen(function* () {
      const gateway = yield* serve({ protect: "continue" })
      yield* gateway.upstream.script("primary", [Behavior.cut(2, { text })])
      yield* gateway.upstream.script("backup", [Behavior.answer({ text })])
      const { headers } = yield* read(gateway)
      assert.strictEqual(headers.get("x-understudy-deployment"), "primary")
      assert.strictEqual(headers.get("x-understudy-attempts"), "1")
      const { body } = yield* gateway.upstream.received("backup")
      const { messages } = body as { readonly messages: ReadonlyArray<{ role: string; content: string }> }
      assert.deepStrictEqual(
        messages.map(({ role }) => role),
        ["user", "assistant", "user"],
      )
      assert.isTrue(text.startsWith(messages[1]?.content ?? "#"))
      assert.include(messages[2]?.content, `<<<${messages[1]?.content}>>>`)
    }),
  )
})

describe("protect: continue, with a backup of another protocol", () => {
  it.live("resumes from a prefill as one response of the first deployment", () =>
    Effect.gen(function* () {
      const gateway = yield* serve({ protect: "continue" }, { prefilling: true })
      yield* gateway.upstream.script("primary", [Behavior.cut(2, { text })])
      yield* gateway.upstream.script("backup", [Behavior.answer({ text: " and so it ends." })])
      const seen = yield* read(gateway)
      const { body } = yield* gateway.upstream.received("backup")
      const { messages } = body as { readonly messages: ReadonlyArray<{ role: string; content: unknown }> }
      assert.strictEqual(messages.at(-1)?.role, "assistant")
      assert.strictEqual(seen.error, undefined)
      assert.match(seen.text, /^Once upon.* and so it ends\.$/)
      assert.deepStrictEqual(seen.finishes, ["stop"])
      assert.deepStrictEqual([seen.ids.size, seen.roles, seen.usages], [1, 1, 1])
      yield* gateway.upstream.idle
    }),
  )
})

describe("protect: full", () => {
  it.live("returns the response of one deployment only, though another had started", () =>
    Effect.gen(function* () {
      const gateway = yield* serve({ protect: "full" })
      yield* gateway.upstream.script("primary", [Behavior.cut(2, { text })])
      yield* gateway.upstream.script("backup", [Behavior.answer({ text: another })])
      const seen = yield* read(gateway)
      assert.strictEqual(seen.text, another)
      assert.strictEqual(seen.headers.get("x-understudy-deployment"), null)
    }),
  )

  it.live("returns an error status when no deployment sends output", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* serve({ protect: "full" })
      yield* upstream.script("primary", "503")
      yield* upstream.script("backup", "error-event-first")
      const { status } = yield* Effect.promise(() => TestGateway.post(url, JSON.stringify({ ...ask, stream: true })))
      assert.strictEqual(status, 503)
    }),
  )

  it.live("closes the upstream of a client that disconnects", () =>
    Effect.gen(function* () {
      const { client, upstream } = yield* serve({ protect: "full" })
      yield* upstream.script("primary", [Behavior.stall(2, { text })])
      const stream = yield* Effect.promise(() => client.chat.completions.create({ ...ask, stream: true }))
      const request = yield* upstream.received("primary")
      stream.controller.abort()
      assert.strictEqual(yield* upstream.closed(request), "left")
      yield* upstream.idle
    }),
  )
})
