/**
 * What the client gets when a stream breaks: the policy. `StreamRecovery`, `StreamResume` and `StreamBuffer` carry it out.
 */
import * as ByteSize from "effect/ByteSize"

/**
 * How a stream is protected from breaking.
 *
 * - `preamble`: until the first output, another deployment answers. After it, the client gets an error.
 * - `continue`: after the first output, another deployment continues the delivered text. Only for plain text: other
 *   content is treated as with `preamble`.
 * - `full`: the response is buffered until it is complete or larger than `buffer`; until then another deployment answers.
 */
export type Protect = "preamble" | "continue" | "full"

export const protects = ["preamble", "continue", "full"] as const satisfies ReadonlyArray<Protect>

/**
 * - `protect`: default `preamble`.
 * - `buffer`: the largest response that `full` buffers. A larger one is sent as far as it is there, then streamed. Default:
 *   4 MiB.
 */
export interface StreamPolicy {
  readonly protect: Protect
  readonly buffer: ByteSize.Input
}

export const defaults: StreamPolicy = { protect: "preamble", buffer: ByteSize.mebibytes(4) }

/** The policy with `buffer` in bytes. */
export interface ResolvedStreamPolicy {
  readonly protect: Protect
  readonly buffer: number
}

export const resolve = ({ buffer, protect }: StreamPolicy): ResolvedStreamPolicy => ({
  protect,
  buffer: ByteSize.toNumberUnsafe(ByteSize.fromInputUnsafe(buffer)),
})
