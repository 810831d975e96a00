/** What differs between the options of two generations: deployment by deployment, route by route. */
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import type { Uniform } from "./Generation.ts"

/** A deployment or a route that was added, removed or changed, or defaults that changed. */
export interface Change<Kind extends string = "deployment" | "route" | "defaults"> {
  readonly kind: Kind
  /** The name of the deployment or the route; `defaults` for the defaults. */
  readonly name: string
  readonly change: "added" | "removed" | "changed"
  /** The settings that changed, such as `limits`. Empty for a route, and for what was added or removed. */
  readonly fields: ReadonlyArray<string>
}

/** The changes that lead from one to the other: defaults, deployments, then routes. */
export const between = (before: Uniform, after: Uniform): ReadonlyArray<Change> => {
  const defaults = differing(before.defaults ?? {}, after.defaults ?? {})
  return [
    ...(defaults.length === 0
      ? []
      : [{ kind: "defaults", name: "defaults", change: "changed", fields: defaults } as const]),
    ...ofRecords("deployment", before.deployments, after.deployments),
    ...ofSection("route", before.routes ?? {}, after.routes ?? {}, (old, now) => (isSame(old, now) ? undefined : [])),
  ]
}

/** The changes between records of one kind, by name. */
export const ofRecords = <Kind extends string>(
  kind: Kind,
  before: Readonly<Record<string, object>>,
  after: Readonly<Record<string, object>>,
): ReadonlyArray<Change<Kind>> =>
  ofSection(kind, before, after, (old, now) => {
    const fields = differing(old, now)
    return fields.length === 0 ? undefined : fields
  })

/** `compare` returns the fields that differ, or `undefined` if nothing does. */
const ofSection = <Kind extends string, A>(
  kind: Kind,
  before: Readonly<Record<string, A>>,
  after: Readonly<Record<string, A>>,
  compare: (before: A, after: A) => ReadonlyArray<string> | undefined,
): ReadonlyArray<Change<Kind>> =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((name): ReadonlyArray<Change<Kind>> => {
    const [old, now] = [before[name], after[name]]
    if (old === undefined) return [{ kind, name, change: "added", fields: [] }]
    if (now === undefined) return [{ kind, name, change: "removed", fields: [] }]
    const fields = compare(old, now)
    return fields === undefined ? [] : [{ kind, name, change: "changed", fields }]
  })

/** The keys whose values differ. */
export const differing = (before: object, after: object): ReadonlyArray<string> => {
  const [old, now] = [new Map(Object.entries(before)), new Map(Object.entries(after))]
  return [...new Set([...old.keys(), ...now.keys()])].filter((key) => !isSame(old.get(key), now.get(key)))
}

/** Another layer is another provider, however alike they are. */
const isSame = (old: unknown, now: unknown): boolean =>
  old === now || (!isProvider(old) && !isProvider(now) ? Equal.equals(old, now) : areSame(old, now))

const isProvider = (value: unknown): boolean =>
  Layer.isLayer(value) || (Array.isArray(value) && value.some(Layer.isLayer))

/** The same layers, in the same order. */
const areSame = (old: unknown, now: unknown): boolean =>
  Array.isArray(old) && Array.isArray(now) && old.length === now.length && old.every((each, at) => each === now[at])
