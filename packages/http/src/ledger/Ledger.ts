/**
 * The ledger: a row for every call and every attempt in the database, and roll-ups by hour and by day. Calls never wait for
 * it: they are written in batches, in the background, from their receipts. What the database cannot take goes to the spill
 * file until it can, in order, and is written once.
 */
import { Router } from "@understudy/core/Router"
import type { Receipt } from "@understudy/core/Receipt"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as LossReport from "../observe/LossReport.ts"
import * as Bounded from "../store/Bounded.ts"
import { StoreStatus } from "../store/StoreStatus.ts"
import { Batch, Dictionary } from "./Batch.ts"
import * as Retention from "./Retention.ts"
import * as Rows from "./Rows.ts"
import type { Entry } from "./Rows.ts"
import * as Spill from "./Spill.ts"
import { write } from "./Write.ts"

/** The settings of the ledger, besides its database. */
export interface Settings {
  /** How long calls and attempts are kept. */
  readonly keep: Duration.Duration
  /** How long a call may wait until its batch is written. */
  readonly flush: Duration.Duration
  readonly spill: Spill.Settings
}

/** Calls of one batch: a batch is written as soon as it is full. */
const batchSize = 1000

/**
 * Receipts that are kept until they are put into a batch. Code that runs for one call in between everything else finds nothing of
 * its own in the processor's caches; code that runs for many does. More of them would live long enough to cost the garbage
 * collector what this saves.
 */
const together = 32

/** Calls in memory at which the database is too slow, so that they go to the spill file; and at which they are lost. */
const slow = 10_000
const most = 20_000

/** How long the database may take for a batch before it counts as lost. */
const writeTimeout = Duration.seconds(3)

/** How long after a failure it is tried again, and how often it is checked while there are no calls. */
const retryInterval = "1 second"
const probeInterval = "5 seconds"

export const pendingRows = Metric.gauge("understudy_ledger_pending_rows", {
  description: "Calls that are not in the ledger yet: in memory, and in the spill file",
})
export const lostRows = Metric.counter("understudy_ledger_lost_rows_total", {
  description: "Calls that are not in the ledger because neither the database nor the spill file could take them",
  incremental: true,
})

/** Records the calls of the router in context until the layer closes, and then writes those that are left. */
export const layer = (
  settings: Settings,
  deployments: Readonly<Record<string, Rows.Deployment>>,
): Layer.Layer<never, never, Router | SqlClient | StoreStatus | FileSystem.FileSystem | Path.Path> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const router = yield* Router
      const sql = yield* SqlClient
      const ledger = new Ledger({
        sql,
        status: yield* StoreStatus,
        spill: yield* Spill.make(settings.spill),
        reportLoss: yield* LossReport.make(
          (calls) => `${calls === 1 ? "1 call is" : `${calls} calls are`} not in the ledger`,
        ),
        deployments,
        settings,
      })
      yield* warnIfReadOnly(settings.spill.file)
      yield* Metric.update(pendingRows, 0)
      yield* Metric.update(lostRows, 0)
      const writer = yield* Effect.forkDetach(ledger.run)
      yield* Effect.addFinalizer(() => Effect.andThen(ledger.close, Fiber.await(writer)))
      yield* Effect.forkScoped(Retention.hourly(sql, settings.keep))
      yield* router.subscribe((event) => {
        if (event._tag === "CallEnded") ledger.record(event.receipt)
      })
    }),
  )

const warnIfReadOnly = Effect.fnUntraced(function* (file: string) {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folder = path.dirname(file)
  yield* Effect.catch(files.access(folder, { writable: true }), () =>
    Effect.logWarning(
      `The folder ${folder} cannot be written: calls are lost from the ledger while the database is. Set ledger.spill.file to a file that can be written.`,
    ),
  )
})

interface Options {
  readonly sql: SqlClient
  readonly status: StoreStatus["Service"]
  readonly spill: Spill.Spill
  readonly reportLoss: (calls: number, cause: string) => Effect.Effect<void>
  readonly deployments: Readonly<Record<string, Rows.Deployment>>
  readonly settings: Settings
}

/** Why statements failed: the database could not run them, or it refused their values. */
type Failure = "lost" | { readonly refused: string }

