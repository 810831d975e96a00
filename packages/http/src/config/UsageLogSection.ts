/**
 * The `usageLog` section of a configuration: a file with one line per call. Without it, no usage log is written.
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

/** The section with its defaults filled in; `undefined` without a file. */
export const settings = ({ file, ...options }: typeof UsageLogSection.Type): UsageLogSettings | undefined =>
  file === undefined ? undefined : { ...defaults, ...options, file }

/** The problem of a section with other fields and no file. */
export const missingFile = ({ file, ...options }: typeof UsageLogSection.Type): ReadonlyArray<Problem> =>
  file === undefined && Object.keys(options).length > 0
    ? [{ path: "usageLog.file", message: "is missing: name the file to write, such as logs/usage.log" }]
    : []
