/**
 * What a model of OpenAI's takes, read off its id.
 *
 * Chat Completions is one protocol, but its models differ in which of its fields they refuse with a 400. A request is
 * written in the words of the model it goes to; a name that says no version (another vendor's model, an alias) is told
 * everything that every model takes.
 *
 * Sources: developers.openai.com, "Reasoning models" (what they do not take), "Prompt caching" (explicit breakpoints,
 * from gpt-5.6 on), "Function calling" (custom tools, from gpt-5 on) and "Models" (the most they write).
 */

export interface Model {
  /** Whether it can be told how much to reason. */
  readonly reasons: boolean
  /** Whether it takes temperature, top_p, penalties and logprobs. */
  readonly samples: boolean
  /** Whether it takes cache breakpoints inside the prompt. */
  readonly breakpoints: boolean
  /** Whether it has tools that take text in place of JSON. */
  readonly custom: boolean
  /** The most tokens it writes, if that is known: more are refused. */
  readonly maxOutput: number | undefined
}

const unknown: Model = { reasons: true, samples: true, breakpoints: false, custom: false, maxOutput: undefined }

const name = /(?:^|[/:])(?:chat)?(?:o(\d)(-mini|-preview)?|gpt-(\d+)(?:\.(\d+))?(o)?(-turbo)?(-chat)?)/

/** `of("gpt-4o").reasons === false`. Prefixes (`openai/`, `ft:`) and dates do not matter. */
export const of = (id: string): Model => {
  const match = name.exec(id)
  if (match === null) return unknown
  const [, o, kind, digits, minor, omni, turbo, chat] = match
  if (o !== undefined) return { ...unknown, samples: false, maxOutput: written(o, kind) }
  const major = Number(digits)
  // Azure writes gpt-35 for 3.5.
  const version = major >= 35 ? 305 : major * 100 + Number(minor ?? 0)
  const first = version === 500 && chat === undefined
  return {
    reasons: version > 500 || first,
    samples: !first,
    breakpoints: version >= 506,
    custom: version > 500 || first,
    maxOutput: version >= 500 ? (chat === undefined ? 128_000 : 16_384) : spoken(version, omni ?? turbo),
  }
}

const written = (generation: string, kind: string | undefined): number => {
  if (generation !== "1") return 100_000
  return kind === "-mini" ? 65_536 : kind === "-preview" ? 32_768 : 100_000
}

const spoken = (version: number, kind: string | undefined): number | undefined => {
  if (version >= 401) return 32_768
  if (version < 400 || kind === "-turbo") return 4096
  return kind === "o" ? 16_384 : undefined
}
