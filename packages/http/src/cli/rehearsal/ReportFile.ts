/**
 * The file of a report in HTML.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import { reason } from "../../observe/LogFile.ts"
import * as ReportHtml from "./ReportHtml.ts"
import type { Named } from "./ReportText.ts"

/** A file that cannot be written. */
export class UnwritableReport extends Data.TaggedError("UnwritableReport")<{
  readonly file: string
  readonly cause: PlatformError
}> {
  override get message(): string {
    return `--html ${this.file}: ${reason(this.cause)}. Use a file that can be written, in a folder that exists.`
  }
}

/** Fails if the file cannot be written, before the time that a rehearsal takes. Leaves what the file has. */
export const check = (file: Option.Option<string>) =>
  Option.isNone(file) ? Effect.void : put(file.value, "", { flag: "a" })

/** Writes reports to the file, if there is one. */
export const write = (file: Option.Option<string>, reports: ReadonlyArray<Named>, headline: ReadonlyArray<string>) =>
  Option.isNone(file) ? Effect.void : put(file.value, ReportHtml.html(reports, headline), {})

const put = Effect.fnUntraced(function* (file: string, text: string, options: { readonly flag?: "a" }) {
  const files = yield* FileSystem.FileSystem
  yield* Effect.mapError(files.writeFileString(file, text, options), (cause) => new UnwritableReport({ file, cause }))
})
