/**
 * Reasoning parameters. Newer models take an effort and decide for themselves (`thinking: adaptive`,
 * `output_config.effort`); older ones take a budget in tokens (`thinking: enabled`).
 *
 * Reasoning can be dropped: what the model does not support is reported.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"
import type { Warn } from "../Lowering.ts"
import type { Model } from "./Model.ts"
import * as ForeignContent from "./ForeignContent.ts"
import type * as Wire from "./Wire.ts"

export interface Encoded {
  readonly thinking?: Record<string, unknown>
  readonly effort?: string
  /** Raised by the budget if the request sets no limit: reasoning counts towards it. */
  readonly maxTokens: number
}

export interface Context {
  readonly model: Model
  /** The request's limit for the response, reasoning included, if set. */
  readonly maxTokens: number | undefined
  /** Whether the tool is forced: the API rejects reasoning then. */
  readonly toolForced: boolean
  /** Whether tool results follow a turn without signed reasoning: models with a budget reject reasoning then. */
  readonly resumesWithoutReasoning: boolean
}

type Effort = NonNullable<Chat.ReasoningOptions["effort"]>

/** The minimum budget of the API. */
const minBudget = 1024

/** The tokens left for the response in addition to a budget above the model's default `max_tokens`. */
const responseTokens = 8192

/** The budget of each effort, for models with budgets: each leaves room within their `max_tokens`. */
const budgets: Record<Exclude<Effort, "none">, number> = {
  minimal: minBudget,
  low: 2048,
  medium: 8192,
  high: 16_384,
  xhigh: 20_480,
  max: 24_576,
}

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

export const encode = (options: Chat.ReasoningOptions | undefined, context: Context, warn: Warn): Encoded => {
  const maxTokens = context.maxTokens ?? context.model.maxTokens
  const effort = options?.effort
  const budget = options?.budget
  if (options === undefined) return { maxTokens }
  if (effort === "none" || (effort === undefined && budget === 0))
    return withoutReasoning(context.model, maxTokens, warn)
  switch (context.model.thinking) {
    case "none":
      warn("reasoning, which this model does not support")
      return { maxTokens }
    case "adaptive":
      return adaptive(effort, budget, context, maxTokens, warn)
    case "budget":
      return budgeted(budget ?? budgets[effort ?? "medium"], context, maxTokens, warn)
  }
}

const withoutReasoning = ({ off, thinking }: Model, maxTokens: number, warn: Warn): Encoded => {
  if (thinking === "none") return { maxTokens }
  if (off !== undefined) return { thinking: { type: off }, maxTokens }
  warn("turning reasoning off, which this model does not support, sent as effort low")
  return { effort: "low", maxTokens }
}

const adaptive = (
  effort: Exclude<Effort, "none"> | undefined,
  budget: number | undefined,
  context: Context,
  maxTokens: number,
  warn: Warn,
): Encoded => {
  if (budget !== undefined) warn("a reasoning budget, which this model sets itself")
  if (context.toolForced) warn("reasoning with a forced tool call")
  const level = effort === undefined ? undefined : supportedEffort(effort, context.model)
  if (level !== effort) warn(`reasoning effort ${effort}, sent as ${level}`)
  return {
    ...(context.toolForced ? undefined : { thinking: { type: "adaptive" } }),
    ...(level === undefined ? undefined : { effort: level }),
    maxTokens,
  }
}

const supportedEffort = (effort: Exclude<Effort, "none">, model: Model): string => {
  if (effort === "minimal") return "low"
  return effort === "xhigh" && !model.xhigh ? "high" : effort
}

const budgeted = (requestedBudget: number, context: Context, maxTokens: number, warn: Warn): Encoded => {
  if (context.toolForced || context.resumesWithoutReasoning) {
    warn(context.toolForced ? "reasoning with a forced tool call" : "reasoning in a turn that started without it")
    return { maxTokens }
  }
  const requested = Math.max(requestedBudget, minBudget)
  const limit = context.maxTokens ?? Math.max(maxTokens, requested + responseTokens)
  if (limit <= minBudget) {
    warn("reasoning with max_tokens this low")
    return { maxTokens }
  }
  const granted = Math.min(requested, limit - 1)
  if (granted < requested) warn("a reasoning budget above max_tokens, reduced to fit")
  return { thinking: { type: "enabled", budget_tokens: granted }, maxTokens: limit }
}

/**
 * A client's own body: `adaptive` thinking becomes a budget, or is left out, for a model known not to support it; an
 * effort is left out likewise.
 */
export const native = (
  body: Record<string, unknown>,
  model: Model,
  resumesWithoutReasoning: boolean,
  change: Warn,
): Record<string, unknown> => {
  const { output_config: config, thinking } = body
  if (model.thinking === "adaptive" || Json.fields(thinking)["type"] !== "adaptive") return body
  const { effort, ...output } = Json.fields(config)
  const { output_config: _config, thinking: _thinking, ...rest } = body
  const kept = Object.keys(output).length === 0 ? rest : { ...rest, output_config: output }
  const limit = Json.number(body["max_tokens"]) ?? Infinity
  const requestedBudget = Math.min(budgets[isEffort(effort) ? effort : "medium"], limit - 1)
  const choice = Json.fields(body["tool_choice"])["type"]
  if (
    model.thinking === "none" ||
    resumesWithoutReasoning ||
    requestedBudget < minBudget ||
    choice === "any" ||
    choice === "tool"
  ) {
    change("adaptive thinking, which this model does not support, left out")
    return ForeignContent.withoutReasoning(kept)
  }
  change(`adaptive thinking, which this model does not support, sent as a budget of ${requestedBudget} tokens`)
  return { ...kept, thinking: { ...Json.fields(thinking), type: "enabled", budget_tokens: requestedBudget } }
}

const isEffort = (effort: unknown): effort is keyof typeof budgets => Predicate.isString(effort) && effort in budgets

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

/** The reasoning options of a client's request. */
export const decode = (
  thinking: Wire.Request["thinking"],
  effort: Exclude<Effort, "none" | "minimal"> | null | undefined,
  warn: Warn,
): Chat.ReasoningOptions | undefined => {
  const requested = effort === undefined || effort === null ? undefined : { effort }
  switch (thinking?.type) {
    case undefined:
      return requested
    case "enabled":
      return { ...requested, budget: thinking.budget_tokens }
    case "adaptive":
      return { ...requested }
    case "disabled":
    case "between_tools":
      if (requested !== undefined) warn(`output_config.effort with thinking of type ${thinking.type}`)
      return { effort: "none" }
  }
}
