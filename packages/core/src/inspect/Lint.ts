/**
 * What is legal in a configuration and yet hardly meant: candidates that are never asked, asked twice or come too late,
 * fallbacks that can do less than those before them, vectors that cannot be compared; and what a route may cost at its worst. Pure: nobody is started.
 */
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import type { Defaults } from "../policy/Policies.ts"
import * as Cost from "../model/Cost.ts"
import type { Options } from "../deployment/Deployment.ts"
import type { Capabilities } from "../model/Capabilities.ts"
import * as BoundRoute from "../route/BoundRoute.ts"
import type { Problem } from "../route/Problem.ts"
import type { ResolvedRetryPolicy } from "../policy/Retry.ts"
import type { Route } from "../route/Route.ts"
import * as Routes from "../route/Route.ts"

/** The worst that one call on a route may come to. */
export interface WorstCase {
  readonly route: string
  /** At providers, retries included. */
  readonly attempts: number
  /** Milliseconds a plain call may take: every attempt as slow as it may be, never longer than `total`. */
  readonly millis: number
  /** US dollars under `assumed`, of the candidates whose price is known; `undefined` if none is. */
  readonly dollars: number | undefined
  /** Deployments without a price. */
  readonly unpriced: ReadonlyArray<string>
}

export interface Report {
  readonly warnings: ReadonlyArray<Problem>
  /** One for each route, as written. */
  readonly worstCases: ReadonlyArray<WorstCase>
}

/** What the price of a worst case assumes: every attempt is billed, reads `input` tokens and writes `maxOutput`, or `output` where that is not said. */
export const pricingAssumption = { input: 1000, output: 4096 }

interface Named {
  readonly name: string
  readonly deployment: Options
  readonly local: boolean
}

/**
 * Looks at every route, or says why they do not even fit together: unknown names, circles. `local` names the deployments
 * that are served nearby: see `Provider`.
 */
