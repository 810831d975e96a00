/**
 * Responses that run in the background: their calls run in the scope of the gateway, and their rows say how they are. Any gateway
 * with the same database reads, streams and cancels them.
 *
 * A gateway holds a lease on each response that it runs, and renews it every second. If it dies, the lease ends, and the next
 * reader finds that the response has failed.
 */
import * as Json from "@understudy/providers/internal/protocols/Json"
import { Stored } from "@understudy/providers/protocols/responses"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberMap from "effect/FiberMap"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import type { InFlight } from "../InFlight.ts"
import * as EventLog from "./EventLog.ts"
import { inTime } from "./InTime.ts"
import type { Ended, Failure, Run } from "./ResponseStore.ts"
import { TooMany } from "./ResponseStore.ts"
import * as Rows from "./Rows.ts"
import * as RunningRows from "./RunningRows.ts"
import type { StoreLost } from "./StoreLost.ts"
import { lostResponses } from "./StoreLost.ts"

export interface Options {
  readonly sql: SqlClient
  /** The most responses that run at once in this process. */
  readonly limit: number
  readonly inFlight: InFlight
  /** Writes the items of a response that has ended, in the transaction that ends it. */
  readonly insertItems: (ended: Ended, response: string) => Effect.Effect<void, SqlError>
}

export interface Background {
  /** `insert` writes the row of the response. */
  readonly start: (
    queued: Ended,
    run: Run,
    insert: (running: Pick<Rows.Row, "gateway_id" | "lease_until">) => Effect.Effect<void, StoreLost>,
  ) => Effect.Effect<void, StoreLost | TooMany>
  /** Cancels the response of a row, unless it has ended. */
  readonly cancel: (row: Rows.Row) => Effect.Effect<Rows.Row, StoreLost>
  /** The row, failed if the gateway that runs it has died. */
  readonly checked: (row: Rows.Row) => Effect.Effect<Rows.Row, StoreLost>
  readonly events: (row: Pick<Rows.Row, "id" | "key_id">, after: number) => Stream.Stream<string, StoreLost>
}

/** How often leases are renewed and cancellations noticed, and how long a lease lasts, in milliseconds. */
const interval = 1000
const lease = 15_000

/** How often the events of a stream are written, and how often a reader looks for them. */
const flushInterval = "200 millis"
const pollInterval = "200 millis"

/** The events that end a stream. */
const isEnd = /^event: response\.(?:completed|incomplete|failed)$/m

/** How often the end of a response is tried to be written, and its events to be read, a second apart. */
const endTries = 30

const stopped: Failure = {
  code: "server_error",
  message: "The gateway stopped before the response was complete. Send the request again.",
}

const crashed: Failure = {
  code: "server_error",
  message: "Internal error of the gateway. Its log has the cause under the id of this response.",
}

