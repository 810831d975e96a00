/**
 * Going down without dropping anybody: from `begin` on, new calls are refused and `/ready` says so, while running
 * answers finish.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export class Drain extends Context.Service<
  Drain,
  {
    readonly draining: () => boolean
    readonly begin: Effect.Effect<void>
    /** Waits until it begins: for what would go on for ever. */
    readonly begun: Effect.Effect<void>
  }
>()("@understudy/http/Drain") {
  static readonly layer = Layer.sync(Drain, () => {
    const begun = Deferred.makeUnsafe<void>()
    return {
      draining: () => Deferred.isDoneUnsafe(begun),
      begin: Effect.asVoid(Deferred.succeed(begun, undefined)),
      begun: Deferred.await(begun),
    }
  })
}
