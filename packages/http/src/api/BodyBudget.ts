/**
 * What a server takes of bodies: the limits on one, and the bytes that it holds of all that have not arrived whole.
 */
import * as Context from "effect/Context"
import * as Semaphore from "effect/Semaphore"
import * as ServerLimits from "../ServerLimits.ts"

/** How many times what is free one body may hold. */
const share = 4

/** The intake of one server. */
export class Intake {
  readonly limits: ServerLimits.Limits
  /** Has few bodies decoded at once: a decoder has a window of its own, of up to 32 MiB, and more are no faster. */
  readonly decoding = Semaphore.makeUnsafe(8)
  readonly #most: number
  #held = 0

  constructor(limits: ServerLimits.Limits) {
    this.limits = limits
    this.#most = Number(limits.unfinishedBodies)
  }

  /**
   * Holds more bytes of a body, which come to `own`; whether there is room for them. Either way they must be given back.
   * Among others a body may grow to a few times what is free: so a few large ones leave room for all that are small.
   */
  hold(bytes: number, own: number): boolean {
    this.#held += bytes
    const free = this.#most - this.#held
    return free >= 0 && (own === this.#held || own <= share * free)
  }

  /** Gives bytes back: the body is whole, or is not wanted. */
  release(bytes: number): void {
    this.#held -= bytes
  }

  /** Bytes that are held of unfinished bodies. */
  get held(): number {
    return this.#held
  }
}

/** The intake of the server in context; in an application's own server, one with the usual limits. */
export const Current: Context.Reference<Intake> = Context.Reference<Intake>("@understudy/http/Intake", {
  defaultValue: () => new Intake(ServerLimits.defaults),
})
