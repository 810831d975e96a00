/**
 * The most that a call may cost, before it is made: its input by estimate, its output by `maxTokens` or by what the model can
 * write. Deployments without a price cost nothing.
 */
import type { AnyRequest, Call } from "../model/Call.ts"
import type { Capabilities } from "../model/Capabilities.ts"
import * as Cost from "../model/Cost.ts"
import * as Operation from "../model/Operation.ts"
import type { Params } from "../policy/Params.ts"

/** As much of a deployment as decides what it costs. */
export interface Priced {
  readonly price?: Cost.Price | undefined
  readonly priceOf?: ((model: string) => Cost.Price | undefined) | undefined
  readonly capabilities?: Capabilities | undefined
  readonly params?: Params | undefined
  readonly force?: Params | undefined
}

/** The output tokens of one answer that sets no limit, by a model whose limit is not known. */
const defaultOutput = 4096

/** The most output tokens of all answers of a request by a deployment. A model's own limit holds too. */
export const outputTokens = (request: AnyRequest, { capabilities, force, params }: Priced): number => {
  if ("operation" in request) return Operation.maxOutputTokens(request, capabilities?.maxOutput)
  if (!("messages" in request)) return 0
  const maxOutput = capabilities?.maxOutput
  const { n = 1 } = request.sampling ?? {}
  const maxTokens = force?.maxTokens ?? request.sampling?.maxTokens ?? params?.maxTokens
  return Math.min(maxTokens ?? maxOutput ?? defaultOutput, maxOutput ?? Number.POSITIVE_INFINITY) * n
}

/** The most that one attempt at a deployment may cost, in US dollars. `model` is the vendor's id, where a price depends on it. */
export const ofAttempt = (deployment: Priced, call: Call, model: () => string): number => {
  const { price, priceOf } = deployment
  const known = price ?? priceOf?.(model())
  const { request } = call
  if ("operation" in request && Operation.isOpenEnded(request)) return Number.POSITIVE_INFINITY
  return known === undefined
    ? 0
    : Cost.most(
        known,
        call.inputTokens,
        outputTokens(request, deployment),
        "operation" in request ? Operation.maxUnits(request) : undefined,
      )
}

/** The deployments that differ in what a call may cost: of a thousand alike, one. Those that cost nothing are left out. */
export const distinct = <D extends Priced>(deployments: ReadonlyArray<D>): ReadonlyArray<D> => {
  const kept = new Map<unknown, D>()
  for (const deployment of deployments) {
    const { capabilities, force, params, price, priceOf } = deployment
    if (price !== undefined) {
      kept.set(JSON.stringify([price, capabilities?.maxOutput, params?.maxTokens, force?.maxTokens]), deployment)
    } else if (priceOf !== undefined) kept.set(deployment, deployment)
  }
  return [...kept.values()]
}
