import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import type * as Deployment from "../../src/deployment/Deployment.ts"
import * as BoundRoute from "../../src/route/BoundRoute.ts"
import * as Route from "../../src/route/Route.ts"

/** The problems of routes over deployments that nobody has started. */
const problems = (routes: Record<string, Route.Route>, deployments: Record<string, Partial<Deployment.Options>>) => {
  const candidates = new Map(
    Object.entries(deployments).map(([name, options]) => [name, { deployment: { model: name, ...options } }]),
  )
  return Result.match(BoundRoute.make(routes, candidates, {}), {
    onSuccess: () => [],
    onFailure: (problems) => problems.map(({ message, path }) => `${path}: ${message}`),
  })
}

describe("BoundRoute.make", () => {
  it("reports no problem for valid routes", () => {
    assert.deepStrictEqual(
      problems({ inner: Route.balance("cost", ["a", "b"]), outer: Route.fallback("inner", "a") }, { a: {}, b: {} }),
      [],
    )
  })

  it("reports unknown names with a suggestion", () => {
    assert.deepStrictEqual(
      problems(
        { route: Route.fallback("a", Route.balance("latency", ["a", "sonet"]), "toString") },
        { a: {}, sonnet: {} },
      ),
      [
        'routes.route[1][1]: names "sonet", which is neither a deployment nor a route: did you mean "sonnet"? There is "a", "sonnet".',
        'routes.route[2]: names "toString", which is neither a deployment nor a route. There is "a", "sonnet", "route".',
      ],
    )
  })

  it("reports each problem once, under the route that contains it", () => {
    const routes = {
      inner: Route.fallback("nobody"),
      outer: Route.fallback("a", "inner").pipe(Route.retry({ times: 0 })),
      outermost: Route.to("outer"),
    }
    assert.deepStrictEqual(
      problems(routes, { a: {} }).map((problem) => problem.split(":")[0]),
      ["routes.inner[0]"],
    )
  })

  it("reports cycles, from each route on them", () => {
    assert.deepStrictEqual(
      problems(
        {
          one: Route.fallback("a", "two"),
          two: Route.to("one"),
          self: Route.fallback("self", "a"),
          outside: Route.fallback("one"),
        },
        { a: {} },
      ),
      [
        "routes.one[1]: refers to itself: one -> two -> one",
        "routes.two: refers to itself: two -> one -> two",
        "routes.self[0]: refers to itself: self -> self",
      ],
    )
  })

  it("reports name clashes, routes in a balance, and a balance without positive weights", () => {
    assert.deepStrictEqual(
      problems(
        { a: Route.to("b"), never: Route.balance("shuffle", ["b"]), mixed: Route.balance("cost", ["a", "never"]) },
        { a: {}, b: { weight: 0 } },
      ),
      [
        'routes.a: a deployment is called "a" too: rename one of them',
        "routes.never: every deployment has weight 0: give at least one a higher weight",
        'routes.mixed[1]: "never" is a route: a balance chooses among deployments',
      ],
    )
  })
})
