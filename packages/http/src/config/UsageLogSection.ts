/**
 * The `usageLog` section of a configuration: the file with a line for every call. Without one, none is written.
 */
import type { Problem } from "@understudy/providers/Config"
import { SizeText } from "@understudy/providers/config/SizeText"
import { countOrNone, text } from "@understudy/providers/config/Values"
import * as ByteSize from "effect/ByteSize"
import * as Schema from "effect/Schema"

const optional = Schema.optionalKey

export const UsageLogSection = Schema.Struct({
  file: optional(text("a file, such as logs/usage.log")),
  max: optional(SizeText),
  keep: optional(countOrNone),
})

/** The section with nothing left unsaid. */
export interface UsageLogSettings {
  /** The file, from the working directory. */
  readonly file: string
  /** How large it grows before another is begun. */
  readonly max: ByteSize.ByteSize
  /** How many full ones are kept beside it. */
  readonly keep: number
}

export const defaults = { max: ByteSize.megabytes(10), keep: 5 }

/** What the section comes to: `undefined` where nothing is to be written. */
export const settings = ({ file, ...said }: typeof UsageLogSection.Type): UsageLogSettings | undefined =>
  file === undefined ? undefined : { ...defaults, ...said, file }

/** A section that says how to write, and not where. */
export const nowhere = ({ file, ...said }: typeof UsageLogSection.Type): ReadonlyArray<Problem> =>
  file === undefined && Object.keys(said).length > 0
    ? [{ path: "usageLog.file", message: "is missing: name the file to write, such as logs/usage.log" }]
    : []
