/**
 * Tools and tool choice: functions, and `custom` tools, which take text in place of JSON. If the server or the model
 * does not support custom tools, they become functions with one text argument. Older clients send `functions` and
 * `function_call`.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as CustomTools from "../CustomTools.ts"
import type { Block } from "../Lowering.ts"
import type { Target } from "./Content.ts"
import * as Content from "./Content.ts"
import type * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

/** Whether custom tools are supported. */
export const isCustom = ({ compatibility, model }: Pick<Target, "compatibility" | "model">): boolean =>
  model.custom && !compatibility.lacks.has("custom tools")

/** Whether the model is forced to call a tool. */
export const isForced = ({ toolChoice, tools }: Chat.Request): boolean =>
  tools !== undefined && tools.length > 0 && toolChoice !== undefined && toolChoice !== "auto" && toolChoice !== "none"

export const encode = (request: Chat.Request, body: Record<string, unknown>, target: Target): void => {
  const { parallelToolCalls, toolChoice: choice, tools } = request
  if (tools === undefined || tools.length === 0) return
  // A server that ignores `tool_choice` would call them.
  if (choice === "none" && target.compatibility.lacks.has("forced tools")) return
  const custom = isCustom(target)
  body["tools"] = tools.map((tool) => encodeTool(tool, custom, target))
  if (Predicate.isString(choice)) body["tool_choice"] = choice
  else if (choice !== undefined) {
    const isText =
      custom && tools.some(({ custom: customTool, name }) => name === choice.name && customTool !== undefined)
    body["tool_choice"] = isText
      ? { type: "custom", custom: { name: choice.name } }
      : { type: "function", function: { name: choice.name } }
  }
  if (parallelToolCalls !== undefined) body["parallel_tool_calls"] = parallelToolCalls
}

const encodeTool = (tool: Chat.Tool, custom: boolean, { compatibility, warn }: Target): Block => {
  if (tool.cache !== undefined && compatibility.cache === undefined) warn("a cache hint on a tool")
  if (custom && tool.custom !== undefined) {
    const { description, custom: customTool, name } = tool
    return { type: "custom", custom: { name, description, format: encodeGrammar(customTool.format) } }
  }
  const { cache, description, name, parameters, strict } = CustomTools.lower(tool)
  const block: Block = { type: "function", function: { name, description, parameters, strict } }
  if (cache !== undefined && compatibility.cache !== undefined) {
    block[compatibility.cache] = cache.ttl === undefined ? { type: "ephemeral" } : { type: "ephemeral", ttl: cache.ttl }
  }
  return block
}

/** The grammar in Chat Completions' form: nested. In Responses, where most custom tools come from, it is flat. */
const encodeGrammar = (format: unknown): unknown => {
  if (!Predicate.isObject(format) || format["type"] !== "grammar" || format["grammar"] !== undefined) return format
  const { type, ...grammar } = format
  return { type, grammar }
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

export const decode = (wire: Wire.Request): Pick<Chat.Request, "tools" | "toolChoice" | "parallelToolCalls"> => {
  const tools = decodeTools(wire)
  const choice = decodeChoice(wire)
  const parallelToolCalls = isLegacy(wire) ? false : wire.parallel_tool_calls
  return {
    ...(tools.length === 0 ? undefined : { tools }),
    ...(choice === undefined ? undefined : { toolChoice: choice }),
    ...(Predicate.isBoolean(parallelToolCalls) ? { parallelToolCalls: parallelToolCalls } : undefined),
  }
}

/**
 * Whether a request has `functions` in place of `tools`. Such a client supports one call per response, as
 * `function_call`.
 */
export const isLegacy = ({ functions, tools }: { readonly functions?: unknown; readonly tools?: unknown }): boolean =>
  Array.isArray(functions) && !Array.isArray(tools)

/** The tools, reduced to the allowed ones: other protocols have no list of allowed tools. */
const decodeTools = ({ functions, tool_choice: choice, tools }: Wire.Request): ReadonlyArray<Chat.Tool> => {
  const allowed = Predicate.isObject(choice) && choice.type === "allowed_tools" ? choice.allowed_tools.tools : undefined
  const decoded = [
    ...(tools ?? []).map((tool) => (tool.type === "function" ? decodeTool(tool) : decodeCustom(tool))),
    ...(tools ? [] : (functions ?? []).map((declared) => decodeTool({ type: "function", function: declared }))),
  ]
  return allowed === undefined
    ? decoded
    : decoded.filter(({ name }) => allowed.some((tool) => (tool.function ?? tool.custom)?.name === name))
}

const decodeTool = ({
  cache_control,
  function: { description, name, parameters, strict },
}: Wire.FunctionTool): Chat.Tool => ({
  name,
  ...(Predicate.isString(description) ? { description } : undefined),
  ...(parameters ? { parameters } : undefined),
  ...(Predicate.isBoolean(strict) ? { strict } : undefined),
  ...Content.decodeCache({ cache_control }),
})

const decodeCustom = ({ custom: { description, format, name } }: Wire.CustomTool): Chat.Tool => ({
  name,
  ...(Predicate.isString(description) ? { description } : undefined),
  custom: format === undefined || format === null ? {} : { format: decodeGrammar(format) },
})

const decodeGrammar = (format: unknown): unknown =>
  Predicate.isObject(format) && Predicate.isObject(format["grammar"])
    ? { type: format["type"], ...format["grammar"] }
    : format

const decodeChoice = ({ function_call: call, tool_choice: choice }: Wire.Request): Chat.ToolChoice | undefined => {
  if (choice === undefined || choice === null) return call ?? undefined
  if (Predicate.isString(choice)) return choice
  switch (choice.type) {
    case "function":
      return { name: choice.function.name }
    case "custom":
      return { name: choice.custom.name }
    case "allowed_tools":
      return choice.allowed_tools.mode
  }
}
