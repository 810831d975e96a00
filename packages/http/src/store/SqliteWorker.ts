/**
 * The thread that runs the statements of a SQLite database, one after the other: `node:sqlite` waits for the disk in the
 * thread that calls it, and calls of the gateway must not wait with it. `Sqlite` is the other end.
 */
import { DatabaseSync } from "node:sqlite"
import type { StatementSync } from "node:sqlite"
import { parentPort, workerData } from "node:worker_threads"
import type { ForEach } from "./ForEach.ts"
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

/** Runs a statement for lists of parameters: see `ForEach`. */
const runForEach = (statement: StatementSync, { json, lists, numbers }: ForEach): ReadonlyArray<object> => {
  const rows: Array<object> = []
  const all = JSON.parse(json) as ReadonlyArray<ReadonlyArray<null | number | string>>
  const width = numbers === undefined ? 0 : numbers.length / all.length
  let params: Array<null | number | string> = []
  for (const [index, list] of all.entries()) {
    for (const value of list) params.push(value)
    for (let at = index * width; at < (index + 1) * width; at++) {
      const value = numbers![at]!
      params.push(Number.isNaN(value) ? null : value)
    }
    if ((index + 1) % lists > 0) continue
    for (const row of statement.all(...params)) rows.push(row)
    params = []
  }
  return rows
}

const rowsOf = (statement: StatementSync, params: Request["params"]): ReadonlyArray<object> => {
  if (typeof params === "string") return statement.all(...parse(params))
  return "json" in params ? runForEach(statement, params) : statement.all(...params)
}

const run = ({ arrays, id, params, sql }: Request): Reply => {
  try {
    const statement = prepare(sql)
    statement.setReturnArrays(arrays)
    const rows = rowsOf(statement, params)
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