/** The calls of one gateway on their way to the database. */
class Ledger {
  readonly #options: Options
  readonly #dictionary = new Dictionary()
  /** Full batches and the last one, in order; then the receipts of the latest calls. The number of the calls of both. */
  #pending: Array<Batch> = []
  #receipts: Array<Receipt> = []
  #count = 0
  /** Calls that there was no memory for. */
  #dropped = 0
  #isClosing = false
  /** Open while there are pending calls, while they fill a batch, while there are too many, and from the close on. */
  readonly #some = Latch.makeUnsafe()
  readonly #full = Latch.makeUnsafe()
  readonly #slow = Latch.makeUnsafe()
  readonly #closed = Latch.makeUnsafe()

  constructor(options: Options) {
    this.#options = options
  }

  /** Adds a call that has ended. Runs in the call's fibre. */
  record(receipt: Receipt): void {
    const count = this.#count
    if (count === most) {
      this.#dropped++
      return
    }
    this.#receipts.push(receipt)
    this.#count = count + 1
    if (this.#receipts.length === together) this.#batch()
    if (count === 0) this.#some.openUnsafe()
    else if (count === batchSize - 1) this.#full.openUnsafe()
    else if (count === slow - 1) this.#slow.openUnsafe()
  }

  /** Puts the latest calls into batches. */
  #batch(): void {
    const receipts = this.#receipts
    this.#receipts = []
    for (const receipt of receipts) this.#open.add(Rows.fromReceipt(receipt, this.#options.deployments))
  }

  /** The batch that the next call is added to. */
  get #open(): Batch {
    const last = this.#pending.at(-1)
    if (last !== undefined && last.size < batchSize) return last
    const opened = new Batch(this.#dictionary, batchSize)
    this.#pending.push(opened)
    return opened
  }

