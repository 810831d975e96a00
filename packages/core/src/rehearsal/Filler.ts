/** Texts without meaning, of a number of tokens. Those that are needed often are made once. */
import { charactersPerToken } from "../model/Usage.ts"

/** A text of so many tokens. */
export const text = (tokens: number): string => {
  const known = texts[tokens]
  if (known !== undefined) return known
  const made = "word".padEnd(charactersPerToken).repeat(tokens)
  if (tokens < maxKnown) texts[tokens] = made
  return made
}

const maxKnown = 4096
const texts: Array<string> = []

/** A text of about so many tokens: in sixteen sizes from one power of two to the next, each made once however long it is. */
export const about = (tokens: number): string => {
  const size = Math.round(Math.log2(Math.max(1, tokens)) * 16)
  const known = sizes.get(size)
  if (known !== undefined) return known
  const made = text(Math.round(2 ** (size / 16)))
  sizes.set(size, made)
  return made
}

const sizes = new Map<number, string>()
