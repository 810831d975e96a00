/**
 * What a model of the Gemini family takes, read off its id.
 *
 * The API is one, but its models differ in how they are told to think, in how much they write, and in what they insist
 * on. A name that says no version is the newest of its family (`gemini-flash-latest`); another vendor's name, such as
 * Gemma's, gets the words that most accept.
 *
 * Sources: ai.google.dev, "Gemini thinking" (levels and budgets), "Thought signatures", "Function calling" (multimodal
 * function responses), and each model's page (output limits).
 */

/** How much a model is told to think, from the least. */
export type Level = "MINIMAL" | "LOW" | "MEDIUM" | "HIGH"

export interface Model {
  /** The most it writes, where that is known: a request for more is refused. */
  readonly maxTokens: number | undefined
  /** The levels of thought it knows; the budgets in tokens it takes, and whether it can do without; or it does not think. */
  readonly thinking:
    | { readonly by: "level"; readonly levels: ReadonlyArray<Level> }
    | { readonly by: "budget"; readonly least: number; readonly most: number; readonly off: boolean }
    | { readonly by: "none" }
  /** Whether it refuses a conversation in which a call bears no signature. */
  readonly signs: boolean
  /** Whether a function's response may hold images and documents. */
  readonly media: boolean
}

const other: Model = { maxTokens: undefined, thinking: { by: "none" }, signs: false, media: false }

const every: ReadonlyArray<Level> = ["MINIMAL", "LOW", "MEDIUM", "HIGH"]

const name = /gemini-(?:(\d+)(?:\.(\d+))?-)?(?:[a-z]+-)*?(flash-lite|flash|pro)?(?:-|$)/

/** `of("gemini-2.5-flash").thinking.by === "budget"`. Prefixes (`models/`) and dates do not matter. */
export const of = (id: string): Model => {
  const match = name.exec(id)
  if (match === null) return other
  const [, major, minor, family] = match
  const version = major === undefined ? 309 : Number(major) * 100 + Number(minor ?? 0)
  return {
    maxTokens: version >= 205 ? 65_536 : 8192,
    thinking: thinking(version, family),
    signs: version >= 300,
    media: version >= 300,
  }
}

const thinking = (version: number, family: string | undefined): Model["thinking"] => {
  if (version < 205) return { by: "none" }
  if (version < 300) {
    if (family === "pro") return { by: "budget", least: 128, most: 32_768, off: false }
    return { by: "budget", least: family === "flash-lite" ? 512 : 1, most: 24_576, off: true }
  }
  if (family === "pro") return { by: "level", levels: version === 300 ? ["LOW", "HIGH"] : ["LOW", "MEDIUM", "HIGH"] }
  return { by: "level", levels: version < 307 ? every : ["LOW", "MEDIUM", "HIGH"] }
}
