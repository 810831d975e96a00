/**
 * What a modeled provider writes: the answer of a call, which is the same text at every deployment. To a request that resumes a broken
 * answer it writes the rest, after the end that it is to repeat.
 */
import { charactersPerToken } from "../model/Usage.ts"
import { repetitionIn } from "../recovery/StreamResume.ts"
import * as Filler from "./Filler.ts"

export interface Answer {
  /** The length of all that is written, in tokens. */
  readonly tokens: number
  /** The text from one token up to, not including, another. */
  readonly text: (from: number, until: number) => string
}

/**
 * An answer of at most `most` tokens to a call whose answer has `tokens`. `delivered`: the answer so far, if the request has
 * one; `asked`: the message after it.
 */
export const make = (tokens: number, most: number, delivered = "", asked = ""): Answer => {
  const repeated = repetitionIn(asked)
  if (delivered === "" || (repeated === undefined && asked !== "")) {
    return { tokens: Math.min(tokens, most), text: Filler.between }
  }
  const rest = Filler.between(Math.ceil(delivered.length / charactersPerToken), tokens)
  const written = `${repeated ?? ""}${rest}`
  return {
    tokens: Math.min(Math.ceil(written.length / charactersPerToken), most),
    text: (from, until) => written.slice(from * charactersPerToken, until * charactersPerToken),
  }
}
