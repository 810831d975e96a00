/**
 * What a caller is told of an error and of an explanation, by how much its operator exposes: see `Expose`.
 */
import type { Explained, Explanation, Node, Verdict } from "@understudy/core/Explain"
import type { Attempt, PassedOver, Receipt } from "@understudy/core/Receipt"
import type { Kind, RouterError } from "@understudy/core/RouterError"
import { passedOver } from "@understudy/core/RouterError"
import type { Level } from "../keys/Expose.ts"

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
  if (kind === "Broken") {
    const { deployment } = receipt
    return level === "names" && deployment !== undefined && cause !== undefined
      ? `The answer broke off: ${deployment}: ${cause.reason._tag}.`
      : "The answer broke off."
  }
  const told =
    level === "names" ? [...receipt.attempts.flatMap(failed), ...receipt.passedOver.flatMap(other)] : lacks(receipt)
  return [
    `Nobody on "${receipt.route}" could answer.`,
    ...(told.length === 0 ? [] : [`${told.join("; ")}.`]),
    blame ?? [],
  ]
    .flat()
    .join(" ")
}

/** The kinds whose cause is about what was asked: only the provider's own words tell its caller what to change. */
const callers: ReadonlySet<Kind> = new Set(["InvalidRequest", "TooLarge", "ContentPolicy", "UnknownModel"])

const failed = ({ deployment, reason, status }: Attempt): ReadonlyArray<string> =>
  reason === undefined ? [] : [`${deployment}: ${reason}${status === undefined ? "" : ` (${status})`}`]

const other = ({ deployment, verdict }: PassedOver): ReadonlyArray<string> =>
  verdict._tag === "Awaits" ? [] : [`${deployment}: ${standing(verdict)}`]

/** What no deployment of the route could do of what was asked. */
const lacks = ({ passedOver: others }: Receipt): ReadonlyArray<string> => [
  ...new Set(others.flatMap(({ verdict }) => (verdict._tag === "Cannot" ? [passedOver(verdict)] : []))),
]

/** Why a candidate was skipped: of how it stands, only that it does not answer just now. */
export const skipped = (verdict: PassedOver["verdict"], level: Level): string =>
  level === "full" ? passedOver(verdict) : standing(verdict)

const standing = (verdict: PassedOver["verdict"]): string => (isState(verdict) ? "unavailable" : passedOver(verdict))

/** Whether it tells of a circuit, a cooldown or a limit, rather than of what was asked. */
const isState = ({ _tag }: Verdict | PassedOver["verdict"]): boolean => states.has(_tag)

const states: ReadonlySet<string> = new Set(["Resting", "CircuitOpen", "Probing", "Busy", "Limited"])

/** The words without the hosts in them, of URLs, with a port or numeric: a provider's server may name those it forwards to. */
const withoutAddresses = (words: string): string =>
  words.replaceAll(
    /(?<=\b[a-z][a-z\d+.-]{1,15}:\/\/)[^\s/?#"'<>()\\]+|\[[\da-f:.]*:[\da-f:.]*\](?::\d+)?|\b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?|\b[a-z][\w-]*(?:\.[\w-]+)*:\d{2,5}\b/gi,
    "***",
  )

// ---------------------------------------------------------------------------------------------------------------------
// Explanations
// ---------------------------------------------------------------------------------------------------------------------

/** The explanation, as JSON. */
export const explanation = (all: Explanation, level: Level): object => {
  if (level === "full") return all
  const { needs, route, streaming, tokens, total } = all
  return { route, streaming, tokens, needs, total, ...(level === "names" ? { plan: node(all.plan) } : undefined) }
}

const node = (given: Node): object => {
  switch (given._tag) {
    case "Candidate":
      return candidate(given)
    case "Sequence":
      return { ...given, plans: given.plans.map(node) }
    case "Rescue":
      return { ...given, plan: node(given.plan), use: node(given.use) }
  }
}

const candidate = ({ _tag, deployment, model, verdict }: Explained): object => ({
  _tag,
  deployment,
  model,
  verdict: isState(verdict) ? { _tag: "Unavailable" } : verdict,
})
