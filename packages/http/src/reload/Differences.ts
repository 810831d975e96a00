/** What differs between two configurations: what a reload puts in force, and what only a restart does. Never a value. */
import * as Change from "@understudy/core/internal/generation/Change"
import { credentialVariables } from "@understudy/providers/Config"
import * as Equal from "effect/Equal"
import type * as Redacted from "effect/Redacted"
import type { Configuration } from "../Config.ts"

/** A part of the configuration that was added, removed or changed. */
export type Difference = Change.Change<"deployment" | "route" | "defaults" | "key" | "budget" | "record" | "guardrail">

/**
 * The changes with the names of vendors' settings in place of `provider`, which stands for all of them, or with the
 * environment variables, of those that have other values, that hold its credentials.
 */
export const named = (
  changes: ReadonlyArray<Change.Change>,
  before: Configuration,
  after: Configuration,
  changedVariables: ReadonlySet<string>,
): ReadonlyArray<Difference> =>
  changes.map((change) => {
    const [old, now] = [before.deployments[change.name], after.deployments[change.name]]
    if (change.kind !== "deployment" || old === undefined || now === undefined) return change
    const fields = change.fields.flatMap((field) => {
      if (field === "priceOf") return ["price"]
      // Its vendor is named by `provider`.
      if (field === "vendor") return []
      if (field !== "provider" || old.provider !== now.provider) return [field]
      const keys = [...Change.differing(old.keys, now.keys), ...newApiKeys(old, now)]
      return keys.length > 0 ? keys : credentialVariables(now.provider).filter((name) => changedVariables.has(name))
    })
    return { ...change, fields: [...new Set(fields)] }
  })

type Deployment = Configuration["deployments"][string]

/** The API keys of a pool that are new, each by its place, and `apiKeys` if others were removed or have moved. */
const newApiKeys = (old: Deployment, now: Deployment): ReadonlyArray<string> => {
  if (now.apiKeys === undefined) return old.apiKeys === undefined ? [] : ["apiKeys"]
  const before = apiKeysOf(old)
  const isKept = (key: Redacted.Redacted) => before.some((each) => Equal.equals(each, key))
  const kept = now.apiKeys.filter(isKept)
  const areAll = before.length === kept.length && kept.every((key, index) => Equal.equals(key, before[index]))
  const added = now.apiKeys.flatMap((key, index) => (isKept(key) ? [] : [`apiKeys[${index}]`]))
  return areAll ? added : ["apiKeys", ...added]
}

const apiKeysOf = ({ apiKeys, keys }: Deployment): ReadonlyArray<Redacted.Redacted> =>
  apiKeys ?? ("apiKey" in keys && keys.apiKey !== undefined ? [keys.apiKey] : [])

/** The keys, budgets and guardrails that differ. */
export const ofLists = (before: Configuration, after: Configuration): ReadonlyArray<Difference> => [
  ...Change.ofRecords("key", byId(before.keys), byId(after.keys)),
  ...Change.ofRecords("budget", byId(before.budgets.budgets), byId(after.budgets.budgets)),
  ...Change.ofRecords("guardrail", byName(before.guardrails), byName(after.guardrails)),
]

/** The recording of calls, if it differs. */
export const ofRecord = (before: Configuration, after: Configuration): ReadonlyArray<Difference> =>
  Change.ofRecords(
    "record",
    before.record === undefined ? {} : { record: before.record },
    after.record === undefined ? {} : { record: after.record },
  )

const byId = <A extends { readonly id: string }>(items: ReadonlyArray<A>): Readonly<Record<string, A>> =>
  Object.fromEntries(items.map((item) => [item.id, item]))

const byName = <A extends { readonly name: string }>(items: ReadonlyArray<A>): Readonly<Record<string, A>> =>
  Object.fromEntries(items.map((item) => [item.name, item]))

/** What a reload puts in force, or what has no effect. */
const reloaded: ReadonlySet<string> = new Set([
  "defaults",
  "deployments",
  "routes",
  "keys",
  "record",
  "guardrails",
  "variables",
  "notImported",
] satisfies ReadonlyArray<keyof Configuration>)

/** The paths of settings that differ and take effect at a restart, such as `server.port`. */
export const untilRestart = (running: Configuration, now: Configuration): ReadonlyArray<string> => {
  const [before, after] = [new Map(Object.entries(running)), new Map(Object.entries(now))]
  return Change.differing(running, now)
    .filter((section) => !reloaded.has(section))
    .flatMap((section) => {
      const [old, other] = [before.get(section), after.get(section)]
      if (!isMapping(old) || !isMapping(other)) return [section]
      const fields = Change.differing(old, other)
      return fields
        .filter((field) => section !== "budgets" || field !== "budgets")
        .map((field) => `${section}.${field}`)
    })
}

const isMapping = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value)
