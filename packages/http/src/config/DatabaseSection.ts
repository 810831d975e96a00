/**
 * `database` of a configuration: where keys, teams, budgets and the ledger are kept. Default: nowhere.
 */
import { source } from "@understudy/providers/internal/config/Fields"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { Database } from "../store/Store.ts"

/** `sqlite:` and a path relative to the working directory, or the address of a PostgreSQL. */
export const DatabaseSection: Schema.Codec<Database | undefined, string> = source<Database | undefined, string>({
  from: Schema.String,
  to: Schema.Any,
  expected: "a database, such as sqlite:./understudy.db or postgres://user:password@127.0.0.1:5432/understudy",
  notes: { secret: true },
  parse: (text) => {
    const address = text.trim()
    const [, file] = /^sqlite:(?:\/\/(?=[./]))?(.+)$/i.exec(address) ?? []
    if (file !== undefined) return { type: "sqlite", file }
    return /^postgres(?:ql)?:\/\/[^/]/i.test(address) && URL.canParse(address)
      ? { type: "postgres", url: Redacted.make(address) }
      : undefined
  },
  print: (database) => (database === undefined ? "" : text(database)),
})

/** The database as a configuration writes it. */
export const text = (database: Database): string =>
  database.type === "sqlite" ? `sqlite:${database.file}` : Redacted.value(database.url)
