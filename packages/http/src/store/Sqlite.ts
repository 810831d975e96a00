/**
 * `SqlClient` of Effect over `node:sqlite`, whose statements run in a thread of their own: see `SqliteWorker`. One connection,
 * which a transaction holds until it ends.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Semaphore from "effect/Semaphore"
import * as Client from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { classifySqliteError, ConnectionError, SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import * as Stream from "effect/Stream"
import { Worker } from "node:worker_threads"
import { Script } from "./Script.ts"

/** A statement for the thread. `arrays`: whether its rows are arrays of values, or else records by column. */
export interface Request {
  readonly id: number
  readonly sql: string
  /** Many are a JSON text: a list is copied value by value from thread to thread, a text at once. */
  readonly params: ReadonlyArray<null | number | bigint | string | Uint8Array> | string | Script
  readonly arrays: boolean
}

/** What became of a statement. `inTransaction`: whether a transaction is open after it. */
export type Reply = { readonly id: number; readonly inTransaction: boolean } &
  /** Many are a JSON text, as parameters are. */
  (
    | { readonly rows: ReadonlyArray<unknown> | string; readonly error?: undefined }
    | { readonly error: { readonly message: string; readonly errno: number | undefined } }
  )

/** A client of the database in this file, which is created if it does not exist. */
export const layer = (file: string): Layer.Layer<Client.SqlClient, SqlError> =>
  Layer.effect(Client.SqlClient, make(file)).pipe(Layer.provide(Reactivity.layer))

const make = Effect.fnUntraced(function* (file: string) {
  const thread = yield* open(file)
  return yield* Client.make({
    ...Client.makeSqliteAcquirers({
      connection: Effect.succeed(connection(thread)),
      semaphore: yield* Semaphore.make(1),
      isTransaction: () => thread.inTransaction(),
    }),
    compiler: Statement.makeCompilerSqlite(),
    // Takes the lock for writing at once: a transaction that reads first could not take it once another has written.
    beginTransaction: "BEGIN IMMEDIATE",
    driver: "sqlite-node",
    spanAttributes: [["db.system.name", "sqlite"]],
  })
})

interface Thread {
  readonly ask: <Row>(
    sql: string,
    params: ReadonlyArray<unknown>,
    arrays: boolean,
  ) => Effect.Effect<ReadonlyArray<Row>, SqlError>
  readonly inTransaction: () => boolean
}

const source = new URL(import.meta.url.endsWith(".ts") ? "./SqliteWorker.ts" : "./SqliteWorker.js", import.meta.url)

/** The thread of a database. It ends with the scope, once the statements that it was given are done. */
const open = Effect.fnUntraced(function* (file: string) {
  const waiting = new Map<number, (reply: Reply | SqlError) => void>()
  let inTransaction = false
  let ids = 0
  let ended: SqlError | undefined
  const worker = yield* Effect.acquireRelease(
    Effect.callback<Worker, SqlError>((resume) => {
      const worker = new Worker(source, { workerData: file })
      const end = (cause: unknown): void => {
        ended ??= cannotOpen(file, cause)
        for (const reply of waiting.values()) reply(ended)
        waiting.clear()
        resume(Effect.fail(ended))
      }
      worker.once("error", end)
      worker.once("exit", () => end("the thread of the database has ended"))
      worker.on("message", (message: Reply | "open") => {
        if (message === "open") return resume(Effect.succeed(worker))
        inTransaction = message.inTransaction
        waiting.get(message.id)?.(message)
        waiting.delete(message.id)
        return undefined
      })
    }),
    (worker) =>
      Effect.callback<void>((resume) => {
        if (ended !== undefined) return resume(Effect.void)
        worker.once("exit", () => resume(Effect.void))
        worker.postMessage("close")
        return undefined
      }),
  )
  const thread: Thread = {
    inTransaction: () => inTransaction,
    ask: <Row>(sql: string, params: ReadonlyArray<unknown>, arrays: boolean) =>
      Effect.callback<ReadonlyArray<Row>, SqlError>((resume) => {
        if (ended !== undefined) return resume(Effect.fail(ended))
        const id = ++ids
        waiting.set(id, (reply) => {
          if (reply instanceof SqlError) return resume(Effect.fail(reply))
          const { error } = reply
          if (error === undefined) {
            const { rows } = reply
            return resume(Effect.succeed((typeof rows === "string" ? JSON.parse(rows) : rows) as ReadonlyArray<Row>))
          }
          const reason = classifySqliteError(error, { message: error.message, operation: "execute" })
          return resume(Effect.fail(new SqlError({ reason })))
        })
        const [first] = params
        const sent = first instanceof Script ? first : isMany(params) ? JSON.stringify(params) : params
        worker.postMessage({ id, sql, params: sent, arrays } as Request)
        return undefined
      }),
  }
  return thread
})

/** Whether parameters are better sent as JSON, which has neither bytes nor `bigint`. */
const isMany = (params: ReadonlyArray<unknown>): boolean =>
  params.length > 20 && params.every((value) => value === null || typeof value === "string" || Number.isFinite(value))

const cannotOpen = (file: string, cause: unknown): SqlError =>
  new SqlError({
    reason: new ConnectionError({
      cause,
      message: `cannot open ${file}: ${cause instanceof Error ? cause.message : String(cause)}`,
      operation: "connect",
    }),
  })

const connection = ({ ask }: Thread): Connection => {
  const execute: Connection["execute"] = (sql, params, transform) =>
    transform === undefined ? ask(sql, params, false) : Effect.map(ask<object>(sql, params, false), transform)
  return {
    execute,
    executeRaw: (sql, params) => ask(sql, params, false),
    executeStream: (sql, params, transform) =>
      Stream.unwrap(Effect.map(execute(sql, params, transform), Stream.fromIterable)),
    executeValues: (sql, params) => ask(sql, params, true),
    executeValuesUnprepared: (sql, params) => ask(sql, params, true),
    executeUnprepared: execute,
  }
}
