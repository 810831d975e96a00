/**
 * What can happen to circuits, as steps that any store can be taken through: those of memory here, that of Redis where a
 * Redis can be had.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const policies = [
  CircuitBreaker.consecutive(1),
  CircuitBreaker.consecutive(2),
  CircuitBreaker.rate({ threshold: 0.5, size: 4, minimumCalls: 2 }),
  CircuitBreaker.rate({ threshold: 1, size: 2 }),
]

const outcomes = ["Failure", "Failure", "Failure", "Success", "Success", "Ignored"] as const

export const Key = Schema.Literals(["a", "b"])

const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))

/** Policies and outcomes by their place above; `ago` counts back over the calls that a key has admitted. */
const Step = Schema.Union([
  Schema.Struct({ _tag: Schema.tag("Admit"), key: Key }),
  Schema.Struct({
    _tag: Schema.tag("Record"),
    key: Key,
    ago: upTo(2),
    outcome: upTo(outcomes.length - 1),
    policy: upTo(policies.length - 1),
    openFor: upTo(4),
  }),
  Schema.Struct({ _tag: Schema.tag("Pass"), seconds: upTo(4) }),
])
export type Step = typeof Step.Type

export const Steps = Schema.Array(Step).check(Schema.isMinLength(40), Schema.isMaxLength(120))

type Store = CircuitBreaker.CircuitBreakerStore["Service"]

/** A store, and the calls it has admitted, by key. Generations are its own affair: only what it does with them shows. */
export interface Tried {
  readonly store: Store
  readonly calls: Record<typeof Key.Type, Array<number>>
}

export const perform = Effect.fnUntraced(function* ({ calls, store }: Tried, step: Step) {
  switch (step._tag) {
    case "Admit": {
      const result = yield* Effect.result(Effect.scoped(store.admit(step.key)))
      if (Result.isFailure(result)) return result.failure.reason
      const { generation, ...seen } = result.success
      calls[step.key].push(generation)
      return seen
    }
    case "Record": {
      const generation = calls[step.key].at(-1 - step.ago)
      if (generation === undefined) return undefined
      return yield* store.record({
        key: step.key,
        generation,
        outcome: outcomes[step.outcome]!,
        tripPolicy: policies[step.policy]!,
        openFor: Duration.seconds(step.openFor),
      })
    }
    case "Pass":
      return undefined
  }
})

export const build = (layer: Layer.Layer<CircuitBreaker.CircuitBreakerStore>) =>
  Effect.map(Effect.provide(CircuitBreaker.CircuitBreakerStore, Layer.fresh(layer)), (store): Tried => ({
    store,
    calls: { a: [], b: [] },
  }))
