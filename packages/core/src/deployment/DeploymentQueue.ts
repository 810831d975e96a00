/**
 * The queue of a deployment's limits, and the limits that are in force. Both outlive a reload: a call that waits is admitted by
 * the limits of the latest one.
 */
import type { Rejected } from "../model/SkipReason.ts"
import type { Buckets } from "../policy/Bucket.ts"
import type { Limits } from "../policy/Limits.ts"
import * as QueuePolicy from "../policy/QueuePolicy.ts"
import { AdmissionQueue } from "../queue/AdmissionQueue.ts"

export class DeploymentQueue extends AdmissionQueue<Rejected> {
  limits: Limits | undefined = undefined
  buckets: Buckets = []

  /** Without a queue until limits are in force that have one. */
  constructor() {
    super(undefined)
  }

  /** Puts limits in force. Waiting calls try them at once. */
  enforce(limits: Limits | undefined, buckets: Buckets): void {
    this.limits = limits
    this.buckets = buckets
    this.setPolicy(QueuePolicy.resolve(limits?.queue))
  }
}
