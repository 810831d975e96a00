/** The capabilities of a model. One that is not set is assumed, except `prefill`: only `false` skips the deployment. */
export interface Capabilities {
  readonly tools?: boolean | undefined
  readonly vision?: boolean | undefined
  readonly audio?: boolean | undefined
  readonly files?: boolean | undefined
  readonly jsonSchema?: boolean | undefined
  readonly reasoning?: boolean | undefined
  readonly embeddings?: boolean | undefined
  /** Whether the model continues a final assistant message. Used only if `true`. */
  readonly prefill?: boolean | undefined
  /** The context window: input and output tokens of one call. */
  readonly contextWindow?: number | undefined
  /** The maximum output tokens of one response. */
  readonly maxOutput?: number | undefined
}

/** A capability that a call may require of a model. */
export type Capability = "tools" | "vision" | "audio" | "files" | "jsonSchema" | "reasoning" | "embeddings"
