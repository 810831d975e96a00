/**
 * A deployment made ready to be tried: its provider running, its policies resolved to numbers, its counters at hand.
 * Made once for each deployment by the `Router`'s layer.
 */
import * as Duration from "effect/Duration"
import * as Semaphore from "effect/Semaphore"
import type { Call, Operation } from "../model/Call.ts"
import { usesReasoning } from "../model/Call.ts"
import type * as Chat from "../model/Chat.ts"
import * as CircuitPolicy from "../policy/CircuitPolicy.ts"
import * as Cooldown from "../policy/Cooldown.ts"
import type * as Deployment from "./Deployment.ts"
import { LatencyTracker } from "./Health.ts"
import * as StreamPolicy from "../policy/StreamPolicy.ts"
import type { Provider } from "../model/Provider.ts"
import { RepeatedFailures, Suspects } from "./RepeatedFailures.ts"
import * as Retry from "../policy/Retry.ts"
import type { Defaults, Policies } from "../policy/Policies.ts"
import * as Timeout from "../policy/Timeout.ts"

export interface Candidate {
  readonly name: string
  readonly deployment: Deployment.Options
  readonly provider: Provider["Service"]
  /** Whether its model is served nearby: see `Provider`. */
  readonly local: boolean
  readonly health: LatencyTracker
  readonly circuit: CircuitPolicy.ResolvedCircuitPolicy
  /** The longest wait that is believed when it asks to be left alone, in milliseconds: see `Cooldown`. */
  readonly cooldown: number
  /** Under which its circuit and its cooldown of each operation are kept. */
  readonly keys: Readonly<Record<Operation, string>>
  readonly repeated: Readonly<Record<Operation, RepeatedFailures>>
  /** One permit a call, where `limits.concurrency` is set. */
  readonly permits: Semaphore.Semaphore | undefined
}

/** What the candidates of one router know together. */
export const suspects = (): Readonly<Record<Operation, Suspects>> => ({
  chat: new Suspects(),
  embeddings: new Suspects(),
  count: new Suspects(),
})

export const make = (
  name: string,
  deployment: Deployment.Options,
  provider: Provider["Service"],
  defaults: Defaults,
  suspects: Readonly<Record<Operation, Suspects>>,
): Candidate => {
  const circuit = CircuitPolicy.resolve(merge(CircuitPolicy.defaults, defaults.circuit, deployment.circuit))
  // Another credential is another account: what is kept of the former one, by others or before, says nothing of it.
  const own = provider.account === undefined ? name : `${name}@${provider.account}`
  return {
    name,
    deployment,
    provider,
    local: provider.local === true,
    health: new LatencyTracker(),
    circuit,
    cooldown: Cooldown.resolve(
      merge<Partial<Cooldown.CooldownPolicy>>({}, defaults.cooldown, deployment.cooldown),
      circuit,
    ),
    keys: { chat: own, embeddings: `${own}#embeddings`, count: `${own}#count` },
    repeated: {
      chat: new RepeatedFailures(suspects.chat),
      embeddings: new RepeatedFailures(suspects.embeddings),
      count: new RepeatedFailures(suspects.count),
    },
    permits:
      deployment.limits?.concurrency === undefined ? undefined : Semaphore.makeUnsafe(deployment.limits.concurrency),
  }
}

/** How patient an attempt is at its place in a route, in milliseconds throughout, and what is done when its stream breaks. */
export interface ResolvedPolicies extends Timeout.ResolvedTimeouts {
  readonly retry: Retry.ResolvedRetryPolicy
  readonly stream: StreamPolicy.ResolvedStreamPolicy
  readonly unsupportedParams: Chat.UnsupportedParams
}

/** The policies of a deployment at one place of a route: the route's words before the deployment's before the defaults'. */
export const policies = (
  deployment: Deployment.Options,
  route: Policies,
  defaults: Defaults,
  place: Parameters<typeof Timeout.resolve>[1],
): ResolvedPolicies => ({
  retry: Retry.resolve(merge(Retry.defaults, defaults.retry, deployment.retry, route.retry)),
  ...Timeout.resolve(
    merge<Partial<Timeout.TimeoutPolicy>>({}, defaults.timeout, deployment.timeout, route.timeout),
    place,
  ),
  stream: StreamPolicy.resolve(merge(StreamPolicy.defaults, defaults.stream, route.stream)),
  unsupportedParams: route.unsupportedParams ?? deployment.unsupportedParams ?? defaults.unsupportedParams ?? "warn",
})

/** How long this call's attempt may take there: longer for a model that may think in silence. */
export const limits = (
  { deployment }: Pick<Candidate, "deployment">,
  resolved: ResolvedPolicies,
  { request }: Call,
): Timeout.AttemptTimeouts =>
  deployment.capabilities?.reasoning === true && usesReasoning(request) ? resolved.reasoning : resolved

/** How long a whole call may take on this route, and a write of its answer without progress, in milliseconds. */
export const callPolicies = (
  route: Policies,
  defaults: Defaults,
): { readonly total: number; readonly write: number } => {
  const { total, write } = merge(Timeout.defaults, defaults.timeout, route.timeout)
  return { total: millis(total), write: millis(write) }
}

/** Which share of the calls on this route may be retries. */
export const retryShare = (route: Policies, defaults: Defaults): number =>
  merge(Retry.defaults, defaults.retry, route.retry).budget

const millis = (input: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(input))

/** Later layers win, save where they say nothing. */
const merge = <A extends object>(base: A, ...layers: ReadonlyArray<Partial<A> | undefined>): A => {
  const merged = { ...base }
  for (const layer of layers) {
    if (layer === undefined) continue
    for (const key in layer) if (layer[key] !== undefined) merged[key] = layer[key]
  }
  return merged
}
