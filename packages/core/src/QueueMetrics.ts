/**
 * The metrics of the queues of limits. `type` is whose limit it is: `deployment`, `key` or `team`; `name` is its name, or the
 * id of the key or the team.
 */
import { byKey, counter, gauge, histogram } from "./MetricSeries.ts"
import type { Series } from "./MetricSeries.ts"

/** Upper bounds of waits, in seconds. */
const waits = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300]

const waiting = gauge("understudy_queue_waiting_calls", "Calls that wait for a limit, by type of its owner and name")
const wait = histogram(
  "understudy_queue_wait_seconds",
  "How long calls have waited for a limit, by type of its owner, name and outcome",
  waits,
)
const rejected = counter(
  "understudy_queue_rejected_total",
  "Calls that a queue did not admit, by type of its owner, name and reason (full, timeout)",
)

/** The series of the queue of one limit. */
export interface QueueSeries {
  readonly waiting: Series
  readonly wait: (outcome: string) => Series
  readonly rejected: (reason: string) => Series
}

export type OwnerType = "deployment" | "key" | "team"

/** The series of the queues of one type of owner, by name. */
export const of = (type: OwnerType): ((name: string) => QueueSeries) =>
  byKey((name) => ({
    waiting: waiting({ type, name }),
    wait: byKey((outcome) => wait({ type, name, outcome })),
    rejected: byKey((reason) => rejected({ type, name, reason })),
  }))

/** The series that a queue has before its first call. */
export const initial = ({ rejected, wait }: QueueSeries): ReadonlyArray<Series> => [
  wait("admitted"),
  rejected("full"),
  rejected("timeout"),
]
