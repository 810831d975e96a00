/**
 * What `check` has to say of routes that can be used: what each comes to at its worst, and what is hardly meant.
 */
import * as Lint from "@understudy/core/Lint"
import type { Problem, Settings } from "@understudy/providers/Config"
import * as Address from "@understudy/providers/internal/config/Address"
import { keyPath } from "@understudy/providers/internal/config/ConfigError"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import { section } from "./Summary.ts"

/** The worst cases as a table, then the warnings. */
export const lines = ({ defaults, deployments, routes }: Settings): ReadonlyArray<string> => {
  const local = Object.keys(deployments).filter((name) => Address.isLocal(deployments[name]!))
  const report = Lint.lint(routes, deployments, defaults, new Set(local))
  // A configuration that was decoded has routes that fit together.
  if (Result.isFailure(report)) return []
  const { warnings, worstCases } = report.success
  return [
    ...section("worst case of a call", worstCases.length === 0 ? [] : [columns, ...worstCases.map(row)]),
    ...(worstCases.some(({ dollars }) => dollars !== undefined) ? [assumption] : []),
    ...section(
      "warnings",
      [...warnings, ...unsized(deployments)].map(({ message, path }) => [`${path}: ${message}`]),
    ),
  ]
}

/** Local deployments of which it is not said how much they take: their servers cut what is too long without a word. */
const unsized = (deployments: Settings["deployments"]): ReadonlyArray<Problem> =>
  Object.entries(deployments).flatMap(([name, deployment]) =>
    Address.isLocal(deployment) &&
    deployment.capabilities?.contextWindow === undefined &&
    deployment.capabilities?.embeddings !== true
      ? [{ path: keyPath("deployments", name), message: noWindow }]
      : [],
  )

const noWindow =
  "runs on a local server and has no capabilities.contextWindow: such servers cut a longer prompt in silence, or refuse it after a long wait"

const columns = ["route", "attempts", "time", "price"]

const row = ({ attempts, dollars, millis, route, unpriced }: Lint.WorstCase): ReadonlyArray<string> => [
  route,
  String(attempts),
  Duration.format(Duration.millis(Math.ceil(millis / 1000) * 1000)),
  dollars === undefined
    ? "not known"
    : `$${dollars.toFixed(4)}${unpriced.length === 0 ? "" : ` and what ${unpriced.join(", ")} may cost`}`,
]

const { input, output } = Lint.pricingAssumption

const assumption = `  price: if every attempt is billed, reads ${input} tokens and writes maxOutput, or ${output} where that is not said`
