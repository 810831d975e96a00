/**
 * Virtual keys: keys that the gateway issues to its callers, with limits and allowed routes. They are never sent to a
 * provider. Some are written in the configuration; others are made at run time, and only their digests are kept.
 */
import type { Limits, Priority, QueuePolicy } from "@understudy/core/Policies"
import type * as Redacted from "effect/Redacted"

export interface KeyLimits extends Omit<Limits, "queue"> {
  /** Token counts and explanations per minute, which do not count as calls. Default: `rpm`. */
  readonly cpm?: number | undefined
  /** The calls that wait while the key or the team is at a limit. Default: none. */
  readonly queue?: KeyQueue | undefined
}

/** `priority`: the class of its calls in every queue: of its team and of deployments too. Default: its team's, or `normal`. */
export interface KeyQueue extends QueuePolicy {
  readonly priority?: Priority | undefined
}

/**
 * What a key may do besides calls of its own:
 *
 * - `caller`: nothing.
 * - `team-admin`: manages the keys of its team, and their budgets, within the team's limits and routes.
 * - `viewer`: reads everything that the operator reads.
 * - `admin`: everything that the operator may, except to make or change other keys of this role.
 */
export const roles = ["caller", "team-admin", "viewer", "admin"] as const

export type Role = (typeof roles)[number]

/** Keys that belong together. What a team is limited to, its keys share. */
export interface Team {
  readonly id: string
  readonly name: string
  /** The limits of all of its keys together, like those of a key. */
  readonly limits?: KeyLimits | undefined
  /** The routes and deployments that its keys may call, if their own `routes` include them. Default: all. */
  readonly routes?: ReadonlyArray<string> | undefined
  readonly disabled?: boolean | undefined
}

export interface VirtualKey {
  /** The name of the key in receipts, logs and metrics. */
  readonly id: string
  /** What people call the key. Default: its id. */
  readonly name?: string | undefined
  /** The limits over all gateways that share their state, except `concurrency`, which is per gateway. */
  readonly limits?: KeyLimits | undefined
  /** The routes and deployments that the key may call. Default: all. */
  readonly routes?: ReadonlyArray<string> | undefined
  readonly team?: Team | undefined
  /** Default: `caller`. */
  readonly role?: Role | undefined
  /** Tags of its calls, besides those that a call has. */
  readonly tags?: ReadonlyArray<string> | undefined
  /** From when on it is rejected, in clock milliseconds. Default: never. */
  readonly expiresAt?: number | undefined
  readonly disabled?: boolean | undefined
}

/** A key of the configuration, with its text. */
export interface ConfiguredKey extends VirtualKey {
  readonly key: Redacted.Redacted
}

/** The priority of the key's calls: its own, or its team's. */
export const priorityOf = ({ limits, team }: VirtualKey): Priority | undefined =>
  limits?.queue?.priority ?? team?.limits?.queue?.priority

/** The key as people know it. */
export const nameOf = ({ id, name }: VirtualKey): string => name ?? id

/** Whether the key may call the route or the deployment with this name. */
export const mayCall = ({ routes, team }: VirtualKey, name: string): boolean =>
  (routes === undefined || routes.includes(name)) && (team?.routes === undefined || team.routes.includes(name))

/** The routes that the key may call; `undefined` for all. */
export const routesOf = ({ routes, team }: VirtualKey): ReadonlyArray<string> | undefined =>
  routes === undefined ? team?.routes : routes.filter((name) => team?.routes?.includes(name) ?? true)
