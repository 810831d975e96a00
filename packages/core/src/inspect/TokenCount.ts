/**
 * How many tokens a request has, by whoever on its route can count, else by its length: nobody is asked to answer.
 *
 * An aside, not a call: it has no receipt and takes nothing from a deployment's limits, for a vendor counts by an endpoint,
 * a right and a limit of its own. It has a circuit and a cooldown of its own too: who cannot count just now is not bothered.
 */
import * as Effect from "effect/Effect"
import * as Admission from "../admission/Admission.ts"
import * as Attempt from "../execution/Attempt.ts"
import type { Call } from "../model/Call.ts"
import type * as Chat from "../model/Chat.ts"
import type * as BoundRoute from "../route/BoundRoute.ts"
import * as Defect from "../model/Defect.ts"
import * as Plan from "../route/Plan.ts"
import type { ProviderError } from "../model/ProviderError.ts"
import type { RouterError } from "../execution/RouterError.ts"
import * as Errors from "../execution/RouterError.ts"
import * as Timeout from "../policy/Timeout.ts"

export interface TokenCount {
  readonly inputTokens: number
  /** Whose model counted; `undefined` for an estimate by length. */
  readonly deployment: string | undefined
}

/** Fails only where whoever counts blames the request: one that nobody can count is estimated. */
export const run = (
  stores: Admission.Stores,
  { name: routed, route, total }: BoundRoute.BoundRoute,
  call: Call<Chat.Request>,
  draw: Plan.Random,
): Effect.Effect<TokenCount, RouterError> => {
  const deadline = Timeout.deadline(call.at, total, call.options.timeout)
  const estimate = Effect.sync((): TokenCount => ({ inputTokens: call.inputTokens, deployment: undefined }))
  return Plan.inOrder(route, call, draw)
    .filter(({ availability, branch }) => availability._tag === "Available" && branch === undefined)
    .reduceRight<Effect.Effect<TokenCount, RouterError>>((next, { leaf }) => {
      const { candidate, policies } = leaf
      const { name, provider } = candidate
      const count = provider.countTokens
      if (count === undefined) return next
      const counted = Effect.clockWith((clock) =>
        Timeout.withTimeout(
          Defect.contain(name, () => count(Attempt.requestFor(call.request, routed, leaf))),
          Timeout.earliest("attempt", policies.attempt, deadline, clock.currentTimeMillisUnsafe()),
        ),
      )
      const asked = Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(Admission.admitAside(stores, candidate, call), ({ settle }) =>
          Effect.onExit(restore(counted), (exit) => settle(Attempt.outcomeOf(leaf, exit))),
        ),
      )
      return Effect.matchEffect(asked, {
        onSuccess: (inputTokens) => Effect.succeed<TokenCount>({ inputTokens, deployment: name }),
        onFailure: (error) =>
          error._tag === "ProviderError" && blamesCaller(error)
            ? Effect.fail(Errors.invalidRequest(name, error))
            : next,
      })
    }, estimate)
}

const blamesCaller = ({ reason }: ProviderError): boolean => reason._tag === "InvalidRequest"
