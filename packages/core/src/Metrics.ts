/**
 * Metrics of a router: counters and histograms of its calls and attempts, gauges of its deployments and budgets. They are
 * Effect's own metrics, so that every exporter of `effect/observability` has them. The gateway has them too, and documents their names.
 *
 * ```ts
 * const text = Effect.andThen(Metrics.collect, PrometheusMetrics.format())
 * const program = text.pipe(Effect.provide(Metrics.layer().pipe(Layer.provideMerge(RouterLive))))
 * ```
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type { AccountStatus, CircuitStatus } from "./admission/Status.ts"
import { byKey, counter, gauge, histogram } from "./MetricSeries.ts"
import type { Series } from "./MetricSeries.ts"
import type { Kind } from "./model/ErrorKind.ts"
import type { ReasonTag } from "./model/ProviderError.ts"
import type { SkipReason } from "./model/SkipReason.ts"
import { snakeCase } from "./model/SnakeCase.ts"
import type { Receipt } from "./receipt/Receipt.ts"
import type { RouteEvent } from "./receipt/RouteEvent.ts"
import * as QueueMetrics from "./QueueMetrics.ts"
import { Router } from "./Router.ts"
import type { BudgetAlert } from "./spend/Budgets.ts"
import { Budgets } from "./spend/Budgets.ts"
import { defaultAlerts } from "./spend/Budget.ts"

export interface Options {
  /** The deployments without a vendor's price, such as those of local servers: their attempts are not counted as unpriced. */
  readonly unbilled?: ReadonlySet<string> | undefined
}

/**
 * Counts the events of the router in context until the layer is closed, and the alerts of its `Budgets`, if there are any in
 * context.
 */
export const layer = ({ unbilled = new Set() }: Options = {}): Layer.Layer<never, never, Router> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const router = yield* Router
      const budgets = yield* Effect.serviceOption(Budgets)
      const context = yield* Effect.context<never>()
      yield* router.subscribe(record(context, unbilled))
      if (Option.isNone(budgets)) return
      yield* budgets.value.subscribe(({ budget, share }: BudgetAlert) =>
        budgetAlerts(budget.id, share).updateUnsafe(1, context),
      )
    }),
  )

/**
 * Sets the gauges to the status of the deployments, and of the `Budgets` in context, at this moment. Run it before metrics are
 * read: at each scrape, or every few seconds for an exporter that sends them.
 *
 * Every counter whose labels are known has a value from then on, 0 before its first event. Otherwise Prometheus would take
 * the first events for the beginning of the series, and `rate` and `increase` would miss them.
 */
export const collect: Effect.Effect<void, never, Router> = Effect.gen(function* () {
  const router = yield* Router
  const budgets = yield* Effect.serviceOption(Budgets)
  const context = yield* Effect.context<never>()
  const status = yield* router.status
  for (const route of router.routes()) for (const series of initialOfRoute(route)) series.valueUnsafe(context)
  const present = new Map<string, Gauges>()
  for (const { accounts = [], circuit, cooldown, deployment, inFlight, waiting } of status) {
    for (const series of initialOfDeployment(deployment, accounts)) series.valueUnsafe(context)
    const gauges = ofDeployment(deployment)
    present.set(deployment, gauges)
    gauges.circuit.updateUnsafe(circuitStates[circuit], context)
    gauges.cooldown.updateUnsafe(cooldown / 1000, context)
    gauges.inFlight.updateUnsafe(inFlight, context)
    for (const { account, circuit, cooldown } of accounts) {
      const gauges = ofAccount(deployment, account)
      present.set(JSON.stringify([deployment, account]), gauges)
      gauges.circuit.updateUnsafe(circuitStates[circuit], context)
      gauges.cooldown.updateUnsafe(cooldown / 1000, context)
    }
    if (waiting === undefined) continue
    const queue = queueOf(deployment)
    for (const series of QueueMetrics.initial(queue)) series.valueUnsafe(context)
    gauges.waiting.updateUnsafe(waiting, context)
  }
  const faults = yield* router.faults.status
  for (const { active, target } of faults) ofFaults(target).end.updateUnsafe((active?.until ?? 0) / 1000, context)
  removeGauges(router.faults, new Map(faults.map(({ target }) => [target, ofFaults(target)])), context)
  removeGauges(router, present, context)
  if (Option.isNone(budgets)) return
  const accounts = yield* budgets.value.status
  for (const { budget, reserved, spent } of accounts) {
    for (const share of budget.alerts ?? defaultAlerts) budgetAlerts(budget.id, share).valueUnsafe(context)
    const gauges = ofBudget(budget.id)
    gauges.amount.updateUnsafe(budget.amount, context)
    gauges.spent.updateUnsafe(spent, context)
    gauges.reserved.updateUnsafe(reserved, context)
  }
  removeGauges(budgets.value, new Map(accounts.map(({ budget: { id } }) => [id, ofBudget(id)])), context)
})

