/**
 * What a Gemini model supports, inferred from its id.
 *
 * Models differ in their reasoning parameters, their maximum output and their requirements. An id without a version is
 * the newest of its family (`gemini-flash-latest`). Another vendor's model, such as Gemma, gets the parameters that
 * most models accept.
 *
 * Sources: ai.google.dev, "Gemini thinking" (levels and budgets), "Thought signatures", "Function calling" (multimodal
 * function responses), and each model's page (output limits).
 */

/** A reasoning level, lowest first. */
export type Level = "MINIMAL" | "LOW" | "MEDIUM" | "HIGH"

export interface Model {
  /** The maximum output, if known. A request for more is rejected. */
  readonly maxTokens: number | undefined
  /** The reasoning levels; or the range of budgets in tokens, and whether reasoning can be turned off; or none. */
  readonly thinking:
    | { readonly by: "level"; readonly levels: ReadonlyArray<Level> }
    | { readonly by: "budget"; readonly min: number; readonly max: number; readonly off: boolean }
    | { readonly by: "none" }
  /** Whether it rejects a conversation with an unsigned call. */
  readonly requiresSignatures: boolean
  /** Whether a function response may contain images and documents. */
  readonly media: boolean
}

const other: Model = { maxTokens: undefined, thinking: { by: "none" }, requiresSignatures: false, media: false }

const allLevels: ReadonlyArray<Level> = ["MINIMAL", "LOW", "MEDIUM", "HIGH"]

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
    requiresSignatures: version >= 300,
    media: version >= 300,
  }
}

const thinking = (version: number, family: string | undefined): Model["thinking"] => {
  if (version < 205) return { by: "none" }
  if (version < 300) {
    if (family === "pro") return { by: "budget", min: 128, max: 32_768, off: false }
    return { by: "budget", min: family === "flash-lite" ? 512 : 1, max: 24_576, off: true }
  }
  if (family === "pro") return { by: "level", levels: version === 300 ? ["LOW", "HIGH"] : ["LOW", "MEDIUM", "HIGH"] }
  return { by: "level", levels: version < 307 ? allLevels : ["LOW", "MEDIUM", "HIGH"] }
}
