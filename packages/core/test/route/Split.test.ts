import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Deployment from "../../src/deployment/Deployment.ts"
import * as Explain from "../../src/inspect/Explain.ts"
import * as Lint from "../../src/inspect/Lint.ts"
import * as Mermaid from "../../src/inspect/Mermaid.ts"
import { Call } from "../../src/model/Call.ts"
import * as Chat from "../../src/model/Chat.ts"
import * as Route from "../../src/route/Route.ts"
import * as Split from "../../src/route/Split.ts"
import * as Router from "../../src/Router.ts"
import * as Testing from "../../src/Testing.ts"

const split = (
  shares: Readonly<Record<string, number>>,
  by: Split.SplitBy = "user",
  route = "assistant",
): Split.Split => ({
  by,
  route,
  arms: Object.entries(shares).map(([use, share]) => ({ use, share })),
})

const callOf = (user: string | undefined, caller?: string) =>
  new Call({ model: "assistant", messages: [Chat.user("Hello?")], user }, false, { caller })

const armOf = (of: Split.Split, call: Call) => of.arms[Split.armOf(of, call)]!.use

const users = Array.from({ length: 20_000 }, (_, index) => `user-${index}`)

/** The arm of each user. */
const arms = (of: Split.Split): ReadonlyArray<string> => users.map((user) => armOf(of, callOf(user)))

/** Pearson's statistic of how far counts are from the shares. With three arms it exceeds 13.8 once in a thousand tries. */
const deviation = (taken: ReadonlyArray<string>, shares: Readonly<Record<string, number>>): number => {
  const sum = Object.values(shares).reduce((sum, share) => sum + share, 0)
  return Object.entries(shares).reduce((total, [use, share]) => {
    const expected = (taken.length * share) / sum
    const found = taken.filter((each) => each === use).length
    return expected === 0 ? total + found * Infinity : total + (found - expected) ** 2 / expected
  }, 0)
}

const Seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 }))
const Share = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 }))

describe("Split.armOf", () => {
  it("gives each arm its share of the users", () => {
    for (const shares of [
      { a: 90, b: 10 },
      { a: 1, b: 1 },
      { a: 50, b: 30, c: 20 },
      { a: 99, b: 1 },
    ]) {
      assert.isBelow(deviation(arms(split(shares)), shares), 20, JSON.stringify(shares))
    }
  })

  it("gives each arm its share of drawn calls", () => {
    const shares = { a: 70, b: 20, c: 10 }
    // A linear congruential generator, so that the test is the same each time.
    let seed = 7
    const taken = users.map(() => {
      const call = callOf(undefined)
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
      call.draw = seed / 2 ** 32
      return armOf(split(shares, "call"), call)
    })
    assert.isBelow(deviation(taken, shares), 20)
  })

  it("does not change: users of running experiments stay where they are", () => {
    const of = split({ control: 50, candidate: 50 })
    assert.deepStrictEqual(
      users.slice(0, 12).filter((user) => armOf(of, callOf(user)) === "candidate"),
      ["user-0", "user-4", "user-8", "user-10"],
    )
    assert.strictEqual(Split.hash("assistant\ncandidate\nuser-1"), 2_510_403_819_138_677)
  })

  it.prop(
    "moves users to the arm whose share is raised, and moves no others",
    {
      seed: Seed,
      shares: Schema.Array(Share).check(Schema.isMinLength(2), Schema.isMaxLength(5)),
      raise: Share,
      which: Seed,
    },
    ({ raise, seed, shares, which }) => {
      const raised = which % shares.length
      const name = (index: number) => `arm-${index}`
      const sharesOf = (extra: number) =>
        Object.fromEntries(shares.map((share, index) => [name(index), share + (index === raised ? extra : 0)]))
      const [before, after] = [split(sharesOf(0)), split(sharesOf(raise))]
      for (let user = 0; user < 50; user++) {
        const call = callOf(`${seed}-${user}`)
        const [was, is] = [armOf(before, call), armOf(after, call)]
        assert.isTrue(was === is || is === name(raised), `${was} to ${is}, though ${name(raised)} was raised`)
      }
    },
    { arbitrary: { runs: 200 } },
  )

  it("moves users of two arms from the one to the other when a canary grows from 10 to 20 %", () => {
    const before = arms(split({ control: 90, candidate: 10 }))
    const after = arms(split({ control: 80, candidate: 20 }))
    const moved = users.flatMap((_, index) => (before[index] === after[index] ? [] : [after[index]]))
    assert.deepStrictEqual([...new Set(moved)], ["candidate"])
    assert.isBelow(Math.abs(moved.length / users.length - 0.1), 0.01)
  })

  it.prop(
    "does not depend on the order of the arms",
    { user: Schema.String, one: Share, other: Share },
    ({ user, one, other }) => {
      const call = callOf(`u${user}`)
      assert.strictEqual(armOf(split({ a: one, b: other, c: 1 }), call), armOf(split({ c: 1, b: other, a: one }), call))
    },
  )

  it("divides the users of another route, and of a nested split, anew", () => {
    const outer = arms(split({ a: 50, b: 50 }))
    for (const other of [split({ a: 50, b: 50 }, "user", "other"), split({ c: 50, d: 50 })]) {
      const taken = arms(other).filter((_, index) => outer[index] === "a")
      assert.isBelow(deviation(taken, Object.fromEntries(other.arms.map(({ share, use }) => [use, share]))), 20)
    }
  })

  it("never takes an arm with share 0", () => {
    assert.notInclude(arms(split({ a: 1, off: 0, b: 1 })), "off")
    assert.notInclude(arms(split({ off: 0, a: 1 })), "off")
  })
})

