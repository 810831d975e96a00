/**
 * `npm run grafana`: writes the dashboard of Grafana, deploy/grafana/understudy.json. A test compares the two, and holds its
 * expressions to the metrics of the gateway.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"

/** An expression, and the legend of its series. */
type Target = readonly [expr: string, legend: string]

interface Panel {
  readonly title: string
  readonly description?: string
  readonly type?: "timeseries" | "stat" | "bargauge" | "state-timeline"
  /** Of 24 columns. Default: 8. */
  readonly width?: number
  readonly unit?: string
  readonly targets: ReadonlyArray<Target>
  readonly stacked?: boolean
  readonly mappings?: ReadonlyArray<readonly [value: number, text: string, color: string]>
  readonly thresholds?: ReadonlyArray<readonly [from: number | null, color: string]>
}

const route = 'route=~"$route"'
const deployment = 'deployment=~"$deployment"'
const key = 'key=~"$key"'

const rate = (metric: string, labels: string): string => `rate(${metric}{${labels}}[$__rate_interval])`
const sumBy = (labels: string, expr: string): string => `sum by (${labels}) (${expr})`
const quantile = (q: number, labels: string, expr: string): string => `histogram_quantile(${q}, ${sumBy(labels, expr)})`

/** The 50th, 95th and 99th percentile of a histogram over all that is chosen. */
const percentiles = (metric: string, labels: string): ReadonlyArray<Target> =>
  [0.5, 0.95, 0.99].map((q) => [quantile(q, "le", rate(`${metric}_bucket`, labels)), `p${q * 100}`])

/** Failures that are not the request's own. */
const failed = `outcome="failure", error!~"invalid_request|too_large|content_policy|model_not_found"`
const counted = `outcome!="cancelled", error!~"invalid_request|too_large|content_policy|model_not_found"`

const failedShare = (by: string): string =>
  `${sumBy(by, rate("understudy_requests_total", `${route}, ${failed}`))} / (${sumBy(by, rate("understudy_requests_total", `${route}, ${counted}`))} > 0)`

const up: Panel["mappings"] = [
  [0, "lost", "red"],
  [1, "up", "green"],
]

