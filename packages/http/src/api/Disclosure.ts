/**
 * Filters errors and explanations by the exposure level of the caller. See `Expose`.
 */
import type { ExplainedDeployment, Explanation, Node, Availability } from "@understudy/core/Explain"
import type { Affinity, Attempt, Skipped, Receipt } from "@understudy/core/Receipt"
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

/** The message of an error, at an exposure level. */
export const message = (error: RouterError, level: Level): string => {
  const { cause, kind, receipt } = error
  // An error without both concerns a model name or a virtual key, and mentions no deployment.
  if (level === "full" || (receipt === undefined && cause === undefined)) return error.message
  // A guardrail's own error is for the caller.
  if (kind === "GuardrailRefused" || kind === "GuardrailFailed") return error.message
  const clientError = cause !== undefined && clientKinds.has(kind) ? withoutAddresses(cause.message) : undefined
  if (receipt === undefined)
    return `The provider rejected the request${clientError === undefined ? "." : `: ${clientError}`}`
  if (kind === "StreamInterrupted") {
    const { deployment } = receipt
    return level === "names" && deployment !== undefined && cause !== undefined
      ? `The stream was interrupted: ${deployment}: ${cause.reason._tag}.`
      : "The stream was interrupted."
  }
  const details =
    level === "names"
      ? [...receipt.attempts.flatMap(failed), ...receipt.skipped.flatMap(skippedText)]
      : missingCapabilities(receipt)
  return [
    `All deployments of route "${receipt.route}" failed.`,
    ...(details.length === 0 ? [] : [`${details.join("; ")}.`]),
    clientError ?? [],
  ]
    .flat()
    .join(" ")
}

/** The kinds whose cause the caller needs: to correct the request, or to know which check the responses missed. */
const clientKinds: ReadonlySet<Kind> = new Set([
  "InvalidRequest",
  "TooLarge",
  "ContentPolicy",
  "ModelNotFound",
  "NotAccepted",
])

const failed = ({ deployment, reason, status }: Attempt): ReadonlyArray<string> =>
  reason === undefined ? [] : [`${deployment}: ${reason}${status === undefined ? "" : ` (${status})`}`]

const skippedText = ({ deployment, reason }: Skipped): ReadonlyArray<string> =>
  reason._tag === "BranchNotTaken" ? [] : [`${deployment}: ${skipText(reason)}`]

/** The capabilities that the request needs and the skipped deployments lack. */
const missingCapabilities = ({ skipped: others }: Receipt): ReadonlyArray<string> => [
  ...new Set(others.flatMap(({ reason }) => (reason._tag === "MissingCapability" ? [meaning(reason).text] : []))),
]

/** Why a deployment was skipped. Below `full`, circuit, cooldown, limits and budgets are shown as `unavailable`. */
export const skipped = (reason: SkipReason, level: Level): SkippedJson =>
  level === "full" || !isState(reason) ? skipReason(reason) : { reason: "unavailable" }

const skipText = (reason: SkipReason): string => (isState(reason) ? "unavailable" : meaning(reason).text)

/** What became of a conversation: `kept`, `new`, or `moved`, at `full` with the reason. */
export const affinity = ({ reason, result }: Affinity, level: Level): string =>
  reason === undefined || level !== "full" ? result : `${result}; reason=${snakeCase(reason)}`

/** Whether a reason is about the deployment's circuit, cooldown, limits or budgets, and not about the request. */
const isState = ({ _tag }: Availability | SkipReason): boolean => states.has(_tag)

const states: ReadonlySet<string> = new Set([
  "CoolingDown",
  "CircuitOpen",
  "CircuitHalfOpen",
  "ConcurrencyLimited",
  "RateLimited",
  "OverBudget",
])

/**
 * The text with hosts replaced by `***`: hosts of URLs, hosts with a port, and IP addresses. A provider may name its own
 * upstreams.
 */
const withoutAddresses = (text: string): string =>
  text.replaceAll(
    /(?<=\b[a-z][a-z\d+.-]{1,15}:\/\/)[^\s/?#"'<>()\\]+|\[[\da-f:.]*:[\da-f:.]*\](?::\d+)?|\b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?|\b[a-z][\w-]*(?:\.[\w-]+)*:\d{2,5}\b/gi,
    "***",
  )

// ---------------------------------------------------------------------------------------------------------------------
// Explanations
// ---------------------------------------------------------------------------------------------------------------------

/** The explanation as JSON: each node has a `type`, and enums are snake_case. */
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
      return {
        type: "sequence",
        strategy: given.strategy,
        ...(given.affinity === undefined ? undefined : { affinity: given.affinity }),
        plans: given.plans.map((each) => node(each, deployment)),
      }
    case "Split": {
      const { _tag, plan, ...split } = given
      return { type: "split", ...split, plan: node(plan, deployment) }
    }
    case "OnError":
      return {
        type: "on_error",
        plan: node(given.plan, deployment),
        after: given.after.map(snakeCase),
        use: node(given.use, deployment),
      }
  }
}

const fullDeployment = ({ _tag, accounts, availability, checks, ...rest }: ExplainedDeployment): object => ({
  ...rest,
  availability: availabilityJson(availability),
  checks: Record.map({ ...checks }, availabilityJson),
  ...(accounts === undefined
    ? undefined
    : {
        accounts: accounts.map(({ account, availability, checks }) => ({
          account,
          availability: availabilityJson(availability),
          checks: Record.map({ ...checks }, availabilityJson),
        })),
      }),
})

const namedDeployment = ({ deployment, model, availability }: ExplainedDeployment): object => ({
  deployment,
  model,
  availability: isState(availability) ? { type: "unavailable" } : availabilityJson(availability),
})

/** `{ "type": "available" }`, or the reason for skipping with its details. */
const availabilityJson = (availability: Availability): object => {
  if (availability._tag === "Available") return { type: "available" }
  const { reason, ...details } = skipReason(availability)
  return { type: reason, ...details }
}
