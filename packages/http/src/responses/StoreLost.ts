/** The error of statements on stored responses, and the metric of responses that are not stored because of it. */
import * as Data from "effect/Data"
import * as Metric from "effect/Metric"

/** The database did not respond. */
export class StoreLost extends Data.TaggedError("StoreLost")<{ readonly message: string }> {}

export const lostResponses = Metric.counter("understudy_store_lost_responses_total", {
  description: "Responses that are not stored because the database did not take them",
  incremental: true,
})
