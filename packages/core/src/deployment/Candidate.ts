/**
 * A deployment at run time: its running provider, its resolved policies and its counters. The `Router`'s layer makes one for
 * each deployment.
 */
import * as Duration from "effect/Duration"
import * as Bucket from "../policy/Bucket.ts"
import type { Call, Operation } from "../model/Call.ts"
import { operations, usesReasoning } from "../model/Call.ts"
import type * as Chat from "../model/Chat.ts"
import * as CircuitPolicy from "../policy/CircuitPolicy.ts"
import * as Cooldown from "../policy/Cooldown.ts"
import type * as Deployment from "./Deployment.ts"
import { DeploymentQueue } from "./DeploymentQueue.ts"
import { LatencyTracker } from "./Health.ts"
import * as StreamPolicy from "../policy/StreamPolicy.ts"
import type { Origin, Provider } from "../model/Provider.ts"
import * as Receipt from "../receipt/Receipt.ts"
import { RepeatedFailures, Suspects } from "./RepeatedFailures.ts"
import * as Retry from "../policy/Retry.ts"
import type { Defaults, Policies } from "../policy/Policies.ts"
import * as Timeout from "../policy/Timeout.ts"

/** What a deployment keeps when a reload changes its policies. */
export interface State {
  /** Its latencies and its calls in flight. */
  readonly health: LatencyTracker
  readonly repeated: Readonly<Record<Operation, RepeatedFailures>>
  /** The calls that wait for its limits. */
  readonly queue: DeploymentQueue
}

/**
 * A deployment, or one of its accounts. A deployment with several accounts is never admitted itself: a call tries its
 * `accounts`, each of which has its own circuit, cooldown and limits.
 */
export interface Candidate extends State {
  readonly name: string
  /** The place of the account among those of its deployment, from 1; `undefined` for a deployment. */
  readonly account: number | undefined
  /** The accounts of a deployment that has several. */
  readonly accounts: Accounts | undefined
  /** The deployment of an account. */
  readonly pool: (() => Candidate) | undefined
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
  /** The key of its limits. */
  readonly limitKey: string
  /** Its limits of requests and tokens. */
  readonly buckets: Bucket.Buckets
}

/** The accounts of one deployment, at least two, in its order. */
export interface Accounts {
  readonly all: ReadonlyArray<Candidate>
  /** Whose turn it is: each call starts one further. */
  turn: number
}

/** What is admitted for a deployment: itself, or each of its accounts. */
export const accountsOf = (candidate: Candidate): ReadonlyArray<Candidate> => candidate.accounts?.all ?? [candidate]

/** The accounts of a deployment, starting with the one whose turn it is. */
export const inTurn = <A>(accounts: ReadonlyArray<A>, turn: number): ReadonlyArray<A> => {
  const first = turn % accounts.length
  return first === 0 ? accounts : [...accounts.slice(first), ...accounts.slice(0, first)]
}

/** The deployment with its account, for messages: `gpt-4o`, or `gpt-4o#2`. */
export const label = ({ account, name }: Pick<Candidate, "name" | "account">): string =>
  Receipt.label({ deployment: name, account })

/** A value for each operation. */
const each = <A>(make: (operation: Operation) => A): Readonly<Record<Operation, A>> =>
  Object.fromEntries(operations.map((operation) => [operation, make(operation)])) as Record<Operation, A>

/** The requests that all deployments of one router suspect, by operation: see `RepeatedFailures`. */
export const suspects = (): Readonly<Record<Operation, Suspects>> => each(() => new Suspects())

/** The state of a deployment that has not been called. */
export const initialState = (suspects: Readonly<Record<Operation, Suspects>>): State => ({
  health: new LatencyTracker(),
  repeated: each((operation) => new RepeatedFailures(suspects[operation])),
  queue: new DeploymentQueue(),
})

/** A deployment with one account. */
export const make = (
  name: string,
  deployment: Deployment.Options,
  provider: Provider["Service"],
  defaults: Defaults,
  state: State,
): Candidate => candidateOf(name, deployment, provider, defaults, state, undefined)

/** An account of a deployment: its provider and its state. */
export interface Account {
  readonly provider: Provider["Service"]
  readonly state: State
}

/** A deployment with several accounts. `state` is its own, `turn` the account that its next call starts with. */
export const makePool = (
  name: string,
  deployment: Deployment.Options,
  accounts: ReadonlyArray<Account>,
  defaults: Defaults,
  state: State,
  turn: number,
): Candidate => {
  const all = accounts.map(({ provider, state }, index) => ({
    ...candidateOf(name, deployment, provider, defaults, state, index + 1),
    pool: () => pool,
  }))
  state.health.ofAccounts(all.map(({ health }) => health))
  const pool: Candidate = {
    ...candidateOf(name, deployment, accounts[0]!.provider, defaults, state, undefined),
    local: all.some(({ local }) => local),
    accounts: { all, turn },
  }
  return pool
}

/** The deployment of an account with those of its accounts that fit; `undefined` if none does. */
export const otherAccounts = (account: Candidate, fits: (other: Candidate) => boolean): Candidate | undefined => {
  const pool = account.pool?.()
  const all = pool?.accounts?.all.filter((other) => other !== account && fits(other)) ?? []
  return pool === undefined || all.length === 0 ? undefined : { ...pool, accounts: { all, turn: 0 } }
}

const candidateOf = (
  name: string,
  deployment: Deployment.Options,
  provider: Provider["Service"],
  defaults: Defaults,
  { health, queue, repeated }: State,
  account: number | undefined,
): Candidate => {
  const circuit = CircuitPolicy.resolve(merge(CircuitPolicy.defaults, defaults.circuit, deployment.circuit))
  // Another credential is another account, and starts with circuits and cooldowns of its own. The place among several
  // accounts tells them apart only where the credential is not known: they may be listed in another order after a reload.
  const id = provider.account ?? account
  const key = id === undefined ? name : `${name}@${id}`
  const limitKey = account === undefined ? name : key
  return {
    name,
    account,
    accounts: undefined,
    pool: undefined,
    deployment,
    provider,
    origin: provider.origin ?? { name: deployment.vendor ?? provider.protocol },
    local: provider.local === true,
    health,
    repeated,
    queue,
    circuit,
    cooldown: Cooldown.resolve(
      merge<Partial<Cooldown.CooldownPolicy>>({}, defaults.cooldown, deployment.cooldown),
      circuit,
    ),
    keys: each((operation) => (operation === "chat" ? key : `${key}#${operation}`)),
    limitKey,
    buckets: Bucket.make(limitKey, deployment.limits),
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
