/**
 * A key of the gateway's own: who asks, what they may call, and how much of it. No provider ever sees one.
 */
import type { Limits } from "@understudy/core/Policies"
import type * as Redacted from "effect/Redacted"

export interface KeyLimits extends Limits {
  /** Requests a minute to count tokens and to explain, which are no calls; as many as `rpm` if not said. */
  readonly cpm?: number | undefined
}

export interface VirtualKey {
  /** The name by which receipts, logs and metrics know its holder. */
  readonly id: string
  readonly key: Redacted.Redacted
  /** What its holder may use between all gateways that share their state; `concurrency`, at each. */
  readonly limits?: KeyLimits | undefined
  /** The routes and deployments it may call; all of them if not said. */
  readonly routes?: ReadonlyArray<string> | undefined
}
