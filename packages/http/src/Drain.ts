/**
 * Going down without dropping anybody: from `begin` on, new calls are refused and `/ready` says so, while running
 * answers finish.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export class Drain extends Context.Service<
  Drain,
  {
    readonly draining: () => boolean
    readonly begin: Effect.Effect<void>
  }
>()("@understudy/http/Drain") {
  static readonly layer = Layer.sync(Drain, () => {
    let draining = false
    return {
      draining: () => draining,
      begin: Effect.sync(() => {
        draining = true
      }),
    }
  })
}
