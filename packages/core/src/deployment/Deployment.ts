/**
 * A deployment: a model with the layer of its provider, or of several accounts, and its own limits, policies, price, weight and capabilities.
 * `Router.layer` builds each deployment's layer once, in a scope of its own.
 */
import type * as Layer from "effect/Layer"
import type { UnsupportedParams } from "../model/Chat.ts"
import type { CircuitPolicy } from "../policy/CircuitPolicy.ts"
import type { CooldownPolicy } from "../policy/Cooldown.ts"
import type { Fault } from "../policy/Fault.ts"
import type { Name } from "../model/Operation.ts"
import type { Provider } from "../model/Provider.ts"
import type { RetryPolicy } from "../policy/Retry.ts"
import type { TimeoutPolicy } from "../policy/Timeout.ts"
import type { Capabilities } from "../model/Capabilities.ts"
import type { Limits } from "../policy/Limits.ts"
import type { Params } from "../policy/Params.ts"
import type { Price } from "../model/Cost.ts"

export type { Capabilities } from "../model/Capabilities.ts"
export type { Price } from "../model/Cost.ts"
export type { Params } from "../policy/Params.ts"

/** The settings of a deployment, all but `model` optional. */
export interface Options {
  /** The vendor's model id. A `*` in it is replaced by the text that the `*` of the deployment's name matches. */
  readonly model: string
  /** The vendor that charges for it, for budgets. */
  readonly vendor?: string | undefined
  /** Its share of calls in a `balance` by `shuffle` or `least-busy`. Default: 1. With 0, a balance never tries it. */
  readonly weight?: number | undefined
  readonly limits?: Limits | undefined
  readonly capabilities?: Capabilities | undefined
  /** The operations besides chat and embeddings that it has. Default: those of its vendor. */
  readonly operations?: ReadonlyArray<Name> | undefined
  readonly price?: Price | undefined
  /** The price of the model that a call is for, of a deployment with a wildcard. Applies without a `price`. */
  readonly priceOf?: ((model: string) => Price | undefined) | undefined
  /** Parameters of its requests that the caller has not set. */
  readonly params?: Params | undefined
  /** Parameters of its requests in place of the caller's. */
  readonly force?: Params | undefined
  readonly retry?: Partial<RetryPolicy> | undefined
  readonly timeout?: Partial<TimeoutPolicy> | undefined
  readonly circuit?: Partial<CircuitPolicy> | undefined
  readonly cooldown?: Partial<CooldownPolicy> | undefined
  readonly unsupportedParams?: UnsupportedParams | undefined
  /** What is injected into its attempts while it is switched on: see `FaultInjection`. */
  readonly faults?: ReadonlyArray<Fault> | undefined
}

/** `E` is the error of its providers' layers, and `R` their requirements. */
export interface Deployment<out E = never, out R = never> extends Options {
  readonly provider: Providers<E, R>
}

/**
 * The layer of a provider, or one for each of several accounts at the vendor, at least one. Calls rotate over the accounts,
 * and each has its own circuit, cooldown and limits. When an account is rate limited, out of quota or rejected, the next is
 * tried at once.
 */
export type Providers<E = never, R = never> = Layer.Layer<Provider, E, R> | ReadonlyArray<Layer.Layer<Provider, E, R>>

/** The layers of a deployment's accounts: one, or several. */
export const layers = <E, R>(provider: Providers<E, R>): ReadonlyArray<Layer.Layer<Provider, E, R>> =>
  "length" in provider ? provider : [provider]

/** A deployment whose provider has any errors and requirements. */
export type Any = Deployment<unknown, unknown>

/** The errors that starting a deployment of this type may cause. */
export type Error<D> = D extends Deployment<infer E, infer _R> ? E : never

/** The requirements for starting a deployment of this type. */
export type Requirements<D> = D extends Deployment<infer _E, infer R> ? R : never

/**
 * A deployment, from its settings and its provider's layer.
 *
 * ```ts
 * Deployment.make({
 *   model: "gpt-4o",
 *   provider: OpenAi.layer({ apiKey: Config.Redacted("OPENAI_API_KEY") }),
 *   limits: { rpm: 60 },
 * })
 * ```
 *
 * Over several API keys, give `provider` a layer for each:
 *
 * ```ts
 * Deployment.make({ model: "gpt-4o", provider: keys.map((apiKey) => OpenAi.layer({ apiKey })) })
 * ```
 */
export const make = <E, R>(options: Options & { readonly provider: Providers<E, R> }): Deployment<E, R> => options