type Gauges = Readonly<Record<string, Series>>

/** The gauges that were collected last, by what they are of, and by the service that has it. */
const collected = new WeakMap<object, ReadonlyMap<string, Gauges>>()

/** Removes the gauges of what is no more: a deployment or an account after a reload, a budget that was deleted. */
const removeGauges = (service: object, present: ReadonlyMap<string, Gauges>, context: Context.Context<never>): void => {
  for (const [name, gauges] of collected.get(service) ?? []) {
    if (present.has(name)) continue
    for (const series of Object.values(gauges)) Metric.removeUnsafe(series, context)
  }
  collected.set(service, present)
}

// ---------------------------------------------------------------------------------------------------------------------
// The metrics
// ---------------------------------------------------------------------------------------------------------------------

/** Upper bounds of the durations of calls and attempts, in seconds: from a cached response to long reasoning. */
const durations = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 7.5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300]

/** Upper bounds of the time to first token, in seconds. */
const firstTokens = [0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2.5, 3.5, 5, 7.5, 10, 15, 20, 30, 60]

const calls = counter("understudy_requests_total", "Calls by route, outcome and the kind of their error")
const callDuration = histogram(
  "understudy_request_duration_seconds",
  "Duration of calls by route and outcome, of a stream to its end",
  durations,
)
const firstToken = histogram(
  "understudy_time_to_first_token_seconds",
  "Time from the start of a streaming call to its first output, by route",
  firstTokens,
)
const cached = counter("understudy_cache_requests_total", "Calls on cached routes by route and result (hit, miss)")
const affinity = counter(
  "understudy_affinity_requests_total",
  "Calls of conversations on balances with affinity, by route, result (kept, new, moved) and why they were moved",
)
const splitCalls = counter("understudy_split_requests_total", "Calls on splits by route, arm and outcome")
const shadowCalls = counter(
  "understudy_shadow_requests_total",
  "Shadow calls by the route of their calls, the route that they were sent to, and outcome (success, failure, cancelled, skipped)",
)
const attempts = counter(
  "understudy_attempts_total",
  "Attempts by deployment, account if it has several, outcome and reason",
)
const attemptDuration = histogram(
  "understudy_attempt_duration_seconds",
  "Duration of attempts by deployment and outcome",
  durations,
)
const failovers = counter("understudy_failovers_total", "Fallbacks by deployment, next deployment and reason")
const hedges = counter("understudy_hedges_total", "Hedged attempts by deployment and hedging deployment")
const skips = counter("understudy_skips_total", "Candidates that were not tried, by deployment and reason")
const injectedFaults = counter(
  "understudy_injected_faults_total",
  "Attempts with an injected fault, by deployment and fault",
)
const faultsEnd = gauge(
  "understudy_fault_end_timestamp_seconds",
  "When the faults of a deployment or a route are switched off, in seconds since the epoch; 0 if they are off",
)
const tokens = counter("understudy_tokens_total", "Tokens by deployment and type (input, output)")
const promptCacheTokens = counter(
  "understudy_prompt_cache_tokens_total",
  "Input tokens that providers read from their prompt caches or wrote to them, by deployment and type (read, write)",
)
const cost = counter("understudy_cost_usd_total", "Cost in US dollars by deployment, where the price is known")
const unpriced = counter("understudy_unpriced_attempts_total", "Attempts with usage but no known price, by deployment")
const circuit = gauge("understudy_circuit_state", "Circuit state by deployment: 0 closed, 1 half-open, 2 open")
const cooldown = gauge(
  "understudy_cooldown_seconds",
  "Seconds until the cooldown of a deployment ends; 0 if it has none",
)
const accountCircuit = gauge(
  "understudy_account_circuit_state",
  "Circuit state by deployment and account, of deployments with several: 0 closed, 1 half-open, 2 open",
)
const accountCooldown = gauge(
  "understudy_account_cooldown_seconds",
  "Seconds until the cooldown of an account ends, of deployments with several; 0 if it has none",
)
const inFlight = gauge("understudy_attempts_in_flight", "Attempts in flight by deployment")
const guardrails = counter("understudy_guardrails_total", "Runs of guardrails by guardrail, stage and action")
const guardrailDuration = histogram(
  "understudy_guardrail_duration_seconds",
  "Duration of the runs of guardrails by guardrail and stage",
  firstTokens,
)
const alerts = counter("understudy_budget_alerts_total", "Alerts by budget and share of its amount")
const budgetAmount = gauge("understudy_budget_amount_usd", "Amount of a budget in US dollars")
const budgetSpent = gauge(
  "understudy_budget_spent_usd",
  "What was spent of a budget in its current period, in US dollars",
)
const budgetReserved = gauge(
  "understudy_budget_reserved_usd",
  "What calls in flight have reserved of a budget, in US dollars",
)

