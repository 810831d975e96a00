/**
 * Faults for fault injection: what happens to a share of the attempts at a deployment, or of a route, while an operator has
 * them switched on. A configured fault is off until then.
 */
import * as Duration from "effect/Duration"
import * as HttpStatusReason from "../model/HttpStatusReason.ts"
import { ProviderError } from "../model/ProviderError.ts"

/**
 * A fault, with `latency`, one of the other kinds, or both.
 *
 * - `name`: its name in receipts, metrics and logs, and to switch it on alone. Default: its kind, such as `status`.
 * - `share`: the share of attempts that it is injected into, above 0 and up to 1. Those of one list add up to at most 1.
 * - `latency`: added before the provider is called.
 * - `status`: an HTTP error, 400 to 599, with `retryAfter` as its `Retry-After`. The provider is not called.
 * - `outage`: the provider cannot be reached.
 * - `refusal`: the text of a refusal, which is the answer. The provider is not called.
 * - `disconnectAfterTokens`, `stallAfterTokens`: a stream breaks, or sends nothing more, after so many events with output.
 *   Complete responses are not affected.
 */
export interface Fault {
  readonly name?: string | undefined
  readonly share: number
  readonly latency?: Duration.Input | undefined
  readonly status?: number | undefined
  readonly retryAfter?: Duration.Input | undefined
  readonly outage?: true | undefined
  readonly refusal?: string | undefined
  readonly disconnectAfterTokens?: number | undefined
  readonly stallAfterTokens?: number | undefined
}

/** The kinds of faults. A fault has at most one of those before `latency`. */
export const kinds = ["status", "outage", "refusal", "disconnectAfterTokens", "stallAfterTokens", "latency"] as const

export type Kind = (typeof kinds)[number]

/** The kind of a fault: that beside its latency, if it has one. */
export const kindOf = (fault: Fault): Kind => kinds.find((kind) => fault[kind] !== undefined) ?? "latency"

/** The name of a fault in receipts, metrics and logs. */
export const nameOf = (fault: Fault): string => fault.name ?? kindOf(fault)

/** What a fault does to an attempt. */
export type Effect =
  | { readonly _tag: "None" }
  | { readonly _tag: "Abort"; readonly error: ProviderError }
  | { readonly _tag: "Refusal"; readonly text: string }
  | { readonly _tag: "Disconnect"; readonly tokens: number; readonly error: ProviderError }
  | { readonly _tag: "Stall"; readonly tokens: number }

/** A fault with its name and its latency in milliseconds. */
export interface ResolvedFault {
  readonly name: string
  readonly share: number
  readonly latency: number
  readonly effect: Effect
}

export const resolve = (fault: Fault): ResolvedFault => ({
  name: nameOf(fault),
  share: fault.share,
  latency: fault.latency === undefined ? 0 : Duration.toMillis(Duration.fromInputUnsafe(fault.latency)),
  effect: effectOf(fault, nameOf(fault)),
})

const effectOf = (fault: Fault, name: string): Effect => {
  if (fault.status !== undefined) {
    const retryAfter = fault.retryAfter === undefined ? undefined : Duration.fromInputUnsafe(fault.retryAfter)
    return {
      _tag: "Abort",
      error: new ProviderError({
        reason: HttpStatusReason.of(fault.status, { retryAfter }),
        message: `injected fault "${name}": status ${fault.status}`,
        status: fault.status,
      }),
    }
  }
  if (fault.outage !== undefined) return { _tag: "Abort", error: network(`injected fault "${name}": no connection`) }
  if (fault.refusal !== undefined) return { _tag: "Refusal", text: fault.refusal }
  if (fault.disconnectAfterTokens !== undefined) {
    const tokens = fault.disconnectAfterTokens
    return { _tag: "Disconnect", tokens, error: network(`injected fault "${name}": the stream broke off`) }
  }
  return fault.stallAfterTokens === undefined ? { _tag: "None" } : { _tag: "Stall", tokens: fault.stallAfterTokens }
}

const network = (message: string): ProviderError => new ProviderError({ reason: { _tag: "Network" }, message })

/** A fault in a few words: `10 % status 503`, `a fifth` as `20 % latency 2s, refusal`. */
export const describe = (fault: Fault): string => {
  const what = kinds.flatMap((kind) => {
    const value = fault[kind]
    if (value === undefined) return []
    if (kind === "outage" || kind === "refusal") return [kind]
    return [
      `${kind} ${kind === "latency" ? Duration.format(Duration.fromInputUnsafe(value as Duration.Input)) : String(value)}`,
    ]
  })
  const named = fault.name === undefined ? "" : `${fault.name}: `
  return `${named}${what.join(", ")} (${Number((fault.share * 100).toFixed(2))} %)`
}
