/**
 * Tools and tool choice: functions, custom tools, and both in namespaces. Other tools (web search, computer, remote
 * server) run at OpenAI only.
 */
import * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import type { Model } from "../chat-completions/Model.ts"
import * as CustomTools from "../CustomTools.ts"
import type { Block, Warn } from "../Lowering.ts"
import * as Namespaces from "./Namespaces.ts"
import type * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

export const encode = (request: Chat.Request, model: Model, body: Record<string, unknown>, warn: Warn): void => {
  if (request.tools === undefined || request.tools.length === 0) return
  const tools = model.custom ? request.tools : request.tools.map(CustomTools.lower)
  body["tools"] = tools.map((tool) => encodeTool(tool, warn))
  const choice = request.toolChoice
  if (choice !== undefined) body["tool_choice"] = Predicate.isString(choice) ? choice : named(choice.name, tools)
  if (request.parallelToolCalls !== undefined) body["parallel_tool_calls"] = request.parallelToolCalls
}

/** The API's default is `strict`, which changes the schema. */
const encodeTool = ({ cache, description, custom, name, parameters, strict }: Chat.Tool, warn: Warn): Block => {
  if (cache !== undefined) warn("a cache hint on a tool")
  return custom === undefined
    ? { type: "function", name, description, parameters: parameters ?? null, strict: strict ?? false }
    : { type: "custom", name, description, format: custom.format }
}

const named = (name: string, tools: ReadonlyArray<Chat.Tool>): Block => ({
  type: tools.some((tool) => tool.name === name && tool.custom !== undefined) ? "custom" : "function",
  name,
})

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

export interface Decoded {
  readonly tools: ReadonlyArray<Chat.Tool>
  readonly choice: Chat.ToolChoice | undefined
  /** Tools that run at OpenAI only: optional ones, and ones that cannot be dropped. */
  readonly droppedParams: ReadonlyArray<string>
  readonly requiredUnsupported: ReadonlyArray<string>
}

/** The tools, reduced to the allowed ones: other protocols have no list of allowed tools. */
export const decode = ({
  tool_choice: toolChoice,
  tools: toolList,
}: Pick<Wire.Request, "tools" | "tool_choice">): Decoded => {
  const tools: Array<Chat.Tool> = []
  const hosted = new Set<string>()
  for (const tool of toolList ?? []) {
    if (!isKnown(tool)) hosted.add(tool.type)
    else if (tool.type !== "namespace") tools.push(decodeTool(tool))
    else for (const inner of tool.tools) tools.push(decodeTool(inner, tool))
  }
  const { allowed, choice, forced } = decodeChoice(toolChoice)
  const open = allowed === undefined ? tools : tools.filter(({ name }) => allowed.has(name))
  const others = [...hosted].filter((type) => allowed === undefined || allowed.has(type))
  const required = forced === undefined ? (open.length === 0 && choice !== "none" ? others : []) : [forced]
  return {
    tools: open,
    choice,
    droppedParams: others.filter((type) => !required.includes(type)).map(Chat.hostedTool),
    requiredUnsupported: required.map(Chat.hostedTool),
  }
}

const isKnown = (tool: Wire.Tool): tool is Wire.KnownTool =>
  tool.type === "function" || tool.type === "custom" || tool.type === "namespace"

const decodeTool = (tool: Wire.FunctionTool | Wire.CustomTool, namespace?: Wire.NamespaceTool): Chat.Tool => {
  const description = [tool.description, namespace?.description].filter(Boolean).join("\n\n")
  const shared = {
    name: Namespaces.join(namespace?.name, tool.name),
    ...(description === "" ? undefined : { description }),
  }
  if (tool.type === "custom") {
    return { ...shared, custom: tool.format === undefined || tool.format === null ? {} : { format: tool.format } }
  }
  return {
    ...shared,
    ...(tool.parameters ? { parameters: tool.parameters } : undefined),
    ...(Predicate.isBoolean(tool.strict) ? { strict: tool.strict } : undefined),
  }
}

interface Choice {
  readonly choice?: Chat.ToolChoice
  /** The names or types of the allowed tools, if not all are allowed. */
  readonly allowed?: ReadonlySet<string>
  /** The type of OpenAI's own tool that is forced. */
  readonly forced?: string
}

const decodeChoice = (choice: Wire.Request["tool_choice"]): Choice => {
  if (choice === undefined || choice === null) return {}
  if (Predicate.isString(choice)) return { choice }
  if (isAllowedTools(choice)) return { choice: choice.mode, allowed: new Set(choice.tools.map(nameOf)) }
  return isNamed(choice) ? { choice: { name: nameOf(choice) } } : { forced: choice.type }
}

const isAllowedTools = (choice: Wire.Named | Wire.AllowedTools): choice is Wire.AllowedTools =>
  choice.type === "allowed_tools"

const isNamed = ({ type }: { readonly type: string }): boolean => type === "function" || type === "custom"

/** The combined name of a tool; its type if it has no name. */
const nameOf = (tool: Wire.Named): string =>
  isNamed(tool) ? Namespaces.join(tool.namespace, tool.name ?? "") : tool.type