  /** Writes until it is closed. */
  get run(): Effect.Effect<void> {
    return Effect.andThen(this.#recover, this.#turns)
  }

  get close(): Effect.Effect<void> {
    return Effect.sync(() => {
      this.#isClosing = true
      this.#closed.openUnsafe()
    })
  }

  get #turns(): Effect.Effect<void> {
    return Effect.whileLoop({
      while: () => !this.#isClosing || this.#count > 0,
      body: () => Effect.catchCause(this.#turn, (cause) => Effect.logError("The ledger failed", cause)),
      step: () => undefined,
    })
  }

  get #turn(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      if (!this.#isClosing) yield* this.#wait
      if (this.#dropped > 0) {
        const dropped = this.#dropped
        this.#dropped = 0
        yield* this.#lose(dropped, "the database and the spill file are too slow")
      }
      if (this.#options.spill.calls > 0) yield* this.#replay
      // What is left after full batches waits for the next: small transactions cost a call more than large ones.
      for (let due = this.#count > 0; due; due = this.#count >= batchSize) {
        if (this.#options.spill.calls > 0) break
        const [batch] = this.#take(1)
        if (batch !== undefined && !(yield* this.#store(batch))) yield* this.#append([batch, ...this.#take()])
      }
      yield* Metric.update(pendingRows, this.#count + this.#options.spill.calls)
    })
  }

  /** Waits for a batch; after a failure, for the next try. */
  get #wait(): Effect.Effect<void> {
    const { settings, spill, status } = this.#options
    if (!status.isUp() || spill.calls > 0)
      return Effect.raceAllFirst([Effect.sleep(retryInterval), this.#slow.await, this.#closed.await])
    const calls = Effect.raceFirst(this.#some.await, this.#closed.await)
    const batch = Effect.raceAllFirst([Effect.sleep(settings.flush), this.#full.await, this.#closed.await])
    return Effect.andThen(
      Effect.timeoutOrElse(calls, { duration: probeInterval, orElse: () => this.#probe }),
      Effect.suspend(() => (this.#count === 0 ? Effect.void : batch)),
    )
  }

  get #probe(): Effect.Effect<void> {
    const { sql } = this.#options
    return Effect.asVoid(this.#attempt(sql.unsafe("SELECT 1")))
  }

  /** Takes the oldest batches. Default: all. */
  #take(batches = Number.POSITIVE_INFINITY): ReadonlyArray<Batch> {
    this.#batch()
    const taken = this.#pending.splice(0, batches)
    for (const { size } of taken) this.#count -= size
    if (this.#count === 0) this.#some.closeUnsafe()
    if (this.#count < batchSize) this.#full.closeUnsafe()
    if (this.#count < slow) this.#slow.closeUnsafe()
    return taken
  }

  // -------------------------------------------------------------------------------------------------------------------
  // The database
  // -------------------------------------------------------------------------------------------------------------------

  /** Writes calls to the database. Succeeds with whether it took them. */
  #store(batch: Batch): Effect.Effect<boolean> {
    if (batch.size === 0) return Effect.succeed(true)
    return Effect.flatMap(this.#attempt(write(this.#options.sql, batch)), (outcome) => {
      if (Result.isSuccess(outcome)) return Effect.succeed(true)
      if (outcome.failure === "lost") return Effect.succeed(false)
      if (batch.size === 1) return Effect.as(this.#lose(1, outcome.failure.refused), true)
      // One of these calls cannot be written. The others can.
      const { entries } = batch
      const half = entries.length >> 1
      return Effect.flatMap(this.#store(this.#batchOf(entries.slice(0, half))), (stored) =>
        stored ? this.#store(this.#batchOf(entries.slice(half))) : Effect.succeed(false),
      )
    })
  }

  #batchOf(entries: ReadonlyArray<Entry>): Batch {
    return Batch.of(entries, this.#dictionary)
  }

  /** Runs statements for a bounded time, and a shorter one when calls come faster than they are written. */
  #attempt<A>(statements: Effect.Effect<A, SqlError>): Effect.Effect<Result.Result<A, Failure>> {
    const { status } = this.#options
    const tooSlow = Effect.andThen(
      this.#slow.await,
      Effect.failSync(() => new Bounded.StatementFailed({ message: "it takes calls more slowly than they come" })),
    )
    return Effect.matchEffect(Effect.raceFirst(Bounded.run(statements, writeTimeout), tooSlow), {
      onSuccess: (value) => Effect.as(status.back, Result.succeed(value)),
      onFailure: ({ error, message }): Effect.Effect<Result.Result<A, Failure>> =>
        error !== undefined && isOfValues(error)
          ? Effect.succeed(Result.fail({ refused: message }))
          : Effect.as(status.lost(message), Result.fail("lost")),
    })
  }

  // -------------------------------------------------------------------------------------------------------------------
  // The spill file
  // -------------------------------------------------------------------------------------------------------------------

  #append(batches: ReadonlyArray<Batch>): Effect.Effect<void> {
    const entries = batches.flatMap((batch) => batch.entries)
    return Effect.catch(this.#options.spill.append(entries), ({ calls, cause }) => this.#lose(calls, cause))
  }

  /** Writes the calls of the spill file. Those that come meanwhile are added to it. */
  get #replay(): Effect.Effect<void> {
    const { settings, spill } = this.#options
    return Effect.gen({ self: this }, function* () {
      let written = 0
      do {
        yield* this.#append(this.#take())
        if (this.#isClosing) return
        const chunk = yield* spill.next(batchSize)
        if (!(yield* this.#store(this.#batchOf(chunk.entries)))) return
        yield* spill.done(chunk)
        written += chunk.entries.length
        yield* this.#lose(chunk.unreadable - chunk.cutOff, `lines of ${settings.spill.file} could not be read`)
      } while (spill.calls > 0)
      yield* Effect.logInfo(`The ${written} calls of ${settings.spill.file} are written.`)
    }).pipe(Effect.catch((error) => this.#unreadable(error)))
  }

  /** Counts the calls that an earlier process left in the spill file. */
  get #recover(): Effect.Effect<void> {
    return Effect.catch(this.#options.spill.recover, (error) => this.#unreadable(error))
  }

  #unreadable(error: PlatformError): Effect.Effect<void> {
    const { settings, spill } = this.#options
    const { file } = settings.spill
    if (error.reason._tag !== "NotFound") return Effect.logError(`${file} cannot be read: ${error.message}`)
    return Effect.andThen(this.#lose(spill.calls, `${file} was deleted`), spill.forget)
  }

  #lose(calls: number, cause: string): Effect.Effect<void> {
    return calls === 0
      ? Effect.void
      : Effect.andThen(Metric.update(lostRows, calls), this.#options.reportLoss(calls, cause))
  }
}

/** Whether an error is about the values of a statement: it would fail again, and another statement would not. */
const isOfValues = ({ reason }: SqlError): boolean => {
  if (reason._tag === "ConstraintError" || reason._tag === "UniqueViolation") return true
  const code = Predicate.hasProperty(reason.cause, "code") ? reason.cause.code : undefined
  return Predicate.isString(code) && /^(?:22...|23...|54000)$/.test(code)
}
