/**
 * What somebody meant who wrote a name that there is not: the nearest one that there is.
 */

/** The known name nearest to `name`, if any is near enough to have been meant; else one that it shortens. */
export const closestMatch = (name: string, known: Iterable<string>): string | undefined => {
  const bare = normalize(name)
  let nearest: string | undefined
  let least = Math.floor(Math.max(1, bare.length / 3)) + 1
  for (const each of known) {
    const other = normalize(each)
    // A caller writes the name: one that is too long to be near is not compared.
    if (Math.abs(bare.length - other.length) >= least) continue
    const distance = editDistance(bare, other)
    if (distance >= least) continue
    nearest = each
    least = distance
  }
  return nearest ?? (bare.length < 3 ? undefined : Array.from(known).find((each) => normalize(each).startsWith(bare)))
}

/** `: did you mean "sonnet"?`, or nothing. */
export const didYouMean = (name: string, known: Iterable<string>, quote = '"'): string => {
  const meant = closestMatch(name, known)
  return meant === undefined ? "" : `: did you mean ${quote}${meant}${quote}?`
}

/** `api_key`, `API-KEY` and `apiKey` are one name spelt by three customs. */
const normalize = (name: string): string => name.toLowerCase().replace(/[-_\s]/g, "")

/** Insertions, deletions, substitutions and swaps of neighbours that turn one text into the other. */
const editDistance = (a: string, b: string): number => {
  let before: Array<number> = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const next = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let least = Math.min(last[column]! + 1, next[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1))
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        least = Math.min(least, before[column - 2]! + 1)
      }
      next.push(least)
    }
    before = last
    last = next
  }
  return last[b.length]!
}
