/**
 * The databases that a test suite runs on: SQLite in a temporary folder, and a PostgreSQL of its own. Each test asks for a new,
 * empty database.
 */
import { afterAll, beforeAll, describe } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Database } from "../../src/store/Store.ts"
import * as TestPostgres from "./TestPostgres.ts"

export interface Databases {
  /** A new, empty database. */
  readonly database: () => Promise<Database>
  /** The server, if this is PostgreSQL. */
  readonly postgres: () => TestPostgres.TestPostgres | undefined
}

/** Runs the tests on SQLite and on PostgreSQL. */
export const onEach = (title: string, tests: (databases: Databases) => void): void => {
  describe(`${title}, on SQLite`, { timeout: 60_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), "understudy-sqlite-"))
    let files = 0
    afterAll(() => rmSync(folder, { recursive: true, force: true }))
    tests({
      database: () => Promise.resolve({ type: "sqlite", file: join(folder, `${++files}.db`) }),
      postgres: () => undefined,
    })
  })
  describe.skipIf(!TestPostgres.installed)(`${title}, on PostgreSQL`, { timeout: 60_000 }, () => {
    let postgres: TestPostgres.TestPostgres | undefined
    beforeAll(async () => {
      postgres = await TestPostgres.start()
    }, 60_000)
    afterAll(() => postgres?.close(), 60_000)
    tests({
      database: async () => ({ type: "postgres", url: Redacted.make(await postgres!.database()) }),
      postgres: () => postgres,
    })
  })
}
