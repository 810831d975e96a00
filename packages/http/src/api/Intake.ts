/**
 * What a server takes of bodies: the limits on one, and the bytes that it holds of all that have not arrived whole.
 */
import * as Context from "effect/Context"
import * as Semaphore from "effect/Semaphore"
import * as Limits from "../Limits.ts"

/** The intake of one server. */
export class Intake {
  readonly limits: Limits.Limits
  /** Has few bodies decoded at once: a decoder has a window of its own, of up to 32 MiB, and more are no faster. */
  readonly decoding = Semaphore.makeUnsafe(8)
  readonly #most: number
  #held = 0

  constructor(limits: Limits.Limits) {
    this.limits = limits
    this.#most = Number(limits.unfinishedBodies)
  }

  /** Holds more bytes of a body; whether there is room for them. Either way they must be given back. */
  hold(bytes: number): boolean {
    this.#held += bytes
    return this.#held <= this.#most
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
  defaultValue: () => new Intake(Limits.defaults),
})
