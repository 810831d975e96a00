/**
 * The `record` section of a configuration: a tape of calls for replay. Without a file, no call can be recorded.
 */
import type { Problem } from "@understudy/providers/Config"
import { PositiveDuration } from "@understudy/providers/internal/config/DurationText"
import { countOrNone, flag, share, text } from "@understudy/providers/internal/config/Fields"
import { SizeText } from "@understudy/providers/internal/config/SizeText"
import * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import type { Settings } from "../record/Recording.ts"

const optional = Schema.optionalKey

export const RecordSection = Schema.Struct({
  file: optional(text("a file, such as tapes/calls.tape")),
  enabled: optional(flag),
  sample: optional(share),
  maxSize: optional(SizeText),
  interval: optional(PositiveDuration),
  maxFiles: optional(countOrNone),
})

export const defaults = {
  enabled: true,
  sample: 1,
  maxSize: ByteSize.megabytes(64),
  interval: Duration.days(1),
  maxFiles: 7,
}

/** The section with its defaults filled in; `undefined` without a file. */
export const settings = ({ file, ...options }: typeof RecordSection.Type): Settings | undefined =>
  file === undefined ? undefined : { ...defaults, ...options, file }

/** The problem of a section with other fields and no file. */
export const missingFile = ({ file, ...options }: typeof RecordSection.Type): ReadonlyArray<Problem> =>
  file === undefined && Object.keys(options).length > 0
    ? [{ path: "record.file", message: "is missing: name the file to write, such as tapes/calls.tape" }]
    : []
