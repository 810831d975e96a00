/**
 * Token counts: by the first deployment of a route whose provider counts tokens, else estimated by length.
 *
 * Counting is not a call: it has no receipt and does not use the deployment's limits, since vendors count by an endpoint with
 * limits of its own. It has a circuit and a cooldown of its own.
 */
import * as Effect from "effect/Effect"
import * as Admission from "../admission/Admission.ts"
import { AccountRotation } from "../execution/AccountRotation.ts"
import { ProviderError } from "../model/ProviderError.ts"
import * as Attempt from "../execution/Attempt.ts"
import type { Call } from "../model/Call.ts"
import type * as Chat from "../model/Chat.ts"
import type * as BoundRoute from "../route/BoundRoute.ts"
import type { Leaf } from "../route/BoundRoute.ts"
import * as Defect from "../model/Defect.ts"
import * as Plan from "../route/Plan.ts"
import type { RouterError } from "../execution/RouterError.ts"
import * as Errors from "../execution/RouterError.ts"
import * as Timeout from "../policy/Timeout.ts"

export interface TokenCount {
  readonly inputTokens: number
  /** The deployment whose provider counted; `undefined` for an estimate by length. */
  readonly deployment: string | undefined
}

/** Fails only with `InvalidRequest`, if a provider rejects the request. If no deployment can count, it estimates. */
export const run = (
  stores: Admission.Stores,
  { name: routed, route, total }: BoundRoute.BoundRoute,
  call: Call<Chat.Request>,
  random: Plan.Random,
): Effect.Effect<TokenCount, RouterError> => {
  const deadline = Timeout.deadline(call.at, total, call.options.timeout)
  const estimate = Effect.sync((): TokenCount => ({ inputTokens: call.inputTokens, deployment: undefined }))
  const countFrom = (first: Plan.Step | undefined): Effect.Effect<TokenCount, RouterError> => {
    for (let step = first; step !== undefined; step = step.next) {
      const { availability, branch, leaf } = step
      if (availability._tag !== "Available" || branch !== undefined) continue
      const { accounts, name, provider } = leaf.candidate
      if (provider.countTokens === undefined) continue
      const after = step
      const by = ({ leaf }: Plan.Step) => count(stores, routed, call, leaf, deadline)
      const counted = accounts === undefined ? by(step) : new AccountRotation(accounts, step, by, undefined).attempt
      return Effect.matchEffect(counted, {
        onSuccess: (inputTokens) => Effect.succeed<TokenCount>({ inputTokens, deployment: name }),
        onFailure: (error) =>
          error._tag === "ProviderError" && error.reason._tag === "InvalidRequest"
            ? Effect.fail(Errors.invalidRequest(name, error))
            : countFrom(after.next),
      })
    }
    return estimate
  }
  return countFrom(Plan.peek(route, call, random))
}

const countsNothing = new ProviderError({
  reason: { _tag: "Unsupported", feature: "token counts" },
  message: "this provider counts no tokens",
})

/** Counts by one deployment, in its admission. */
const count = (
  stores: Admission.Stores,
  routed: string,
  call: Call<Chat.Request>,
  leaf: Leaf,
  deadline: Timeout.Deadline,
): Effect.Effect<number, Attempt.Failure> => {
  const { candidate, policies } = leaf
  const { countTokens } = candidate.provider
  if (countTokens === undefined) return Effect.fail(countsNothing)
  const counted = Effect.clockWith((clock) =>
    Timeout.withTimeout(
      Defect.contain(candidate.name, () => countTokens(Attempt.requestFor(call.request, routed, leaf))),
      Timeout.earliest("attempt", policies.attempt, deadline, clock.currentTimeMillisUnsafe()),
    ),
  )
  return Effect.uninterruptibleMask((restore) =>
    Effect.clockWith((clock) =>
      Effect.flatMap(Admission.admitAside(stores, candidate, call, clock), ({ settle }) =>
        Effect.onExit(restore(counted), (exit) => settle(Attempt.outcomeOf(leaf, exit))),
      ),
    ),
  )
}
