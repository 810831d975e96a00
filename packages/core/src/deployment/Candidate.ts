/**
 * A deployment at run time: its running provider, its resolved policies and its counters. The `Router`'s layer makes one for
 * each deployment.
 */
import * as Duration from "effect/Duration"
import * as Bucket from "../policy/Bucket.ts"
import type { Call, Operation } from "../model/Call.ts"
import { usesReasoning } from "../model/Call.ts"
import type * as Chat from "../model/Chat.ts"
import * as CircuitPolicy from "../policy/CircuitPolicy.ts"
import * as Cooldown from "../policy/Cooldown.ts"
import type * as Deployment from "./Deployment.ts"
import { LatencyTracker } from "./Health.ts"
import * as StreamPolicy from "../policy/StreamPolicy.ts"
import type { Origin, Provider } from "../model/Provider.ts"
import { RepeatedFailures, Suspects } from "./RepeatedFailures.ts"
import * as Retry from "../policy/Retry.ts"
import type { Defaults, Policies } from "../policy/Policies.ts"
import * as Timeout from "../policy/Timeout.ts"

/** What a deployment keeps when a reload changes its policies. */
export interface State {
  /** Its latencies and its calls in flight. */
  readonly health: LatencyTracker
  readonly repeated: Readonly<Record<Operation, RepeatedFailures>>
}

export interface Candidate extends State {
  readonly name: string
  readonly deployment: Deployment.Options
  readonly provider: Provider["Service"]
  /** Where its requests go. A provider that does not say is named by the vendor, else by its protocol. */
  readonly origin: Origin
  /** Whether its model is served nearby: see `ProviderService.local`. */
  readonly local: boolean
  readonly circuit: CircuitPolicy.ResolvedCircuitPolicy
  /** The longest cooldown before a call probes, in milliseconds: see `Cooldown`. */
  readonly cooldown: number
  /** The keys of its circuit and its cooldown, by operation. */
  readonly keys: Readonly<Record<Operation, string>>
  /** Its limits of requests and tokens. */
  readonly buckets: Bucket.Buckets
}

/** The requests that all deployments of one router suspect, by operation: see `RepeatedFailures`. */
export const suspects = (): Readonly<Record<Operation, Suspects>> => ({
  chat: new Suspects(),
  embeddings: new Suspects(),
  count: new Suspects(),
})

/** The state of a deployment that has not been called. */
export const initialState = (suspects: Readonly<Record<Operation, Suspects>>): State => ({
  health: new LatencyTracker(),
  repeated: {
    chat: new RepeatedFailures(suspects.chat),
    embeddings: new RepeatedFailures(suspects.embeddings),
    count: new RepeatedFailures(suspects.count),
  },
})

export const make = (
  name: string,
  deployment: Deployment.Options,
  provider: Provider["Service"],
  defaults: Defaults,
  { health, repeated }: State,
): Candidate => {
  const circuit = CircuitPolicy.resolve(merge(CircuitPolicy.defaults, defaults.circuit, deployment.circuit))
  // Another credential is another account, and starts with circuits and cooldowns of its own.
  const key = provider.account === undefined ? name : `${name}@${provider.account}`
  return {
    name,
    deployment,
    provider,
    origin: provider.origin ?? { name: deployment.vendor ?? provider.protocol },
    local: provider.local === true,
    health,
    repeated,
    circuit,
    cooldown: Cooldown.resolve(
      merge<Partial<Cooldown.CooldownPolicy>>({}, defaults.cooldown, deployment.cooldown),
      circuit,
    ),
    keys: { chat: key, embeddings: `${key}#embeddings`, count: `${key}#count` },
    buckets: Bucket.make(name, deployment.limits),
  }
}

/** The policies of a deployment at one place of a route, with durations in milliseconds. */
export interface ResolvedPolicies extends Timeout.ResolvedTimeouts {
  readonly retry: Retry.ResolvedRetryPolicy
  readonly stream: StreamPolicy.ResolvedStreamPolicy
  readonly unsupportedParams: Chat.UnsupportedParams
}

/** The policies of a deployment at one place of a route: the route's override its own, which override the defaults. */
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

/** The timeouts of this call's attempt: those for reasoning if the model reasons and the call requests it. */
export const limits = (
  { deployment }: Pick<Candidate, "deployment">,
  resolved: ResolvedPolicies,
  { request }: Call,
): Timeout.AttemptTimeouts =>
  deployment.capabilities?.reasoning === true && usesReasoning(request) ? resolved.reasoning : resolved

/** `timeout.total` and `timeout.write` of a route, in milliseconds. */
export const callPolicies = (
  route: Policies,
  defaults: Defaults,
): { readonly total: number; readonly write: number } => {
  const { total, write } = merge(Timeout.defaults, defaults.timeout, route.timeout)
  return { total: millis(total), write: millis(write) }
}

/** The share of a route's calls that may be retries. */
export const retryShare = (route: Policies, defaults: Defaults): number =>
  merge(Retry.defaults, defaults.retry, route.retry).budget

const millis = (input: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(input))

/** Merges objects: a later value overrides an earlier one, unless it is undefined. */
const merge = <A extends object>(base: A, ...layers: ReadonlyArray<Partial<A> | undefined>): A => {
  const merged = { ...base }
  for (const layer of layers) {
    if (layer === undefined) continue
    for (const key in layer) if (layer[key] !== undefined) merged[key] = layer[key]
  }
  return merged
}
