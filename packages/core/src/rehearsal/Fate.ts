/**
 * What becomes of the attempts of a rehearsal, and the call that makes them.
 */
import * as Context from "effect/Context"
import type { ProviderError } from "../model/ProviderError.ts"

/** A call of a rehearsal, as the providers that it reaches know it. */
export interface RehearsedCall {
  /** Its place in the traffic. */
  readonly number: number
  readonly inputTokens: number
  /** What its answer takes, at any deployment. */
  readonly outputTokens: number
  /** How many attempts it has made. */
  attempts: number
}

/** The call that the fibre makes. */
export const RehearsedCall: Context.Reference<RehearsedCall> = Context.Reference<RehearsedCall>(
  "@understudy/core/RehearsedCall",
  { defaultValue: () => ({ number: 0, inputTokens: 100, outputTokens: 100, attempts: 0 }) },
)

/** What becomes of one attempt. Times are clock milliseconds. */
export type Fate =
  | { readonly _tag: "Fails"; readonly at: number; readonly error: ProviderError }
  /** It answers until `end`. If it breaks off or goes silent, `last` is when, and the rest does not come. */
  | {
      readonly _tag: "Answers"
      readonly first: number
      readonly end: number
      readonly last: number
      readonly error: ProviderError | "silence" | undefined
    }

/** Draws what becomes of an attempt that begins at `now`, in clock milliseconds. Its answer would take so many tokens. */
export type Fates = (call: RehearsedCall, now: number, outputTokens: number) => Fate
