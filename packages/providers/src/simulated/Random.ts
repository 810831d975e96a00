/**
 * Deterministic random numbers: a seed and a turn give one number, in any order of calls.
 */

/** A number from 0 to 1, 1 excluded. */
export const random = (seed: number, turn: number): number => scatter(seed, turn) / 2 ** 32

/** 32 evenly distributed bits. */
export const scatter = (seed: number, turn: number): number => mix(mix(seed) + Math.imul(turn + 1, 0x9e3779b9))

/** The finaliser of MurmurHash3: each bit of the input flips about half of the output's. */
const mix = (input: number): number => {
  let bits = input | 0
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}
