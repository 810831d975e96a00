/**
 * The thread that runs the statements of a SQLite database, one after the other: `node:sqlite` waits for the disk in the
 * thread that calls it, and calls of the gateway must not wait with it. `Sqlite` is the other end.
 */
import { DatabaseSync } from "node:sqlite"
import type { StatementSync } from "node:sqlite"
import { parentPort, workerData } from "node:worker_threads"
import type { Repeated, Script } from "./Script.ts"
import type { Reply, Request } from "./Sqlite.ts"

/** Prepared statements that are kept, by their text. */
const maxPrepared = 200

/** How long a statement waits for another process, in milliseconds. */
const timeout = 5000

const database = new DatabaseSync(workerData as string, { timeout })

/** SQLite's code of a file that another process has locked. */
const busy = 5

/** Switches to WAL. While another process does so with a new file, SQLite fails at once, whatever the timeout. */
const useWal = (): void => {
  const until = performance.now() + timeout
  for (;;) {
    try {
      return database.exec("PRAGMA journal_mode = WAL")
    } catch (error) {
      if ((error as { readonly errcode?: number }).errcode !== busy || performance.now() > until) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
  }
}

// WAL lets a second process read while one writes. With it, NORMAL loses no committed transaction when the process dies.
useWal()
database.exec("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON")

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

/** Runs a statement for its lists of values, and adds its rows to others. */
const runRepeated = ({ lists, numbers, perRun, sql }: Repeated, rows: Array<object>): void => {
  const statement = prepare(sql)
  const all = JSON.parse(lists) as ReadonlyArray<ReadonlyArray<null | number | string>>
  const width = numbers === undefined ? 0 : numbers.length / all.length
  let values: Array<null | number | string> = []
  for (const [index, list] of all.entries()) {
    for (const value of list) values.push(value)
    for (let at = index * width; at < (index + 1) * width; at++) {
      const value = numbers![at]!
      values.push(Number.isNaN(value) ? null : value)
    }
    if ((index + 1) % perRun > 0) continue
    for (const row of statement.all(...values)) rows.push(row)
    values = []
  }
}

const runScript = ({ statements }: Script): ReadonlyArray<object> => {
  const rows: Array<object> = []
  const isOwn = !database.isTransaction
  if (isOwn) database.exec("BEGIN IMMEDIATE")
  try {
    for (const statement of statements) runRepeated(statement, rows)
    if (isOwn) database.exec("COMMIT")
  } catch (error) {
    // SQLite has ended the transaction itself after some errors.
    if (isOwn && database.isTransaction) database.exec("ROLLBACK")
    throw error
  }
  return rows
}

const runOne = (sql: string, params: Exclude<Request["params"], Script>, arrays: boolean): ReadonlyArray<object> => {
  const statement = prepare(sql)
  statement.setReturnArrays(arrays)
  return statement.all(...(typeof params === "string" ? parse(params) : params))
}

const run = ({ arrays, id, params, sql }: Request): Reply => {
  try {
    const isScript = typeof params !== "string" && "statements" in params
    const rows = isScript ? runScript(params) : runOne(sql, params, arrays)
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
