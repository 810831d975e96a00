/**
 * What only Chat Completions can say, through the `openai` SDK, answered by a vendor that cannot: the primary is down.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Behavior from "@understudy/providers/testing/Behavior"
import * as Effect from "effect/Effect"
import * as TestGateway from "../TestGateway.ts"

const backups = ["openai", "anthropic", "bedrock"] as const

const fallen = (backup: (typeof backups)[number]) =>
  Effect.gen(function* () {
    const gateway = yield* TestGateway.make({ backup })
    yield* gateway.upstream.script("primary", "503")
    return gateway
  })

const patch = "*** Begin Patch\n+ “quoted”\n*** End Patch"

describe("a tool of free text", () => {
  for (const backup of ["anthropic", "bedrock"] as const) {
    it.live(`is called with text, whole and in pieces, by ${backup}`, () =>
      Effect.gen(function* () {
        const { client, upstream } = yield* fallen(backup)
        const written = Behavior.answer({ arguments: JSON.stringify({ input: patch }) })
        yield* upstream.script("backup", [written, written])
        const asking = {
          model: "assistant",
          messages: [{ role: "user" as const, content: "Patch it" }],
          tools: [{ type: "custom" as const, custom: { name: "apply_patch" } }],
        }
        const whole = yield* Effect.promise(() => client.chat.completions.create(asking))
        assert.strictEqual(whole.choices[0]?.finish_reason, "tool_calls")
        const [call] = whole.choices[0]?.message.tool_calls ?? []
        assert.deepInclude(call, { type: "custom", custom: { name: "apply_patch", input: patch } })

        yield* upstream.script("primary", "503")
        const deltas = yield* Effect.promise(async () => {
          const all: Array<{ readonly type?: string; readonly custom?: { readonly input?: string } }> = []
          for await (const { choices } of await client.chat.completions.create({ ...asking, stream: true })) {
            all.push(...((choices[0]?.delta.tool_calls ?? []) as typeof all))
          }
          return all
        })
        assert.strictEqual(deltas[0]?.type, "custom")
        assert.strictEqual(deltas.map(({ custom }) => custom?.input ?? "").join(""), patch)
        assert.isAbove(deltas.length, 2)

        yield* upstream.script("backup", "ok")
        const told = yield* Effect.promise(() =>
          client.chat.completions.create({
            ...asking,
            messages: [
              ...asking.messages,
              { role: "assistant", tool_calls: whole.choices[0]?.message.tool_calls ?? [] },
              { role: "tool", tool_call_id: call?.id ?? "", content: "Done" },
            ],
          }),
        )
        assert.strictEqual(told.choices[0]?.finish_reason, "stop")
        const { body } = (yield* upstream.requests).at(-1) ?? {}
        assert.include(JSON.stringify(body), `"input":${JSON.stringify({ input: patch })}`)
      }).pipe(Effect.scoped),
    )
  }
})

describe("an older client", () => {
  for (const backup of backups) {
    it.live(`is answered by ${backup} in its own words`, () =>
      Effect.gen(function* () {
        const { client, upstream } = yield* fallen(backup)
        const asking = {
          model: "assistant",
          messages: [{ role: "user" as const, content: "What is the weather in Rome?" }],
          functions: [{ name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } }],
        }
        // A server of this very protocol gets and gives the client's own words: it must know them.
        if (backup === "openai") {
          yield* Effect.promise(() => client.chat.completions.create(asking))
          assert.deepInclude((yield* upstream.received("backup")).body as object, { functions: asking.functions })
          return
        }
        yield* upstream.script("backup", [Behavior.answer({ arguments: '{"city":"Rome"}' })])
        const { choices } = yield* Effect.promise(() => client.chat.completions.create(asking))
        assert.strictEqual(choices[0]?.finish_reason, "function_call")
        assert.deepStrictEqual(choices[0]?.message.function_call, { name: "weather", arguments: '{"city":"Rome"}' })
      }).pipe(Effect.scoped),
    )
  }
})
