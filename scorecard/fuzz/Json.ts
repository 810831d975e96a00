/** JSON with what no value can hold: numbers by their digits, members twice, nesting of any depth. */

/** Written as it is. */
export class Raw {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** An object by its members, any of them more than once. */
export class Members {
  readonly entries: ReadonlyArray<readonly [string, unknown]>

  constructor(entries: ReadonlyArray<readonly [string, unknown]>) {
    this.entries = entries
  }
}

export const isTree = (value: unknown): value is Record<string, unknown> | Array<unknown> =>
  typeof value === "object" && value !== null && !(value instanceof Raw) && !(value instanceof Members)

export const write = (value: unknown): string => {
  if (value instanceof Raw) return value.text
  if (value instanceof Members) return written(value.entries)
  if (Array.isArray(value)) return `[${value.map(write).join()}]`
  return isTree(value) ? written(Object.entries(value)) : (JSON.stringify(value) ?? "null")
}

const written = (entries: ReadonlyArray<readonly [string, unknown]>): string =>
  `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${write(value)}`).join()}}`

/** A copy to change. A member named `__proto__` stays one. */
export const copy = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(copy)
  if (value instanceof Members) return new Members(value.entries.map(([name, each]) => [name, copy(each)]))
  return isTree(value) ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, copy(each)])) : value
}

/** How long the value is as JSON, in characters, but for escapes. */
export const lengthOf = (value: unknown): number => {
  if (typeof value === "string") return value.length + 2
  if (value instanceof Raw) return value.text.length
  if (Array.isArray(value)) return value.reduce((sum: number, each) => sum + lengthOf(each) + 1, 2)
  if (typeof value !== "object" || value === null) return String(value).length
  const entries = value instanceof Members ? value.entries : Object.entries(value)
  return entries.reduce((sum: number, [name, each]) => sum + name.length + lengthOf(each) + 4, 2)
}
