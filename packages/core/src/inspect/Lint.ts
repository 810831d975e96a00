/**
 * Lint warnings, and the worst case of each route. The warnings are for valid routes that are probably mistakes: deployments
 * that are never tried, tried twice or too late, fallbacks with fewer capabilities, different embedding models. It is pure
 * and starts no provider.
 */
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import type { Defaults } from "../policy/Policies.ts"
import * as Acceptance from "../policy/Acceptance.ts"
import * as Cost from "../model/Cost.ts"
import type { Options } from "../deployment/Deployment.ts"
import type { Capabilities } from "../model/Capabilities.ts"
import type { Name as Operation } from "../model/Operation.ts"
import * as JsonSchema from "../model/JsonSchema.ts"
import * as BoundRoute from "../route/BoundRoute.ts"
import type { Problem } from "../route/Problem.ts"
import type { ResolvedRetryPolicy } from "../policy/Retry.ts"
import * as Retry from "../policy/Retry.ts"
import type { Route } from "../route/Route.ts"
import * as Routes from "../route/Route.ts"
import * as QueuePolicy from "../policy/QueuePolicy.ts"

/** The worst case of one call on a route. */
export interface WorstCase {
  readonly route: string
  /** Attempts at providers, retries and takeovers of broken streams included. */
  readonly attempts: number
  /**
   * The longest duration of a call that is not streamed, in milliseconds: it waits in every queue and every attempt times out,
   * up to `total`.
   */
  readonly millis: number
  /** US dollars under `pricingAssumption`, for deployments with a price; `undefined` if none has one. */
  readonly dollars: number | undefined
  /** Deployments without a price. */
  readonly unpriced: ReadonlyArray<string>
}

export interface Report {
  readonly warnings: ReadonlyArray<Problem>
  /** One for each route, in the order of the routes. */
  readonly worstCases: ReadonlyArray<WorstCase>
}

/**
 * The worst case assumes that every attempt is billed with `input` tokens, and `maxOutput` or else `output` tokens (or what
 * the deployment's `force.maxTokens` or `params.maxTokens` make of them), at the highest rates that the price has for them at any time.
 */
export const pricingAssumption = { input: 1000, output: 4096 }

interface Named {
  readonly name: string
  readonly deployment: Options
  readonly local: boolean
  /** The number of its accounts. */
  readonly accounts: number
}

/** What is known of the deployments before they are started. */
export interface Known {
  /** The names of those that are served nearby: see `ProviderService.local`. */
  readonly local?: ReadonlySet<string> | undefined
  /** The operations that their servers are known to have, by name; not of servers that may have any. */
  readonly operations?: ReadonlyMap<string, ReadonlySet<Operation>> | undefined
  /** The number of accounts of those that have several, by name: see `Deployment.Providers`. */
  readonly accounts?: ReadonlyMap<string, number> | undefined
}