const circuitStates: Readonly<Record<CircuitStatus["circuit"], number>> = { closed: 0, "half-open": 1, open: 2 }

const budgetAlerts = (budget: string, share: number): Series => alerts({ budget, share: String(share) })

const queueOf = QueueMetrics.of("deployment")

const ofDeployment = (deployment: string) => ({
  waiting: queueOf(deployment).waiting,
  circuit: circuit({ deployment }),
  cooldown: cooldown({ deployment }),
  inFlight: inFlight({ deployment }),
})

const ofFaults = (target: string) => ({ end: faultsEnd({ target }) })

const ofAccount = (deployment: string, account: number) => ({
  circuit: accountCircuit({ deployment, account: String(account) }),
  cooldown: accountCooldown({ deployment, account: String(account) }),
})

const ofBudget = (budget: string) => ({
  amount: budgetAmount({ budget }),
  spent: budgetSpent({ budget }),
  reserved: budgetReserved({ budget }),
})

/** The labels of a deployment, and of its account if it has several. `account`: its place, or an empty text. */
const placeOf = (deployment: string, account: string) => (account === "" ? { deployment } : { deployment, account })

const deploymentSeries = (deployment: string) => ({
  attempts: byKey((account) =>
    byKey((outcome) =>
      byKey((reason) =>
        attempts({ ...placeOf(deployment, account), outcome, reason: reason === "" ? "" : snakeCase(reason) }),
      ),
    ),
  ),
  duration: byKey((outcome) => attemptDuration({ deployment, outcome })),
  failovers: byKey((to) => byKey((reason) => failovers({ from: deployment, to, reason: snakeCase(reason) }))),
  hedges: byKey((to) => hedges({ from: deployment, to })),
  skips: byKey((reason) => skips({ deployment, reason: snakeCase(reason) })),
  inputTokens: tokens({ deployment, type: "input" }),
  outputTokens: tokens({ deployment, type: "output" }),
  cacheRead: promptCacheTokens({ deployment, type: "read" }),
  cacheWrite: promptCacheTokens({ deployment, type: "write" }),
  cost: cost({ deployment }),
  unpriced: unpriced({ deployment }),
  injected: byKey((fault) => injectedFaults({ deployment, fault })),
})

const routeSeries = (route: string) => ({
  calls: byKey((outcome) => byKey((error) => calls({ route, outcome, error: error === "" ? "" : snakeCase(error) }))),
  duration: byKey((outcome) => callDuration({ route, outcome })),
  cached: byKey((result) => cached({ route, result })),
  affinity: byKey((result) =>
    byKey((reason) => affinity({ route, result, reason: reason === "" ? "" : snakeCase(reason) })),
  ),
  split: byKey((arm) => byKey((outcome) => splitCalls({ route, arm, outcome }))),
  firstToken: firstToken({ route }),
})

const guardrailSeries = (guardrail: string) => ({
  runs: byKey((stage) => byKey((action) => guardrails({ guardrail, stage, action }))),
  duration: byKey((stage) => guardrailDuration({ guardrail, stage })),
})

const noGuardrails: NonNullable<Receipt["guardrails"]> = []

/** Errors that are not the request's own. */
const outages: ReadonlyArray<Kind> = [
  "RateLimited",
  "Timeout",
  "Unavailable",
  "NotAccepted",
  "GuardrailFailed",
  "Upstream",
  "StreamInterrupted",
  "Draining",
]

/** The series that a route has before its first call. */
const initialOfRoute = (route: string): ReadonlyArray<Series> => [
  ...["success", "cancelled"].map((outcome) => calls({ route, outcome, error: "" })),
  ...outages.map((error) => calls({ route, outcome: "failure", error: snakeCase(error) })),
  callDuration({ route, outcome: "success" }),
  firstToken({ route }),
]

/** Reasons that an attempt at a deployment fails for once, and then opens its circuit for minutes: no alert may miss the first. */
const accountReasons: ReadonlyArray<ReasonTag> = ["Authentication", "Permission", "QuotaExhausted", "ModelNotFound"]

