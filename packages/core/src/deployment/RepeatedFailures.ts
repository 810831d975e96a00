/**
 * Which failures of a deployment are one request failing again: its retries, or its caller sending it once more. While
 * others are answered, such a request tells of itself and not of the deployment, and counts once against its circuit.
 *
 * Where nothing else was answered within the last minute, or the last that was answered was the same request, every
 * failure counts: then it is the deployment that fails. Save for a request that another deployment has told of so: it tells
 * of itself wherever it fails, until one answers it.
 */
import type { AnyRequest } from "../model/Call.ts"
import * as Fingerprint from "./Fingerprint.ts"

/** For how many milliseconds an answer speaks for a deployment, and a failure against a request. */
const memory = 60_000

/** How often, in milliseconds, an answer is noted while nothing fails. */
const often = 1000

/** The most requests whose failure is remembered. */
const most = 256

/** Requests by their fingerprints, each for a minute since it was last noted. The oldest stand first. */
class Noted {
  readonly #at = new Map<number, number>()

  get isEmpty(): boolean {
    return this.#at.size === 0
  }

  add(fingerprint: number, now: number): void {
    this.#at.delete(fingerprint)
    this.#at.set(fingerprint, now)
  }

  has(fingerprint: number): boolean {
    return this.#at.has(fingerprint)
  }

  delete(fingerprint: number): void {
    this.#at.delete(fingerprint)
  }

  forget(now: number): void {
    for (const [fingerprint, at] of this.#at) {
      if (now - at <= memory && this.#at.size <= most) return
      this.#at.delete(fingerprint)
    }
  }
}

/** The requests that failed again where others are answered: what all deployments know of one operation. */
export class Suspects extends Noted {}

export class RepeatedFailures {
  #answered: { readonly fingerprint: number; readonly at: number } | undefined
  readonly #failed = new Noted()
  readonly #suspects: Suspects

  constructor(suspects: Suspects) {
    this.#suspects = suspects
  }

  /** Whether anything was ever answered. */
  get isKnown(): boolean {
    return this.#answered !== undefined
  }

  /** Notes an answer. Reads the request only where a failure is remembered, or once a second. */
  answered(request: AnyRequest, now: number): void {
    this.#forget(now)
    const isQuiet = this.#failed.isEmpty && this.#suspects.isEmpty
    if (isQuiet && this.#answered !== undefined && now - this.#answered.at < often) return
    const fingerprint = Fingerprint.of(request)
    this.#failed.delete(fingerprint)
    this.#suspects.delete(fingerprint)
    this.#answered = { fingerprint, at: now }
  }

  /** Whether a failure of this request counts against the deployment. Notes it. */
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
