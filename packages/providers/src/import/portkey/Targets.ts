/**
 * A Portkey configuration as a tree of targets with their inherited settings.
 */
import type { ReasonTag } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import { keyPath } from "../../config/ConfigError.ts"
import type { Document } from "../ImportReader.ts"
import * as Params from "../Params.ts"
import type { NotImported } from "../Report.ts"
import { ImportReader, compact } from "../ImportReader.ts"
import type { Alternative } from "./Conditions.ts"
import { alternatives } from "./Conditions.ts"
import * as Statuses from "./Statuses.ts"
import * as Vendors from "./Vendors.ts"

export type Target =
  | Leaf
  | {
      readonly _tag: "Fallback"
      readonly targets: ReadonlyArray<Target>
      /** The failures that lead to the next target; all if undefined. */
      readonly after: ReadonlyArray<ReasonTag> | undefined
    }
  | { readonly _tag: "Balance"; readonly targets: ReadonlyArray<Weighted>; readonly warn: (message: string) => void }
  | { readonly _tag: "When"; readonly cases: ReadonlyArray<Case>; readonly otherwise: Target }

export interface Leaf {
  readonly _tag: "Leaf"
  readonly path: string
  /** The wanted name of the deployment. */
  readonly name: string
  /** Its model; that of the call if undefined. */
  readonly model: string | undefined
  readonly keys: Document
  readonly policies: Document
}

export interface Weighted {
  readonly target: Target
  readonly weight: number
}

export interface Case {
  readonly alternatives: ReadonlyArray<Alternative>
  readonly use: Target
}

/** Settings that a target inherits from those around it. */
interface Inherited {
  readonly model: string | undefined
  /** The parameters that replace those of a call. */
  readonly force: Document | undefined
  readonly retry: Document | undefined
  readonly timeout: Document | undefined
}

const nothing: Inherited = { model: undefined, force: undefined, retry: undefined, timeout: undefined }

/** Reads a configuration. `tree` is `undefined` if no target can be imported. */
export const read = (
  input: unknown,
  report: Array<NotImported>,
): { readonly cache: Document | undefined; readonly tree: Target | undefined } => {
  const root = new ImportReader(snakeCase(input), "", report)
  return { cache: cacheOf(root), tree: readOne(root, nothing) }
}

/** The response cache of the configuration. */
const cacheOf = (root: ImportReader): Document | undefined => {
  const cache = new ImportReader(snakeCase(root.take("cache")), keyPath(root.path, "cache"), root.report)
  const mode = cache.text("mode")
  const ttl = cache.time("max_age", "seconds")
  cache.warnUnread()
  if (mode === undefined) return undefined
  if (mode !== "simple") return cache.warn("mode", "only exact matches are cached: no response cache")
  return ttl === undefined
    ? cache.warn("max_age", "is missing, and the cache needs a time to live: no response cache")
    : { ttl }
}

const readOne = (target: ImportReader, around: Inherited): Target | undefined => {
  const inherited = inherit(target, around)
  const strategy = new ImportReader(snakeCase(target.take("strategy")), keyPath(target.path, "strategy"), target.report)
  const mode = strategy.text("mode") ?? "single"
  const inner = target.list("targets").map((each, index) => {
    const place = new ImportReader(snakeCase(each), keyPath(keyPath(target.path, "targets"), index), target.report)
    return {
      place,
      name: place.text("name"),
      weight: place.number("weight", "a number, 0 or more", (n) => n >= 0) ?? 1,
    }
  })
  if (inner.length === 0) return leafOf(target, inherited)
  const read = inner.flatMap(({ place, ...each }) => {
    const target = readOne(place, inherited)
    return target === undefined ? [] : [{ ...each, target }]
  })
  const combined = read.length === 0 ? undefined : combine(target, strategy, mode, read)
  strategy.warnUnread()
  target.warnUnread(why)
  return combined
}

interface Named extends Weighted {
  readonly name: string | undefined
}

/** The targets, of which there is at least one, combined by the strategy. */
const combine = (
  target: ImportReader,
  strategy: ImportReader,
  mode: string,
  inner: ReadonlyArray<Named>,
): Target | undefined => {
  const targets = inner.map(({ target }) => target)
  switch (mode) {
    case "fallback":
      return only(targets) ?? { _tag: "Fallback", targets, after: after(strategy) ?? after(target) }
    case "loadbalance":
      return (
        only(targets) ?? {
          _tag: "Balance",
          targets: inner,
          warn: (message) => target.warn("targets", message, "models"),
        }
      )
    case "conditional":
      return when(strategy, new Map(inner.map(({ name, target }) => [name, target])))
    case "single":
      if (inner.length > 1)
        target.warn("targets", "only the first target is used: the others are not imported", "models")
      return targets[0]
    default:
      return strategy.warn("mode", `the mode ${mode} is not supported: not imported`, "models")
  }
}

