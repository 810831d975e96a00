/**
 * Which failures of a deployment are one request failing again: its retries, or its caller sending it once more. While
 * others are answered, such a request tells of itself and not of the deployment, and counts once against its circuit.
 *
 * Where nothing else was answered within the last minute, or the last that was answered was the same request, every
 * failure counts: then it is the deployment that fails.
 */
import type { Asked } from "./Call.ts"
import * as Fingerprint from "./Fingerprint.ts"

/** For how many milliseconds an answer speaks for a deployment, and a failure against a request. */
const memory = 60_000

/** How often, in milliseconds, an answer is noted while nothing fails. */
const often = 1000

/** The most requests whose failure is remembered. */
const most = 256

export class RepeatedFailures {
  #answered: { readonly fingerprint: number; readonly at: number } | undefined
  readonly #failed = new Map<number, number>()

  /** Whether anything was ever answered. */
  get isKnown(): boolean {
    return this.#answered !== undefined
  }

  /** Notes an answer. Reads the request only where a failure is remembered, or once a second. */
  answered(request: Asked, now: number): void {
    this.#forget(now)
    if (this.#failed.size === 0 && this.#answered !== undefined && now - this.#answered.at < often) return
    const fingerprint = Fingerprint.of(request)
    this.#failed.delete(fingerprint)
    this.#answered = { fingerprint, at: now }
  }

  /** Whether a failure of this request counts against the deployment. Notes it. */
  counts(request: Asked, now: number): boolean {
    this.#forget(now)
    const answered = this.#answered
    if (answered === undefined || now - answered.at > memory) return true
    const fingerprint = Fingerprint.of(request)
    if (fingerprint === answered.fingerprint) return true
    const known = this.#failed.delete(fingerprint)
    this.#failed.set(fingerprint, now)
    return !known
  }

  /** The oldest stand first. */
  #forget(now: number): void {
    for (const [fingerprint, at] of this.#failed) {
      if (now - at <= memory && this.#failed.size <= most) return
      this.#failed.delete(fingerprint)
    }
  }
}
