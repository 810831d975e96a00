/**
 * Guardrails: checks of an application's own before and after a call, which may refuse it, rewrite its request or its response, or
 * send it to another route. `GuardedRouter` runs them.
 *
 * ```ts
 * const noSecrets: Guardrails.Guardrail = {
 *   name: "no-secrets",
 *   before: ({ request }) =>
 *     Effect.succeed(
 *       JSON.stringify(request).includes("sk-live-")
 *         ? Guardrails.refuse("The request contains an API key.", { code: "secret_found" })
 *         : Guardrails.pass,
 *     ),
 * }
 * ```
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { AnyRequest, Operation } from "./model/Call.ts"
import type * as Chat from "./model/Chat.ts"

export type { Guard, GuardrailAction, GuardrailResult, GuardrailStage } from "./model/Guard.ts"
export { Stopped } from "./model/Guard.ts"

/** A call as its guardrails see it: as those before them left it. */
export interface GuardedCall {
  /** The id of the call, which its receipt and its logs have too. */
  readonly id: string
  /** The name of the route or the deployment that is called. */
  readonly route: string
  readonly request: AnyRequest
  readonly operation: Operation
  readonly streaming: boolean
  readonly caller: string | undefined
  readonly team: string | undefined
  readonly tags: ReadonlyArray<string>
  readonly protocol: string | undefined
}

export interface Pass {
  readonly _tag: "Pass"
}

/** `message` and `code` are those of the caller's error. Default code: `guardrail_refused`. */
export interface Refuse {
  readonly _tag: "Refuse"
  readonly message: string
  readonly code?: string | undefined
}

/** The call goes on with another request of the same kind. Its `model` has no effect: see `Reroute`. */
export interface RewriteRequest {
  readonly _tag: "RewriteRequest"
  readonly request: AnyRequest
}

/** The caller gets another response. */
export interface RewriteResponse {
  readonly _tag: "RewriteResponse"
  readonly response: Chat.Response
}

/** The call goes on with another route or deployment: any, whatever the caller may call. */
export interface Reroute {
  readonly _tag: "Reroute"
  readonly route: string
}

export type BeforeDecision = Pass | Refuse | RewriteRequest | Reroute
export type AfterDecision = Pass | Refuse | RewriteResponse

export const pass: Pass = { _tag: "Pass" }

/** Refuses the call with this error for its caller. */
export const refuse = (message: string, options?: { readonly code?: string | undefined }): Refuse => ({
  _tag: "Refuse",
  message,
  code: options?.code,
})

/** Goes on with this request, which is sent as it is: without the client's own body, which it no longer describes. */
export const rewriteRequest = (request: AnyRequest): RewriteRequest => ({ _tag: "RewriteRequest", request })

/** Answers with this response. */
export const rewriteResponse = (response: Chat.Response): RewriteResponse => ({ _tag: "RewriteResponse", response })

/** Goes on with this route. */
export const reroute = (route: string): Reroute => ({ _tag: "Reroute", route })

/** Why a guardrail has no decision. `message` is logged, and not shown to callers. */
export interface GuardrailError {
  readonly message: string
}

/**
 * A guardrail. An error, a defect, an invalid decision, and none within `timeout` count as errors.
 *
 * - `routes`: the routes and deployments, by the name that is called, that it applies to. Default: all.
 * - `before`: of calls of every operation, before a deployment is tried, or a cache is asked. It cannot read files.
 * - `after`: of chat calls that have a response, from a cache too. Its request is the one that was sent.
 * - `timeout`: default 5 seconds, for each run.
 * - `onError`: `block` fails the call with kind `GuardrailFailed`; `pass` goes on without it. Default: `block`.
 * - `streams`: `hold` holds streams until they are complete, so that `after` may refuse or rewrite them. With `pass`, `after` runs
 *   when a stream has been sent, and what it decides is only recorded. Default: `pass`.
 */
export interface Guardrail {
  readonly name: string
  readonly routes?: ReadonlyArray<string> | undefined
  readonly before?: ((call: GuardedCall) => Effect.Effect<BeforeDecision, GuardrailError>) | undefined
  readonly after?:
    | ((call: GuardedCall, response: Chat.Response) => Effect.Effect<AfterDecision, GuardrailError>)
    | undefined
  readonly timeout?: Duration.Input | undefined
  readonly onError?: "block" | "pass" | undefined
  readonly streams?: "hold" | "pass" | undefined
}

/** The guardrails in force, in the order in which they run. A call takes them once, when it begins. */
export class Guardrails extends Context.Service<Guardrails, { readonly current: () => ReadonlyArray<Guardrail> }>()(
  "@understudy/core/Guardrails",
) {}

/** These guardrails, in this order. */
export const layer = (guardrails: ReadonlyArray<Guardrail>): Layer.Layer<Guardrails> =>
  Layer.succeed(Guardrails, { current: () => guardrails })
