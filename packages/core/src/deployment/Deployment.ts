/**
 * A named model with its own provider layer, and all that is said of it alone: limits, timeouts, price, weight,
 * capabilities. `Router.layer` builds each deployment's layer once, in a scope of its own.
 */
import type * as Layer from "effect/Layer"
import type { UnsupportedParams } from "../model/Chat.ts"
import type { CircuitPolicy } from "../policy/CircuitPolicy.ts"
import type { CooldownPolicy } from "../policy/Cooldown.ts"
import type { Provider } from "../model/Provider.ts"
import type { RetryPolicy } from "../policy/Retry.ts"
import type { TimeoutPolicy } from "../policy/Timeout.ts"
import type { Capabilities } from "../model/Capabilities.ts"
import type { Limits } from "../policy/Limits.ts"
import type { Price } from "../model/Cost.ts"

export type { Capabilities } from "../model/Capabilities.ts"
export type { Price } from "../model/Cost.ts"

export interface Options {
  /** The vendor's id of the model. A `*` in it is what stood for a `*` of the name that was called: see `Wildcard`. */
  readonly model: string
  /** Its share in a `shuffle`: 1 if not said, 0 for never. */
  readonly weight?: number | undefined
  readonly limits?: Limits | undefined
  readonly capabilities?: Capabilities | undefined
  readonly price?: Price | undefined
  readonly retry?: Partial<RetryPolicy> | undefined
  readonly timeout?: Partial<TimeoutPolicy> | undefined
  readonly circuit?: Partial<CircuitPolicy> | undefined
  readonly cooldown?: Partial<CooldownPolicy> | undefined
  readonly unsupportedParams?: UnsupportedParams | undefined
}

/** `E` and `R` are how its provider may fail to start, and what it needs for that. */
export interface Deployment<out E = never, out R = never> extends Options {
  readonly provider: Layer.Layer<Provider, E, R>
}

/** A deployment, whatever its provider needs. */
export type Any = Deployment<unknown, unknown>

/** How any deployment of this type may fail to start. */
export type Error<D> = D extends Deployment<infer E, infer _R> ? E : never

/** What any deployment of this type needs to start. */
export type Requirements<D> = D extends Deployment<infer _E, infer R> ? R : never

/**
 * ```ts
 * Deployment.make({ model: "gpt-4o", provider: OpenAi.layer({ apiKey: Config.Redacted("OPENAI_API_KEY") }), limits: { rpm: 60 } })
 * ```
 */
export const make = <E, R>(options: Options & { readonly provider: Layer.Layer<Provider, E, R> }): Deployment<E, R> =>
  options
