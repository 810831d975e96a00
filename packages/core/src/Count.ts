/**
 * How many tokens a request has, by whoever on its route can count, else by its length: nobody is asked to answer.
 *
 * An aside, not a call: it has no receipt and takes nothing from a deployment's limits, for a vendor counts by an endpoint,
 * a right and a limit of its own. It has a circuit and a cooldown of its own too: who cannot count just now is not bothered.
 */
import * as Effect from "effect/Effect"
import * as Admission from "./Admission.ts"
import * as Attempt from "./Attempt.ts"
import type { Call } from "./Call.ts"
import type * as Chat from "./Chat.ts"
import type * as Compiled from "./Compiled.ts"
import * as Defect from "./Defect.ts"
import * as Plan from "./Plan.ts"
import type { ProviderError } from "./ProviderError.ts"
import type { RouterError } from "./RouterError.ts"
import * as Errors from "./RouterError.ts"
import * as Timeout from "./Timeout.ts"

export interface Count {
  readonly inputTokens: number
  /** Whose model counted; `undefined` for an estimate by length. */
  readonly deployment: string | undefined
}

/** Fails only where whoever counts blames the request: one that nobody can count is estimated. */
export const run = (
  stores: Admission.Stores,
  { name: routed, route, total }: Compiled.Compiled,
  call: Call<Chat.Request>,
  draw: Plan.Draw,
): Effect.Effect<Count, RouterError> => {
  const deadline = Timeout.deadline(call.at, total, call.options.timeout)
  const estimate = Effect.sync((): Count => ({ inputTokens: call.inputTokens, deployment: undefined }))
  return Plan.inOrder(route, call, draw)
    .filter(({ verdict, within }) => verdict._tag === "Ready" && within === undefined)
    .reduceRight<Effect.Effect<Count, RouterError>>((next, { leaf }) => {
      const { candidate, patience } = leaf
      const { name, provider } = candidate
      const count = provider.countTokens
      if (count === undefined) return next
      const counted = Effect.clockWith((clock) =>
        Timeout.within(
          Defect.contain(name, () => count(Attempt.addressed(call.request, routed, leaf))),
          Timeout.sooner("attempt", patience.attempt, deadline, clock.currentTimeMillisUnsafe()),
        ),
      )
      const asked = Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(Admission.aside(stores, candidate, call), ({ settle }) =>
          Effect.onExit(restore(counted), (exit) => settle(Attempt.judged(leaf, exit))),
        ),
      )
      return Effect.matchEffect(asked, {
        onSuccess: (inputTokens) => Effect.succeed<Count>({ inputTokens, deployment: name }),
        onFailure: (error) =>
          error._tag === "ProviderError" && blamesCaller(error) ? Effect.fail(Errors.blamed(name, error)) : next,
      })
    }, estimate)
}

const blamesCaller = ({ reason }: ProviderError): boolean => reason._tag === "InvalidRequest"
