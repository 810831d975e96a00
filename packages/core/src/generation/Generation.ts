/**
 * One generation of a router: its deployments with their running providers, its routes bound to them, and their caches. A
 * reload replaces it by the next one. A call stays on the generation on which it began, and a generation that was replaced
 * closes when its last call has ended.
 *
 * The next generation takes over what it keeps: a provider whose layer is the same value goes on running, and a deployment
 * with the same name, provider and model keeps its latencies and calls in flight.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type * as Admission from "../admission/Admission.ts"
import * as Status from "../admission/Status.ts"
import type { CacheStore } from "../cache/CacheStore.ts"
import * as ResponseCache from "../cache/ResponseCache.ts"
import * as Candidate from "../deployment/Candidate.ts"
import * as Deployment from "../deployment/Deployment.ts"
import { Call } from "../model/Call.ts"
import type { AnyRequest } from "../model/Call.ts"
import { Provider } from "../model/Provider.ts"
import type { Definition, Definitions } from "../faults/FaultInjection.ts"
import type { Defaults } from "../policy/Policies.ts"
import * as BoundRoute from "../route/BoundRoute.ts"
import type { Problem } from "../route/Problem.ts"
import type { Route } from "../route/Route.ts"
import * as Wildcard from "../route/Wildcard.ts"
import * as MaxCost from "../spend/MaxCost.ts"

/** What a generation is made of. Routes and deployments are called by name, exactly or by a `*`; no two may have the same name. */
export interface Options<Deployments, Routes = Readonly<Record<string, Route>>> {
  readonly deployments: Deployments
  readonly routes?: Routes | undefined
  readonly defaults?: Defaults | undefined
}

/** The options of one generation, whose deployments are of one type. */
export type Uniform<E = unknown, R = unknown> = Options<Readonly<Record<string, Deployment.Deployment<E, R>>>>

/** Every problem of a router's options, with its path: values that are not allowed, and names that lead nowhere. */
export class InvalidRoutes extends Data.TaggedError("InvalidRoutes")<{
  readonly problems: ReadonlyArray<Problem>
}> {
  override get message(): string {
    return this.problems.map(({ message, path }) => `${path}: ${message}`).join("\n")
  }
}

/** What all generations of a router share. */
export interface Shared {
  readonly stores: Admission.Stores
  readonly cacheStore: CacheStore["Service"]
  readonly suspects: ReturnType<typeof Candidate.suspects>
  /** The scope of the router: those of its generations are forked from it. */
  readonly scope: Scope.Scope
}

/** What a generation has started. */
interface Parts {
  readonly options: Uniform
  readonly scope: Scope.Closeable
  readonly providers: ReadonlyMap<string, RunningProviders>
  readonly candidates: ReadonlyMap<string, Candidate.Candidate>
  readonly routes: ReadonlyMap<string, BoundRoute.BoundRoute>
  readonly caches: ResponseCache.ResponseCaches
}

/** The providers of a deployment, one for each account, and where they are found while any generation uses them. */
interface RunningProviders {
  readonly memoMap: Layer.MemoMap
  readonly accounts: ReadonlyArray<{ readonly layer: Layer.Any; readonly service: Provider["Service"] }>
}

export class Generation {
  readonly options: Uniform
  readonly candidates: ReadonlyMap<string, Candidate.Candidate>
  /** Every name that can be called, deployments included. */
  readonly routes: ReadonlyMap<string, BoundRoute.BoundRoute>
  readonly routeNames: ReadonlyArray<string>
  readonly deploymentNames: ReadonlyArray<string>
  /** The name that serves a model: itself, or one with a `*`. */
  readonly canonicalName: (model: string) => string
  readonly caches: ResponseCache.ResponseCaches
  readonly providers: ReadonlyMap<string, RunningProviders>
  /** The faults that can be switched on. */
  readonly faults: Definitions
  readonly #scope: Scope.Closeable
  readonly #protocols: ReadonlyMap<string, ReadonlySet<string>>
  readonly #priced: ReadonlyMap<string, ReadonlyArray<Deployment.Options>>
  readonly #idle = Deferred.makeUnsafe<void>()
  #calls = 0
  #isReplaced = false

  constructor({ caches, candidates, options, providers, routes, scope }: Parts) {
    this.options = options
    this.candidates = candidates
    this.routes = routes
    this.routeNames = Object.keys(options.routes ?? {})
    this.deploymentNames = [...candidates.keys()]
    this.canonicalName = Wildcard.among([...routes.keys()])
    this.caches = caches
    this.providers = providers
    this.faults = faultsOf(candidates, routes)
    this.#scope = scope
    this.#protocols = protocolsOf(routes, candidates, caches)
    this.#priced = pricedOf(routes)
  }

  /** Counts a call on this generation. `leave` must follow exactly once, when the call has ended. */
  enter(): void {
    this.#calls++
  }

