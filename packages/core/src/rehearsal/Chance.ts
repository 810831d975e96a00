/**
 * Chance that can be repeated: numbers that follow from a seed and from what they are drawn for. What one deployment draws for
 * one call does not depend on what others drew before, so two configurations meet the same luck.
 */
import type * as Random from "effect/Random"

export class Chance {
  #state: number

  constructor(state: number) {
    this.#state = state | 0
  }

  /** The next number, from 0 (inclusive) to 1 (exclusive). The generator is mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** Whether something with this probability happens. */
  happens(probability: number): boolean {
    return this.next() < probability
  }
}

/** A seed of its own for something with a name. */
export const named = (seed: number, name: string): number => {
  let hash = mix(0x811c9dc5, seed)
  for (let index = 0; index < name.length; index++) hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193)
  return mix(hash, name.length)
}

/** A seed of its own for one of many things with a number. */
export const numbered = (seed: number, number: number): number => mix(seed, number)

const mix = (hash: number, value: number): number => {
  let mixed = Math.imul((hash ^ value) | 0, 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}

/** Effect's random numbers by this chance. */
export const random = (chance: Chance): (typeof Random.Random)["Service"] => ({
  nextDoubleUnsafe: () => chance.next(),
  nextIntUnsafe: () => Math.floor((chance.next() * 2 - 1) * Number.MAX_SAFE_INTEGER),
})
