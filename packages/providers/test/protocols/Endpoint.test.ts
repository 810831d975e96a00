/**
 * Values issued by one endpoint return to it unchanged, and to no other, through clients of every protocol, complete
 * and streamed. Parameters outside a vendor's limits are adapted to it.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Provider } from "@understudy/core/Provider"
import * as Effect from "effect/Effect"
import { collect } from "../Asking.ts"
import type { Client } from "./Clients.ts"
import { answered, clients, request, streamed } from "./Clients.ts"
import type { Kind } from "./Vendors.ts"
import * as Vendors from "./Vendors.ts"

type Body = Record<string, unknown>

/** The response to this request. */
const ask = (client: Client, provider: Provider["Service"], body: Body, streams: boolean) => {
  const asked = request(client, body, provider.protocol === "converse" ? "anthropic.claude-sonnet-4-5" : "m")
  if (!streams) return Effect.map(provider.chat(asked), (response) => answered(client, asked, response))
  return Effect.flatMap(collect(provider.stream(asked)), ({ error, frames }) =>
    error === undefined ? Effect.succeed(streamed(client, asked, frames)) : Effect.fail(error),
  )
}

const seal = "c2lnbmVk+/=="
/** A signature in Anthropic's form, which is recognised without a tag. */
const anthropics = `EqQB${"Cgk".repeat(60)}IYAhg=`

const ids = ["call_1", `chatcmpl-tool-${"x".repeat(40)}`, `toolu_${"y".repeat(120)}`, "functions.look:0", "abcDEF123"]

/** Whether a string of the body, at any depth, equals this. */
const has = (body: string | undefined, text: string): boolean => body?.includes(JSON.stringify(text)) === true

describe("a value issued by an endpoint", () => {
  for (const kind of Vendors.kinds) {
    it.live(`is returned to ${kind} unchanged`, () =>
      Effect.gen(function* () {
        for (const id of ids) {
          const { asked, provider } = yield* Vendors.make(kind, { seal, id })
          for (const client of clients) {
            for (const streams of [false, true]) {
              const first = client.first("look")
              const answer = yield* ask(client, provider, first, streams)
              yield* ask(client, provider, client.next(first, answer), streams)
              const how = `${id} to ${client.dialect.protocol}${streams ? ", streamed" : ""}`
              assert.isTrue(has(asked.at(-1), id), how)
              assert.strictEqual(asked.at(-1)?.split(JSON.stringify(id)).length, 3, how)
              if (kind !== "mistral") assert.isTrue(has(asked.at(-1), seal), how)
            }
          }
        }
      }).pipe(Effect.scoped),
    )

    it.live(`is returned to ${kind} unchanged, even with another gateway's tag`, () =>
      Effect.gen(function* () {
        // Neither is a gateway: its values are its own.
        if (kind === "mistral" || kind === "bedrock") return
        const marked = "understudy.google@h1a2b3c4d.c2lnbmVk"
        for (const given of [marked, Buffer.from(marked).toString("base64")]) {
          const { asked, provider } = yield* Vendors.make(kind, { seal: given, id: "call_1" })
          for (const client of clients) {
            for (const streams of [false, true]) {
              const first = client.first("look")
              const answer = yield* ask(client, provider, first, streams)
              yield* ask(client, provider, client.next(first, answer), streams)
              assert.isTrue(has(asked.at(-1), given), `${given} to ${client.dialect.protocol}`)
            }
          }
        }
      }).pipe(Effect.scoped),
    )

    it.live(`of ${kind} is not sent to another endpoint`, () =>
      Effect.gen(function* () {
        const id = `call_${"z".repeat(90)}`
        const given = kind === "bedrock" ? anthropics : seal
        const { provider } = yield* Vendors.make(kind, { seal: given, id })
        for (const other of Vendors.kinds) {
          // Bedrock's values are Anthropic's, in every region.
          if (kind === "bedrock" && other === kind) continue
          const second = yield* Vendors.make(other, { seal: "b3RoZXI=", id: "call_2" })
          for (const client of clients) {
            for (const streams of [false, true]) {
              const first = client.first("look")
              const answer = yield* ask(client, provider, first, streams)
              yield* ask(client, second.provider, client.next(first, answer), streams)
              const how = `to ${other} by ${client.dialect.protocol}${streams ? ", streamed" : ""}`
              const told = second.asked.at(-1) ?? ""
              assert.notInclude(told, given, how)
              assert.notInclude(told, "understudy.", how)
              assert.notInclude(told, "__by__", how)
              if (other === "bedrock") assert.match(told, /"toolUseId":"[\w-]{1,64}"/, how)
              if (other === "mistral") {
                assert.match(told, /"tool_call_id":"[a-zA-Z0-9]{9}"/, how)
                assert.notInclude(told, id, how)
              }
            }
          }
        }
      }).pipe(Effect.scoped),
    )
  }

  it.live("is distinguished from equal text", () =>
    Effect.gen(function* () {
      const { provider } = yield* Vendors.make("mistral", { seal, id: "look" })
      const [client] = clients
      const answer = yield* ask(client!, provider, client!.first("look"), false)
      const [call] = (answer as { choices: ReadonlyArray<{ message: { tool_calls: ReadonlyArray<Body> } }> })
        .choices[0]!.message.tool_calls
      assert.match(String(call?.["id"]), /^look__by__/)
      assert.propertyVal(call?.["function"], "name", "look")
    }).pipe(Effect.scoped),
  )

  it.live("is returned to its endpoint after another endpoint has responded", () =>
    Effect.gen(function* () {
      const ours = yield* Vendors.make("messages", { seal, id: "toolu_1" })
      const theirs = yield* Vendors.make("messages", { seal: "dGhlaXJz", id: "toolu_2" })
      for (const client of clients) {
        const first = client.first("look")
        const second = client.next(first, yield* ask(client, ours.provider, first, false))
        const third = client.next(second, yield* ask(client, theirs.provider, second, true))
        yield* ask(client, ours.provider, third, false)
        yield* ask(client, theirs.provider, third, false)
        assert.isTrue(has(ours.asked.at(-1), seal), client.dialect.protocol)
        assert.notInclude(ours.asked.at(-1) ?? "", "dGhlaXJz")
        assert.isTrue(has(theirs.asked.at(-1), "dGhlaXJz"), client.dialect.protocol)
        assert.notInclude(theirs.asked.at(-1) ?? "", seal)
      }
    }).pipe(Effect.scoped),
  )
})

