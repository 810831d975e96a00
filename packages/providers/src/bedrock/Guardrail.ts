/**
 * A guardrail that a deployment puts on all its calls, in Bedrock's words.
 *
 * Source: docs.aws.amazon.com, "Use a guardrail with the Converse API" and "Configure streaming response behavior".
 */
export interface Guardrail {
  /** Its id or its ARN. */
  readonly id: string
  /** A number, or `DRAFT`. */
  readonly version: string
  /** Whether answers tell what it found, in `native`; with `enabled_full`, also where it found nothing. */
  readonly trace?: Trace | undefined
  /** Whether a stream waits for its verdict, as it does if nothing is said, or goes on and may turn out to be blocked. */
  readonly streaming?: Streaming | undefined
}

export const traces = ["enabled", "enabled_full", "disabled"] as const
export type Trace = (typeof traces)[number]

export const streamings = ["sync", "async"] as const
export type Streaming = (typeof streamings)[number]

/** As a whole answer's call has it. */
export const encode = ({ id, trace, version }: Guardrail): Record<string, unknown> => ({
  guardrailIdentifier: id,
  guardrailVersion: version,
  ...(trace === undefined ? undefined : { trace }),
})

/** As a stream's call has it. */
export const encodeStreamed = (guardrail: Guardrail): Record<string, unknown> => ({
  ...encode(guardrail),
  ...(guardrail.streaming === undefined ? undefined : { streamProcessingMode: guardrail.streaming }),
})
