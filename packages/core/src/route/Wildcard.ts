/**
 * Names that stand for many. In the name of a route or a deployment, `*` stands for any text of at least one character;
 * in a deployment's `model`, for what it stood for in the name that was called. A deployment `anthropic/*` of the model
 * `*` serves `anthropic/claude-sonnet-4-5` and whatever else Anthropic has.
 */

export const hasWildcard = (name: string): boolean => name.includes("*")

/** How many `*` a name holds: what it has to say for those of a model. */
export const countWildcards = (name: string): number => name.split("*").length - 1

/** What each `*` of the pattern stands for in a name, if it is one of the pattern's. All but the last as short as may be. */
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

/** The pattern that says most of a name: the one with the most characters of its own, the first of several. */
export const find = (patterns: Iterable<string>, name: string): string | undefined => {
  let found: string | undefined
  for (const pattern of patterns) {
    const says = (each: string): number => each.length - countWildcards(each)
    if ((found === undefined || says(pattern) > says(found)) && match(pattern, name) !== undefined) found = pattern
  }
  return found
}

/** What a name means among these: itself where it is one of them, or where nothing stands for it; else the pattern that does. */
export const among = (names: ReadonlyArray<string>): ((name: string) => string) => {
  const exact = new Set(names)
  const patterns = names.filter(hasWildcard)
  return (name) => (exact.has(name) ? name : (find(patterns, name) ?? name))
}

/** The model to ask where `name` was called and `pattern` found: each `*` of `model` is what it stood for in the name. */
export const substitute = (model: string, pattern: string, name: string): string => {
  if (!hasWildcard(model)) return model
  const parts = match(pattern, name) ?? []
  let index = 0
  return model.replaceAll("*", () => parts[index++] ?? "*")
}
