/**
 * How much the model may think, from both ends. It is said in the words of its generation: newer ones are told an effort and decide for themselves
 * (`thinking: adaptive`, `output_config.effort`), older ones are given a budget in tokens (`thinking: enabled`).
 *
 * Reasoning is a wish: what the model cannot be told of it is warned of, and the call goes on.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as Json from "../Json.ts"
import type { Warn } from "../Lowering.ts"
import type { Model } from "./Model.ts"
import { unthinking } from "./ForeignContent.ts"
import type * as Wire from "./Wire.ts"

export interface Thinking {
  readonly thinking?: Record<string, unknown>
  readonly effort?: string
  /** Raised by the budget where the request set no limit of its own: thoughts count towards it. */
  readonly maxTokens: number
}

export interface Context {
  readonly model: Model
  /** What the request allows for the answer, thoughts included, if it says. */
  readonly maxTokens: number | undefined
  /** The API refuses thoughts where the tool is chosen for the model. */
  readonly toolForced: boolean
  /** A tool's results are being answered whose call no signed thought precedes: models with a budget refuse to think then. */
  readonly resumesUnthought: boolean
}

type Effort = NonNullable<Chat.ReasoningOptions["effort"]>

/** The least budget the API takes. */
const leastBudget = 1024

/** What is left for the answer beside a budget that outgrows the model's usual `max_tokens`. */
const answerRoom = 8192

/** An effort as a budget in tokens, for models that know budgets only: each leaves room within their `max_tokens`. */
const budgets: Record<Exclude<Effort, "none">, number> = {
  minimal: leastBudget,
  low: 2048,
  medium: 8192,
  high: 16_384,
  xhigh: 20_480,
  max: 24_576,
}

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

export const encode = (options: Chat.ReasoningOptions | undefined, context: Context, warn: Warn): Thinking => {
  const maxTokens = context.maxTokens ?? context.model.maxTokens
  const effort = options?.effort
  const budget = options?.budget
  if (options === undefined) return { maxTokens }
  if (effort === "none" || (effort === undefined && budget === 0)) return withoutThought(context.model, maxTokens, warn)
  switch (context.model.thinking) {
    case "none":
      warn("reasoning, which this model cannot do")
      return { maxTokens }
    case "adaptive":
      return adaptive(effort, budget, context, maxTokens, warn)
    case "budget":
      return budgeted(budget ?? budgets[effort ?? "medium"], context, maxTokens, warn)
  }
}

const withoutThought = ({ off, thinking }: Model, maxTokens: number, warn: Warn): Thinking => {
  if (thinking === "none") return { maxTokens }
  if (off !== undefined) return { thinking: { type: off }, maxTokens }
  warn("an answer without reasoning, which this model always does: sent as the effort low")
  return { effort: "low", maxTokens }
}

const adaptive = (
  effort: Exclude<Effort, "none"> | undefined,
  budget: number | undefined,
  context: Context,
  maxTokens: number,
  warn: Warn,
): Thinking => {
  if (budget !== undefined) warn("a budget for reasoning, which this model sets itself")
  if (context.toolForced) warn("reasoning where the tool is chosen")
  const level = effort === undefined ? undefined : nearest(effort, context.model)
  if (level !== effort) warn(`a reasoning effort of ${effort}, sent as ${level}`)
  return {
    ...(context.toolForced ? undefined : { thinking: { type: "adaptive" } }),
    ...(level === undefined ? undefined : { effort: level }),
    maxTokens,
  }
}

const nearest = (effort: Exclude<Effort, "none">, model: Model): string => {
  if (effort === "minimal") return "low"
  return effort === "xhigh" && !model.xhigh ? "high" : effort
}

const budgeted = (wanted: number, context: Context, maxTokens: number, warn: Warn): Thinking => {
  if (context.toolForced || context.resumesUnthought) {
    warn(context.toolForced ? "reasoning where the tool is chosen" : "reasoning in a turn that began without")
    return { maxTokens }
  }
  const asked = Math.max(wanted, leastBudget)
  const limit = context.maxTokens ?? Math.max(maxTokens, asked + answerRoom)
  if (limit <= leastBudget) {
    warn("reasoning within so few max_tokens")
    return { maxTokens }
  }
  const granted = Math.min(asked, limit - 1)
  if (granted < asked) warn("a reasoning budget beyond max_tokens, cut to fit")
  return { thinking: { type: "enabled", budget_tokens: granted }, maxTokens: limit }
}

/**
 * A client's own body, in which a model that is known to take no `adaptive` thinking is told a budget, or nothing, and
 * one that is known to take no effort none.
 */
export const native = (
  body: Record<string, unknown>,
  model: Model,
  resumesUnthought: boolean,
  change: Warn,
): Record<string, unknown> => {
  const { output_config: config, thinking } = body
  if (model.thinking === "adaptive" || Json.fields(thinking)["type"] !== "adaptive") return body
  const { effort, ...output } = Json.fields(config)
  const { output_config: _config, thinking: _thinking, ...rest } = body
  const kept = Object.keys(output).length === 0 ? rest : { ...rest, output_config: output }
  const limit = Json.number(body["max_tokens"]) ?? Infinity
  const wanted = Math.min(budgets[isEffort(effort) ? effort : "medium"], limit - 1)
  const choice = Json.fields(body["tool_choice"])["type"]
  if (model.thinking === "none" || resumesUnthought || wanted < leastBudget || choice === "any" || choice === "tool") {
    change("adaptive thinking, which this model does not take, left out")
    return unthinking(kept)
  }
  change(`adaptive thinking, which this model does not take, sent as a budget of ${wanted} tokens`)
  return { ...kept, thinking: { ...Json.fields(thinking), type: "enabled", budget_tokens: wanted } }
}

const isEffort = (effort: unknown): effort is keyof typeof budgets => Predicate.isString(effort) && effort in budgets

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

/** What a client says of thinking, and of the effort beside it. */
export const decode = (
  thinking: Wire.Request["thinking"],
  effort: Exclude<Effort, "none" | "minimal"> | null | undefined,
  warn: Warn,
): Chat.ReasoningOptions | undefined => {
  const asked = effort === undefined || effort === null ? undefined : { effort }
  switch (thinking?.type) {
    case undefined:
      return asked
    case "enabled":
      return { ...asked, budget: thinking.budget_tokens }
    case "adaptive":
      return { ...asked }
    case "disabled":
    case "between_tools":
      if (asked !== undefined) warn(`output_config.effort beside thinking of type ${thinking.type}`)
      return { effort: "none" }
  }
}
