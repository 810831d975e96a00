/**
 * What a broken stream costs its caller: the policy. What it takes to keep it stands in `Recovery`, `Continuation` and
 * `Holdback`.
 */
import * as ByteSize from "effect/ByteSize"

/**
 * - `preamble`: nothing until the first real output; after it, an error.
 * - `continue`: after it too, another deployment goes on from what was delivered, where the answer is plain text; anything
 *   else is treated as under `preamble`.
 * - `full`: nothing is shown before the answer is whole, or larger than `hold`: until then another answers instead.
 */
export type Protect = "preamble" | "continue" | "full"

export const protects = ["preamble", "continue", "full"] as const satisfies ReadonlyArray<Protect>

export interface StreamPolicy {
  readonly protect: Protect
  /** How much of an answer `full` holds back; beyond it, what is held is shown and the rest follows as it comes. */
  readonly buffer: ByteSize.Input
}

export const defaults: StreamPolicy = { protect: "preamble", buffer: ByteSize.mebibytes(4) }

/** The policy with its size in bytes. */
export interface Resolved {
  readonly protect: Protect
  readonly buffer: number
}

export const resolve = ({ buffer, protect }: StreamPolicy): Resolved => ({
  protect,
  buffer: ByteSize.toNumberUnsafe(ByteSize.fromInputUnsafe(buffer)),
})