export const lint = (
  routes: Readonly<Record<string, Route>>,
  deployments: Readonly<Record<string, Options>>,
  defaults: Defaults,
  local: ReadonlySet<string> = new Set(),
): Result.Result<Report, ReadonlyArray<Problem>> => {
  const candidates = new Map(
    Object.entries(deployments).map(([name, deployment]): [string, Named] => [
      name,
      { name, deployment, local: local.has(name) },
    ]),
  )
  return Result.map(BoundRoute.make(routes, candidates, defaults), (compiled) => {
    const found = new Map([...compiled].map(([name, route]) => [name, warnings(route)]))
    return {
      warnings: Object.entries(routes).flatMap(([name, route]) => {
        // What is said of a route that it names is not said again of this one.
        const said = new Set(Routes.names(route).flatMap((each) => found.get(each) ?? []))
        return (found.get(name) ?? [])
          .filter((message) => !said.has(message))
          .map((message) => ({ path: `routes.${name}`, message }))
      }),
      worstCases: [...compiled.values()].filter(({ name }) => Object.hasOwn(routes, name)).map(worst),
    }
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// Warnings
// ---------------------------------------------------------------------------------------------------------------------

const warnings = ({ route, total }: BoundRoute.BoundRoute<Named>): ReadonlyArray<string> => [
  ...new Set(paths(route).flatMap((way) => warningsOf(way, total))),
]

const warningsOf = (all: Path, total: number): ReadonlyArray<string> => {
  const asked = all.filter(({ never }) => !never).map(({ leaf }) => leaf)
  // A branch is taken after some failures only, and asks nobody again who has failed.
  const chain = all.filter(({ branch, never }) => !never && !branch).map(({ leaf }) => leaf)
  return [
    ...all.flatMap(({ leaf, never }) =>
      never ? [`"${leaf.candidate.name}" is never asked by its balance: its weight is 0`] : [],
    ),
    ...duplicates(chain),
    ...unreachableInTime(chain, total),
    ...weakerFallbacks(asked),
    ...unanswerable(asked),
    ...mixedEmbeddingModels(asked),
  ]
}

interface Place {
  readonly leaf: BoundRoute.Leaf<Named>
  readonly never: boolean
  /** Whether it stands in a branch, such as `onContextWindow`. */
  readonly branch: boolean
}

/** Everybody a call may ask that goes one way through the conditions of its route, in order. */
type Path = ReadonlyArray<Place>

const paths = (route: BoundRoute.Bound<Named>): ReadonlyArray<Path> => {
  switch (route._tag) {
    case "Leaf":
      return [[{ leaf: route, never: false, branch: false }]]
    case "Fallback":
      return route.routes.map(paths).reduce(joined, [[]])
    case "Balance":
    case "Hedge":
      return [route.across.map((leaf) => ({ leaf, never: leaf.candidate.deployment.weight === 0, branch: false }))]
    case "When":
      return [...route.cases.map(({ use }) => use), route.otherwise].flatMap(paths)
    case "OnError": {
      const branches = paths(route.use).map((way) => way.map((place) => ({ ...place, branch: true })))
      return joined(paths(route.route), branches)
    }
  }
}

/** Every way of the first followed by every way of the second. */
const joined = (first: ReadonlyArray<Path>, second: ReadonlyArray<Path>): ReadonlyArray<Path> =>
  first.flatMap((before) => second.map((after) => [...before, ...after]))

type Leaves = ReadonlyArray<BoundRoute.Leaf<Named>>

const duplicates = (asked: Leaves): ReadonlyArray<string> => {
  const names = asked.map(({ candidate }) => candidate.name)
  return [...new Set(names)]
    .map((name) => ({ name, times: names.filter((each) => each === name).length }))
    .filter(({ times }) => times > 1)
    .map(({ name, times }) => `"${name}" stands in it ${times} times: whoever comes to it again has seen it fail`)
}

/** Silence is not asked twice: a silent candidate takes as long as one attempt may. */
const unreachableInTime = (asked: Leaves, total: number): ReadonlyArray<string> => {
  for (const [kind, limit] of [["plain", "attempt"] as const, ["streamed", "firstToken"] as const]) {
    let silent = 0
    for (const { candidate, policies } of asked) {
      if (silent >= total) {
        return [
          `"${candidate.name}" comes too late for a ${kind} call when all before it are silent: they may take ${time(silent)}, the call ${time(total)}`,
        ]
      }
      silent += policies[limit]
    }
  }
  return []
}

const abilities = ["tools", "vision", "audio", "files", "jsonSchema", "reasoning"] as const satisfies ReadonlyArray<
  keyof Capabilities
>

/** Compared with the first, which is who the route was written for. */
const weakerFallbacks = ([first, ...others]: Leaves): ReadonlyArray<string> => {
  if (first === undefined) return []
  const lead = first.candidate
  const able = lead.deployment.capabilities ?? {}
  const seen = new Map(others.map(({ candidate }) => [candidate.name, candidate.deployment.capabilities ?? {}]))
  return [...seen].flatMap(([name, capabilities]) => {
    const lost = abilities.filter((ability) => capabilities[ability] === false && able[ability] !== false)
    const [window, whole] = [capabilities.contextWindow, able.contextWindow]
    return [
      ...(lost.length === 0
        ? []
        : [`"${name}" cannot do ${lost.join(", ")}: it stands in for "${lead.name}" only in calls without`]),
      ...(window === undefined || whole === undefined || window >= whole
        ? []
        : [
            `"${name}" has a window of ${window} tokens, "${lead.name}" of ${whole}: it stands in only for calls that fit`,
          ]),
    ]
  })
}

/** An answer that is not accepted needs another deployment to give one. */
const unanswerable = (asked: Leaves): ReadonlyArray<string> => {
  const [only, ...others] = new Map(asked.map((leaf) => [leaf.candidate.name, leaf])).values()
  return only?.accept === undefined || others.length > 0
    ? []
    : [`"${only.candidate.name}" is alone with accept: ${only.accept}: an answer that is not accepted becomes an error`]
}

/** Who is said to embed, or has it in its name. */
const embeds = ({ capabilities, model }: Options): boolean => capabilities?.embeddings ?? named.test(model)

/** One model is called otherwise in another region or by another vendor, but by this part of its id. */
const named = /[^./]*embed.*/i

const mixedEmbeddingModels = (asked: Leaves): ReadonlyArray<string> => {
  const [first, ...others] = asked.map(({ candidate }) => candidate).filter(({ deployment }) => embeds(deployment))
  if (first === undefined) return []
  const idOf = ({ deployment: { model } }: Named): string => named.exec(model)?.[0] ?? model
  return others
    .filter((each) => idOf(each) !== idOf(first))
    .map(
      ({ deployment, name }) =>
        `"${name}" embeds by ${deployment.model}, "${first.name}" by ${first.deployment.model}: vectors of two models are not comparable`,
    )
}

const time = (millis: number): string => Duration.format(Duration.millis(millis))

// ---------------------------------------------------------------------------------------------------------------------
// The worst case
// ---------------------------------------------------------------------------------------------------------------------

/** The worst of each kind that any way through the route's conditions may come to. */
const worst = ({ name, route, total }: BoundRoute.BoundRoute<Named>): WorstCase => {
  const all = paths(route).map(sum)
  const dollars = all.flatMap((each) => each.dollars ?? [])
  return {
    route: name,
    attempts: Math.max(...all.map(({ attempts }) => attempts)),
    millis: Math.min(total, Math.max(...all.map(({ millis }) => millis))),
    dollars: dollars.length === 0 ? undefined : Math.max(...dollars),
    unpriced: [...new Set(all.flatMap(({ unpriced }) => unpriced))],
  }
}

const sum = (way: Path): Omit<WorstCase, "route"> => {
  let attempts = 0
  let millis = 0
  let dollars: number | undefined
  const unpriced: Array<string> = []
  const asked = way.filter(({ never }) => !never).map(({ leaf }) => leaf)
  for (const leaf of asked) {
    const { candidate, policies } = leaf === asked.at(-1) ? (leaf.atEnd ?? leaf) : leaf
    const tries = 1 + policies.retry.times
    attempts += tries
    millis += tries * policies.attempt + waits(policies.retry)
    const { capabilities, price } = candidate.deployment
    if (price === undefined) unpriced.push(candidate.name)
    else {
      const usage = {
        inputTokens: pricingAssumption.input,
        outputTokens: capabilities?.maxOutput ?? pricingAssumption.output,
      }
      dollars = (dollars ?? 0) + tries * Cost.of(price, usage)
    }
  }
  return { attempts, millis, dollars, unpriced }
}

/** The longest that all waits between the tries of one candidate may take: a backoff, or a Retry-After that is borne. */
const waits = ({ base, max, maxRetryAfter, times }: ResolvedRetryPolicy): number => {
  if (!Number.isFinite(times)) return Number.POSITIVE_INFINITY
  let sum = 0
  for (let retry = 0; retry < times; retry++)
    sum += Math.max(maxRetryAfter, Math.min(max, base * 2 ** retry * mostJitter))
  return sum
}

/** `Schedule.jittered` varies a delay between 80 % and 120 %. */
const mostJitter = 1.2
