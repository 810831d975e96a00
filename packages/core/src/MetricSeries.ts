/**
 * The time series of metrics: a metric with its labels, made once for each value of a label.
 */
import * as Metric from "effect/Metric"

/** A metric with its labels. It is among the metrics of its registry from its first update, or its first reading, on. */
export type Series = Metric.Metric<number, unknown>

export type Labels = Readonly<Record<string, string>>

/** A counter's series for given labels. */
export const counter =
  (id: string, description: string) =>
  (labels: Labels): Series =>
    Metric.counter(id, { description, incremental: true, attributes: labels })

/** A gauge's series for given labels. */
export const gauge =
  (id: string, description: string) =>
  (labels: Labels): Series =>
    Metric.gauge(id, { description, attributes: labels })

/** A histogram's series for given labels. `boundaries` are the upper bounds of its buckets. */
export const histogram =
  (id: string, description: string, boundaries: ReadonlyArray<number>) =>
  (labels: Labels): Series =>
    Metric.histogram(id, { description, boundaries, attributes: labels })

/**
 * What `make` returns for a key, made once for each key. Series are found by one label at a time: looking them up by all
 * labels at once would build a key for every event.
 */
export const byKey = <Value>(make: (key: string) => Value): ((key: string) => Value) => {
  const made = new Map<string, Value>()
  return (key) => {
    let value = made.get(key)
    if (value === undefined) made.set(key, (value = make(key)))
    return value
  }
}
