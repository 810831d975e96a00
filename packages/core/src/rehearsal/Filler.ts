/**
 * Texts without meaning, of a number of tokens. Each token differs from its neighbors, so that a text that is resumed has one
 * place only where it was broken.
 */
import { charactersPerToken } from "../model/Usage.ts"

/** The tokens from one place up to, not including, another of the text that all have in common. */
export const between = (from: number, until: number): string => {
  while (known.length < until * charactersPerToken) known += tokens(known.length / charactersPerToken, growth)
  return known.slice(from * charactersPerToken, until * charactersPerToken)
}

/** A text of so many tokens. */
export const text = (count: number): string => between(0, count)

const growth = 4096
let known = ""

const tokens = (first: number, count: number): string =>
  Array.from({ length: count }, (_, index) => word(first + index)).join("")

/** `000 `, `001 ` and so on, in base 36. */
const word = (index: number): string =>
  `${(index % 36 ** (charactersPerToken - 1)).toString(36).padStart(charactersPerToken - 1, "0")} `

/** A text of about so many tokens: in sixteen sizes from one power of two to the next, each made once however long it is. */
export const about = (tokens: number): string => {
  const step = Math.max(1, 2 ** (27 - Math.clz32(tokens)))
  const size = Math.max(1, Math.round(tokens / step) * step)
  const known = sizes.get(size)
  if (known !== undefined) return known
  const made = text(size)
  sizes.set(size, made)
  return made
}

const sizes = new Map<number, string>()
