/**
 * Finds workers that hang: that answer no message, though they have not ended. Beats are counted, not time, so that a worker is
 * not found to hang when the main process or the whole machine has been suspended.
 */

/** Milliseconds between beats. */
export const interval = 5000
/** How many beats in a row a worker may leave unanswered. */
export const limit = 6

export class Heartbeat<Worker> {
  readonly #unanswered = new Map<Worker, number>()

  /** Notes that a worker has sent something, or has ended. */
  clear(worker: Worker): void {
    this.#unanswered.delete(worker)
  }

  /** Counts a beat that each of the workers is to answer, and returns those that have not answered the last ones. */
  beat(workers: ReadonlyArray<Worker>): ReadonlyArray<Worker> {
    return workers.filter((worker) => {
      const unanswered = this.#unanswered.get(worker) ?? 0
      this.#unanswered.set(worker, unanswered + 1)
      return unanswered >= limit
    })
  }
}
