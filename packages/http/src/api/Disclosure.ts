/**
 * What a caller is told of an error and of an explanation, by how much its operator exposes: see `Expose`.
 */
import type { ExplainedDeployment, Explanation, Node, Availability } from "@understudy/core/Explain"
import type { Attempt, Skipped, Receipt } from "@understudy/core/Receipt"
import type { Kind, RouterError } from "@understudy/core/RouterError"
import type { SkipReason } from "@understudy/core/SkipReason"
import { meaning } from "@understudy/core/SkipReason"
import { snakeCase } from "@understudy/core/internal/model/SnakeCase"
import * as Record from "effect/Record"
import type { Level } from "../auth/Expose.ts"
import type { SkippedJson } from "../observe/ReasonJson.ts"
import { skipReason } from "../observe/ReasonJson.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------------------------------

/** The message of an error. */
export const message = (error: RouterError, level: Level): string => {
  const { cause, kind, receipt } = error
  // What has neither is about a name or a key of ours: it tells nothing of a deployment.
  if (level === "full" || (receipt === undefined && cause === undefined)) return error.message
  const blame = cause !== undefined && callers.has(kind) ? withoutAddresses(cause.message) : undefined
  if (receipt === undefined) return `The request was refused${blame === undefined ? "." : `: ${blame}`}`
  if (kind === "StreamInterrupted") {
    const { deployment } = receipt
    return level === "names" && deployment !== undefined && cause !== undefined
      ? `The answer broke off: ${deployment}: ${cause.reason._tag}.`
      : "The answer broke off."
  }
  const told =
    level === "names" ? [...receipt.attempts.flatMap(failed), ...receipt.skipped.flatMap(other)] : lacks(receipt)
  return [
    `All deployments of route "${receipt.route}" failed.`,
    ...(told.length === 0 ? [] : [`${told.join("; ")}.`]),
    blame ?? [],
  ]
    .flat()
    .join(" ")
}

/** The kinds whose cause is about what was asked: only the provider's own words tell its caller what to change. */
const callers: ReadonlySet<Kind> = new Set(["InvalidRequest", "TooLarge", "ContentPolicy", "ModelNotFound"])

const failed = ({ deployment, reason, status }: Attempt): ReadonlyArray<string> =>
  reason === undefined ? [] : [`${deployment}: ${reason}${status === undefined ? "" : ` (${status})`}`]

const other = ({ deployment, reason }: Skipped): ReadonlyArray<string> =>
  reason._tag === "BranchNotTaken" ? [] : [`${deployment}: ${standing(reason)}`]

/** What no deployment of the route could do of what was asked. */
const lacks = ({ skipped: others }: Receipt): ReadonlyArray<string> => [
  ...new Set(others.flatMap(({ reason }) => (reason._tag === "MissingCapability" ? [meaning(reason).text] : []))),
]

/** Why a deployment was skipped; of its circuit, cooldown and limits only that it is unavailable, unless all is exposed. */
export const skipped = (reason: SkipReason, level: Level): SkippedJson =>
  level === "full" || !isState(reason) ? skipReason(reason) : { reason: "unavailable" }

const standing = (reason: SkipReason): string => (isState(reason) ? "unavailable" : meaning(reason).text)

/** Whether it tells of a circuit, a cooldown or a limit, rather than of what was asked. */
const isState = ({ _tag }: Availability | SkipReason): boolean => states.has(_tag)

const states: ReadonlySet<string> = new Set([
  "CoolingDown",
  "CircuitOpen",
  "CircuitHalfOpen",
  "ConcurrencyLimited",
  "RateLimited",
])

/** The words without the hosts in them, of URLs, with a port or numeric: a provider's server may name those it forwards to. */
const withoutAddresses = (words: string): string =>
  words.replaceAll(
    /(?<=\b[a-z][a-z\d+.-]{1,15}:\/\/)[^\s/?#"'<>()\\]+|\[[\da-f:.]*:[\da-f:.]*\](?::\d+)?|\b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?|\b[a-z][\w-]*(?:\.[\w-]+)*:\d{2,5}\b/gi,
    "***",
  )

// ---------------------------------------------------------------------------------------------------------------------
// Explanations
// ---------------------------------------------------------------------------------------------------------------------

/** The explanation as JSON: each node has a `type`, and enums are in snake_case. */
export const explanation = (all: Explanation, level: Level): object => {
  const { plan, requires, route, streaming, inputTokens, total } = all
  if (level === "full") return { ...all, plan: node(plan, fullDeployment) }
  return {
    route,
    streaming,
    inputTokens,
    requires,
    total,
    ...(level === "names" ? { plan: node(plan, namedDeployment) } : undefined),
  }
}

const node = (given: Node, deployment: (given: ExplainedDeployment) => object): object => {
  switch (given._tag) {
    case "Deployment":
      return { type: "deployment", ...deployment(given) }
    case "Sequence":
      return { type: "sequence", strategy: given.strategy, plans: given.plans.map((each) => node(each, deployment)) }
    case "OnError":
      return {
        type: "on_error",
        plan: node(given.plan, deployment),
        after: given.after.map(snakeCase),
        use: node(given.use, deployment),
      }
  }
}

const fullDeployment = ({ _tag, availability, checks, ...rest }: ExplainedDeployment): object => ({
  ...rest,
  availability: availabilityJson(availability),
  checks: Record.map({ ...checks }, availabilityJson),
})

const namedDeployment = ({ deployment, model, availability }: ExplainedDeployment): object => ({
  deployment,
  model,
  availability: isState(availability) ? { type: "unavailable" } : availabilityJson(availability),
})

/** `{ "type": "available" }`, or the reason it would be skipped for, with its details. */
const availabilityJson = (availability: Availability): object => {
  if (availability._tag === "Available") return { type: "available" }
  const { reason, ...details } = skipReason(availability)
  return { type: reason, ...details }
}