/** The series that a deployment has before its first attempt. */
const initialOfDeployment = (
  deployment: string,
  accounts: ReadonlyArray<Pick<AccountStatus, "account">>,
): ReadonlyArray<Series> => [
  ...(accounts.length === 0 ? [""] : accounts.map(({ account }) => String(account)))
    .map((account) => placeOf(deployment, account))
    .flatMap((place) => [
      attempts({ ...place, outcome: "success", reason: "" }),
      ...accountReasons.map((reason) => attempts({ ...place, outcome: "failure", reason: snakeCase(reason) })),
    ]),
  tokens({ deployment, type: "input" }),
  tokens({ deployment, type: "output" }),
  promptCacheTokens({ deployment, type: "read" }),
  promptCacheTokens({ deployment, type: "write" }),
]

// ---------------------------------------------------------------------------------------------------------------------
// Counting
// ---------------------------------------------------------------------------------------------------------------------

/** Skips that the route itself decides, for most calls: they say nothing of a deployment's state. */
const routine: ReadonlySet<SkipReason["_tag"]> = new Set([
  "ZeroWeight",
  "BranchNotTaken",
  "BranchTaken",
  "AlreadyFailed",
])

/** A function that counts an event. */
const record = (context: Context.Context<never>, unbilled: ReadonlySet<string>): ((event: RouteEvent) => void) => {
  const deploymentOf = byKey(deploymentSeries)
  const routeOf = byKey(routeSeries)
  const guardrailOf = byKey(guardrailSeries)
  return (event) => {
    switch (event._tag) {
      case "AttemptEnded": {
        const { attempt } = event
        const series = deploymentOf(attempt.deployment)
        const { account = "" } = attempt
        series
          .attempts(String(account))(attempt.outcome)(attempt.reason ?? "")
          .updateUnsafe(1, context)
        series.duration(attempt.outcome).updateUnsafe(attempt.millis / 1000, context)
        if (attempt.usage !== undefined) {
          series.inputTokens.updateUnsafe(attempt.usage.inputTokens, context)
          series.outputTokens.updateUnsafe(attempt.usage.outputTokens, context)
          const { cacheWriteTokens = 0, cachedInputTokens = 0 } = attempt.usage
          if (cachedInputTokens > 0) series.cacheRead.updateUnsafe(cachedInputTokens, context)
          if (cacheWriteTokens > 0) series.cacheWrite.updateUnsafe(cacheWriteTokens, context)
          if (attempt.cost === undefined && !unbilled.has(attempt.deployment)) series.unpriced.updateUnsafe(1, context)
        }
        if (attempt.cost !== undefined) series.cost.updateUnsafe(attempt.cost, context)
        if (attempt.injected !== undefined) series.injected(attempt.injected).updateUnsafe(1, context)
        return
      }
      case "Failover":
        return deploymentOf(event.from).failovers(event.to)(event.reason).updateUnsafe(1, context)
      case "Hedged":
        return deploymentOf(event.from).hedges(event.to).updateUnsafe(1, context)
      case "DeploymentSkipped":
        if (routine.has(event.reason._tag)) return
        return deploymentOf(event.deployment).skips(event.reason._tag).updateUnsafe(1, context)
      case "ShadowSkipped":
        return shadowCalls({ route: event.route, to: event.to, outcome: "skipped" }).updateUnsafe(1, context)
      case "LeftQueue": {
        const { departure, deployment, millis } = event
        const queue = queueOf(deployment)
        queue.wait(departure).updateUnsafe(millis / 1000, context)
        if (departure === "full" || departure === "timeout") queue.rejected(departure).updateUnsafe(1, context)
        return
      }
      case "FirstToken":
        // A route is judged by the calls of its callers alone.
        if (event.shadowOf !== undefined) return
        return routeOf(event.route).firstToken.updateUnsafe(event.millis / 1000, context)
      case "CallEnded": {
        const { affinity, cache, error = "", millis = 0, outcome = "", split } = event.receipt
        if (event.shadowOf !== undefined) {
          return shadowCalls({ route: event.shadowOf.route, to: event.route, outcome }).updateUnsafe(1, context)
        }
        const series = routeOf(event.route)
        series.calls(outcome)(error).updateUnsafe(1, context)
        series.duration(outcome).updateUnsafe(millis / 1000, context)
        if (cache !== undefined) series.cached(cache).updateUnsafe(1, context)
        if (affinity !== undefined) {
          const { reason = "", result } = affinity
          series.affinity(result)(reason).updateUnsafe(1, context)
        }
        if (split !== undefined) series.split(split)(outcome).updateUnsafe(1, context)
        for (const { action, guardrail, millis, stage } of event.receipt.guardrails ?? noGuardrails) {
          const { duration, runs } = guardrailOf(guardrail)
          runs(stage)(action).updateUnsafe(1, context)
          duration(stage).updateUnsafe(millis / 1000, context)
        }
        return
      }
      case "AttemptStarted":
      case "CacheHit":
      case "Queued":
        return
    }
  }
}
