/**
 * Random configurations, each with the faults and the calls that it is rehearsed with. A seed decides all of it. Everything is
 * data, so that a configuration can be printed.
 */
import * as Duration from "effect/Duration"
import type * as Deployment from "../../src/deployment/Deployment.ts"
import type { Reason, ReasonTag } from "../../src/model/ProviderError.ts"
import type { RetryPolicy } from "../../src/policy/Retry.ts"
import { retryable } from "../../src/model/ProviderError.ts"
import type { Price } from "../../src/model/Cost.ts"
import type { Defaults, Policies } from "../../src/policy/Policies.ts"
import type { Behavior, Failure } from "../../src/rehearsal/Behavior.ts"
import { Chance, named } from "../../src/rehearsal/Chance.ts"
import type { Scenario, ScenarioIncident } from "../../src/rehearsal/Scenario.ts"
import type { PlannedCall } from "../../src/rehearsal/Traffic.ts"
import * as Route from "../../src/route/Route.ts"

export interface RandomConfiguration {
  readonly deployments: Readonly<Record<string, Deployment.Options>>
  readonly routes: Readonly<Record<string, Route.Route>>
  readonly defaults: Defaults
  /** The number of accounts of each deployment. */
  readonly accounts: ReadonlyMap<string, number>
  readonly scenario: Scenario
  readonly calls: ReadonlyArray<PlannedCall>
}

/** 2026-01-01T00:00:00Z. */
export const start = 1_767_225_600_000

export const make = (seed: number): RandomConfiguration => new Generator(seed).configuration()

/** Below the input that the worst case assumes, since what an estimate counts besides the text comes on top of it. */
const inputTokens = 900
const mostOutput = 4096

const abilities = ["tools", "jsonSchema", "reasoning"] as const

const reasons: ReadonlyArray<Reason> = [
  { _tag: "RateLimited" },
  { _tag: "RateLimited", retryAfter: Duration.seconds(1) },
  { _tag: "Overloaded", retryAfter: Duration.seconds(5) },
  { _tag: "Overloaded" },
  { _tag: "ServerError" },
  { _tag: "Network" },
  { _tag: "Malformed" },
  { _tag: "QuotaExhausted" },
  { _tag: "Authentication" },
  { _tag: "ContextWindowExceeded" },
  { _tag: "ContentPolicy" },
  { _tag: "InvalidRequest" },
  { _tag: "Unsupported", feature: "any" },
]

const branchReasons: ReadonlyArray<ReasonTag> = [
  "RateLimited",
  "Overloaded",
  "ServerError",
  "Network",
  "Timeout",
  "ContextWindowExceeded",
  "ContentPolicy",
]

class Generator {
  readonly #chance: Chance
  readonly #ofParams: Chance
  readonly #ofReasons: Chance

  constructor(seed: number) {
    this.#chance = new Chance(named(seed, "configuration"))
    this.#ofParams = new Chance(named(seed, "parameters"))
    this.#ofReasons = new Chance(named(seed, "retries by reason"))
  }

