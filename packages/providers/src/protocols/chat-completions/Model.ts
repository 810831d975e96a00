/**
 * What a model of OpenAI's takes, read off its id.
 *
 * Chat Completions is one protocol, but its models differ in which of its fields they refuse with a 400. A request is
 * written in the words of the model it goes to; a name that says no version (another vendor's model, an alias) is told
 * everything.
 *
 * Sources: developers.openai.com, "Reasoning models" (what they do not take) and "Prompt caching" (explicit breakpoints,
 * from gpt-5.6 on).
 */

export interface Model {
  /** Whether it can be told how much to reason. */
  readonly reasons: boolean
  /** Whether it takes temperature, top_p, penalties and logprobs. */
  readonly samples: boolean
  /** Whether it takes cache breakpoints inside the prompt. */
  readonly breakpoints: boolean
}

const unknown: Model = { reasons: true, samples: true, breakpoints: false }
const oSeries: Model = { reasons: true, samples: false, breakpoints: false }

const name = /(?:^|[/:])(?:chat)?(?:(o)\d|gpt-(\d+)(?:\.(\d+))?(-chat)?)/

/** `of("gpt-4o").reasons === false`. Prefixes (`openai/`, `ft:`) and dates do not matter. */
export const of = (id: string): Model => {
  const match = name.exec(id)
  if (match === null) return unknown
  if (match[1] !== undefined) return oSeries
  const major = Number(match[2])
  // Azure writes gpt-35 for 3.5.
  const version = major >= 35 ? 305 : major * 100 + Number(match[3] ?? 0)
  const first = version === 500 && match[4] === undefined
  return { reasons: version > 500 || first, samples: !first, breakpoints: version >= 506 }
}
