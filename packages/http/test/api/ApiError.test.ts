import { assert, describe, it } from "@effect/vitest"
import { RouterError } from "@understudy/core/RouterError"
import * as ApiError from "@understudy/http/internal/api/ApiError"

const exceeded = (options: Pick<RouterError, "permanent" | "retryAfter">) =>
  ApiError.make(
    new RouterError({
      kind: "BudgetExceeded",
      message: 'Budget "search" of $50.00 a month does not cover this call.',
      receipt: undefined,
      ...options,
    }),
    "none",
  )

describe("the error of a budget that does not cover a call", () => {
  it("is 429 budget_exceeded, and says what the budget is to every caller", () => {
    const { code, message, status } = exceeded({ permanent: true })
    assert.deepStrictEqual([status, code], [429, "budget_exceeded"])
    assert.strictEqual(message, 'Budget "search" of $50.00 a month does not cover this call.')
  })

  it("is final where waiting is pointless, and else says when to try again", () => {
    const permanent = exceeded({ permanent: true })
    assert.isTrue(ApiError.isFinal(permanent))
    assert.isUndefined(permanent.retryAfter)
    const soon = exceeded({ retryAfter: 1000 })
    assert.isFalse(ApiError.isFinal(soon))
    assert.strictEqual(soon.retryAfter, 1000)
  })
})
