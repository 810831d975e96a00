/**
 * The thread that runs the statements of a SQLite database, one after the other: `node:sqlite` waits for the disk in the
 * thread that calls it, and calls of the gateway must not wait with it. `Sqlite` is the other end.
 */
import { DatabaseSync } from "node:sqlite"
import type { StatementSync } from "node:sqlite"
import { parentPort, workerData } from "node:worker_threads"
import type { Reply, Request } from "./Sqlite.ts"

/** Prepared statements that are kept, by their text. */
const maxPrepared = 200

const database = new DatabaseSync(workerData as string, { timeout: 5000 })
// WAL lets a second process read while one writes. With it, NORMAL loses no committed transaction when the process dies.
database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON")

const statements = new Map<string, StatementSync>()

const prepare = (sql: string): StatementSync => {
  const prepared = statements.get(sql)
  if (prepared !== undefined) return prepared
  if (statements.size >= maxPrepared) statements.clear()
  const statement = database.prepare(sql)
  statements.set(sql, statement)
  return statement
}

const parse = (params: string): ReadonlyArray<null | number | string> => JSON.parse(params)

/** JSON has no bytes. */
const isMany = (rows: ReadonlyArray<object>): boolean =>
  rows.length > 20 && !rows.some((row) => Object.values(row).some((value) => value instanceof Uint8Array))

/** Runs a statement for each of these lists of parameters. */
const runForEach = (statement: StatementSync, json: string): ReadonlyArray<object> => {
  const rows: Array<object> = []
  for (const params of JSON.parse(json) as ReadonlyArray<ReadonlyArray<null | number | string>>)
    for (const row of statement.all(...params)) rows.push(row)
  return rows
}

const run = ({ arrays, id, isForEach, params, sql }: Request): Reply => {
  try {
    const statement = prepare(sql)
    statement.setReturnArrays(arrays)
    const rows = isForEach
      ? runForEach(statement, params as string)
      : statement.all(...(typeof params === "string" ? parse(params) : params))
    return { id, rows: isMany(rows) ? JSON.stringify(rows) : rows, inTransaction: database.isTransaction }
  } catch (error) {
    const { errcode, message } = error as Error & { readonly errcode?: number }
    return { id, error: { message, errno: errcode }, inTransaction: database.isTransaction }
  }
}

parentPort?.on("message", (request: Request | "close") => {
  if (request !== "close") return parentPort?.postMessage(run(request))
  database.close()
  parentPort?.close()
  return undefined
})
parentPort?.postMessage("open")