  configuration(): RandomConfiguration {
    const names = Array.from({ length: this.#from(1, 5) }, (_, index) => `d${index}`)
    const deployments = Object.fromEntries(names.map((name, index) => [name, this.#deployment(index)]))
    const inner = this.#happens(0.4) ? this.#route(names, 1) : undefined
    const targets = inner === undefined ? names : [...names, "inner"]
    const main = this.#around(this.#route(names, 3, targets), this.#whole(targets))
    const least = Object.values(deployments).map(({ capabilities }) => capabilities?.maxOutput ?? mostOutput)
    return {
      deployments,
      routes: inner === undefined ? { main } : { inner, main },
      defaults: { ...this.#policies(), circuit: this.#circuit() },
      accounts: new Map(names.map((name) => [name, this.#pick([1, 1, 1, 2, 3])])),
      scenario: this.#scenario(names),
      calls: this.#calls(Math.min(...least), inner === undefined ? ["main"] : ["main", "main", "inner"]),
    }
  }

  #happens(probability: number): boolean {
    return this.#chance.happens(probability)
  }

  /** A whole number from the first to the last. */
  #from(first: number, last: number): number {
    return first + Math.floor(this.#chance.next() * (last - first + 1))
  }

  #pick<A>(items: ReadonlyArray<A>): A {
    const item = items[this.#from(0, items.length - 1)]
    if (item === undefined) throw new RangeError("nothing to pick from")
    return item
  }

  #maybe<A>(probability: number, make: () => A): A | undefined {
    return this.#happens(probability) ? make() : undefined
  }

  /** Some of the items, at least one, in a random order. */
  #some<A>(items: ReadonlyArray<A>, most: number): readonly [A, ...ReadonlyArray<A>] {
    const left = [...items]
    const take = (): A => {
      const [item] = left.splice(this.#from(0, left.length - 1), 1)
      return item!
    }
    const count = this.#from(1, Math.min(most, items.length))
    return [take(), ...Array.from({ length: count - 1 }, take)]
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Deployments
  // -------------------------------------------------------------------------------------------------------------------

  /** The first has a weight, so that a balance with it has one to try. */
  #deployment(index: number): Deployment.Options {
    return {
      model: `m${index}`,
      weight: index === 0 ? undefined : this.#maybe(0.3, () => this.#pick([0, 1, 5])),
      limits: this.#maybe(0.4, () => ({
        concurrency: this.#maybe(0.5, () => this.#from(1, 3)),
        rpm: this.#maybe(0.4, () => this.#from(1, 60)),
        tpm: this.#maybe(0.2, () => this.#from(1000, 100_000)),
        queue: this.#maybe(0.6, () => ({
          max: this.#maybe(0.3, () => this.#from(0, 5)),
          maxWait: this.#maybe(0.7, () => this.#pick([500, 2000, 20_000])),
          fallback: this.#maybe(0.6, () => this.#pick(["first", "last"] as const)),
        })),
      })),
      capabilities: this.#maybe(0.5, () => ({
        ...Object.fromEntries(abilities.map((ability) => [ability, this.#maybe(0.3, () => this.#happens(0.5))])),
        embeddings: this.#maybe(0.2, () => false),
        contextWindow: this.#maybe(0.3, () => this.#pick([800, 2000, 8000])),
        maxOutput: this.#maybe(0.5, () => this.#pick([100, 1000, 4096])),
      })),
      price: this.#maybe(0.8, () => this.#price()),
      ...this.#policies(),
      circuit: this.#maybe(0.5, () => this.#circuit()),
      params: this.#params(),
      force: this.#params(),
    }
  }

  /** Above and below the output that the worst case assumes without them. */
  #params(): Deployment.Options["params"] {
    const chance = this.#ofParams
    return chance.happens(0.2) ? { maxTokens: 1 + Math.floor(chance.next() * 2 * mostOutput) } : undefined
  }

