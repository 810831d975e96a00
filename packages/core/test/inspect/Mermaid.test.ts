import { assert, describe, it } from "@effect/vitest"
import * as Mermaid from "../../src/inspect/Mermaid.ts"
import type { AffinityPolicy } from "../../src/policy/Policies.ts"
import * as Route from "../../src/route/Route.ts"

const drawn = (name: string, routes: Record<string, Route.Route>) => Mermaid.flowchart(name, routes).split("\n")

describe("Mermaid.flowchart", () => {
  it("draws every combinator, with an arrow to the next deployment", () => {
    assert.deepStrictEqual(
      drawn("assistant", {
        assistant: Route.fallback("gpt-4o", Route.balance("latency", ["sonnet", "sonnet-east"]), "spare").pipe(
          Route.retry({ times: 0 }),
          Route.timeout({ total: "90 seconds" }),
        ),
        spare: Route.fallback("local", "tiny"),
      }),
      [
        "flowchart LR",
        '  call(["assistant"]) --> n9',
        '  subgraph n9["timeout.total 1m 30s"]',
        '    subgraph n8["retry.times 0"]',
        '      n1["gpt-4o"]',
        '      subgraph n4["latency"]',
        '        n2["sonnet"]',
        '        n3["sonnet-east"]',
        "      end",
        "      n1 -. else .-> n4",
        '      subgraph n7["spare"]',
        '        n5["local"]',
        '        n6["tiny"]',
        "        n5 -. else .-> n6",
        "      end",
        "      n4 -. else .-> n7",
        "    end",
        "  end",
      ],
    )
  })

  it("draws the affinity of a balance with its defaults", () => {
    const lines = (affinity: AffinityPolicy) =>
      drawn("assistant", { assistant: Route.balance("cost", ["a", "b"], { affinity }) })
    assert.include(lines({}), '  subgraph n3["cost, affinity by session for 1h"]')
    assert.include(lines({ by: "prefix", for: "5 minutes" }), '  subgraph n3["cost, affinity by prefix for 5m"]')
  })

  it("draws accept as a frame", () => {
    assert.deepInclude(
      drawn("assistant", { assistant: Route.to("a").pipe(Route.accept("schema")) }),
      '  subgraph n2["accept the JSON schema of its request"]',
    )
  })

  it("draws error branches with their reasons", () => {
    const route = Route.fallback("a", "b").pipe(
      Route.onContextWindow("long"),
      Route.onError(["Network", "Timeout"], "c"),
    )
    assert.deepStrictEqual(drawn("assistant", { assistant: route }).slice(1), [
      '  call(["assistant"]) --> n3',
      '  subgraph n3["any of"]',
      '    n1["a"]',
      '    n2["b"]',
      "    n1 -. else .-> n2",
      "  end",
      '  n4["long"]',
      "  n3 -. ContextWindowExceeded .-> n4",
      '  n5["c"]',
      "  n3 -. Network or Timeout .-> n5",
    ])
  })

  it("draws the cache policy", () => {
    const route = Route.fallback("a", "b").pipe(Route.cache({ ttl: "5 minutes", max: 10 }))
    assert.match(drawn("assistant", { assistant: route }).join("\n"), /subgraph n\d\["cache 5m"\]/)
  })

  it("draws the keep-alive interval", () => {
    const route = Route.fallback("a", "b").pipe(Route.sse({ keepAlive: "15 seconds" }))
    assert.match(drawn("assistant", { assistant: route }).join("\n"), /subgraph n\d\["sse.keepAlive 15s"\]/)
  })

  it("draws a hedge, and the cases of a condition", () => {
    const race = Route.hedge({ after: "800 millis", across: ["a", "b"] })
    assert.include(drawn("assistant", { assistant: race })[2] ?? "", "hedge after 800ms")
    const ways = drawn("assistant", {
      assistant: Route.when([{ if: { tags: ["vip"], inputTokens: { above: 8000 } }, use: "a" }], "b"),
    })
    assert.deepStrictEqual(ways.slice(1), [
      '  call(["assistant"]) --> n4',
      '  subgraph n4["first matching case"]',
      '    n2["a"]',
      '    n1{"when"} -- "tags vip, inputTokens above 8000" --> n2',
      '    n3["b"]',
      '    n1{"when"} -- "else" --> n3',
      "  end",
    ])
  })

  it("draws a deployment as one box", () => {
    assert.deepStrictEqual(drawn("gpt-4o", {}), ["flowchart LR", '  call(["gpt-4o"]) --> n1', '  n1["gpt-4o"]'])
  })

  it("says how many accounts a deployment has, and whether calls wait at its limits", () => {
    const routes = { chat: Route.fallback(Route.balance("shuffle", ["a", "b"]), "c") }
    const drawn = Mermaid.flowchart("chat", routes, {
      a: { accounts: 3 },
      b: { limits: { rpm: 10, queue: { max: 20 } }, accounts: 2 },
      c: { limits: { rpm: 10 } },
    })
    assert.include(drawn, '["a (3 accounts)"]')
    assert.include(drawn, '["b (2 accounts, queue of 20)"]')
    assert.include(drawn, '["c"]')
  })

  it("escapes names", () => {
    const [, entry = "", box = ""] = drawn('a"]; click n1 "javascript:alert(1)', {})
    assert.strictEqual(entry, '  call(["a#34;]#59; click n1 #34;javascript:alert(1)"]) --> n1')
    assert.strictEqual(box, '  n1["a#34;]#59; click n1 #34;javascript:alert(1)"]')
    assert.deepStrictEqual(drawn("two\nlines `#1` <b>&\\", {})[2], '  n1["two lines #96;#35;1#96; #60;b#62;#38;#92;"]')
  })

  it("terminates on a cycle", () => {
    const routes = { one: Route.to("two"), two: Route.fallback("one", "a") }
    assert.deepStrictEqual(drawn("one", routes).slice(2), [
      '  subgraph n3["two"]',
      '    n1["one"]',
      '    n2["a"]',
      "    n1 -. else .-> n2",
      "  end",
    ])
  })
})
