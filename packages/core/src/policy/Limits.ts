/**
 * The client-side limits of a deployment: requests and tokens per minute, requests per day, concurrent calls. A deployment
 * at its limit is skipped.
 */
export interface Limits {
  readonly rpm?: number | undefined
  readonly tpm?: number | undefined
  readonly rpd?: number | undefined
  readonly concurrency?: number | undefined
}
