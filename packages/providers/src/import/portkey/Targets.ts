/**
 * A Portkey configuration as a tree: its targets with what they inherit, before anybody has named a model.
 */
import type { ReasonTag } from "@understudy/core/ProviderError"
import * as Predicate from "effect/Predicate"
import type { Problem } from "../../config/ConfigError.ts"
import { keyPath } from "../../config/ConfigError.ts"
import type { Document } from "../ImportReader.ts"
import { ImportReader, isSet } from "../ImportReader.ts"
import type { Way } from "./Conditions.ts"
import { ways } from "./Conditions.ts"
import * as Statuses from "./Statuses.ts"
import * as Vendors from "./Vendors.ts"

export type Target =
  | Leaf
  | {
      readonly _tag: "Fallback"
      readonly targets: ReadonlyArray<Target>
      /** Which failures lead to the next: all of them, if not said. */
      readonly after: ReadonlyArray<ReasonTag> | undefined
    }
  | { readonly _tag: "Balance"; readonly targets: ReadonlyArray<Weighted>; readonly tell: (message: string) => void }
  | { readonly _tag: "When"; readonly cases: ReadonlyArray<Case>; readonly otherwise: Target }

export interface Leaf {
  readonly _tag: "Leaf"
  readonly path: string
  /** What it would be called. */
  readonly name: string
  /** Its own model; the caller's, if not said. */
  readonly model: string | undefined
  readonly keys: Document
  readonly policies: Document
}

export interface Weighted {
  readonly target: Target
  readonly weight: number
}

export interface Case {
  readonly ways: ReadonlyArray<Way>
  readonly use: Target
}

/** What a target has of those around it, where it does not say otherwise. */
interface Inherited {
  readonly model: string | undefined
  readonly retry: Document | undefined
  readonly timeout: Document | undefined
}

const nothing: Inherited = { model: undefined, retry: undefined, timeout: undefined }

/** Reads a whole configuration: no `tree` if none of its targets has an equivalent. */
export const read = (
  input: unknown,
  report: Array<Problem>,
): { readonly cache: Document | undefined; readonly tree: Target | undefined } => {
  const root = new ImportReader(snaked(input), "", report)
  return { cache: cacheOf(root), tree: readOne(root, nothing) }
}

/** Exact answers, for as long as they are said to be good: of the whole configuration. */
const cacheOf = (root: ImportReader): Document | undefined => {
  const cache = new ImportReader(snaked(root.take("cache")), keyPath(root.path, "cache"), root.report)
  const mode = cache.text("mode")
  const ttl = cache.time("max_age", "seconds")
  cache.rest()
  if (mode === undefined) return undefined
  if (mode !== "simple") return cache.tell("mode", "only exactly the same is answered the same: no answers are kept")
  return ttl === undefined
    ? cache.tell("max_age", "is missing, and an answer is not kept for good: no answers are kept")
    : { ttl }
}

