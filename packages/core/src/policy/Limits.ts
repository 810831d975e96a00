/**
 * The client-side limits of a deployment: requests and tokens per minute, requests per day, concurrent calls. A deployment
 * at its limit is skipped, or calls wait for it in its queue, if it has one.
 */
import type { DeploymentQueuePolicy } from "./QueuePolicy.ts"

export interface Limits {
  readonly rpm?: number | undefined
  readonly tpm?: number | undefined
  readonly rpd?: number | undefined
  readonly concurrency?: number | undefined
  /** The calls that wait while it is at a limit. Default: none. */
  readonly queue?: DeploymentQueuePolicy | undefined
}