const rows: ReadonlyArray<readonly [title: string, panels: ReadonlyArray<Panel>]> = [
  [
    "Now",
    [
      {
        title: "Calls",
        type: "stat",
        width: 4,
        unit: "reqps",
        targets: [[`sum(${rate("understudy_requests_total", route)})`, ""]],
      },
      {
        title: "Failed calls",
        type: "stat",
        width: 4,
        unit: "percentunit",
        thresholds: [
          [null, "green"],
          [0.005, "orange"],
          [0.03, "red"],
        ],
        targets: [
          [
            `sum(${rate("understudy_requests_total", `${route}, ${failed}`)}) / (sum(${rate("understudy_requests_total", `${route}, ${counted}`)}) > 0)`,
            "",
          ],
        ],
      },
      {
        title: "First token, p95",
        type: "stat",
        width: 4,
        unit: "s",
        targets: [[quantile(0.95, "le", rate("understudy_time_to_first_token_seconds_bucket", route)), ""]],
      },
      {
        title: "Cost in this time",
        type: "stat",
        width: 4,
        unit: "currencyUSD",
        targets: [[`sum(increase(understudy_cost_usd_total{${deployment}}[$__range]))`, ""]],
      },
      { title: "Attempts in flight", type: "stat", width: 4, targets: [["sum(understudy_attempts_in_flight)", ""]] },
      {
        title: "Open circuits",
        type: "stat",
        width: 4,
        thresholds: [
          [null, "green"],
          [1, "orange"],
        ],
        targets: [["count(max by (deployment) (understudy_circuit_state) == 2) or vector(0)", ""]],
      },
    ],
  ],
  [
    "Traffic and errors",
    [
      {
        title: "Calls by route",
        unit: "reqps",
        stacked: true,
        targets: [[sumBy("route", rate("understudy_requests_total", route)), "{{route}}"]],
      },
      {
        title: "Share of failed calls by route",
        description: "Without requests that are at fault themselves, and without cancelled calls.",
        unit: "percentunit",
        targets: [[failedShare("route"), "{{route}}"]],
      },
      {
        title: "Failed calls by error",
        unit: "reqps",
        stacked: true,
        targets: [[sumBy("error", rate("understudy_requests_total", `${route}, outcome="failure"`)), "{{error}}"]],
      },
      {
        title: "Attempts by deployment",
        unit: "reqps",
        stacked: true,
        targets: [[sumBy("deployment", rate("understudy_attempts_total", deployment)), "{{deployment}}"]],
      },
      {
        title: "Failed attempts by deployment and reason",
        unit: "reqps",
        targets: [
          [
            `${sumBy("deployment, reason", rate("understudy_attempts_total", `${deployment}, outcome="failure"`))} > 0`,
            "{{deployment}} {{reason}}",
          ],
        ],
      },
      {
        title: "Failovers",
        description:
          "From the deployment whose attempt failed to the one that was tried next, with the reason of the failure.",
        unit: "reqps",
        targets: [
          [
            sumBy("from, to, reason", rate("understudy_failovers_total", 'from=~"$deployment"')),
            "{{from}} → {{to}}: {{reason}}",
          ],
        ],
      },
    ],
  ],
  [
    "Latency",
    [
      {
        title: "Time to first token",
        unit: "s",
        targets: percentiles("understudy_time_to_first_token_seconds", route),
      },
      {
        title: "Duration of calls",
        description: "Calls that succeeded. A stream lasts until its end.",
        unit: "s",
        targets: percentiles("understudy_request_duration_seconds", `${route}, outcome="success"`),
      },
      {
        title: "Duration of attempts",
        description: "Attempts that succeeded.",
        unit: "s",
        targets: percentiles("understudy_attempt_duration_seconds", `${deployment}, outcome="success"`),
      },
      {
        title: "Time to first token by route, p95",
        unit: "s",
        targets: [
          [quantile(0.95, "le, route", rate("understudy_time_to_first_token_seconds_bucket", route)), "{{route}}"],
        ],
      },
      {
        title: "Duration of calls by route, p95",
        unit: "s",
        targets: [
          [
            quantile(
              0.95,
              "le, route",
              rate("understudy_request_duration_seconds_bucket", `${route}, outcome="success"`),
            ),
            "{{route}}",
          ],
        ],
      },
      {
        title: "Duration of attempts by deployment, p95",
        unit: "s",
        targets: [
          [
            quantile(
              0.95,
              "le, deployment",
              rate("understudy_attempt_duration_seconds_bucket", `${deployment}, outcome="success"`),
            ),
            "{{deployment}}",
          ],
        ],
      },
    ],
  ],
  [
    "Tokens and cost",
    [
      {
        title: "Tokens by deployment",
        unit: "short",
        stacked: true,
        targets: [[sumBy("deployment, type", rate("understudy_tokens_total", deployment)), "{{deployment}} {{type}}"]],
      },
      {
        title: "Cost an hour by deployment",
        unit: "currencyUSD",
        stacked: true,
        targets: [[sumBy("deployment", `increase(understudy_cost_usd_total{${deployment}}[1h])`), "{{deployment}}"]],
      },
      {
        title: "Cost an hour by key",
        description: "The ten keys with the highest cost.",
        unit: "currencyUSD",
        stacked: true,
        targets: [[`topk(10, ${sumBy("key", `increase(understudy_key_cost_usd_total{${key}}[1h])`)})`, "{{key}}"]],
      },
      {
        title: "Calls by key and outcome",
        unit: "reqps",
        targets: [
          [`topk(10, ${sumBy("key, outcome", rate("understudy_key_requests_total", key))})`, "{{key}} {{outcome}}"],
        ],
      },
      {
        title: "Cache hits by route",
        unit: "percentunit",
        targets: [
          [
            `${sumBy("route", rate("understudy_cache_requests_total", `${route}, result="hit"`))} / (${sumBy("route", rate("understudy_cache_requests_total", route))} > 0)`,
            "{{route}}",
          ],
        ],
      },
      {
        title: "Attempts without a known price",
        unit: "reqps",
        targets: [[sumBy("deployment", rate("understudy_unpriced_attempts_total", deployment)), "{{deployment}}"]],
      },
    ],
  ],
  [
    "Deployments",
    [
      {
        title: "Circuits",
        type: "state-timeline",
        width: 12,
        mappings: [
          [0, "closed", "green"],
          [1, "half-open", "orange"],
          [2, "open", "red"],
        ],
        targets: [[`max by (deployment) (understudy_circuit_state{${deployment}})`, "{{deployment}}"]],
      },
      {
        title: "Cooldowns",
        description: "Time until the cooldown of a deployment ends.",
        width: 12,
        unit: "s",
        targets: [[`max by (deployment) (understudy_cooldown_seconds{${deployment}}) > 0`, "{{deployment}}"]],
      },
      {
        title: "Skipped by deployment and reason",
        unit: "reqps",
        targets: [
          [sumBy("deployment, reason", rate("understudy_skips_total", deployment)), "{{deployment}} {{reason}}"],
        ],
      },
      {
        title: "Attempts in flight",
        targets: [[sumBy("deployment", `understudy_attempts_in_flight{${deployment}}`), "{{deployment}}"]],
      },
      {
        title: "Hedged attempts",
        unit: "reqps",
        targets: [[sumBy("from, to", rate("understudy_hedges_total", 'from=~"$deployment"')), "{{from}} → {{to}}"]],
      },
    ],
  ],
  [
    "Budgets",
    [
      {
        title: "Share of each budget that is spent",
        type: "bargauge",
        width: 12,
        unit: "percentunit",
        thresholds: [
          [null, "green"],
          [0.8, "orange"],
          [1, "red"],
        ],
        targets: [["max by (budget) (understudy_budget_spent_usd / (understudy_budget_amount_usd > 0))", "{{budget}}"]],
      },
      {
        title: "Spent and reserved",
        width: 12,
        unit: "currencyUSD",
        targets: [
          ["max by (budget) (understudy_budget_spent_usd)", "{{budget}} spent"],
          ["max by (budget) (understudy_budget_reserved_usd) > 0", "{{budget}} reserved"],
        ],
      },
    ],
  ],
  [
    "Database and shared state",
    [
      {
        title: "Database",
        type: "state-timeline",
        mappings: up,
        targets: [["understudy_database_up", "{{instance}}"]],
      },
      {
        title: "Calls not in the ledger yet, and what is lost",
        targets: [
          ["understudy_ledger_pending_rows", "{{instance}}"],
          ["increase(understudy_ledger_lost_rows_total[$__rate_interval]) > 0", "{{instance}} lost calls"],
          ["increase(understudy_store_lost_responses_total[$__rate_interval]) > 0", "{{instance}} lost responses"],
        ],
      },
      {
        title: "Redis",
        type: "state-timeline",
        mappings: [
          [0, "shared", "green"],
          [1, "lost", "red"],
        ],
        targets: [["understudy_state_degraded", "{{instance}}"]],
      },
    ],
  ],
  [
    "Routing and experiments",
    [
      {
        title: "Conversations kept and moved",
        unit: "reqps",
        targets: [
          [
            sumBy("route, result, reason", rate("understudy_affinity_requests_total", route)),
            "{{route}} {{result}} {{reason}}",
          ],
        ],
      },
      {
        title: "Prompt tokens of vendors' caches",
        targets: [
          [
            sumBy("deployment, type", rate("understudy_prompt_cache_tokens_total", deployment)),
            "{{deployment}} {{type}}",
          ],
        ],
      },
      {
        title: "Calls by arm of a split",
        unit: "reqps",
        targets: [
          [
            sumBy("route, arm, outcome", rate("understudy_split_requests_total", route)),
            "{{route}} {{arm}} {{outcome}}",
          ],
        ],
      },
      {
        title: "Shadow calls",
        unit: "reqps",
        targets: [
          [
            sumBy("route, to, outcome", rate("understudy_shadow_requests_total", route)),
            "{{route}} to {{to}} {{outcome}}",
          ],
        ],
      },
      {
        title: "Runs of guardrails",
        unit: "reqps",
        targets: [
          [
            sumBy("guardrail, stage, action", "rate(understudy_guardrails_total[$__rate_interval])"),
            "{{guardrail}} {{stage}} {{action}}",
          ],
        ],
      },
      {
        title: "Duration of guardrails, p95",
        unit: "s",
        targets: [
          [
            quantile(
              0.95,
              "le, guardrail, stage",
              "rate(understudy_guardrail_duration_seconds_bucket[$__rate_interval])",
            ),
            "{{guardrail}} {{stage}}",
          ],
        ],
      },
      {
        title: "Circuits of accounts",
        description: "0: closed, 1: half-open, 2: open. Only deployments with several API keys.",
        targets: [
          [
            `max by (deployment, account) (understudy_account_circuit_state{${deployment}})`,
            "{{deployment}} {{account}}",
          ],
        ],
      },
      {
        title: "Cooldowns of accounts",
        unit: "s",
        targets: [
          [
            `max by (deployment, account) (understudy_account_cooldown_seconds{${deployment}})`,
            "{{deployment}} {{account}}",
          ],
        ],
      },
      {
        title: "Injected faults",
        description: "Game days: faults that an operator has switched on.",
        unit: "reqps",
        targets: [
          [
            sumBy("deployment, fault", rate("understudy_injected_faults_total", deployment)),
            "{{deployment}} {{fault}}",
          ],
        ],
      },
      {
        title: "Time until faults go off",
        unit: "s",
        targets: [["clamp_min(max by (target) (understudy_fault_end_timestamp_seconds) - time(), 0)", "{{target}}"]],
      },
      {
        title: "Recorded calls",
        unit: "reqps",
        targets: [
          ["sum(rate(understudy_recorded_calls_total[$__rate_interval]))", "recorded"],
          ["sum(rate(understudy_record_lost_calls_total[$__rate_interval]))", "lost"],
        ],
      },
      { title: "Gateways that record", targets: [["sum(understudy_recording)", "gateways"]] },
    ],
  ],
  [
    "Gateways",
    [
      {
        title: "Rejected calls by reason",
        unit: "reqps",
        targets: [
          [
            sumBy("instance, reason", "rate(understudy_overload_rejected_total[$__rate_interval])"),
            "{{instance}} {{reason}}",
          ],
        ],
      },
      { title: "Calls that wait to start", targets: [["understudy_overload_waiting_calls", "{{instance}}"]] },
      {
        title: "Calls that wait in queues",
        targets: [[sumBy("type, name", "understudy_queue_waiting_calls"), "{{type}} {{name}}"]],
      },
      {
        title: "Wait in queues, p95",
        unit: "s",
        targets: [
          [
            quantile(0.95, "le, type, name", "rate(understudy_queue_wait_seconds_bucket[$__rate_interval])"),
            "{{type}} {{name}}",
          ],
        ],
      },
      {
        title: "Not admitted by queues",
        unit: "reqps",
        targets: [
          [
            sumBy("type, name, reason", "rate(understudy_queue_rejected_total[$__rate_interval])"),
            "{{type}} {{name}} {{reason}}",
          ],
        ],
      },
      { title: "HTTP requests in flight", targets: [["understudy_http_requests_in_flight", "{{instance}}"]] },
      {
        title: "Event loop delay",
        unit: "s",
        targets: [
          ["max_over_time(understudy_event_loop_delay_seconds[$__rate_interval])", "{{instance}}"],
          ["increase(understudy_event_loop_stalls_total[$__rate_interval]) > 0", "{{instance}} stalls of 1 s or more"],
        ],
      },
      {
        title: "Workers",
        targets: [
          ["understudy_workers", "{{instance}}"],
          ["increase(understudy_worker_restarts_total[$__rate_interval]) > 0", "{{instance}} replaced"],
        ],
      },
      {
        title: "Reloads of the configuration",
        description: "Failed reloads change nothing: the gateway serves by the configuration that it had before.",
        targets: [
          [
            sumBy("instance, result", "increase(understudy_config_reloads_total[$__rate_interval])"),
            "{{instance}} {{result}}",
          ],
          ["understudy_config_last_reload_successful == 0", "{{instance}} rejects its configuration"],
        ],
      },
      {
        title: "Age of the configuration",
        unit: "s",
        targets: [["time() - understudy_config_last_reload_success_timestamp_seconds", "{{instance}}"]],
      },
      {
        title: "CPU",
        unit: "percentunit",
        targets: [['rate(process_cpu_seconds_total{job="understudy"}[$__rate_interval])', "{{instance}}"]],
      },
      {
        title: "Resident memory",
        unit: "bytes",
        targets: [['process_resident_memory_bytes{job="understudy"}', "{{instance}}"]],
      },
    ],
  ],
]

