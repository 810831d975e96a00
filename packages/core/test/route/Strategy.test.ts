import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import type { Price } from "../../src/model/Cost.ts"
import type { Health } from "../../src/deployment/Health.ts"
import * as Strategy from "../../src/route/Strategy.ts"

interface Named extends Strategy.Member {
  readonly name: string
}

const contender = (
  name: string,
  options: { readonly weight?: number; readonly price?: Price; readonly health?: Partial<Health> } = {},
): Named => ({
  name,
  candidate: {
    deployment: { weight: options.weight, price: options.price },
    health: { inFlight: 0, latency: undefined, firstToken: undefined, ...options.health },
  },
})

interface Situation extends Strategy.SelectionContext {
  readonly turn: number
}

/** All members in the order in which they are tried. */
const order = (
  strategy: Strategy.Strategy,
  members: ReadonlyArray<Named>,
  { turn, ...context }: Situation,
): ReadonlyArray<Named> => {
  if (members.length === 0) return []
  const index = Strategy.next(strategy, members, turn, context)
  return [members[index]!, ...order(strategy, members.toSpliced(index, 1), { turn: index, ...context })]
}

const names = (strategy: Strategy.Strategy, contenders: ReadonlyArray<Named>, situation: Partial<Situation> = {}) =>
  order(strategy, contenders, { streaming: false, turn: 0, random: () => 0, ...situation })
    .map(({ name }) => name)
    .join("")

const abc = [contender("a"), contender("b"), contender("c")]

describe("Strategy.next", () => {
  it("keeps the written order for `ordered`", () => {
    assert.strictEqual(names("ordered", abc), "abc")
  })

  it("starts one further each turn for `round-robin`", () => {
    const turns = [0, 1, 2, 3, 3_000_001].map((turn) => names("round-robin", abc, { turn }))
    assert.deepStrictEqual(turns, ["abc", "bca", "cab", "abc", "bca"])
    assert.strictEqual(names("round-robin", [], { turn: 5 }), "")
  })

  it("sorts by latency for `latency`, unknown latencies first", () => {
    const contenders = [
      contender("a", { health: { latency: 300, firstToken: 10 } }),
      contender("b", { health: { latency: 200, firstToken: 30 } }),
      contender("c", { health: { latency: 100 } }),
      contender("d", { health: { latency: 0, firstToken: 20 } }),
    ]
    assert.strictEqual(names("latency", contenders), "dcba")
    assert.strictEqual(names("latency", contenders, { streaming: true }), "cadb", "by the first token, for a stream")
    assert.strictEqual(names("latency", abc), "abc", "ties stay as written")
  })

  it("sorts by calls in flight per weight for `least-busy`", () => {
    const contenders = [
      contender("a", { health: { inFlight: 2 } }),
      contender("b", { health: { inFlight: 3 }, weight: 3 }),
      contender("c", { health: { inFlight: 0 } }),
      contender("d", { health: { inFlight: 2 } }),
    ]
    assert.strictEqual(names("least-busy", contenders), "cbad")
  })

  it("sorts by price for `cost`, unknown prices last", () => {
    const contenders = [
      contender("a"),
      contender("b", { price: { input: 3, output: 15 } }),
      contender("c", { price: { input: 0, output: 0 } }),
      contender("d", { price: { input: 10, output: 5 } }),
      contender("e"),
    ]
    assert.strictEqual(names("cost", contenders), "cdbae")
  })

  it("draws without replacement in proportion to the remaining weights for `shuffle`", () => {
    const contenders = [contender("a", { weight: 1 }), contender("b", { weight: 2 }), contender("c", { weight: 1 })]
    const drawing = (...draws: ReadonlyArray<number>) => {
      let at = 0
      return names("shuffle", contenders, { random: () => draws[at++] ?? 0 })
    }
    assert.strictEqual(drawing(0, 0), "abc")
    assert.strictEqual(drawing(0.25, 0.5), "bca")
    assert.strictEqual(drawing(0.7499, 0), "bac")
    assert.strictEqual(drawing(0.75, 0.34), "cba")
    assert.strictEqual(drawing(0.9999, 0.3333), "cab")
    assert.strictEqual(drawing(1, 1, 1), "cba", "even for a draw that should not be")
  })

  it("draws each deployment first in proportion to its weight", () => {
    const contenders = [contender("a", { weight: 1 }), contender("b", { weight: 3 })]
    const firsts = Array.from({ length: 1000 }, (_, at) => names("shuffle", contenders, { random: () => at / 1000 })[0])
    assert.strictEqual(firsts.filter((name) => name === "b").length, 750)
  })

  it.prop(
    "loses nobody and invents nobody, and leaves what it was given as it was",
    {
      strategy: Schema.Literals(Strategy.strategies),
      made: Schema.Array(
        Schema.Struct({
          weight: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 })),
          inFlight: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 })),
          latency: Schema.UndefinedOr(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 50 }))),
          price: Schema.UndefinedOr(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 }))),
        }),
      ).check(Schema.isMaxLength(8)),
      turn: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100 })),
      streaming: Schema.Boolean,
      chance: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 0.999 })),
    },
    ({ chance, made, strategy, streaming, turn }) => {
      const contenders = made.map(({ inFlight, latency, price, weight }, at) =>
        contender(String(at), {
          weight,
          health: { inFlight, latency, firstToken: latency },
          ...(price === undefined ? undefined : { price: { input: price, output: price } }),
        }),
      )
      const before = [...contenders]
      const tried = order(strategy, contenders, { streaming, turn, random: () => chance })
      assert.deepStrictEqual(contenders, before)
      assert.deepStrictEqual(
        tried.toSorted((a, b) => Number(a.name) - Number(b.name)),
        contenders,
      )
    },
  )

  it("handles every strategy", () => {
    assert.deepStrictEqual(
      Strategy.strategies.map((strategy) => names(strategy, abc)),
      Array.from(Strategy.strategies, () => "abc"),
    )
  })
})
