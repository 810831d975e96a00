/**
 * The `usageLog` section of a configuration: the file with a line for every call. Without one, none is written.
 */
import type { Problem } from "@understudy/providers/Config"
import { SizeText } from "@understudy/providers/internal/config/SizeText"
import { countOrNone, text } from "@understudy/providers/internal/config/Fields"
import * as ByteSize from "effect/ByteSize"
import * as Schema from "effect/Schema"
import type { UsageLogSettings } from "../observe/UsageLog.ts"

const optional = Schema.optionalKey

export const UsageLogSection = Schema.Struct({
  file: optional(text("a file, such as logs/usage.log")),
  maxSize: optional(SizeText),
  maxFiles: optional(countOrNone),
})

export const defaults = { maxSize: ByteSize.megabytes(10), maxFiles: 5 }

/** What the section comes to: `undefined` where nothing is to be written. */
export const settings = ({ file, ...said }: typeof UsageLogSection.Type): UsageLogSettings | undefined =>
  file === undefined ? undefined : { ...defaults, ...said, file }

/** A section that says how to write, and not where. */
export const nowhere = ({ file, ...said }: typeof UsageLogSection.Type): ReadonlyArray<Problem> =>
  file === undefined && Object.keys(said).length > 0
    ? [{ path: "usageLog.file", message: "is missing: name the file to write, such as logs/usage.log" }]
    : []