export const make = Effect.fnUntraced(function* ({
  inFlight,
  insertItems,
  limit,
  sql,
}: Options): Effect.fn.Return<Background, never, Scope.Scope> {
  const gatewayId = randomUUID()
  const fibers = yield* FiberMap.make<string>()
  /** The responses that are being started: their fibers do not run yet. */
  let starting = 0

  const renew = Effect.gen(function* () {
    const running = [...fibers].map(([id]) => id)
    if (running.length === 0) return
    const now = yield* Clock.currentTimeMillis
    const own = yield* inTime(RunningRows.renew(sql, gatewayId, running, now + lease))
    // Cancelled or deleted by its client.
    yield* Effect.forEach(running, (id) => (own.has(id) ? Effect.void : FiberMap.remove(fibers, id)), { discard: true })
  })
  yield* Effect.forkScoped(Effect.repeat(Effect.ignore(renew), Schedule.spaced(interval)))

  /** Ends a response with the items that it has, unless its client has cancelled or deleted it. */
  const complete = (queued: Ended, response: string) => {
    const status = Json.string(Json.fields(Json.parse(response))["status"])
    return sql.withTransaction(
      Effect.tap(RunningRows.end(sql, { id: queued.id, status, response }), (isEnded) =>
        isEnded ? insertItems(queued, response) : Effect.void,
      ),
    )
  }

  /** Writes how a response has ended. */
  const endSurely = (id: string, end: Effect.Effect<boolean, SqlError>, times = endTries) =>
    Effect.catch(Effect.retry(inTime(end), { times, schedule: Schedule.spaced("1 second") }), ({ message }) =>
      Effect.andThen(
        Metric.update(lostResponses, 1),
        Effect.logError(`The end of response ${id} could not be stored: ${message}`),
      ),
    )

  const task = (queued: Ended, run: Run): Effect.Effect<void> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const { id, response } = queued
        const log = EventLog.make((batch) => inTime(RunningRows.insertEvents(sql, id, batch)))
        const begun = inTime(RunningRows.start(sql, id, Stored.withStatus(response, "in_progress")))
        const flushing = Effect.forever(Effect.andThen(Effect.sleep(flushInterval), log.flush))
        const running = Effect.raceFirst(Effect.andThen(Effect.ignore(begun), run(log.publish)), flushing)
        const exit = yield* Effect.exit(restore(running))
        yield* log.flush
        if (Exit.isSuccess(exit)) return yield* endSurely(id, complete(queued, exit.value))
        const { cause } = exit
        const failure = Option.getOrElse(Cause.findErrorOption(cause), () =>
          Cause.hasInterruptsOnly(cause) ? stopped : crashed,
        )
        if (failure === crashed) yield* Effect.logError(`Unhandled error in background response ${id}`, cause)
        // A gateway that stops does not wait for a lost database: the lease ends.
        const times = failure === stopped ? 1 : endTries
        const failed = Stored.withStatus(response, "failed", failure)
        return yield* endSurely(id, RunningRows.end(sql, { id, status: "failed", response: failed }), times)
      }),
    )

  const checked = (row: Rows.Row): Effect.Effect<Rows.Row, StoreLost> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (!RunningRows.isRunning(row.status) || (row.lease_until ?? 0) > now) return Effect.succeed(row)
      const response = Stored.withStatus(row.response, "failed", stopped)
      const failed = { id: row.id, status: "failed", response }
      return Effect.as(inTime(RunningRows.end(sql, failed)), { ...row, ...failed })
    })

  return {
    checked,
    start: (queued, run, insert) =>
      Effect.gen(function* () {
        if ([...fibers].length + starting >= limit) return yield* new TooMany({ limit })
        starting++
        const now = yield* Clock.currentTimeMillis
        yield* Effect.ensuring(
          insert({ gateway_id: gatewayId, lease_until: now + lease }),
          Effect.sync(() => starting--),
        )
        const fiber = yield* FiberMap.run(
          fibers,
          queued.id,
          // The call outlives the request of its client.
          Effect.updateContext(task(queued, run), (context: Context.Context<never>) =>
            Context.omit(HttpServerRequest, Scope.Scope)(context),
          ),
        )
        const left = inFlight.hold(() => fiber.interruptUnsafe())
        fiber.addObserver(left)
        return undefined
      }).pipe(Effect.uninterruptible),
    cancel: (row) => {
      if (!RunningRows.isRunning(row.status)) return Effect.succeed(row)
      const response = Stored.withStatus(row.response, "cancelled")
      return Effect.flatMap(
        inTime(RunningRows.end(sql, { id: row.id, status: "cancelled", response })),
        (isCancelled) =>
          isCancelled
            ? Effect.as(FiberMap.remove(fibers, row.id), { ...row, status: "cancelled", response })
            : Effect.map(inTime(Rows.find(sql, row.key_id, row.id, 0)), (ended) => ended ?? row),
      )
    },
    events: (row, after) => {
      let batch = -1
      let last = after
      let hasEnded = false
      let hasEndEvent = false
      /** The next events: none if there are none yet. */
      const next = Effect.gen(function* () {
        const found = yield* inTime(RunningRows.progress(sql, row, batch))
        let text = ""
        for (const { batch: at, events } of found?.batches ?? []) {
          batch = at
          for (const [sequence, event] of events) {
            if (sequence <= last) continue
            last = sequence
            hasEndEvent ||= isEnd.test(event)
            text += event
          }
        }
        if (found !== undefined) {
          const { batches, lease_until: lease, status } = found
          if (batches.length > 0) return text
          const isRunning = RunningRows.isRunning(status)
          if (isRunning && (lease ?? 0) > (yield* Clock.currentTimeMillis)) return ""
          hasEnded = !isRunning && hasEndEvent
          if (hasEnded) return ""
        }
        // Only now is the whole row needed: for the event that ends the stream, or because its gateway has died.
        const whole = yield* inTime(Rows.find(sql, row.key_id, row.id, 0))
        const now = whole === undefined ? undefined : yield* checked(whole)
        hasEnded = now === undefined || !RunningRows.isRunning(now.status)
        return hasEnded && !hasEndEvent && now !== undefined ? Stored.endEvent(now.response, now.status, last + 1) : ""
      })
      // The database may be back before the response ends.
      const read = Effect.retry(next, { times: endTries, schedule: Schedule.spaced("1 second") })
      const waiting = Effect.flatMap(read, (text) =>
        text !== "" || hasEnded ? Effect.succeed(text) : Effect.as(Effect.sleep(pollInterval), ""),
      )
      return Stream.takeUntil(Stream.fromEffectRepeat(waiting), () => hasEnded)
    },
  }
})