  #timesByReason(): RetryPolicy["timesByReason"] {
    const chance = this.#ofReasons
    if (!chance.happens(0.3)) return undefined
    return Object.fromEntries(
      retryable.filter(() => chance.happens(0.4)).map((reason) => [reason, Math.floor(chance.next() * 5)]),
    )
  }

  #rates(): Price {
    return {
      input: this.#from(0, 10),
      output: this.#from(0, 40),
      request: this.#maybe(0.2, () => 0.01),
      cacheWrite: this.#maybe(0.2, () => this.#from(0, 20)),
      reasoning: this.#maybe(0.2, () => this.#from(0, 80)),
    }
  }

  #price(): Price {
    return {
      ...this.#rates(),
      tiers: this.#maybe(0.2, () => [{ ...this.#rates(), above: this.#pick([500, 100_000]) }]),
      changes: this.#maybe(0.2, () => [
        { ...this.#rates(), when: this.#pick([{ start: 0, end: 60_000 }, { from: 0 }]) },
      ]),
    }
  }

  #circuit(): Defaults["circuit"] {
    return {
      failures: this.#pick([1, 3, 100]),
      open: this.#pick([500, 5000]),
      permanentFailure: this.#pick([1000, 300_000]),
    }
  }

  /** Policies of a deployment, of a part of a route, or of defaults. */
  #policies(): Pick<Policies, "retry" | "timeout"> {
    return {
      retry: this.#maybe(0.5, () => ({
        times: this.#maybe(0.8, () => this.#from(0, 4)) ?? 2,
        timesByReason: this.#timesByReason(),
        base: this.#pick([0, 100, 1000]),
        max: this.#pick([500, 8000]),
        maxRetryAfter: this.#pick([0, 1000, 5000]),
      })),
      timeout: this.#maybe(0.6, () => ({
        firstToken: this.#pick(times),
        attempt: this.#pick(times),
        idle: this.#pick(times),
        reasoning: this.#pick(times),
      })),
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Routes
  // -------------------------------------------------------------------------------------------------------------------

  /** `targets`: the names that may stand for a route. */
  #route(names: ReadonlyArray<string>, depth: number, targets = names): Route.Route {
    const inner = () => this.#route(names, depth - 1, targets)
    if (depth === 0) return Route.to(this.#pick(targets))
    switch (this.#from(0, 8)) {
      case 0:
        return Route.to(this.#pick(targets))
      case 1:
      case 2:
        return Route.fallback(inner(), ...Array.from({ length: this.#from(1, 2) }, inner))
      case 3: {
        const [first, ...others] = this.#some(names, 3)
        const across = [first, ...others, ...(names[0] === undefined ? [] : [names[0]])] as const
        const affinity = this.#maybe(0.2, () => ({}))
        return Route.balance(this.#pick(Route.strategies), across, { affinity })
      }
      case 4:
        return Route.hedge({
          after: this.#pick([0, 200, 2000, "p95"] as const),
          budget: this.#pick([0.2, 1]),
          across: this.#some(names, 3),
        })
      case 5:
        return Route.when(
          [
            { if: { tags: ["vip"] }, use: inner() },
            { if: { requires: ["tools"] }, use: inner() },
          ],
          inner(),
        )
      case 6: {
        const [first, ...others] = this.#some(targets, 3)
        return Route.split([
          { use: first, share: 50 },
          ...others.map((use) => ({ use, share: this.#pick([0, 25, 50]) })),
        ])
      }
      case 7:
        return Route.onError(this.#some(branchReasons, 3), inner())(inner())
      default:
        return this.#around(inner(), {
          ...this.#policies(),
          stream: this.#maybe(0.4, () => ({ protect: this.#protect() })),
          fallbackOn: this.#maybe(0.3, () => "any" as const),
          accept: this.#maybe(0.2, () => ({ length: { min: this.#pick([1, 400, 1_000_000]) } })),
        })
    }
  }

  /** Policies of a whole route. */
  #whole(targets: ReadonlyArray<string>): Policies {
    const { retry, timeout } = this.#policies()
    return {
      retry: { ...retry, budget: this.#pick([0, 0.2, 1, 1]) },
      timeout: { ...timeout, ...(this.#happens(0.5) && { total: this.#pick([10_000, 60_000]) }) },
      stream: this.#maybe(0.5, () => ({ protect: this.#protect() })),
      shadow: this.#maybe(0.2, () => ({ to: this.#pick(targets), share: this.#pick([0.5, 1]) })),
    }
  }

  #protect() {
    return this.#pick(["preamble", "continue", "full"] as const)
  }

  #around(route: Route.Route, policies: Policies): Route.Route {
    const { accept, fallbackOn, retry = {}, shadow, stream = {}, timeout = {} } = policies
    const around = route.pipe(Route.retry(retry), Route.timeout(timeout), Route.stream(stream))
    const after = fallbackOn === undefined ? around : Route.fallbackOn(fallbackOn)(around)
    const accepted = accept === undefined ? after : Route.accept(accept)(after)
    return shadow === undefined ? accepted : Route.shadow(shadow)(accepted)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Faults and calls
  // -------------------------------------------------------------------------------------------------------------------

  #scenario(names: ReadonlyArray<string>): Scenario {
    return {
      name: "random",
      description: "random faults",
      deployments: Object.fromEntries(names.map((name) => [name, this.#behavior()])),
      incidents: Array.from({ length: this.#from(0, 3) }, () => this.#incident(names)),
    }
  }

  #behavior(): Partial<Behavior> {
    return {
      firstToken: { median: this.#pick([100, 1000, 5000]), p95: 10_000 },
      tokensPerSecond: this.#pick([50, 500, 5000]),
      failures: this.#failures(),
      cut: this.#pick([0, 0, 0.2, 0.8]),
      stall: this.#pick([0, 0, 0.2]),
      quota: this.#maybe(0.2, () => ({ rpm: this.#from(1, 60), tpm: this.#from(2000, 100_000) })),
    }
  }

  /** Many come just before a timeout: those make a call as long as it may be. */
  #failures(): ReadonlyArray<Failure> {
    if (this.#happens(0.2)) return []
    const all = this.#pick([0.2, 0.6, 0.95, 1])
    const count = this.#from(1, 3)
    return Array.from({ length: count }, () => ({
      share: all / count,
      reason: this.#pick(reasons),
      after: this.#happens(0.5) ? this.#pick(times) - 1 : this.#from(0, 500),
    }))
  }

  #incident(names: ReadonlyArray<string>): ScenarioIncident {
    return {
      from: this.#from(0, 30_000),
      for: this.#from(1000, 60_000),
      where: { deployments: this.#some(names, 3) },
      change: this.#pick([{ outage: true }, { stall: 1 }, { cut: 1 }, { slower: 20 }, { quota: 0.1 }]),
    }
  }

  /** A few dozen calls, far apart or close together. */
  #calls(most: number, routes: ReadonlyArray<string>): ReadonlyArray<PlannedCall> {
    const apart = this.#pick([50, 500, 5000])
    let at = start
    return Array.from({ length: this.#from(20, 40) }, (_, number) => {
      at += this.#from(0, 2 * apart)
      const isEmbedding = this.#happens(0.1)
      return {
        number,
        at,
        model: this.#pick(routes),
        streaming: !isEmbedding && this.#happens(0.5),
        inputTokens,
        outputTokens: this.#from(1, most),
        caller: undefined,
        tags: this.#happens(0.3) ? ["vip"] : [],
        content: number,
        operation: isEmbedding ? "embeddings" : "chat",
        maxTokens: this.#maybe(0.3, () => this.#from(1, mostOutput)),
        requires: this.#happens(0.3) ? this.#some(abilities, 2) : undefined,
      }
    })
  }
}

/** Milliseconds. */
const times = [1000, 2000, 5000, 20_000]
