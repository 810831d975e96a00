/** Draws that a seed repeats: each case has its own, so that one can be played again by itself. */

export class Draw {
  #state: number

  /** By the whole text (xmur3), then mulberry32: fast, and even enough for choices. */
  constructor(seed: string) {
    let hash = 1_779_033_703 ^ seed.length
    for (let at = 0; at < seed.length; at++) {
      hash = Math.imul(hash ^ seed.charCodeAt(at), 3_432_918_353)
      hash = (hash << 13) | (hash >>> 19)
    }
    this.#state = hash
  }

  /** From 0, below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d_2b_79_f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  /** A whole number from 0, below `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  one<A>(all: readonly [A, ...ReadonlyArray<A>]): A {
    return all[this.below(all.length)] ?? all[0]
  }
}