const datasource = { type: "prometheus", uid: "${datasource}" }

const panelJson = (panel: Panel, gridPos: object, id: number): object => {
  const { description, mappings = [], stacked, targets, thresholds, title, type = "timeseries", unit } = panel
  return {
    id,
    type,
    title,
    ...(description === undefined ? undefined : { description }),
    datasource,
    gridPos,
    targets: targets.map(([expr, legendFormat], index) => ({
      refId: String.fromCharCode("A".charCodeAt(0) + index),
      datasource,
      expr,
      legendFormat: legendFormat === "" ? "__auto" : legendFormat,
      ...(type === "stat" || type === "bargauge" ? { instant: true } : undefined),
    })),
    fieldConfig: {
      defaults: {
        ...(unit === undefined ? undefined : { unit }),
        min: 0,
        ...(mappings.length === 0
          ? undefined
          : {
              mappings: [
                {
                  type: "value",
                  options: Object.fromEntries(mappings.map(([value, text, color]) => [value, { text, color }])),
                },
              ],
            }),
        ...(thresholds === undefined
          ? undefined
          : { thresholds: { mode: "absolute", steps: thresholds.map(([value, color]) => ({ value, color })) } }),
        ...(type === "timeseries"
          ? {
              custom: {
                fillOpacity: 10,
                showPoints: "never",
                stacking: { mode: stacked === true ? "normal" : "none" },
              },
            }
          : undefined),
      },
      overrides: [],
    },
    options:
      type === "timeseries"
        ? { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi", sort: "desc" } }
        : type === "stat"
          ? { reduceOptions: { calcs: ["lastNotNull"] }, colorMode: "value" }
          : type === "bargauge"
            ? { reduceOptions: { calcs: ["lastNotNull"] }, orientation: "horizontal", displayMode: "gradient" }
            : { showValue: "never", legend: { showLegend: true, displayMode: "list", placement: "bottom" } },
  }
}

const columns = 24

const panels = (): ReadonlyArray<object> => {
  const placed: Array<object> = []
  let y = 0
  for (const [title, members] of rows) {
    placed.push({ id: placed.length + 1, type: "row", title, collapsed: false, gridPos: { x: 0, y, w: columns, h: 1 } })
    y += 1
    let x = 0
    const h = members[0]?.type === "stat" ? 4 : 8
    for (const panel of members) {
      const w = panel.width ?? 8
      if (x + w > columns) {
        x = 0
        y += h
      }
      placed.push(panelJson(panel, { x, y, w, h }, placed.length + 1))
      x += w
    }
    y += h
  }
  return placed
}

/** A variable with the values of a label, of which several can be chosen. */
const variable = (name: string, label: string, metric: string): object => ({
  name,
  label,
  type: "query",
  datasource,
  query: { query: `label_values(${metric}, ${name})`, refId: name },
  refresh: 2,
  sort: 1,
  multi: true,
  includeAll: true,
  allValue: ".*",
  current: { text: "All", value: "$__all" },
})

/** The text of deploy/grafana/understudy.json. */
export const dashboard = (): string => {
  const json = {
    uid: "understudy",
    title: "Understudy",
    description: "Calls, deployments, cost and gateways. Written by: npm run grafana",
    tags: ["llm"],
    editable: true,
    graphTooltip: 1,
    refresh: "30s",
    schemaVersion: 41,
    time: { from: "now-6h", to: "now" },
    templating: {
      list: [
        { name: "datasource", label: "Prometheus", type: "datasource", query: "prometheus" },
        variable("route", "Route", "understudy_requests_total"),
        variable("deployment", "Deployment", "understudy_circuit_state"),
        variable("key", "Key", "understudy_key_requests_total"),
      ],
    },
    annotations: { list: [] },
    panels: panels(),
  }
  return `${JSON.stringify(json, undefined, 2)}\n`
}

if (import.meta.main) {
  writeFileSync(join(import.meta.dirname, "..", "deploy", "grafana", "understudy.json"), dashboard())
}
