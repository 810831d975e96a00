/** The overviews of several workers as that of one gateway: counts are added, and of what the workers share the latest is taken. */
import type { BucketJson, ChangeJson, DeploymentJson, OverviewJson, RouteJson } from "./OverviewJson.ts"

/** The overview of all, of which there is at least one. */
export const merge = (first: OverviewJson, others: ReadonlyArray<OverviewJson>): OverviewJson => {
  const all = [first, ...others]
  return {
    ...first,
    gateway: { ...first.gateway, started_at: Math.min(...all.map(({ gateway }) => gateway.started_at)) },
    at: Math.max(...all.map(({ at }) => at)),
    routes: mergeRoutes(all.flatMap(({ routes }) => routes)),
    deployments: first.deployments.map((deployment) =>
      mergeDeployment(
        deployment,
        others.flatMap(({ deployments }) => deployments.filter(({ name }) => name === deployment.name)),
      ),
    ),
    changes: mergeChanges(all.flatMap(({ changes }) => changes)),
  }
}

const mergeRoutes = (all: ReadonlyArray<RouteJson>): ReadonlyArray<RouteJson> =>
  [...Map.groupBy(all, ({ name }) => name)].map(([name, routes]) => ({
    name,
    buckets: mergeBuckets(routes.flatMap(({ buckets }) => buckets)),
  }))

const mergeDeployment = (first: DeploymentJson, others: ReadonlyArray<DeploymentJson>): DeploymentJson => {
  const all = [first, ...others]
  const successes = all.flatMap(({ last_success_at }) => last_success_at ?? [])
  const failures = all.flatMap(({ last_failure }) => last_failure ?? []).sort((one, other) => other.at - one.at)
  return {
    ...first,
    ...(first.accounts === undefined ? undefined : { accounts: first.accounts.map((each) => mergeAccount(each, all)) }),
    in_flight: all.reduce((sum, { in_flight }) => sum + in_flight, 0),
    latency_ms: mean(all.map(({ latency_ms }) => latency_ms)),
    first_token_ms: mean(all.map(({ first_token_ms }) => first_token_ms)),
    health: mergeHealth(all),
    last_success_at: successes.length === 0 ? null : Math.max(...successes),
    last_failure: failures[0] ?? null,
    buckets: mergeBuckets(all.flatMap(({ buckets }) => buckets)),
  }
}

type AccountJson = NonNullable<DeploymentJson["accounts"]>[number]

const mergeAccount = (first: AccountJson, deployments: ReadonlyArray<DeploymentJson>): AccountJson => {
  const all = deployments.flatMap(({ accounts = [] }) => accounts.filter(({ account }) => account === first.account))
  return {
    ...first,
    in_flight: all.reduce((sum, { in_flight }) => sum + in_flight, 0),
    latency_ms: mean(all.map(({ latency_ms }) => latency_ms)),
    first_token_ms: mean(all.map(({ first_token_ms }) => first_token_ms)),
  }
}

/** The state that all share; else what the workers with attempts agree on, or that some attempts fail. */
const mergeHealth = (all: ReadonlyArray<DeploymentJson>): DeploymentJson["health"] => {
  const shared = all.find(({ state }) => state !== "available")
  if (shared !== undefined) return shared.health
  const [health = "idle", ...others] = new Set(all.map(({ health }) => health).filter((each) => each !== "idle"))
  return others.length === 0 ? health : "degraded"
}

const mean = (values: ReadonlyArray<number | null>): number | null => {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length
}

const mergeBuckets = (all: ReadonlyArray<BucketJson>): ReadonlyArray<BucketJson> =>
  [...Map.groupBy(all, ({ at }) => at).values()]
    .map((buckets) => buckets.reduce(addBuckets))
    .sort((one, other) => one.at - other.at)

const addBuckets = (one: BucketJson, other: BucketJson): BucketJson => ({
  at: one.at,
  success: one.success + other.success,
  failure: one.failure + other.failure,
  cancelled: one.cancelled + other.cancelled,
  cached: one.cached + other.cached,
  input_tokens: one.input_tokens + other.input_tokens,
  output_tokens: one.output_tokens + other.output_tokens,
  cost_usd: one.cost_usd + other.cost_usd,
  latency_ms: addDurations(one.latency_ms, other.latency_ms),
  first_token_ms: addDurations(one.first_token_ms, other.first_token_ms),
  reasons: addCounts(one.reasons, other.reasons),
  skipped: addCounts(one.skipped, other.skipped),
})

const addDurations = (one: BucketJson["latency_ms"], other: BucketJson["latency_ms"]): BucketJson["latency_ms"] => {
  const counts = new Map(one)
  for (const [bound, count] of other) counts.set(bound, (counts.get(bound) ?? 0) + count)
  return [...counts].sort(([one], [other]) => one - other)
}

const addCounts = (one: BucketJson["reasons"], other: BucketJson["reasons"]): BucketJson["reasons"] => {
  const counts = { ...one }
  for (const [name, count] of Object.entries(other)) counts[name] = (counts[name] ?? 0) + count
  return counts
}

/** Each worker notes the states that all share: of the changes to one state in a row, the first is kept. */
const mergeChanges = (all: ReadonlyArray<ChangeJson>): ReadonlyArray<ChangeJson> => {
  const states = new Map<string, string>()
  return [...all]
    .sort((one, other) => one.at - other.at)
    .filter(({ deployment, state }) => {
      const isNew = states.get(deployment) !== state
      states.set(deployment, state)
      return isNew
    })
}