const readOne = (target: ImportReader, around: Inherited): Target | undefined => {
  const inherited = inheriting(target, around)
  const strategy = new ImportReader(snaked(target.take("strategy")), keyPath(target.path, "strategy"), target.report)
  const mode = strategy.text("mode") ?? "single"
  const inner = target.list("targets").map((each, index) => {
    const place = new ImportReader(snaked(each), keyPath(keyPath(target.path, "targets"), index), target.report)
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
  const whole = read.length === 0 ? undefined : together(target, strategy, mode, read)
  strategy.rest()
  target.rest(why)
  return whole
}

interface Named extends Weighted {
  readonly name: string | undefined
}

/** What the strategy makes of its targets, of which there is at least one. */
const together = (
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
      return only(targets) ?? { _tag: "Balance", targets: inner, tell: (message) => target.tell("targets", message) }
    case "conditional":
      return when(strategy, new Map(inner.map(({ name, target }) => [name, target])))
    case "single":
      if (inner.length > 1) target.tell("targets", "only the first is asked: the others are left out")
      return targets[0]
    default:
      return strategy.tell("mode", `there is no ${mode}: left out`)
  }
}

const only = (targets: ReadonlyArray<Target>): Target | undefined => (targets.length === 1 ? targets[0] : undefined)

/** The nearest word counts. */
const inheriting = (target: ImportReader, around: Inherited): Inherited => {
  const override = target.mapping("override_params")
  const model = override.text("model")
  override.rest(Object.fromEntries(override.keys.map((key) => [key, "requests say this themselves: left out"])))
  const retry = new ImportReader(snaked(target.take("retry")), keyPath(target.path, "retry"), target.report)
  const times = retry.countOrNone("attempts")
  const statuses = retry.list("on_status_codes")
  if (statuses.length > 0 && Statuses.retried.some((each) => !statuses.includes(each))) {
    retry.tell(
      "on_status_codes",
      `what is retried is what another try may cure, ${Statuses.retried.join(", ")}: left out`,
    )
  }
  // `Retry-After` is always minded.
  retry.take("use_retry_after_header")
  retry.take("use_retry_after_headers")
  retry.rest()
  const limit = target.time("request_timeout", "milliseconds")
  return {
    model: model ?? around.model,
    retry: isSet({ times }) ?? around.retry,
    timeout: isSet({ attempt: limit, firstToken: limit }) ?? around.timeout,
  }
}

const after = (place: ImportReader): ReadonlyArray<ReasonTag> | undefined => {
  const statuses = place.list("on_status_codes")
  if (statuses.length === 0) return undefined
  const { reasons, unknown } = Statuses.reasons(statuses)
  if (unknown.length > 0) place.tell("on_status_codes", `${unknown.join(", ")} stands for no failure of ours: left out`)
  return reasons
}

const when = (strategy: ImportReader, named: ReadonlyMap<string | undefined, Target>): Target | undefined => {
  const cases = strategy.list("conditions").flatMap((each, index): ReadonlyArray<Case> => {
    const condition = new ImportReader(each, keyPath(keyPath(strategy.path, "conditions"), index), strategy.report)
    const holds = ways(condition.take("query"))
    const use = named.get(condition.text("then"))
    condition.rest()
    if (holds === undefined)
      return condition.tell("query", "asks for more than a model or metadata to be equal: left out") ?? []
    return use === undefined
      ? (condition.tell("then", "names no target that is left: left out") ?? [])
      : [{ ways: holds, use }]
  })
  const last = strategy.text("default")
  const otherwise = last === undefined ? undefined : named.get(last)
  if (otherwise !== undefined) return { _tag: "When", cases, otherwise }
  const [first] = named.values()
  strategy.tell("default", "is missing, and Portkey would refuse what no condition is for: the first target answers")
  return first && { _tag: "When", cases, otherwise: first }
}

const leafOf = (target: ImportReader, { model, retry, timeout }: Inherited): Leaf | undefined => {
  const name = target.text("name")
  target.take("weight")
  const vendor = Vendors.read(target, model)
  if (vendor === undefined) return undefined
  target.rest(why)
  return {
    _tag: "Leaf",
    path: target.path,
    name: name ?? vendor.label,
    model: vendor.model,
    keys: vendor.keys,
    policies: { ...isSet({ retry, timeout }) },
  }
}

const why = {
  cache: "answers are kept of whole configurations, not of one target: left out",
  input_guardrails: "guardrails are not run: left out",
  output_guardrails: "guardrails are not run: left out",
  before_request_hooks: "guardrails are not run: left out",
  after_request_hooks: "guardrails are not run: left out",
}

/** Portkey takes `onStatusCodes` for `on_status_codes`, and so on. */
const snaked = (input: unknown): unknown =>
  Predicate.isObject(input)
    ? Object.fromEntries(
        Object.entries(input).map(([key, value]) => [
          key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
          value,
        ]),
      )
    : input
