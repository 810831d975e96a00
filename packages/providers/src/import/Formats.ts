/**
 * The formats of other gateways that are recognized by their sections. Their readers are loaded when a document has one.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Result from "effect/Result"
import type { Problem } from "../config/ConfigError.ts"
import type { Document, Imported } from "./ImportReader.ts"

/** Converts a document: the result with a report; or the problems, if nothing can be imported. */
export type Read = (document: Document) => Result.Result<Imported, ReadonlyArray<Problem>>

export interface Format {
  /** Whether a parsed document has this format. */
  readonly is: (input: unknown) => input is Document
  readonly read: Effect.Effect<Read>
}

/** The configuration of LiteLLM's proxy. */
export const litellm: Format = {
  is: (input): input is Document => Predicate.isObject(input) && "model_list" in input,
  read: Effect.map(
    Effect.promise(() => import("./litellm/Litellm.ts")),
    ({ read }) => read,
  ),
}

/** A list of providers with priorities, a `providers.yaml`. */
export const priorities: Format = {
  is: (input): input is Document => Predicate.isObject(input) && "providers" in input && !("deployments" in input),
  read: Effect.map(
    Effect.promise(() => import("./priorities/Priorities.ts")),
    ({ read }) => read,
  ),
}
