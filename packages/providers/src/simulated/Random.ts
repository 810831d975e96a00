/**
 * Chance that repeats itself: the same seed and the same turn give the same draw, in whatever order they are asked for.
 */

/** A number from 0 to 1, 1 excluded. */
export const random = (seed: number, turn: number): number => scatter(seed, turn) / 2 ** 32

/** 32 bits, scattered evenly. */
export const scatter = (seed: number, turn: number): number => mix(mix(seed) + Math.imul(turn + 1, 0x9e3779b9))

/** The finaliser of MurmurHash3: each bit of the input flips about half of the output's. */
const mix = (input: number): number => {
  let bits = input | 0
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}
