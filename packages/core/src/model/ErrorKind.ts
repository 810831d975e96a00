/**
 * What a call's error is about: what a `RouterError` and a receipt have in common.
 */

/**
 * The kind of an error, by all attempts together:
 *
 * - `ModelNotFound`: no route or deployment has the name, or the vendor of one with a `*` has no such model.
 * - `Forbidden`: the caller may not use the model. Never from the engine: for layers over it, such as keys.
 * - `InvalidRequest`, `TooLarge`, `ContentPolicy`: an attempt blames the request, or no deployment of the route supports it.
 * - `RateLimited`: every deployment is cooling down or at a limit.
 * - `BudgetExceeded`: a budget does not cover the call, or the attempts at any of its deployments.
 * - `Timeout`: every attempt timed out.
 * - `Unavailable`: every deployment is overloaded or has an open circuit, or this process cannot send requests.
 * - `NotAccepted`: every attempt had a response, and none that the route accepts: see `Route.accept`.
 * - `GuardrailRefused`: a guardrail refused the call, or its answer.
 * - `GuardrailFailed`: a guardrail that blocks without a decision gave none.
 * - `Upstream`: anything else, such as a credential that a provider rejects, or one deployment overloaded and one cooling down.
 * - `StreamInterrupted`: a stream broke after its first output.
 * - `Draining`: the process shut down before the call had ended.
 */
export type Kind =
  | "ModelNotFound"
  | "Forbidden"
  | "InvalidRequest"
  | "TooLarge"
  | "ContentPolicy"
  | "RateLimited"
  | "BudgetExceeded"
  | "Timeout"
  | "Unavailable"
  | "NotAccepted"
  | "GuardrailRefused"
  | "GuardrailFailed"
  | "Upstream"
  | "StreamInterrupted"
  | "Draining"
