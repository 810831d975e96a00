/**
 * A named model with its own provider layer, and all that is said of it alone: limits, timeouts, price, weight,
 * capabilities. `Router.layer` builds each deployment's layer once, in a scope of its own.
 */
import type * as Layer from "effect/Layer"
import type { Unsupported } from "./Chat.ts"
import type { CircuitPolicy } from "./Circuit.ts"
import type { CooldownPolicy } from "./Cooldown.ts"
import type { Provider } from "./Provider.ts"
import type { RetryPolicy } from "./Retry.ts"
import type { TimeoutPolicy } from "./Timeout.ts"

/** What a model can do. What is not said is taken as possible: only a plain `false` keeps a call away; save `prefill`. */
export interface Capabilities {
  readonly tools?: boolean | undefined
  readonly vision?: boolean | undefined
  readonly audio?: boolean | undefined
  readonly files?: boolean | undefined
  readonly jsonSchema?: boolean | undefined
  readonly reasoning?: boolean | undefined
  readonly embeddings?: boolean | undefined
  /** Whether it goes on with an answer whose beginning is the last message; only a plain `true` makes use of that. */
  readonly prefill?: boolean | undefined
  /** The most tokens it reads and writes in one call. */
  readonly contextWindow?: number | undefined
  /** The most tokens it writes in one answer. */
  readonly maxOutput?: number | undefined
}

/** Our own limits on a deployment: requests and tokens per minute, requests per day, calls at once. Exceeding one moves on at once. */
export interface Limits {
  readonly rpm?: number | undefined
  readonly tpm?: number | undefined
  readonly rpd?: number | undefined
  readonly concurrency?: number | undefined
}

/** US dollars per million tokens. */
export interface Price {
  readonly input: number
  readonly output: number
  readonly cachedInput?: number | undefined
  readonly cacheWrite?: number | undefined
}

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
  readonly unsupported?: Unsupported | undefined
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