/** Lints every route; fails with the problems of invalid routes, such as unknown names and cycles. */
export const lint = (
  routes: Readonly<Record<string, Route>>,
  deployments: Readonly<Record<string, Options>>,
  defaults: Defaults,
  { accounts, local, operations }: Known = {},
): Result.Result<Report, ReadonlyArray<Problem>> => {
  const candidates = new Map(
    Object.entries(deployments).map(([name, deployment]): [string, Named] => [
      name,
      { name, deployment, local: local?.has(name) === true, accounts: accounts?.get(name) ?? 1 },
    ]),
  )
  return Result.map(BoundRoute.make(routes, candidates, defaults), (compiled) => {
    const found = new Map([...compiled].map(([name, route]) => [name, warnings(route)]))
    return {
      warnings: [
        ...Object.entries(routes).flatMap(([name, route]) => {
          // Warnings of routes that it names are reported for those routes.
          const reported = new Set(Routes.names(route).flatMap((each) => found.get(each) ?? []))
          return (found.get(name) ?? [])
            .filter((message) => !reported.has(message))
            .map((message) => ({ path: `routes.${name}`, message }))
        }),
        ...queuesOfNothing(deployments),
        ...uselessParams(deployments),
        ...missingOperations(deployments, operations),
      ],
      worstCases: [...compiled.values()].filter(({ name }) => Object.hasOwn(routes, name)).map(worst),
    }
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// Warnings
// ---------------------------------------------------------------------------------------------------------------------

const warnings = ({ affine, route, shadow, total }: BoundRoute.BoundRoute<Named>): ReadonlyArray<string> => [
  ...new Set([
    ...splitWarnings(route),
    ...shadowWarnings(route, shadow),
    ...paths(route).flatMap((path) => warningsOf(path, total)),
    ...affine.flatMap(uselessAffinity),
  ]),
]

/** Deployments that the shadow calls of a route share with its calls. */
const shadowWarnings = (
  route: BoundRoute.Bound<Named>,
  shadow: BoundRoute.BoundShadow<Named> | undefined,
): ReadonlyArray<string> => {
  if (shadow === undefined) return []
  const own = new Set(paths(route).flatMap((path) => path.map(({ leaf }) => leaf.candidate.name)))
  const shared = paths(shadow.route.route).flatMap((path) => path.map(({ leaf }) => leaf.candidate.name))
  return [...new Set(shared)]
    .filter((name) => own.has(name))
    .map(
      (name) =>
        `"${name}" answers calls and gets shadow calls, which use its limits and its circuit: give the shadow a deployment of its own`,
    )
}

/** Splits of one arm, and arms without calls. */
const splitWarnings = (route: BoundRoute.Bound<Named>): ReadonlyArray<string> => {
  const inner = BoundRoute.parts(route).flatMap(splitWarnings)
  if (route._tag !== "Split") return inner
  const { arms } = route.split
  return [
    ...(arms.length === 1 ? [`the split has one arm, "${arms[0]?.use}", which gets all calls`] : []),
    ...arms.filter(({ share }) => share === 0).map(({ use }) => `the arm "${use}" gets no calls: its share is 0`),
    ...inner,
  ]
}

/** Embeddings have no prompt cache, and where there is no choice there is nothing to keep. */
const uselessAffinity = ({ weighted }: BoundRoute.AffineBalance<Named>): ReadonlyArray<string> => {
  const [first, ...others] = new Set(weighted.map(({ candidate }) => candidate.name))
  if (first !== undefined && others.length === 0) {
    return [`"${first}" is the only deployment of a balance with affinity, which has no effect there: remove it`]
  }
  return weighted.every(({ candidate }) => embeds(candidate.deployment))
    ? [`affinity has no effect on the balance of "${[first, ...others].join('", "')}": embeddings have no prompt cache`]
    : []
}

const warningsOf = (all: Path, total: number): ReadonlyArray<string> => {
  const tried = all.filter(({ never }) => !never).map(({ leaf }) => leaf)
  // A branch is taken after certain failures only, and tries no failed deployment again.
  const chain = all.filter(({ branch, never }) => !never && !branch).map(({ leaf }) => leaf)
  return [
    ...all.flatMap(({ leaf, never }) => (never ? [`"${leaf.candidate.name}" is never tried: its weight is 0`] : [])),
    ...duplicates(chain),
    ...unreachableInTime(chain, total),
    ...weakerFallbacks(tried),
    ...unanswerable(tried),
    ...uncheckedKeywords(tried),
    ...uncheckedStreams(tried),
    ...mixedEmbeddingModels(tried),
    ...queues(tried, total),
  ]
}

/** A deployment on a path. */
interface Place {
  readonly leaf: BoundRoute.Leaf<Named>
  readonly never: boolean
  /** Whether it is in an error branch, such as `onContextWindow`. */
  readonly branch: boolean
  /** Its place in its hedge, from 0, if it is in one. */
  readonly racer: number | undefined
  /** Whether its failure may lead to an error branch. */
  readonly leadsToBranch: boolean
}

/** The deployments that a call may try, in order, for one choice of cases. */
type Path = ReadonlyArray<Place>

const paths = (route: BoundRoute.Bound<Named>): ReadonlyArray<Path> => {
  switch (route._tag) {
    case "Leaf":
      return [[{ leaf: route, never: false, branch: false, racer: undefined, leadsToBranch: false }]]
    case "Fallback":
      return route.routes.map(paths).reduce(joined, [[]])
    case "Balance":
    case "Hedge":
      return [
        route.across.map((leaf, index) => ({
          leaf,
          never: leaf.candidate.deployment.weight === 0,
          branch: false,
          racer: route._tag === "Hedge" ? index : undefined,
          leadsToBranch: false,
        })),
      ]
    case "When":
      return [...route.cases.map(({ use }) => use), route.otherwise].flatMap(paths)
    case "Split":
      return route.arms.flatMap(paths)
    case "OnError": {
      const branches = paths(route.use).map((path) => path.map((place) => ({ ...place, branch: true })))
      const before = paths(route.route).map((path) => path.map((place) => ({ ...place, leadsToBranch: true })))
      return joined(before, branches)
    }
  }
}

/** Every path of the first, followed by every path of the second. */
const joined = (first: ReadonlyArray<Path>, second: ReadonlyArray<Path>): ReadonlyArray<Path> =>
  first.flatMap((before) => second.map((after) => [...before, ...after]))

type Leaves = ReadonlyArray<BoundRoute.Leaf<Named>>

const duplicates = (tried: Leaves): ReadonlyArray<string> => {
  const names = tried.map(({ candidate }) => candidate.name)
  return [...new Set(names)]
    .map((name) => ({ name, times: names.filter((each) => each === name).length }))
    .filter(({ times }) => times > 1)
    .map(
      ({ name, times }) =>
        `"${name}" appears ${times} times in this route: later entries only run after it has already failed`,
    )
}

/** A timeout is not retried: a deployment without output takes the time of one attempt. */
const unreachableInTime = (tried: Leaves, total: number): ReadonlyArray<string> => {
  for (const [kind, limit] of [["non-streamed", "attempt"] as const, ["streamed", "firstToken"] as const]) {
    let elapsed = 0
    for (const { candidate, policies } of tried) {
      if (elapsed >= total) {
        return [
          `"${candidate.name}" is not tried in a ${kind} call if all deployments before it time out: they take up to ${time(elapsed)}, and the call's total timeout is ${time(total)}`,
        ]
      }
      elapsed += policies[limit]
    }
  }
  return []
}

/** Queues in which a call may wait for as long as it may take. */
const queues = (tried: Leaves, total: number): ReadonlyArray<string> => {
  const named = new Map(tried.map(({ candidate: { deployment, name } }) => [name, deployment.limits]))
  return [...named].flatMap(([name, limits]) => {
    const { maxWait = 0 } = QueuePolicy.resolve(limits?.queue) ?? {}
    return maxWait < total
      ? []
      : [
          `calls wait up to ${time(maxWait)} in the queue of "${name}", and the call's total timeout is ${time(total)}: set its \`maxWait\` lower`,
        ]
  })
}

/** Queues of deployments without limits. */
const queuesOfNothing = (deployments: Readonly<Record<string, Options>>): ReadonlyArray<Problem> =>
  Object.entries(deployments).flatMap(([name, deployment]) => {
    return deployment.limits?.queue === undefined || hasLimits(deployment)
      ? []
      : [
          {
            path: `deployments.${name}`,
            message: "has a queue but no limits, so no call waits: set `limits.concurrency`, `rpm`, `rpd` or `tpm`",
          },
        ]
  })

/** Parameters that no call gets as they are written. */
const uselessParams = (deployments: Readonly<Record<string, Options>>): ReadonlyArray<Problem> =>
  Object.entries(deployments).flatMap(([name, { capabilities = {}, force = {}, params = {} }]) => {
    const path = `deployments.${name}`
    const both = Object.keys(params).filter((key) => key !== "extraBody" && Reflect.get(force, key) !== undefined)
    const forms = [["params", params] as const, ["force", force] as const]
    return [
      ...both.map((key) => ({
        path,
        message: `has \`params.${key}\`, which \`force.${key}\` replaces in every call: remove one of them`,
      })),
      ...forms.flatMap(([form, { maxTokens, reasoning }]) => [
        ...(maxTokens === undefined || maxTokens <= (capabilities.maxOutput ?? Infinity)
          ? []
          : [
              {
                path,
                message: `has \`${form}.maxTokens\` ${maxTokens}, which is reduced to its \`capabilities.maxOutput\`, ${capabilities.maxOutput}`,
              },
            ]),
        ...(reasoning === undefined || reasoning.effort === "none" || capabilities.reasoning !== false
          ? []
          : [
              {
                path,
                message: `has \`${form}.reasoning\`, and its capabilities exclude reasoning: remove one of them`,
              },
            ]),
      ]),
    ]
  })

/** Listed operations that the vendor is not known to have. It may have got them since. */
const missingOperations = (
  deployments: Readonly<Record<string, Options>>,
  known: ReadonlyMap<string, ReadonlySet<Operation>> = new Map(),
): ReadonlyArray<Problem> =>
  Object.entries(deployments).flatMap(([name, { operations = [] }]) => {
    const own = known.get(name)
    const missing = own === undefined ? [] : operations.filter((each) => !own.has(each))
    return missing.length === 0
      ? []
      : [
          {
            path: `deployments.${name}`,
            message: `lists ${missing.join(", ")} in \`operations\`, which its vendor is not known to have: if it answers such a call with 404, the next deployment is tried. Remove what it does not have`,
          },
        ]
  })

const hasLimits = ({ limits: { concurrency, rpd, rpm, tpm } = {} }: Options): boolean =>
  (concurrency ?? rpd ?? rpm ?? tpm) !== undefined

const abilities = ["tools", "vision", "audio", "files", "jsonSchema", "reasoning"] as const satisfies ReadonlyArray<
  keyof Capabilities
>

/** Compares the fallbacks with the first deployment. */
const weakerFallbacks = ([first, ...others]: Leaves): ReadonlyArray<string> => {
  if (first === undefined) return []
  const primary = first.candidate
  const expected = primary.deployment.capabilities ?? {}
  const seen = new Map(others.map(({ candidate }) => [candidate.name, candidate.deployment.capabilities ?? {}]))
  return [...seen].flatMap(([name, capabilities]) => {
    const lost = abilities.filter((ability) => capabilities[ability] === false && expected[ability] !== false)
    const [window, primaryWindow] = [capabilities.contextWindow, expected.contextWindow]
    return [
      ...(lost.length === 0
        ? []
        : [
            `"${name}" does not support ${lost.join(", ")}: it is a fallback for "${primary.name}" only in calls without`,
          ]),
      ...(window === undefined || primaryWindow === undefined || window >= primaryWindow
        ? []
        : [
            `"${name}" has a context window of ${window} tokens, "${primary.name}" of ${primaryWindow}: it is a fallback only for calls that fit`,
          ]),
    ]
  })
}

/** A rejected response needs another deployment to answer instead. */
const unanswerable = (tried: Leaves): ReadonlyArray<string> => {
  const [only, ...others] = new Map(tried.map((leaf) => [leaf.candidate.name, leaf])).values()
  return only?.accept === undefined || others.length > 0
    ? []
    : [`"${only.candidate.name}" is the only deployment, with \`accept\`: a response that misses it is an error`]
}

/** What the schema of a route says and no response is held to. */
const uncheckedKeywords = (tried: Leaves): ReadonlyArray<string> => {
  const keywords = tried.flatMap(({ accept }) => {
    const schema = accept === undefined ? undefined : Acceptance.resolve(accept).schema
    return schema === undefined || schema === "request" ? [] : JsonSchema.findings(schema).unchecked
  })
  return keywords.length === 0
    ? []
    : [`\`accept.schema\` has keywords that are not checked: ${[...new Set(keywords)].toSorted().join(", ")}`]
}

/** Streams that are not held are not checked. */
const uncheckedStreams = (tried: Leaves): ReadonlyArray<string> =>
  tried.some(({ accept, policies }) => accept !== undefined && !Acceptance.checksStreams(policies.stream.protect))
    ? ["streams are not checked by `accept`: set `stream: { protect: full }` to hold and check them"]
    : []

/** Whether the deployment is for embeddings, by its capabilities or else by its model id. */
const embeds = ({ capabilities, model }: Options): boolean => capabilities?.embeddings ?? embeddingModel.test(model)

/** The part of a model id that regions and vendors have in common. */
const embeddingModel = /[^./]*embed.*/i

const mixedEmbeddingModels = (tried: Leaves): ReadonlyArray<string> => {
  const [first, ...others] = tried.map(({ candidate }) => candidate).filter(({ deployment }) => embeds(deployment))
  if (first === undefined) return []
  const idOf = ({ deployment: { model } }: Named): string => embeddingModel.exec(model)?.[0] ?? model
  return others
    .filter((each) => idOf(each) !== idOf(first))
    .map(
      ({ deployment, name }) =>
        `"${name}" embeds with ${deployment.model}, "${first.name}" with ${first.deployment.model}: vectors of different models are not comparable`,
    )
}

const time = (millis: number): string => Duration.format(Duration.millis(millis))

// ---------------------------------------------------------------------------------------------------------------------
// The worst case
// ---------------------------------------------------------------------------------------------------------------------

/** The maximum of each value over all paths of the route. */
const worst = ({ name, route, shadow, total }: BoundRoute.BoundRoute<Named>): WorstCase => {
  const all = paths(route).map(sum)
  const dollars = all.flatMap((each) => each.dollars ?? [])
  const call: WorstCase = {
    route: name,
    attempts: Math.max(...all.map(({ attempts }) => attempts)),
    millis: Math.min(total, Math.max(...all.map(({ millis }) => millis))),
    dollars: dollars.length === 0 ? undefined : Math.max(...dollars),
    unpriced: [...new Set(all.flatMap(({ unpriced }) => unpriced))],
  }
  return shadow === undefined ? call : withShadow(call, worst(shadow.route))
}

/** A call and its shadow call, which the caller does not wait for. */
const withShadow = (call: WorstCase, shadow: WorstCase): WorstCase => ({
  ...call,
  attempts: call.attempts + shadow.attempts,
  dollars:
    call.dollars === undefined && shadow.dollars === undefined
      ? undefined
      : (call.dollars ?? 0) + (shadow.dollars ?? 0),
  unpriced: [...new Set([...call.unpriced, ...shadow.unpriced])],
})

const sum = (path: Path): Omit<WorstCase, "route"> => {
  let attempts = 0
  let millis = 0
  let dollars: number | undefined
  const unpriced: Array<string> = []
  const places = path.filter(({ never }) => !never)
  const mayQueue = places.some(({ leaf }) => longestWait(leaf) > 0)
  for (const place of places) {
    const { leaf } = place
    const { candidate, policies } = leaf
    // Each account has an attempt, and each retry one more: see `AccountRotation`.
    const tries = candidate.accounts + Retry.mostTimes(policies.retry)
    // A racer that is interrupted for an error branch is tried again if the call then waits for limits.
    const passes = place.racer !== undefined && place.leadsToBranch && mayQueue ? 2 : 1
    const own = passes * tries + (passes === 1 ? takeovers(place) : 0)
    attempts += own
    // Any deployment may be the last that fits the call, and then has the time of the last.
    const { attempt } = (leaf.atEnd ?? leaf).policies
    const inQueue = candidate.accounts * (Retry.mostTimes(policies.retry) + 1) * longestWait(leaf)
    millis += passes * (tries * attempt + waits(policies.retry) + inQueue)
    const { price } = candidate.deployment
    if (price === undefined) unpriced.push(candidate.name)
    else {
      dollars = (dollars ?? 0) + own * Cost.most(price, pricingAssumption.input, mostOutput(candidate.deployment))
    }
  }
  return { attempts, millis, dollars, unpriced }
}

/** The most output tokens that a call gets, by the assumption or by the deployment's parameters. */
const mostOutput = ({ capabilities, force, params }: Options): number =>
  Math.min(
    force?.maxTokens ?? capabilities?.maxOutput ?? Math.max(pricingAssumption.output, params?.maxTokens ?? 0),
    capabilities?.maxOutput ?? Infinity,
  )

/** The attempts of a racer that lost, when it takes over the stream that won: one for each account. */
const takeovers = ({ leaf, racer }: Place): number =>
  racer !== undefined && racer > 0 && leaf.policies.stream.protect !== "preamble" ? leaf.candidate.accounts : 0

/** The longest wait in the queue of a deployment, in milliseconds. */
const longestWait = ({ candidate: { deployment } }: BoundRoute.Leaf<Named>): number =>
  hasLimits(deployment) ? (QueuePolicy.resolve(deployment.limits?.queue)?.maxWait ?? 0) : 0

/** The longest time between the attempts at one deployment: backoffs, or Retry-After if that may be longer. */
const waits = (policy: ResolvedRetryPolicy): number => {
  const { base, max, maxRetryAfter } = policy
  const times = Retry.mostTimes(policy)
  if (!Number.isFinite(times)) return Number.POSITIVE_INFINITY
  let sum = 0
  for (let retry = 0; retry < times; retry++)
    sum += Math.max(maxRetryAfter, Math.min(max, base * 2 ** retry * maxJitter))
  return sum
}

/** `Schedule.jittered` varies a delay between 80 % and 120 %. */
const maxJitter = 1.2