  leave(): void {
    if (--this.#calls === 0 && this.#isReplaced) Deferred.doneUnsafe(this.#idle, Exit.void)
  }

  /** Closes it once no call is on it. No call may begin on it any more. */
  get retire(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#isReplaced = true
      const ended = this.#calls === 0 ? Effect.void : Deferred.await(this.#idle)
      return Effect.andThen(ended, this.close)
    })
  }

  /** Closes the providers that no other generation uses. */
  get close(): Effect.Effect<void> {
    return Effect.uninterruptible(Scope.close(this.#scope, Exit.void))
  }

  /** The route that serves a model; `undefined` if none does. */
  routeOf(model: string): BoundRoute.BoundRoute | undefined {
    return this.routes.get(this.canonicalName(model))
  }

  /** The protocols of a model's deployments. None if its route has a cache or a shadow, which take the whole request. */
  protocols(model: string): ReadonlySet<string> {
    return this.#protocols.get(this.canonicalName(model)) ?? noProtocols
  }

  /** Puts the limits of its deployments in force for calls that wait for them. */
  enforceLimits(): void {
    for (const candidate of this.candidates.values()) {
      for (const { buckets, deployment, queue } of [candidate, ...(candidate.accounts?.all ?? [])]) {
        queue.enforce(deployment.limits, buckets)
      }
    }
  }

  /** See `Router.maxCost`. */
  maxCost(request: AnyRequest): number | undefined {
    const route = this.routeOf(request.model)
    return route === undefined ? undefined : this.mostOf(route, new Call(request, false))
  }

  /** The most that one attempt of a call of a route may cost, in US dollars. */
  mostOf({ name }: BoundRoute.BoundRoute, call: Call): number {
    let most = 0
    for (const deployment of this.#priced.get(name) ?? []) {
      const model = () => Wildcard.substitute(deployment.model, name, call.request.model)
      most = Math.max(most, MaxCost.ofAttempt(deployment, call, model))
    }
    return most
  }
}

const noProtocols: ReadonlySet<string> = new Set()

const protocolsOf = (
  routes: Parts["routes"],
  candidates: Parts["candidates"],
  caches: Parts["caches"],
): ReadonlyMap<string, ReadonlySet<string>> => {
  const protocols = new Map<string, ReadonlySet<string>>()
  for (const [name, { route, shadow }] of routes) {
    const isWhole = caches.has(name) || shadow !== undefined
    const spoken = BoundRoute.deployments(route).flatMap(([deployment]) => {
      const protocol = candidates.get(deployment)?.provider.protocol
      return protocol === undefined || isWhole ? [] : [protocol]
    })
    protocols.set(name, new Set(spoken))
  }
  return protocols
}

const faultsOf = (candidates: Parts["candidates"], routes: Parts["routes"]): Definitions => {
  const found: Map<string, Definition> = new Map()
  for (const [name, { deployment }] of candidates) define(found, name, "deployment", deployment.faults)
  for (const [name, { faults }] of routes) define(found, name, "route", faults)
  return found
}

const define = (
  definitions: Map<string, Definition>,
  name: string,
  kind: Definition["kind"],
  faults: Definition["faults"] = [],
): void => {
  if (faults.length > 0) definitions.set(name, { kind, faults })
}

const pricedOf = (routes: Parts["routes"]): ReadonlyMap<string, ReadonlyArray<Deployment.Options>> => {
  const priced = new Map<string, ReadonlyArray<Deployment.Options>>()
  for (const [name, { route }] of routes) {
    priced.set(name, MaxCost.distinct(BoundRoute.candidates(route).map(({ deployment }) => deployment)))
  }
  return priced
}

// ---------------------------------------------------------------------------------------------------------------------
// Starting
// ---------------------------------------------------------------------------------------------------------------------

/**
 * Starts a generation: the first, or the one after `previous`. Everything is checked before any provider is started. If a
 * provider cannot start, those that were started for it are closed again.
 */
export const start = <E, R>(
  shared: Shared,
  options: Uniform<E, R>,
  previous: Generation | undefined,
): Effect.Effect<Generation, InvalidRoutes | E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Scope.fork(shared.scope), (scope) =>
      Effect.onError(restore(build(shared, options, previous, scope)), (cause) =>
        Scope.close(scope, Exit.failCause(cause)),
      ),
    ),
  )

