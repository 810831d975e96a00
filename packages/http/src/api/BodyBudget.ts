/**
 * The budget for request bodies of a server: in memory, the bytes of all bodies that are incomplete or being decoded; on disk,
 * those of their files.
 */
import * as Context from "effect/Context"
import * as Semaphore from "effect/Semaphore"
import * as ServerLimits from "../ServerLimits.ts"

/** The largest ratio of one body to the free bytes. */
const maxShare = 4

/** The body budget of one server. */
export class BodyBudget {
  readonly limits: ServerLimits.Limits
  /** Limits concurrent decompression: a decoder has a window of up to 32 MiB. */
  readonly decoding = Semaphore.makeUnsafe(8)
  readonly #limit: number
  #held = 0
  #stored = 0

  constructor(limits: ServerLimits.Limits) {
    this.limits = limits
    this.#limit = Number(limits.unfinishedBodies)
  }

  /**
   * Adds bytes of a body whose size is then `own`. Returns whether they fit; the bytes must be released in either case. A
   * body beside others may grow to `maxShare` times what is free, so that a few large bodies leave room for small ones.
   */
  acquire(bytes: number, own: number): boolean {
    this.#held += bytes
    const free = this.#limit - this.#held
    return free >= 0 && (own === this.#held || own <= maxShare * free)
  }

  /** Adds bytes of files on disk; negative ones remove them. Returns whether they fit; they must be removed in either case. */
  store(bytes: number): boolean {
    this.#stored += bytes
    return this.#stored <= Number(this.limits.uploads)
  }

  /** Bytes of files on disk. */
  get stored(): number {
    return this.#stored
  }

  /** Removes bytes: the body is complete, or rejected. */
  release(bytes: number): void {
    this.#held -= bytes
  }

  /** Bytes of incomplete bodies. */
  get held(): number {
    return this.#held
  }
}

/** The budget of the server in context; by default one with the default limits. */
export const Current: Context.Reference<BodyBudget> = Context.Reference<BodyBudget>("@understudy/http/BodyBudget", {
  defaultValue: () => new BodyBudget(ServerLimits.defaults),
})
