/**
 * Repeated failures of one request, by retries or because the client sends it again. While a deployment answers other
 * requests, the request is at fault, and counts once against the circuit.
 *
 * Every failure counts if the deployment answered no other request within the last minute, or if the last request that it
 * answered is the failing one: then the deployment is at fault. A request that was at fault on one deployment is suspected on
 * all, and does not count there either, until one deployment answers it.
 */
import type { AnyRequest } from "../model/Call.ts"
import * as Fingerprint from "./Fingerprint.ts"

/** How long a success or a failure is remembered, in milliseconds. */
const memory = 60_000

/** The interval, in milliseconds, at which successes are recorded while there are no failures. */
const recordInterval = 1000

/** The number of failed requests that are remembered. */
const maxRequests = 256

/** Fingerprints of requests, each kept for a minute after it was last added. The oldest come first. */
class RecentRequests {
  /** Made with the first: most operations of most deployments are never called. */
  #at: Map<number, number> | undefined

  get isEmpty(): boolean {
    return this.#at === undefined || this.#at.size === 0
  }

  add(fingerprint: number, now: number): void {
    const at = (this.#at ??= new Map())
    at.delete(fingerprint)
    at.set(fingerprint, now)
  }

  has(fingerprint: number): boolean {
    return this.#at?.has(fingerprint) === true
  }

  delete(fingerprint: number): void {
    this.#at?.delete(fingerprint)
  }

  forget(now: number): void {
    if (this.#at === undefined) return
    for (const [fingerprint, at] of this.#at) {
      if (now - at <= memory && this.#at.size <= maxRequests) return
      this.#at.delete(fingerprint)
    }
  }
}

/** Requests at fault, shared by all deployments for one operation. */
export class Suspects extends RecentRequests {}

export class RepeatedFailures {
  #answered: { readonly fingerprint: number; readonly at: number } | undefined
  readonly #failed = new RecentRequests()
  readonly #suspects: Suspects

  constructor(suspects: Suspects) {
    this.#suspects = suspects
  }

  /** Whether the deployment has ever answered. */
  get isKnown(): boolean {
    return this.#answered !== undefined
  }

  /** Whether it has answered, or failed within the last minute. */
  get isUsed(): boolean {
    return this.isKnown || !this.#failed.isEmpty
  }

  /** Records a success. It computes the fingerprint only if failures are remembered, or once a second. */
  answered(request: AnyRequest, now: number): void {
    this.#forget(now)
    const noFailures = this.#failed.isEmpty && this.#suspects.isEmpty
    if (noFailures && this.#answered !== undefined && now - this.#answered.at < recordInterval) return
    const fingerprint = Fingerprint.of(request)
    this.#failed.delete(fingerprint)
    this.#suspects.delete(fingerprint)
    this.#answered = { fingerprint, at: now }
  }

  /** Records a failure, and returns whether it counts against the deployment's circuit. */
  counts(request: AnyRequest, now: number): boolean {
    this.#forget(now)
    const answered = this.#answered
    const fingerprint = Fingerprint.of(request)
    if (answered === undefined || now - answered.at > memory) return !this.#suspects.has(fingerprint)
    if (fingerprint === answered.fingerprint) return true
    if (this.#failed.has(fingerprint)) this.#suspects.add(fingerprint, now)
    this.#failed.add(fingerprint, now)
    return !this.#suspects.has(fingerprint)
  }

  #forget(now: number): void {
    this.#failed.forget(now)
    this.#suspects.forget(now)
  }
}
