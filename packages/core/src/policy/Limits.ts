/** Our own limits on a deployment: requests and tokens per minute, requests per day, calls at once. Exceeding one moves on at once. */
export interface Limits {
  readonly rpm?: number | undefined
  readonly tpm?: number | undefined
  readonly rpd?: number | undefined
  readonly concurrency?: number | undefined
}
