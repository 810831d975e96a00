/**
 * The options of a call, with one of them set by a layer over the router. Tags, headers and the session stay lazy.
 */
import type { CallOptions } from "./Call.ts"

/** Every option, so that none is forgotten. */
export type AllOptions = { readonly [Option in keyof Required<CallOptions>]: CallOptions[Option] }

/** The options with what the call may spend. */
export const withSpending = (own: CallOptions, spending: CallOptions["spending"]): AllOptions =>
  new LayeredOptions(own, spending, own.guard)

/** The options with what guards the answer. */
export const withGuard = (own: CallOptions, guard: CallOptions["guard"]): AllOptions =>
  new LayeredOptions(own, own.spending, guard)

class LayeredOptions implements AllOptions {
  readonly #own: CallOptions
  readonly timeout: CallOptions["timeout"]
  readonly caller: CallOptions["caller"]
  readonly protocol: CallOptions["protocol"]
  readonly team: CallOptions["team"]
  readonly priority: CallOptions["priority"]
  readonly queuedMillis: CallOptions["queuedMillis"]
  readonly spending: CallOptions["spending"]
  readonly guard: CallOptions["guard"]

  constructor(own: CallOptions, spending: CallOptions["spending"], guard: CallOptions["guard"]) {
    this.#own = own
    this.timeout = own.timeout
    this.caller = own.caller
    this.protocol = own.protocol
    this.team = own.team
    this.priority = own.priority
    this.queuedMillis = own.queuedMillis
    this.spending = spending
    this.guard = guard
  }

  get tags(): CallOptions["tags"] {
    return this.#own.tags
  }

  get headers(): CallOptions["headers"] {
    return this.#own.headers
  }

  get session(): CallOptions["session"] {
    return this.#own.session
  }
}
