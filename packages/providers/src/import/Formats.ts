/**
 * The formats of other gateways, each recognized by its sections. Their readers are loaded when a document has one.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Result from "effect/Result"
import type { Problem } from "../config/ConfigError.ts"
import type { Document, Imported } from "./ImportReader.ts"

/** Converts a document: the result with a report; or the problems, if nothing can be imported. */
export type Read = (document: Document) => Result.Result<Imported, ReadonlyArray<Problem>>

/** The syntax of a document. JSON is YAML too. */
export type Syntax = "yaml" | "toml"

export interface Format {
  /** Its name on the command line. */
  readonly name: "litellm" | "portkey" | "bifrost" | "tensorzero" | "providers"
  readonly title: string
  readonly syntax: Syntax
  /** The section by which it is recognized, for messages. */
  readonly section: string
  /** Whether a parsed document has this format. */
  readonly is: (input: unknown) => input is Document
  /** Whether `serve` and `check` take it as it is. A configuration of Portkey is one of several of an account. */
  readonly served: boolean
  readonly read: Effect.Effect<Read>
}

type Name = Format["name"]

const reader = (load: () => Promise<{ readonly read: Read }>): Effect.Effect<Read> =>
  Effect.map(Effect.promise(load), ({ read }) => read)

/** The configuration of LiteLLM's proxy. */
export const litellm: Format = {
  name: "litellm",
  title: "LiteLLM",
  syntax: "yaml",
  section: "model_list",
  is: (input): input is Document => Predicate.isObject(input) && "model_list" in input,
  served: true,
  read: reader(() => import("./litellm/Litellm.ts")),
}

/** A configuration of Portkey. */
export const portkey: Format = {
  name: "portkey",
  title: "Portkey",
  syntax: "yaml",
  section: "strategy, targets, provider or virtual_key",
  is: (input): input is Document =>
    Predicate.isObject(input) &&
    !isOwn(input) &&
    (["strategy", "targets", "override_params", "overrideParams"].some((key) => key in input) ||
      ["virtual_key", "virtualKey", "provider"].some((key) => Predicate.isString(Reflect.get(input, key)))),
  served: false,
  read: reader(() => import("./portkey/Portkey.ts")),
}

/** A `config.json` of Bifrost: its `providers` are a mapping. */
export const bifrost: Format = {
  name: "bifrost",
  title: "Bifrost",
  syntax: "yaml",
  section: "a mapping of providers",
  is: (input): input is Document =>
    Predicate.isObject(input) &&
    !isOwn(input) &&
    (Predicate.isObject(Reflect.get(input, "providers")) ||
      String(Reflect.get(input, "$schema")).includes("getbifrost.ai")),
  served: true,
  read: reader(() => import("./bifrost/Bifrost.ts")),
}

/** A `tensorzero.toml`. */
export const tensorzero: Format = {
  name: "tensorzero",
  title: "TensorZero",
  syntax: "toml",
  section: "models, embedding_models or functions",
  is: (input): input is Document =>
    Predicate.isObject(input) &&
    ["models", "embedding_models", "functions", "gateway", "provider_types"].some((key) => key in input),
  served: true,
  read: reader(() => import("./tensorzero/TensorZero.ts")),
}

/** A list of providers with priorities, a `providers.yaml`. */
export const priorities: Format = {
  name: "providers",
  title: "a list of providers by priority",
  syntax: "yaml",
  section: "a list of providers",
  is: (input): input is Document => Predicate.isObject(input) && "providers" in input && !isOwn(input),
  served: true,
  read: reader(() => import("./priorities/Priorities.ts")),
}

const isOwn = (input: object): boolean => "deployments" in input

/** Every format, in the order in which a document is tried. */
export const all: ReadonlyArray<Format> = [litellm, bifrost, priorities, portkey, tensorzero]

/** The names of the formats. */
export const names: ReadonlyArray<Name> = ["litellm", "portkey", "bifrost", "tensorzero", "providers"]

/** The format of a document; `undefined` if it has none of another gateway. */
export const detect = (input: unknown, syntax: Syntax): Format | undefined =>
  all.find((format) => format.syntax === syntax && format.is(input))
