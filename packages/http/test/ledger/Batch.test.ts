/** Calls in a batch: nothing of them is lost in it, and what they have in common has one id everywhere. */
import { assert, describe, it } from "@effect/vitest"
import { Batch, Dictionary } from "../../src/ledger/Batch.ts"
import type { AttemptRow, CallRow, Entry } from "../../src/ledger/Rows.ts"

const attempt: AttemptRow = {
  call_id: "c",
  position: 0,
  deployment: "primary",
  vendor: "openai",
  model: "gpt",
  outcome: "success",
  reason: null,
  status: null,
  millis: 7,
  input_tokens: 11,
  cached_input_tokens: 3,
  cache_write_tokens: 2,
  output_tokens: 5,
  reasoning_tokens: 1,
  cost: 900,
  price_version: "list 7",
  estimated: 1,
}

const call = (changes: Partial<CallRow> = {}): CallRow => ({
  id: "c",
  at: 1_795_900_000_000,
  key_id: "k",
  team_id: "t",
  tags: '["a"]',
  route: "r",
  model: "asked",
  deployment: "primary",
  vendor: "openai",
  served_model: "gpt",
  protocol: "messages",
  streamed: 0,
  outcome: "success",
  reason: null,
  status: null,
  cache: null,
  millis: 9,
  first_token_millis: null,
  attempts: 1,
  attempt_millis: 7,
  price_version: "list 7",
  split: null,
  shadow_of: null,
  input_tokens: 11,
  cached_input_tokens: 3,
  cache_write_tokens: 2,
  output_tokens: 5,
  reasoning_tokens: 1,
  cost: 900,
  estimated: 1,
  ...changes,
})

/** Another value of each column that calls have in common. */
const others: { readonly [Column in keyof CallRow]?: CallRow[Column] } = {
  key_id: "",
  team_id: "",
  tags: "[]",
  route: "q",
  model: "other",
  deployment: "backup",
  vendor: "anthropic",
  served_model: "sonnet",
  protocol: "",
  streamed: 1,
  outcome: "failure",
  reason: "overloaded",
  status: 503,
  cache: "miss",
  attempts: 2,
  price_version: null,
  split: "",
  estimated: 0,
}

describe("a batch of calls", () => {
  it("gives its calls as they were added", () => {
    const entries: ReadonlyArray<Entry> = [
      { call: call(), attempts: [attempt] },
      { call: call({ id: "d", shadow_of: "c", first_token_millis: 4 }), attempts: [{ ...attempt, call_id: "d" }] },
      { call: call({ id: "e", cost: null }), attempts: [{ ...attempt, call_id: "e", cost: null }] },
      {
        call: call({
          id: "f",
          attempts: 2,
          attempt_millis: null,
          price_version: null,
          outcome: "failure",
          status: 503,
        }),
        attempts: [attempt, { ...attempt, position: 1, outcome: "failure", status: 503, reason: "overloaded" }],
      },
      { call: call({ id: "g", attempts: 0, attempt_millis: null, cache: "hit" }), attempts: [] },
    ]
    assert.deepStrictEqual(Batch.of(entries).entries, entries)
  })

  it("has a row of dimensions for each combination of values, with the last day of its calls", () => {
    const day = 86_400_000
    const calls = [call(), call({ at: call().at + day }), call({ at: call().at - day }), call({ route: "q" })]
    const rows = Batch.of(calls.map((call) => ({ call, attempts: [attempt] }))).dimensions
    const start = Math.floor(call().at / day) * day
    assert.sameDeepMembers(
      rows.map(({ route, used_at }) => [route, used_at]),
      [
        ["r", start + day],
        ["q", start],
      ],
    )
  })
})

describe("the dimensions of calls", () => {
  it("are one object for equal values, and have one id in every gateway", () => {
    const [one, other] = [new Dictionary(), new Dictionary()]
    const found = one.of(call())
    assert.strictEqual(one.of(call({ id: "d", at: 1, millis: 1, cost: 1, shadow_of: "c" })), found)
    assert.strictEqual(other.of(call()).id, found.id)
    assert.match(found.id, /^\d{1,19}$/)
    assert.isTrue(BigInt(found.id) < 2n ** 63n)
  })

  it("differ with each of their values", () => {
    const dictionary = new Dictionary()
    const calls = [call(), ...Object.entries(others).map(([column, value]) => call({ [column]: value }))]
    const ids = new Set(calls.map((call) => dictionary.of(call).id))
    assert.strictEqual(ids.size, 19)
    assert.deepStrictEqual(new Set(calls.map((call) => dictionary.of(call).id)), ids)
  })

  it("keep their id when there are more of them than are kept", () => {
    const dictionary = new Dictionary()
    const first = dictionary.of(call())
    for (let index = 0; index < 10_001; index++) dictionary.of(call({ tags: `["${index}"]` }))
    const again = dictionary.of(call())
    assert.notStrictEqual(again, first)
    assert.deepStrictEqual(again, first)
  })
})
