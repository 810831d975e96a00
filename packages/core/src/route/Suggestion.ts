/**
 * Suggestions for unknown names: the most similar known name.
 */

/** The known name most similar to `name`, if one is similar enough; else one that starts with it. */
export const closestMatch = (name: string, known: Iterable<string>): string | undefined => {
  const bare = normalize(name)
  let nearest: string | undefined
  let limit = Math.floor(Math.max(1, bare.length / 3)) + 1
  for (const each of known) {
    const other = normalize(each)
    // The name comes from a client: names of very different lengths are not compared.
    if (Math.abs(bare.length - other.length) >= limit) continue
    const distance = editDistance(bare, other)
    if (distance >= limit) continue
    nearest = each
    limit = distance
  }
  return nearest ?? (bare.length < 3 ? undefined : Array.from(known).find((each) => normalize(each).startsWith(bare)))
}

/** `: did you mean "sonnet"?`, or nothing. */
export const didYouMean = (name: string, known: Iterable<string>, quote = '"'): string => {
  const match = closestMatch(name, known)
  return match === undefined ? "" : `: did you mean ${quote}${match}${quote}?`
}

/** `api_key`, `API-KEY` and `apiKey` become one name. */
const normalize = (name: string): string => name.toLowerCase().replace(/[-_\s]/g, "")

/** The optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours. */
const editDistance = (a: string, b: string): number => {
  let before: Array<number> = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const next = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let distance = Math.min(last[column]! + 1, next[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1))
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        distance = Math.min(distance, before[column - 2]! + 1)
      }
      next.push(distance)
    }
    before = last
    last = next
  }
  return last[b.length]!
}
