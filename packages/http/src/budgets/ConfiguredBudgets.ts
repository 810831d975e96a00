/** The budgets of the configuration, as a reload replaces them. */
import type { Budget } from "@understudy/core/internal/spend/Budget"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

export class ConfiguredBudgets extends Context.Service<
  ConfiguredBudgets,
  {
    /** Replaces them; those of the database stay. A budget that keeps its id, scope and window keeps what was spent of it. */
    readonly replace: (budgets: ReadonlyArray<Budget>) => Effect.Effect<void>
  }
>()("@understudy/http/ConfiguredBudgets") {}
