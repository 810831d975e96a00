/** What a model can do. What is not said is taken as possible: only a plain `false` keeps a call away; save `prefill`. */
export interface Capabilities {
  readonly tools?: boolean | undefined
  readonly vision?: boolean | undefined
  readonly audio?: boolean | undefined
  readonly files?: boolean | undefined
  readonly jsonSchema?: boolean | undefined
  readonly reasoning?: boolean | undefined
  readonly embeddings?: boolean | undefined
  /** Whether it goes on with an answer whose beginning is the last message; only a plain `true` makes use of that. */
  readonly prefill?: boolean | undefined
  /** The most tokens it reads and writes in one call. */
  readonly contextWindow?: number | undefined
  /** The most tokens it writes in one answer. */
  readonly maxOutput?: number | undefined
}
