/**
 * A Bedrock guardrail, which a deployment applies to all its calls.
 *
 * Source: docs.aws.amazon.com, "Use a guardrail with the Converse API" and "Configure streaming response behavior".
 */
export interface Guardrail {
  /** The guardrail's id or ARN. */
  readonly id: string
  /** The guardrail's version: a number, or `DRAFT`. */
  readonly version: string
  /** Whether responses contain the guardrail's assessment, in `native`; `enabled_full` includes checks that found nothing. */
  readonly trace?: Trace | undefined
  /** `sync`: a stream waits for the assessment. `async`: it does not, and may be blocked later. Default: `sync`. */
  readonly streaming?: Streaming | undefined
}

export const traces = ["enabled", "enabled_full", "disabled"] as const
export type Trace = (typeof traces)[number]

export const streamings = ["sync", "async"] as const
export type Streaming = (typeof streamings)[number]

/** The guardrail of a call without streaming. */
export const encode = ({ id, trace, version }: Guardrail): Record<string, unknown> => ({
  guardrailIdentifier: id,
  guardrailVersion: version,
  ...(trace === undefined ? undefined : { trace }),
})

/** The guardrail of a streaming call. */
export const encodeStreamed = (guardrail: Guardrail): Record<string, unknown> => ({
  ...encode(guardrail),
  ...(guardrail.streaming === undefined ? undefined : { streamProcessingMode: guardrail.streaming }),
})
