/**
 * How much a body may hold: refused in the caller's dialect, by the name of the limit, before anything is decoded or sent.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestGateway from "../TestGateway.ts"

/** Each limit so low that a small body exceeds it, and nothing else. */
const low = { fields: 6, nesting: 8, values: 60, distinctFields: 40, messages: 2, parts: 3, tools: 2, inputs: 3 }

const user = (content: unknown = "hi") => ({ role: "user", content })
const text = (type: string) => ({ type, text: "a" })
const turn = { role: "user", parts: [{ text: "a" }] }
const many = <A>(count: number, value: A): ReadonlyArray<A> => Array.from({ length: count }, () => value)

const named = { model: "assistant" }
const messages = { ...named, max_tokens: 9 }
const gemini = "/v1beta/models/assistant"

const cases: ReadonlyArray<readonly [path: string, limit: keyof typeof low, body: object]> = [
  ["/v1/chat/completions", "messages", { ...named, messages: many(3, user()) }],
  ["/v1/chat/completions", "parts", { ...named, messages: [user(many(2, text("text"))), user(many(2, text("text")))] }],
  ["/v1/chat/completions", "tools", { ...named, messages: [user()], tools: many(3, {}) }],
  ["/v1/responses", "messages", { ...named, input: many(3, user()) }],
  ["/v1/responses", "parts", { ...named, input: [user(many(4, text("input_text")))] }],
  ["/v1/responses", "tools", { ...named, input: "a", tools: [{ type: "namespace", tools: many(2, {}) }] }],
  ["/v1/responses/input_tokens", "messages", { ...named, input: many(3, user()) }],
  ["/v1/messages", "messages", { ...messages, messages: many(3, user()) }],
  ["/v1/messages", "parts", { ...messages, system: many(2, text("text")), messages: [user(many(2, text("text")))] }],
  [
    "/v1/messages",
    "parts",
    { ...messages, messages: [user([{ type: "tool_result", content: many(3, text("text")) }])] },
  ],
  ["/v1/messages", "tools", { ...messages, messages: [user()], tools: many(3, {}) }],
  ["/v1/messages/count_tokens", "messages", { ...named, messages: many(3, user()) }],
  [`${gemini}:generateContent`, "messages", { contents: many(3, turn) }],
  [`${gemini}:streamGenerateContent?alt=sse`, "parts", { contents: [{ parts: many(4, { text: "a" }) }] }],
  [`${gemini}:generateContent`, "tools", { contents: [turn], tools: [{ functionDeclarations: many(2, {}) }] }],
  [`${gemini}:countTokens`, "messages", { generateContentRequest: { contents: many(3, turn) } }],
  [`${gemini}:batchEmbedContents`, "inputs", { requests: many(4, { content: { parts: [{ text: "a" }] } }) }],
  ["/v1/embeddings", "inputs", { ...named, input: many(4, "a") }],
  ["/v1/embeddings", "inputs", { ...named, input: many(4, [1]) }],
  ["/v1/route/explain", "messages", { ...named, messages: many(3, user()) }],
  ["/v1/route/explain?protocol=embeddings", "inputs", { ...named, input: many(4, "a") }],
  ["/v1/route/explain?protocol=gemini&model=assistant", "tools", { contents: [turn], tools: many(3, {}) }],
]

const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)])

/** What any body may be refused for, whatever its protocol. */
const structures: ReadonlyArray<readonly [limit: keyof typeof low, fields: object]> = [
  ["fields", Object.fromEntries(many(7, 1).map((value, index) => [`field${index}`, value]))],
  ["values", { other: many(60, 1) }],
  ["nesting", { other: nested(8) }],
  ["distinctFields", { other: Object.fromEntries(many(41, 1).map((value, index) => [`field${index}`, value])) }],
]

const minimal: Readonly<Record<string, object>> = {
  "/v1/chat/completions": { ...named, messages: [user()] },
  "/v1/responses": { ...named, input: "hi" },
  "/v1/messages": { ...messages, messages: [user()] },
  "/v1/messages/count_tokens": { ...named, messages: [user()] },
  [`${gemini}:generateContent`]: { contents: [turn] },
  [`${gemini}:countTokens`]: { contents: [turn] },
  "/v1/embeddings": { ...named, input: "hi" },
  "/api/generate": { prompt: "hi" },
  "/v1/route/explain": { ...named, messages: [user()] },
}

const post = (url: string, path: string, body: string): Promise<readonly [status: number, body: unknown]> =>
  fetch(`${url}${path}`, { method: "POST", body, headers: { "content-type": "application/json" } }).then(
    async (answer) => [answer.status, await answer.json()] as const,
  )

describe("BodyLimits", () => {
  it.live("rejects a body over a limit, naming the limit, in each protocol", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make({ limits: { ...low, values: 1000, distinctFields: 1000 } })
      for (const [path, limit, body] of cases) {
        const [status, told] = yield* Effect.promise(() => post(url, path, JSON.stringify(body)))
        const text = JSON.stringify(told)
        assert.strictEqual(status, 413, `${path} ${limit}: ${text}`)
        assert.include(
          text,
          `more than ${low[limit]} ${limit}, the limit of this gateway (server.limits.${limit})`,
          path,
        )
      }
      assert.strictEqual((yield* upstream.requests).length, 0)
    }),
  )

  it.live("rejects a body over a structural limit before it is decoded", () =>
    Effect.gen(function* () {
      const { upstream, url } = yield* TestGateway.make({ limits: low })
      for (const [path, body] of Object.entries(minimal)) {
        for (const [limit, fields] of structures) {
          // What is not JSON after all shows that nothing was parsed.
          const text = JSON.stringify({ ...body, ...fields }).slice(0, -1)
          const [status, told] = yield* Effect.promise(() => post(url, path, `${text}, nonsense`))
          assert.strictEqual(status, limit === "nesting" ? 400 : 413, `${path} ${limit}: ${JSON.stringify(told)}`)
          assert.include(JSON.stringify(told), `(server.limits.${limit})`, path)
        }
      }
      assert.strictEqual((yield* upstream.requests).length, 0)
    }),
  )

  it.live("accepts a body at its limits", () =>
    Effect.gen(function* () {
      const { client, url } = yield* TestGateway.make({ limits: low })
      const content = [text("text"), text("text")] as never
      const answer = yield* Effect.promise(() =>
        client.chat.completions.create({ model: "assistant", messages: [user(content), user()] as never }),
      )
      assert.isNotEmpty(answer.choices[0]?.message.content)
      // Tokens are one input, however many.
      const [status] = yield* Effect.promise(() =>
        post(url, "/v1/route/explain?protocol=embeddings", JSON.stringify({ ...named, input: many(20, 1) })),
      )
      assert.strictEqual(status, 200)
    }),
  )
})
