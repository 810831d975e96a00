/**
 * The parameters that other gateways set in requests, by OpenAI's names.
 *
 * Sources: docs.litellm.ai, "All settings" (`litellm_params`), "Input params"; portkey.ai/docs, "Configs" (`override_params`).
 */
import * as Predicate from "effect/Predicate"
import { reservedField } from "@understudy/core/internal/policy/Params"
import type { Document, ImportReader } from "./ImportReader.ts"
import { compact } from "./ImportReader.ts"

const efforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max"]

/** The parameters of a mapping. What has no name here is a field of the vendor's body, in `extraBody`. */
export const read = (place: ImportReader): Document | undefined => {
  const maxTokens = place.count("max_tokens")
  const maxCompletionTokens = place.count("max_completion_tokens")
  const stop = place.words("stop")
  const effort = place.text("reasoning_effort")
  const thinking = place.take("thinking")
  const penalty = (key: string) => place.number(key, "a number from -2 to 2", (value) => value >= -2 && value <= 2)
  if (effort !== undefined && !efforts.includes(effort)) {
    place.warn("reasoning_effort", "is not an effort that is known: not imported")
  }
  return compact({
    maxTokens: maxCompletionTokens ?? maxTokens,
    temperature: place.number("temperature", "a number, 0 or more", (value) => value >= 0),
    topP: place.number("top_p", "a number from 0 to 1", (value) => value >= 0 && value <= 1),
    topK: place.count("top_k"),
    stop: stop.length === 0 ? undefined : stop,
    seed: place.number("seed", "a whole number", Number.isSafeInteger),
    frequencyPenalty: penalty("frequency_penalty"),
    presencePenalty: penalty("presence_penalty"),
    reasoning: effort !== undefined && efforts.includes(effort) ? { effort } : reasoningOf(place, thinking),
    extraBody: extraBody(place),
  })
}

const reasoningOf = (place: ImportReader, thinking: unknown): Document | undefined => {
  if (thinking === undefined) return undefined
  const { budget_tokens: budget, type } = Predicate.isObject(thinking)
    ? (thinking as { budget_tokens?: unknown; type?: unknown })
    : {}
  if (type === "disabled") return { effort: "none" }
  if (type === "enabled" && Predicate.isNumber(budget)) return { budget }
  return place.warn("thinking", "is neither enabled with a budget nor disabled: not imported")
}

/** Fields of the vendor's body: `extra_body`, and others that are passed on. */
const extraBody = (place: ImportReader): Document | undefined => {
  const given = place.take("extra_body")
  const fields: Record<string, unknown> = {}
  for (const [name, value] of Predicate.isObject(given) ? Object.entries(given) : []) {
    if (reservedField(name) === undefined) fields[name] = value
    else place.warn("extra_body", `${name} is not a field that can be set: not imported`, "models")
  }
  for (const name of passedOn) {
    const value = place.take(name)
    if (value !== undefined) fields[name] = value
  }
  return compact(fields)
}

const passedOn = ["service_tier", "verbosity", "parallel_tool_calls", "logit_bias", "safety_settings"]