describe("Split.identityOf", () => {
  const drawn = (call: Call) => {
    call.draw = 0.25
    return call
  }

  it("is the user or the key of the call, by what the split is sticky by", () => {
    const call = drawn(callOf("ada", "mobile"))
    assert.deepStrictEqual(Split.identityOf({ by: "user" }, call), { by: "user", id: "ada" })
    assert.deepStrictEqual(Split.identityOf({ by: "key" }, call), { by: "key", id: "mobile" })
    assert.deepStrictEqual(Split.identityOf({ by: "call" }, call), { by: "call", id: "0.25" })
  })

  it("is the number that is drawn for a call without a user or a key", () => {
    for (const by of Split.splitBy) {
      assert.deepStrictEqual(Split.identityOf({ by }, drawn(callOf(undefined))), { by: "call", id: "0.25" })
    }
    assert.strictEqual(Split.identityOf({ by: "user" }, drawn(callOf("")))?.by, "call")
  })

  it("is missing where no number is drawn: the arm with the largest share stands for all", () => {
    const of = split({ a: 10, b: 70, c: 20 })
    assert.isUndefined(Split.identityOf(of, callOf(undefined)))
    assert.strictEqual(armOf(of, callOf(undefined)), "b")
  })
})

/** A router of its own over deployments that answer with their names; `broken` fails. */
const routerOf = Effect.fnUntraced(function* (route: Route.Route, price: Record<string, number> = {}) {
  const deployment = (name: string) =>
    Deployment.make({
      model: name,
      provider: Testing.script([name === "broken" ? Testing.fail({ _tag: "Authentication" }) : Testing.reply(name)])
        .layer,
      retry: { times: 0 },
      price: { input: price[name] ?? 1, output: price[name] ?? 1 },
    })
  const names = ["control", "candidate", "broken", "last"]
  const built = yield* Layer.build(
    Layer.fresh(
      Router.layer({
        deployments: Object.fromEntries(names.map((name) => [name, deployment(name)])),
        routes: { assistant: route },
      }),
    ),
  )
  return Context.get(built, Router.Router)
})

const ask = (user?: string): Chat.Request => ({ model: "assistant", messages: [Chat.user("Hello?")], user })

const canary = Route.split(
  [
    { use: "control", share: 90 },
    { use: "candidate", share: 10 },
  ],
  { by: "user" },
)

