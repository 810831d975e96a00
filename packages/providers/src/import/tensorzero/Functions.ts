/**
 * TensorZero's functions as routes: the variants of a function are the arms of a split, each with the parameters of the variant.
 * A function with templates or schemas is not one: there, the gateway writes the prompt.
 */
import * as Predicate from "effect/Predicate"
import type { Document, ImportReader, RouteDocument } from "../ImportReader.ts"
import { compact } from "../ImportReader.ts"
import * as Adjustments from "./Adjustments.ts"
import type { Model } from "./Providers.ts"

/** A variant that can be served: its model, what it sets, and its weight in older files. */
export interface Variant {
  readonly name: string
  readonly model: Model
  /** The settings of its deployments, over those of the model's. */
  readonly settings: Document
  readonly total: string | undefined
  readonly weight: number | undefined
}

/** A function: its arms with their shares, and the variants that are tried after them. */
export interface Served {
  readonly name: string
  readonly variants: ReadonlyArray<Variant>
  readonly arms: ReadonlyArray<{ readonly variant: Variant; readonly share: number }>
  readonly fallback: ReadonlyArray<Variant>
}

const templates = /template|schema|input_wrappers/

/** Reads a function; reports why it cannot be served. `modelOf` finds the model that a variant names. */
export const read = (
  name: string,
  place: ImportReader,
  modelOf: (name: string) => Model | undefined,
): Served | undefined => {
  const type = place.text("type") ?? "chat"
  const prompts = place.keys.filter((key) => templates.test(key))
  if (type !== "chat" || prompts.length > 0) {
    // The models of its variants are served by their own names.
    const variants = place.mapping("variants")
    for (const each of variants.keys) {
      const model = variants.mapping(each).text("model")
      if (model !== undefined) modelOf(model)
    }
    for (const key of place.keys) place.take(key)
    return place.warn(
      prompts[0] ?? "type",
      "the prompts and the output of this function are TensorZero's: the application has to send messages and a format: not imported",
      "models",
    )
  }
  const all = place.mapping("variants")
  const variants = all.keys.flatMap((each) => variantOf(each, all.mapping(each), modelOf) ?? [])
  const experiment = place.mapping("experimentation")
  const { arms, fallback } = armsOf(variants, experiment)
  experiment.warnUnread()
  place.take("description")
  place.warnUnread({
    tools: ["tools are those that the client sends: not imported", "models"],
    tool_choice: ["tools are those that the client sends: not imported", "models"],
    evaluators: "evaluations are not run: not imported",
  })
  return variants.length === 0 || arms.length === 0 ? undefined : { name, variants, arms, fallback }
}

const variantOf = (
  name: string,
  place: ImportReader,
  modelOf: (name: string) => Model | undefined,
): Variant | undefined => {
  const type = place.text("type") ?? "chat_completion"
  const prompts = place.keys.filter((key) => templates.test(key))
  const leave = (key: string, message: string) => {
    for (const each of place.keys) place.take(each)
    return place.warn(key, message, "models")
  }
  if (type !== "chat_completion") return leave("type", `variants of type ${type} are not supported: not imported`)
  const wanted = place.text("model")
  const model = wanted === undefined ? undefined : modelOf(wanted)
  if (prompts.length > 0) {
    return leave(prompts[0]!, "the application has to send the messages of this template: the variant is not imported")
  }
  if (model === undefined) return leave("model", "names no model that is imported: the variant is not imported")
  const retries = place.mapping("retries")
  const retry = compact({ times: retries.countOrNone("num_retries"), max: retries.time("max_delay_s", "seconds") })
  retries.warnUnread()
  const timeout = Adjustments.total(place) ?? {}
  const settings = compact({
    params: Adjustments.params(place),
    force: Adjustments.force(place),
    headers: Adjustments.headers(place),
    retry,
    timeout: compact({ firstToken: timeout["firstToken"] }),
  })
  const weight = place.number("weight", "a number, 0 or more", (value) => value >= 0)
  place.take("json_mode")
  place.warnUnread()
  const total = timeout["total"]
  return { name, model, settings: settings ?? {}, weight, total: Predicate.isString(total) ? total : undefined }
}

/** The shares of an experiment. Without one, variants have equal shares, or their weights. */
const armsOf = (variants: ReadonlyArray<Variant>, experiment: ImportReader): Pick<Served, "arms" | "fallback"> => {
  const type = experiment.text("type")
  if (type !== undefined && !["static", "static_weights", "uniform"].includes(type)) {
    experiment.warn("type", `${type} experiments learn from feedback: variants have equal shares`)
    for (const key of experiment.keys) experiment.take(key)
  }
  const given = experiment.take("candidate_variants")
  const fallback = experiment.list("fallback_variants")
  const named = (name: unknown) => variants.find((each) => each.name === name)
  const shares: ReadonlyArray<readonly [name: unknown, share: unknown]> = Array.isArray(given)
    ? given.map((name: unknown) => [name, 1] as const)
    : Predicate.isObject(given)
      ? Object.entries(given)
      : variants.map(({ name, weight }) => [
          name,
          weight ?? (variants.some((each) => each.weight !== undefined) ? 0 : 1),
        ])
  const arms = shares.flatMap(([name, share]) => {
    const variant = named(name)
    return variant === undefined || !Predicate.isNumber(share) || share <= 0 ? [] : [{ variant, share }]
  })
  return { arms, fallback: fallback.flatMap((name) => named(name) ?? []) }
}

/** The route of a function, of which each variant is the route that `use` gives. */
export const route = ({ arms, fallback }: Served, use: (variant: Variant) => RouteDocument): RouteDocument => {
  const [only, ...others] = arms
  const first: RouteDocument =
    only !== undefined && others.length === 0
      ? use(only.variant)
      : { split: arms.map(({ share, variant }) => ({ use: use(variant), share })) }
  const after = fallback.filter((each) => arms.length > 1 || each !== only?.variant).map(use)
  return after.length === 0 ? first : { fallback: [first, ...after], fallbackOn: "any" }
}
