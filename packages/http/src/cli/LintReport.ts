/**
 * The lint report of `check`: the worst case of each route, and warnings about suspicious settings.
 */
import * as Lint from "@understudy/core/Lint"
import type { Problem, Settings } from "@understudy/providers/Config"
import * as Address from "@understudy/providers/internal/config/Address"
import * as Prices from "@understudy/providers/internal/Prices"
import * as VendorOperations from "@understudy/providers/internal/config/VendorOperations"
import { keyPath } from "@understudy/providers/internal/config/ConfigError"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import { section } from "./Table.ts"

/** The worst cases as a table, then the warnings. The settings have the vendors' prices: see `Config.withPrices`. */
export const lines = ({ defaults, deployments, routes }: Settings): ReadonlyArray<string> => {
  const local = Object.keys(deployments).filter((name) => Address.isLocal(deployments[name]!))
  const accounts = Object.entries(deployments).map(([name, { apiKeys }]) => [name, apiKeys?.length ?? 1] as const)
  const operations = Object.entries(deployments).flatMap(([name, deployment]) => {
    const known = VendorOperations.known(deployment)
    return known === undefined ? [] : [[name, known] as const]
  })
  const report = Lint.lint(routes, deployments, defaults, {
    local: new Set(local),
    accounts: new Map(accounts),
    operations: new Map(operations),
  })
  // Routes of a decoded configuration are consistent.
  if (Result.isFailure(report)) return []
  const { warnings, worstCases } = report.success
  return [
    ...section("worst case of a call", worstCases.length === 0 ? [] : [columns, ...worstCases.map(row)]),
    ...(worstCases.some(({ dollars }) => dollars !== undefined) ? [assumption] : []),
    ...section(
      "warnings",
      [...warnings, ...missingWindows(deployments), ...unknownPrices(deployments)].map(({ message, path }) => [
        `${path}: ${message}`,
      ]),
    ),
  ]
}

/** Warnings for local deployments without a context window: their servers truncate long prompts without an error. */
const missingWindows = (deployments: Settings["deployments"]): ReadonlyArray<Problem> =>
  Object.entries(deployments).flatMap(([name, deployment]) =>
    Address.isLocal(deployment) &&
    deployment.capabilities?.contextWindow === undefined &&
    deployment.capabilities?.embeddings !== true
      ? [{ path: keyPath("deployments", name), message: missingWindow }]
      : [],
  )

const missingWindow =
  "runs on a local server and has no capabilities.contextWindow: such servers truncate longer prompts without an error, or reject them after a long wait. Set it to the context size of the server"

/** Warnings for deployments whose cost would be missing from receipts, metrics and budgets. */
const unknownPrices = (deployments: Settings["deployments"]): ReadonlyArray<Problem> =>
  Object.entries(deployments).flatMap(([name, deployment]) =>
    Prices.isUnknown(deployment)
      ? [
          {
            path: keyPath("deployments", name),
            message: `the price of "${deployment.model}" is not known, so the cost of its calls is not counted. Set its \`price\`: { input, output }, in US dollars per million tokens`,
          },
        ]
      : [],
  )

const columns = ["route", "attempts", "time", "price"]

const row = ({ attempts, dollars, millis, route, unpriced }: Lint.WorstCase): ReadonlyArray<string> => [
  route,
  String(attempts),
  Duration.format(Duration.millis(Math.ceil(millis / 1000) * 1000)),
  dollars === undefined
    ? "unknown"
    : `$${(Math.ceil(dollars * 10_000 - tolerance) / 10_000).toFixed(4)}${unpriced.length === 0 ? "" : ` plus the cost of ${unpriced.join(", ")}`}`,
]

/** What arithmetic adds to a number of ten thousandths that is whole. */
const tolerance = 1e-6

const { input, output } = Lint.pricingAssumption

const assumption = `  price: if every attempt is billed, with ${input} input tokens and maxOutput output tokens (${output} if it is not set)`