const only = (targets: ReadonlyArray<Target>): Target | undefined => (targets.length === 1 ? targets[0] : undefined)

/** The settings of a target, else those it inherits. */
const inherit = (target: ImportReader, around: Inherited): Inherited => {
  const override = target.mapping("override_params")
  const model = override.text("model")
  const own = Params.read(override)
  override.warnUnread()
  const retry = new ImportReader(snakeCase(target.take("retry")), keyPath(target.path, "retry"), target.report)
  const times = retry.countOrNone("attempts")
  const statuses = retry.list("on_status_codes")
  if (statuses.length > 0 && Statuses.retried.some((each) => !statuses.includes(each))) {
    retry.warn(
      "on_status_codes",
      `the statuses that are retried are fixed, ${Statuses.retried.join(", ")}: not imported`,
    )
  }
  // `Retry-After` is always honoured.
  retry.take("use_retry_after_header")
  retry.take("use_retry_after_headers")
  retry.warnUnread()
  const limit = target.time("request_timeout", "milliseconds")
  return {
    model: model ?? around.model,
    force: own === undefined ? around.force : { ...around.force, ...own },
    retry: compact({ times }) ?? around.retry,
    timeout: compact({ attempt: limit, firstToken: limit }) ?? around.timeout,
  }
}

const after = (place: ImportReader): ReadonlyArray<ReasonTag> | undefined => {
  const statuses = place.list("on_status_codes")
  if (statuses.length === 0) return undefined
  const { reasons, unknown } = Statuses.reasons(statuses)
  if (unknown.length > 0) place.warn("on_status_codes", `${unknown.join(", ")} matches no failure reason: not imported`)
  return reasons
}

const when = (strategy: ImportReader, named: ReadonlyMap<string | undefined, Target>): Target | undefined => {
  const cases = strategy.list("conditions").flatMap((each, index): ReadonlyArray<Case> => {
    const condition = new ImportReader(each, keyPath(keyPath(strategy.path, "conditions"), index), strategy.report)
    const holds = alternatives(condition.take("query"))
    const use = named.get(condition.text("then"))
    condition.warnUnread()
    if (holds === undefined)
      return (
        condition.warn("query", "only equality of the model or of metadata is supported: not imported", "models") ?? []
      )
    return use === undefined
      ? (condition.warn("then", "names no target that is imported: not imported", "models") ?? [])
      : [{ alternatives: holds, use }]
  })
  const last = strategy.text("default")
  const otherwise = last === undefined ? undefined : named.get(last)
  if (otherwise !== undefined) return { _tag: "When", cases, otherwise }
  const [first] = named.values()
  strategy.warn(
    "default",
    "is missing: calls that match no condition go to the first target, where Portkey rejects them",
    "models",
  )
  return first && { _tag: "When", cases, otherwise: first }
}

const leafOf = (target: ImportReader, { force, model, retry, timeout }: Inherited): Leaf | undefined => {
  const name = target.text("name")
  target.take("weight")
  const vendor = Vendors.read(target, model)
  if (vendor === undefined) return undefined
  target.warnUnread(why)
  return {
    _tag: "Leaf",
    path: target.path,
    name: name ?? vendor.label,
    model: vendor.model,
    keys: vendor.keys,
    policies: { ...compact({ force, retry, timeout }) },
  }
}

const guardrails = ["guardrails of Portkey are not run: see `guardrails`", "safety"] as const

const why = {
  cache: "the cache is set for the whole configuration, not for a target: not imported",
  input_guardrails: guardrails,
  output_guardrails: guardrails,
  before_request_hooks: guardrails,
  after_request_hooks: guardrails,
}

/** Keys in snake case: Portkey accepts `onStatusCodes` for `on_status_codes`. */
const snakeCase = (input: unknown): unknown =>
  Predicate.isObject(input)
    ? Object.fromEntries(
        Object.entries(input).map(([key, value]) => [
          key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
          value,
        ]),
      )
    : input
