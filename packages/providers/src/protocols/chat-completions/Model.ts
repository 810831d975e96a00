/**
 * What an OpenAI model supports, inferred from its id.
 *
 * Models reject different parameters of Chat Completions with a 400. A request is encoded for its model. An id without
 * a known version (another vendor's model, an alias) gets every parameter.
 *
 * Sources: developers.openai.com, "Reasoning models" (unsupported parameters), "Prompt caching" (explicit breakpoints,
 * from gpt-5.6 on), "Function calling" (custom tools, from gpt-5 on) and "Models" (maximum output).
 */

export interface Model {
  /** Whether it supports a reasoning effort. */
  readonly reasons: boolean
  /** Whether it supports temperature, top_p, penalties and logprobs. */
  readonly samples: boolean
  /** Whether it supports cache breakpoints in the prompt. */
  readonly breakpoints: boolean
  /** Whether it supports custom tools. */
  readonly custom: boolean
  /** The maximum number of output tokens, if known. More are rejected. */
  readonly maxOutput: number | undefined
}

const unknown: Model = { reasons: true, samples: true, breakpoints: false, custom: false, maxOutput: undefined }

const name = /(?:^|[/:])(?:chat)?(?:o(\d)(-mini|-preview)?|gpt-(\d+)(?:\.(\d+))?(o)?(-turbo)?(-chat)?)/

/** `of("gpt-4o").reasons === false`. Prefixes (`openai/`, `ft:`) and dates do not matter. */
export const of = (id: string): Model => {
  const match = name.exec(id)
  if (match === null) return unknown
  const [, o, kind, digits, minor, omni, turbo, chat] = match
  if (o !== undefined) return { ...unknown, samples: false, maxOutput: maxOutputOfO(o, kind) }
  const major = Number(digits)
  // Azure writes gpt-35 for 3.5.
  const version = major >= 35 ? 305 : major * 100 + Number(minor ?? 0)
  const first = version === 500 && chat === undefined
  return {
    reasons: version > 500 || first,
    samples: !first,
    breakpoints: version >= 506,
    custom: version > 500 || first,
    maxOutput: version >= 500 ? (chat === undefined ? 128_000 : 16_384) : maxOutputOfGpt(version, omni ?? turbo),
  }
}

const maxOutputOfO = (generation: string, kind: string | undefined): number => {
  if (generation !== "1") return 100_000
  return kind === "-mini" ? 65_536 : kind === "-preview" ? 32_768 : 100_000
}

const maxOutputOfGpt = (version: number, kind: string | undefined): number | undefined => {
  if (version >= 401) return 32_768
  if (version < 400 || kind === "-turbo") return 4096
  return kind === "o" ? 16_384 : undefined
}
