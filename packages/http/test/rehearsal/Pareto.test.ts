import { assert, describe, it } from "@effect/vitest"
import * as Pareto from "@understudy/http/internal/rehearsal/Pareto"
import * as Schema from "effect/Schema"

const figures = (availability: number, p95: number | undefined, cost: number): Pareto.Figures => ({
  availability,
  p95,
  cost,
})

describe("the Pareto front", () => {
  it("has the points that no other one beats", () => {
    const [cheap, fast, worse, equal, unanswered] = [
      figures(0.99, 2000, 1),
      figures(0.99, 1000, 2),
      figures(0.98, 2000, 2),
      figures(0.99, 1000, 2),
      figures(0, undefined, 0),
    ]
    assert.deepStrictEqual(Pareto.front([cheap, fast, worse, equal, unanswered]), [cheap, fast, equal, unanswered])
    assert.isFalse(Pareto.dominates(fast, equal))
    assert.deepStrictEqual([unanswered, worse, cheap, fast].toSorted(Pareto.compare), [fast, cheap, worse, unanswered])
  })

  it("counts a better figure if the others are equal, and no figure against another", () => {
    const point = figures(0.99, 2000, 2)
    for (const better of [figures(1, 2000, 2), figures(0.99, 1000, 2), figures(0.99, 2000, 1)]) {
      assert.isTrue(Pareto.dominates(better, point))
      assert.isFalse(Pareto.dominates(point, better))
    }
    for (const other of [figures(1, 3000, 2), figures(1, 1000, 3), figures(0.98, 1000, 1), point]) {
      assert.isFalse(Pareto.dominates(other, point))
      assert.isFalse(Pareto.dominates(point, other))
    }
  })

  // Few different values, so that many points are equal in one figure or in all.
  const Figure = Schema.Literals([0, 1, 2, 3])
  const Points = Schema.Array(
    Schema.Struct({ availability: Figure, p95: Schema.UndefinedOr(Figure), cost: Figure }),
  ).check(Schema.isMaxLength(30))

  it.prop("dominates every other point, and none of its own", [Points], ([points]) => {
    const front = Pareto.front(points)
    assert.strictEqual(front.length > 0, points.length > 0)
    for (const point of points) {
      const isDominated = front.some((other) => Pareto.dominates(other, point))
      assert.strictEqual(isDominated, !front.includes(point))
    }
  })

  it.prop("has the same points in any order", [Points], ([points]) => {
    assert.deepStrictEqual(Pareto.front(points.toReversed()).toReversed(), Pareto.front(points))
  })
})
