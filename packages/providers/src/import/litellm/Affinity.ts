/**
 * LiteLLM's checks before a call that keep a conversation where it was: the affinity of balances.
 *
 * Sources: docs.litellm.ai, "Router settings" (`optional_pre_call_checks`), "Prompt caching routing".
 */
import type { Document, ImportReader } from "../ImportReader.ts"
import { compact } from "../ImportReader.ts"

/** The checks, with what a conversation is told apart by; `undefined` for those that need no setting. */
const checks: Readonly<Record<string, "session" | "user" | "prefix" | undefined>> = {
  deployment_affinity: "user",
  encrypted_content_affinity: undefined,
  enforce_model_rate_limits: undefined,
  prompt_caching: "prefix",
  responses_api_deployment_check: "session",
  session_affinity: "session",
}

/** The `affinity` of every balance. With several checks, by the session, which falls back to the others. */
export const read = (place: ImportReader): Document | undefined => {
  const given = place.list("optional_pre_call_checks").map(String)
  const keep = place.time("deployment_affinity_ttl_seconds", "seconds")
  for (const name of given) {
    if (!Object.hasOwn(checks, name)) place.warn("optional_pre_call_checks", `${name} is not known: not imported`)
  }
  const by = [...new Set(given.flatMap((name) => checks[name] ?? []))]
  if (given.includes("deployment_affinity")) {
    place.warn(
      "optional_pre_call_checks",
      "deployment_affinity keeps the calls of a key on a deployment, which affinity does for calls that name no user",
    )
  }
  if (by.length === 0) return undefined
  return { by: by.length === 1 ? by[0] : "session", ...compact({ for: keep }) }
}
