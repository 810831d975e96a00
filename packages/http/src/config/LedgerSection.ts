/**
 * The `ledger` section of a configuration: how long calls are kept, and where they go while the database is lost.
 */
import type { Problem } from "@understudy/providers/Config"
import { PositiveDuration } from "@understudy/providers/internal/config/DurationText"
import { text } from "@understudy/providers/internal/config/Fields"
import { SizeText } from "@understudy/providers/internal/config/SizeText"
import * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { dirname, join } from "node:path"
import type { Settings } from "../ledger/Ledger.ts"
import type { Database } from "../store/Store.ts"

const optional = Schema.optionalKey

export const LedgerSection = Schema.Struct({
  keep: optional(PositiveDuration),
  flush: optional(PositiveDuration),
  spill: optional(
    Schema.Struct({
      file: optional(text("a file, such as /var/lib/understudy/spill.jsonl")),
      maxSize: optional(SizeText),
    }),
  ),
})

export const defaults = {
  keep: Duration.days(90),
  flush: Duration.millis(500),
  spill: { file: "understudy-spill.jsonl", maxSize: ByteSize.megabytes(100) },
}

/** The section with its defaults filled in. The spill file is beside a SQLite database, or else in the working directory. */
export const settings = (
  { flush = defaults.flush, keep = defaults.keep, spill = {} }: typeof LedgerSection.Type,
  database: Database | undefined,
): Settings => {
  const { file, maxSize = defaults.spill.maxSize } = spill
  const folder = database?.type === "sqlite" ? dirname(database.file) : "."
  return {
    keep,
    flush,
    spill: { file: file ?? join(folder, defaults.spill.file), maxSize: Number(maxSize) },
  }
}

/** The problem of a section without a database. */
export const missingDatabase = (
  section: typeof LedgerSection.Type,
  database: Database | undefined,
): ReadonlyArray<Problem> =>
  database === undefined && Object.keys(section).length > 0
    ? [{ path: "ledger", message: "needs a database: add `database: sqlite:./understudy.db` or a postgres:// address" }]
    : []
