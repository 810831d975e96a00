/**
 * Virtual keys: keys that the gateway issues to its callers, with limits and allowed routes. They are never sent to a
 * provider.
 */
import type { Limits } from "@understudy/core/Policies"
import type * as Redacted from "effect/Redacted"

export interface KeyLimits extends Limits {
  /** Token counts and explanations per minute, which do not count as calls. Default: `rpm`. */
  readonly cpm?: number | undefined
}

export interface VirtualKey {
  /** The name of the key in receipts, logs and metrics. */
  readonly id: string
  readonly key: Redacted.Redacted
  /** The limits over all gateways that share their state, except `concurrency`, which is per gateway. */
  readonly limits?: KeyLimits | undefined
  /** The routes and deployments that the key may call. Default: all. */
  readonly routes?: ReadonlyArray<string> | undefined
}