describe("encrypted reasoning that the vendor rejects", () => {
  const words: ReadonlyArray<readonly [Kind, string]> = [
    ["messages", "messages.1.content.0: Invalid `signature` in `thinking` block"],
    ["messages", "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`."],
    ["chat-google", "Thought signature is not valid."],
    ["chat-blocks", "litellm.BadRequestError: AnthropicException - Invalid `signature` in `thinking` block"],
    ["responses", "The encrypted content gAAA... could not be verified."],
    ["gemini", "Corrupted thought signature."],
  ]
  for (const [kind, refusal] of words) {
    it.live(`is left out, and the request is sent again: ${refusal}`, () =>
      Effect.gen(function* () {
        const { asked, provider } = yield* Vendors.make(kind, { seal, id: "call_1" }, (body) =>
          has(body, seal) ? refusal : undefined,
        )
        for (const client of clients) {
          for (const streams of [false, true]) {
            const first = client.first("look")
            const answer = yield* ask(client, provider, first, streams)
            const before = asked.length
            yield* ask(client, provider, client.next(first, answer), streams)
            assert.strictEqual(asked.length - before, 2, client.dialect.protocol)
            assert.notInclude(asked.at(-1) ?? "", seal)
            assert.include(asked.at(-1) ?? "", "A wall")
          }
        }
      }).pipe(Effect.scoped),
    )
  }

  it.live("fails the call if the second request fails; a request without reasoning is not sent again", () =>
    Effect.gen(function* () {
      const { asked, provider } = yield* Vendors.make("messages", { seal, id: "call_1" }, (body) =>
        body.includes("thinking") ? "messages.1.content.0: Invalid `signature` in `thinking` block" : undefined,
      )
      const [, client] = clients
      const first = client!.first("look")
      const answer = yield* ask(client!, provider, first, false)
      const response = yield* provider.chat(request(client!, client!.next(first, answer)))
      assert.deepStrictEqual(response.droppedParams, [
        "reasoning of earlier responses, whose signatures the vendor rejects",
      ])
      const before = asked.length
      const error = yield* Effect.flip(provider.chat(request(client!, { ...first, system: "thinking" })))
      assert.strictEqual(error.reason._tag, "InvalidRequest")
      assert.strictEqual(asked.length - before, 1)
    }).pipe(Effect.scoped),
  )
})

describe("a tool name", () => {
  const names: ReadonlyArray<string> = ["fs.read", "mcp:files/read", "x".repeat(128), "größe", "1st"]
  const fits: Record<Kind, RegExp> = {
    bedrock: /^[\w-]{1,64}$/,
    messages: /^[\w-]{1,128}$/,
    "chat-google": /^[\w-]{1,64}$/,
    "chat-litellm": /^[\w-]{1,64}$/,
    "chat-blocks": /^[\w-]{1,64}$/,
    "chat-details": /^[\w-]{1,64}$/,
    mistral: /^[\w-]{1,64}$/,
    responses: /^[\w-]{1,64}$/,
    gemini: /^[a-zA-Z_][\w.:-]{0,63}$/,
  }

  for (const kind of Vendors.kinds) {
    it.live(`fits ${kind}, and is the client's own in the response`, () =>
      Effect.gen(function* () {
        const { asked, provider } = yield* Vendors.make(kind, { seal, id: "call_1" })
        for (const client of clients) {
          for (const name of names) {
            for (const streams of [false, true]) {
              const how = `${name} of ${client.dialect.protocol}${streams ? ", streamed" : ""}`
              const first = client.first(name)
              const answer = yield* ask(client, provider, first, streams)
              const calls = JSON.stringify(answer).match(new RegExp(`"name":${JSON.stringify(name)}`, "g"))
              assert.isNotNull(calls, how)
              yield* ask(client, provider, client.next(first, answer), streams)
              const told = [...(asked.at(-1) ?? "").matchAll(/"name":"([^"]*)"/g)]
                .map(([, told]) => told ?? "")
                .filter((told) => told !== "look")
              assert.isAtLeast(told.length, 3, how)
              assert.lengthOf(new Set(told), 1, how)
              assert.match(told[0] ?? "", fits[kind], how)
            }
          }
        }
      }).pipe(Effect.scoped),
    )
  }
})