const build = Effect.fnUntraced(function* <E, R>(
  { cacheStore, stores, suspects }: Shared,
  options: Uniform<E, R>,
  previous: Generation | undefined,
  scope: Scope.Closeable,
): Effect.fn.Return<Generation, InvalidRoutes | E, R> {
  const { defaults = {}, deployments } = options
  const entries = Object.entries(deployments)
  const empty = entries.filter(([, { provider }]) => Deployment.layers(provider).length === 0)
  if (empty.length > 0) return yield* new InvalidRoutes({ problems: empty.map(([name]) => withoutProvider(name)) })
  yield* bind(options, new Map(entries.map(([name, deployment]) => [name, { deployment }])), undefined)
  const providers = new Map(
    yield* Effect.forEach(
      entries,
      ([name, { provider }]) =>
        Effect.map(run(provider, previous?.providers.get(name)?.memoMap, scope), (running) => [name, running] as const),
      { concurrency: "unbounded" },
    ),
  )
  const candidates = new Map<string, Candidate.Candidate>()
  const fresh: Array<Candidate.Candidate> = []
  for (const [name, deployment] of entries) {
    const before = accountsBefore(name, deployment, previous)
    const accounts = providers.get(name)!.accounts.map(({ layer, service: provider }) => {
      const state = before.get(layer)
      return { provider, state: state ?? Candidate.initialState(suspects), isNew: state === undefined }
    })
    const old = accounts.some(({ isNew }) => !isNew) ? previous?.candidates.get(name) : undefined
    const candidate = candidateOf(name, deployment, accounts, defaults, suspects, old)
    fresh.push(...Candidate.accountsOf(candidate).filter((_, index) => accounts[index]!.isNew))
    candidates.set(name, candidate)
  }
  const routes = yield* bind(options, candidates, previous?.routes)
  const isKept = (name: string) => candidates.get(name)?.health === previous?.candidates.get(name)?.health
  const caches = yield* ResponseCache.make(cacheStore, routes, previous?.caches, isKept)
  // What the account of another deployment of this name did in this process says nothing about this one. Shared state is
  // that of all gateways, and stays.
  if (previous !== undefined && stores.circuits.immediate !== undefined) {
    yield* Effect.forEach(fresh, (candidate) => Status.reset(stores, candidate), { discard: true })
  }
  return new Generation({ options, scope, providers, candidates, routes, caches })
})

/** The candidate of a deployment. `old`: the one that it replaces, if an account of it stays. */
const candidateOf = (
  name: string,
  deployment: Deployment.Options,
  accounts: ReadonlyArray<Candidate.Account>,
  defaults: Defaults,
  suspects: Shared["suspects"],
  old: Candidate.Candidate | undefined,
): Candidate.Candidate => {
  const [only, ...others] = accounts
  if (others.length === 0) return Candidate.make(name, deployment, only!.provider, defaults, only!.state)
  return old?.accounts === undefined
    ? Candidate.makePool(name, deployment, accounts, defaults, Candidate.initialState(suspects), 0)
    : Candidate.makePool(name, deployment, accounts, defaults, old, old.accounts.turn)
}

const withoutProvider = (name: string): Problem => ({
  path: `deployments.${name}.provider`,
  message: "lists no provider: a deployment needs at least one",
})

/** Starts the provider of each account, or finds it running. They close with the last generation that uses them. */
const run = <E, R>(
  providers: Deployment.Providers<E, R>,
  memoMap: Layer.MemoMap = Layer.makeMemoMapUnsafe(),
  generation: Scope.Scope,
): Effect.Effect<RunningProviders, E, R> =>
  Effect.contextWith((context: Context.Context<R>) =>
    Effect.map(
      Effect.forEach(
        Deployment.layers(providers),
        (layer) =>
          Effect.map(
            // The map is asked for the layer itself, so that a layer which is always built anew (`Layer.fresh`) is found too.
            memoMap.getOrElseMemoize(layer, generation, (_, scope) =>
              Layer.buildWithMemoMap(layer, Layer.CurrentMemoMap.forkOrCreate(context), scope),
            ),
            (built) => ({ layer, service: Context.get(built, Provider) }),
          ),
        { concurrency: "unbounded" },
      ),
      (accounts) => ({ memoMap, accounts }),
    ),
  )

/** The states of a deployment's accounts in the generation before, by their layers, if it is the same deployment. */
const accountsBefore = (
  name: string,
  { model }: Deployment.Any,
  previous: Generation | undefined,
): ReadonlyMap<Layer.Any, Candidate.State> => {
  const candidate = previous?.candidates.get(name)
  const running = previous?.providers.get(name)
  if (candidate === undefined || running === undefined || candidate.deployment.model !== model) return new Map()
  return new Map(
    Candidate.accountsOf(candidate).map((account, index) => [running.accounts[index]!.layer, account] as const),
  )
}

/** Binds the names of all routes to candidates, or to what is known of them before they are started. */
const bind = <C extends BoundRoute.Unstarted>(
  { defaults = {}, routes = {} }: Pick<Options<unknown>, "defaults" | "routes">,
  candidates: ReadonlyMap<string, C>,
  previous: ReadonlyMap<string, BoundRoute.BoundRoute> | undefined,
): Effect.Effect<ReadonlyMap<string, BoundRoute.BoundRoute<C>>, InvalidRoutes> =>
  Effect.fromResult(
    Result.mapError(
      BoundRoute.make(routes, candidates, defaults, previous),
      (problems) => new InvalidRoutes({ problems }),
    ),
  )
