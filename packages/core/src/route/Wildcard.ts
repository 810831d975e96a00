/**
 * Wildcards in names. In the name of a route or a deployment, `*` matches any text of at least one character. In a
 * deployment's `model`, `*` is replaced by the text that it matched. A deployment `anthropic/*` with the model `*` serves
 * `anthropic/claude-sonnet-4-5` and every other model of Anthropic.
 */

export const hasWildcard = (name: string): boolean => name.includes("*")

/** The number of `*` in a name. A model must not have more than its name. */
export const countWildcards = (name: string): number => name.split("*").length - 1

/** The text that each `*` of the pattern matches in the name, all but the last as short as possible; `undefined` without a match. */
export const match = (pattern: string, name: string): ReadonlyArray<string> | undefined => {
  const [first = "", ...others] = pattern.split("*")
  const last = others.pop()
  if (last === undefined) return pattern === name ? [] : undefined
  const end = name.length - last.length
  if (!name.startsWith(first) || !name.endsWith(last)) return undefined
  const parts: Array<string> = []
  let at = first.length
  for (const text of others) {
    const next = name.indexOf(text, at + 1)
    if (next < 0) return undefined
    parts.push(name.slice(at, next))
    at = next + text.length
  }
  return at < end ? [...parts, name.slice(at, end)] : undefined
}

/** The most specific pattern that matches the name: the one with the most literal characters, the first of several. */
export const find = (patterns: Iterable<string>, name: string): string | undefined => {
  let found: string | undefined
  for (const pattern of patterns) {
    const literals = (each: string): number => each.length - countWildcards(each)
    if ((found === undefined || literals(pattern) > literals(found)) && match(pattern, name) !== undefined)
      found = pattern
  }
  return found
}

/** Resolves a name to one of these: to itself if it is one, else to the pattern that matches it, else to itself. */
export const among = (names: ReadonlyArray<string>): ((name: string) => string) => {
  const exact = new Set(names)
  const patterns = names.filter(hasWildcard)
  return (name) => (exact.has(name) ? name : (find(patterns, name) ?? name))
}

/** The model for a call of `name` that `pattern` matches: each `*` of `model` is replaced by the text that matched. */
export const substitute = (model: string, pattern: string, name: string): string => {
  if (!hasWildcard(model)) return model
  const parts = match(pattern, name) ?? []
  let index = 0
  return model.replaceAll("*", () => parts[index++] ?? "*")
}
