/**
 * Durations counted in classes whose upper bounds grow by a fifth: a quantile read from them is at most 19 % too high. Counts of
 * several histograms add up, so that quantiles over any time and any set of deployments can be read.
 */

/** Classes per doubling. */
const perDoubling = 4

/** The classes of a histogram. The last has all durations above 12 minutes. */
export const classes = 80

/** The class of a duration in milliseconds. */
export const classOf = (millis: number): number =>
  millis <= 1 ? 0 : Math.min(classes - 1, Math.ceil(Math.log2(millis) * perDoubling))

/** The upper bound of a class, in milliseconds. */
export const boundOf = (index: number): number => Math.round(2 ** (index / perDoubling) * 100) / 100

/** The classes with counts, as pairs of upper bound in milliseconds and count. `at`: where the histogram begins in `counts`. */
export const pairs = (counts: Uint32Array, at: number): ReadonlyArray<readonly [bound: number, count: number]> => {
  const found: Array<readonly [number, number]> = []
  for (let index = 0; index < classes; index++) {
    const count = counts[at + index]!
    if (count > 0) found.push([boundOf(index), count])
  }
  return found
}