describe("Route.split", () => {
  it.effect("answers a user with one arm, by every router and in streams, and names it in the receipt", () =>
    Effect.gen(function* () {
      const routers = [yield* routerOf(canary), yield* routerOf(canary)]
      for (const user of ["user-1", "user-2", "user-3", "user-4", "user-20", "user-33"]) {
        const arm = armOf(split({ control: 90, candidate: 10 }), callOf(user))
        for (const router of routers) {
          const { receipt } = yield* router.chat(ask(user))
          assert.deepStrictEqual([receipt.split, receipt.deployment], [arm, arm])
          const streamed = yield* Effect.scoped(router.chatStream(ask(user)))
          assert.deepStrictEqual([streamed.receipt.split, streamed.receipt.deployment], [arm, arm])
        }
      }
    }),
  )

  it.effect("draws the arm of a call without a user", () =>
    Effect.gen(function* () {
      const router = yield* routerOf(canary)
      const taken: Array<string | undefined> = []
      for (let call = 0; call < 2000; call++) taken.push((yield* router.chat(ask())).receipt.split)
      assert.isBelow(deviation(taken.map(String), { control: 90, candidate: 10 }), 10.8)
    }).pipe(Random.withSeed("split")),
  )

  it.effect("goes on after the split when the arm fails, and keeps the arm in the receipt", () =>
    Effect.gen(function* () {
      const router = yield* routerOf(
        Route.fallback(
          Route.split([
            { use: "broken", share: 1 },
            { use: "control", share: 0 },
          ]),
          "last",
        ),
      )
      const { receipt } = yield* router.chat(ask())
      assert.deepStrictEqual([receipt.split, receipt.deployment], ["broken", "last"])
      assert.deepStrictEqual(
        receipt.attempts.map(({ deployment }) => deployment),
        ["broken", "last"],
      )
    }),
  )

  it.effect("has no arm in the receipt of a call that did not reach it", () =>
    Effect.gen(function* () {
      const router = yield* routerOf(Route.fallback("last", canary))
      assert.isUndefined((yield* router.chat(ask("ada"))).receipt.split)
    }),
  )

  it.effect("names the arms of splits within each other by a path", () =>
    Effect.gen(function* () {
      const inner = Route.split([
        { use: "candidate", share: 1 },
        { use: "last", share: 0 },
      ])
      const router = yield* routerOf(
        Route.split([
          { use: "control", share: 0 },
          { use: inner, share: 1 },
        ]),
      )
      assert.strictEqual((yield* router.chat(ask())).receipt.split, "candidate+last/candidate")
    }),
  )

  it.effect("keeps the cached responses of arms apart", () =>
    Effect.gen(function* () {
      const even = Route.split(
        [
          { use: "control", share: 1 },
          { use: "candidate", share: 1 },
        ],
        { by: "user" },
      )
      const router = yield* routerOf(even.pipe(Route.cache({ ttl: "1 minute" })))
      const receipts = []
      for (const user of ["user-0", "user-1", "user-0", "user-1"])
        receipts.push((yield* router.chat(ask(user))).receipt)
      assert.deepStrictEqual(
        receipts.map(({ cache, deployment, split }) => [cache, deployment, split]),
        [
          ["miss", "candidate", "candidate"],
          ["miss", "control", "control"],
          ["hit", "candidate", "candidate"],
          ["hit", "control", "control"],
        ],
      )
    }),
  )

  it.effect("is explained with the arm that the call takes, and why", () =>
    Effect.gen(function* () {
      const router = yield* routerOf(Route.fallback(canary, "last"))
      const linesOf = (explanation: Explain.Explanation) =>
        Explain.lines(explanation).filter((line) => /split|^ *\d/.test(line))
      assert.deepStrictEqual(linesOf(yield* router.explain(ask("user-1"))), [
        "  split by user: control 90 % (for this user); not candidate 10 %",
        "    1. control (control): available",
        "  2. last (last): available",
      ])
      assert.include(
        linesOf(yield* router.explain(ask()))[0],
        "split by user: control 90 % (drawn for each call, here the largest share); not candidate 10 %",
      )
    }),
  )

  it.effect("costs at most what its dearest arm does", () =>
    Effect.gen(function* () {
      const router = yield* routerOf(canary, { candidate: 100 })
      const most = (model: string) => router.maxCost({ ...ask(), model })
      assert.strictEqual(most("assistant"), most("candidate"))
      assert.isAbove(most("candidate") ?? 0, most("control") ?? 0)
    }),
  )

  it("is drawn as a fork with the share of each arm", () => {
    const chart = Mermaid.flowchart("assistant", { assistant: canary })
    assert.include(chart, 'subgraph n4["split by user"]')
    assert.include(chart, 'n1{"split"} -- "90 %" --> n2')
    assert.include(chart, 'n1{"split"} -- "10 %" --> n3')
  })

  it("is linted for arms without calls and for a single arm, and its worst case is that of the dearest arm", () => {
    const deployments = {
      control: { model: "a", price: { input: 1, output: 1 } },
      candidate: { model: "b", price: { input: 2, output: 2 }, retry: { times: 0 } },
    }
    const lint = (route: Route.Route) => Lint.lint({ assistant: route }, deployments, { retry: { times: 0 } })
    const warnings = (route: Route.Route) => {
      const linted = lint(route)
      return linted._tag === "Failure"
        ? linted.failure.map(({ message, path }) => `${path}: ${message}`)
        : linted.success.warnings.map(({ message }) => message)
    }
    assert.deepStrictEqual(warnings(canary), [])
    assert.deepStrictEqual(warnings(Route.split([{ use: "control", share: 1 }])), [
      'the split has one arm, "control", which gets all calls',
    ])
    assert.deepStrictEqual(
      warnings(
        Route.split([
          { use: "control", share: 1 },
          { use: "candidate", share: 0 },
        ]),
      ),
      ['the arm "candidate" gets no calls: its share is 0'],
    )
    assert.deepStrictEqual(
      warnings(
        Route.split([
          { use: "control", share: 0 },
          { use: "candidate", share: 0 },
        ]),
      ),
      ["routes.assistant: every arm has share 0: give at least one a higher share"],
    )
    assert.deepStrictEqual(
      warnings(
        Route.split([
          { use: "control", share: -1 },
          { use: "candidate", share: 1 },
        ]),
      ),
      ["routes.assistant[0].share: expected a number, 0 or more, found -1"],
    )
    assert.deepStrictEqual(
      warnings(
        Route.split([
          { use: "control", share: 1 },
          { use: "control", share: 2 },
        ]),
      ),
      [
        'routes.assistant[1]: is the arm "control" again: give each arm a route with a name of its own, or add the shares',
      ],
    )
    assert.deepStrictEqual(
      warnings(
        Route.split([
          { use: "control", share: 1 },
          { use: "candidat", share: 2 },
        ]),
      ),
      [
        'routes.assistant[1]: names "candidat", which is neither a deployment nor a route: did you mean "candidate"? There is "control", "candidate", "assistant".',
      ],
    )
    const linted = lint(canary)
    const [worst] = linted._tag === "Success" ? linted.success.worstCases : []
    assert.deepStrictEqual([worst?.attempts, worst?.dollars], [1, (2 * (1000 + 4096)) / 1e6])
  })
})
