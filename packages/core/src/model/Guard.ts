/**
 * What guardrails have to do with a call in the engine: a layer over the router sets it in the options of a call, and the engine
 * asks it about the answer before the call's record ends. See `GuardedRouter`.
 */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Chat from "./Chat.ts"

/** Why a guardrail ended a call: it refused it, or gave no decision and blocks without one. */
export class Stopped extends Data.TaggedError("Stopped")<{
  readonly kind: "GuardrailRefused" | "GuardrailFailed"
  readonly message: string
  /** The code of the caller's error. Default: that of the kind. */
  readonly code?: string | undefined
}> {}

/**
 * What a guardrail decided. `stage`: before the call, after it, or about a stream that had already been sent (`stream`), which
 * is for the record only.
 */
export interface GuardrailResult {
  readonly guardrail: string
  readonly stage: GuardrailStage
  readonly action: GuardrailAction
  readonly millis: number
}

export type GuardrailStage = "before" | "after" | "stream"

/** `error`: it failed, gave an invalid decision, or none in time. */
export type GuardrailAction = "pass" | "refuse" | "rewrite" | "route" | "error"

export interface Guard {
  /** The id of the call. */
  readonly id: string
  /** When the call began, its guardrails included, in clock milliseconds. Its timeouts count from then. */
  readonly startedAt: number
  /** The decisions so far, in their order. */
  readonly results: ReadonlyArray<GuardrailResult>
  /** The answer to the caller in place of a complete response. `undefined` if no guardrail asks for it, as below. */
  readonly complete: ((response: Chat.Response) => Effect.Effect<Chat.Response, Stopped>) | undefined
  /** As `complete`, of a stream that was held until it was complete. */
  readonly held: ((response: Chat.Response) => Effect.Effect<Chat.Response, Stopped>) | undefined
  /** A stream is larger than what is held. Fails, unless it is sent unchecked. */
  readonly tooLarge: Effect.Effect<void, Stopped>
  /** The response of a stream that was sent while it arrived. Run when it has ended, complete. */
  readonly ended: ((response: Chat.Response) => Effect.Effect<void>) | undefined
}
