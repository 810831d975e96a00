/**
 * Tools and tool choice.
 *
 * Converse cannot forbid tool calls except by omitting the tools, and rejects a request without tools if the
 * conversation contains calls ("The toolConfig field must be defined when using toolUse and toolResult content
 * blocks"). Claude also accepts its own `tool_choice`, which can forbid calls, and parallel calls. For other models,
 * earlier calls are sent as text.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as CustomTools from "../CustomTools.ts"
import * as Json from "../Json.ts"
import type { Block } from "../Lowering.ts"
import type { Context } from "./Content.ts"
import * as Content from "./Content.ts"
import type { Model } from "./Model.ts"
import type * as Wire from "./Wire.ts"

export interface Tools {
  readonly toolConfig?: Block
  /** Claude's own field, for `additionalModelRequestFields`. */
  readonly toolChoice?: Block
}

/** The unsupported feature of the tools, if any. */
export const unsupported = (request: Chat.Request, { choices }: Model): string | undefined =>
  isForced(request) && !choices.includes("any") ? "forced tool calls" : undefined

/** Whether the request has no tools, whatever was called before. */
export const hasNoTools = (request: Chat.Request, { claude }: Model): boolean =>
  claude === undefined && !hasTools(request)

export const encode = (request: Chat.Request, context: Context): Tools => {
  if (!hasTools(request)) return context.withoutTools ? {} : forbidden(request, context)
  const { offered, toolChoice } = encodeChoice(request, context.model)
  const tools = encodeTools(offered, context)
  const choice = toolChoice === undefined ? undefined : { toolChoice }
  if (request.parallelToolCalls !== false) return { toolConfig: { tools, ...choice } }
  if (context.model.claude === undefined) {
    context.warn("disabling parallel tool calls")
    return { toolConfig: { tools, ...choice } }
  }
  return isForced(request)
    ? { toolConfig: { tools, ...choice }, toolChoice: { disable_parallel_tool_use: true } }
    : { toolConfig: { tools }, toolChoice: { type: "auto", disable_parallel_tool_use: true } }
}

/** Whether the model is forced to call a tool. */
export const isForced = (request: Chat.Request): boolean =>
  hasTools(request) && request.toolChoice !== undefined && request.toolChoice !== "auto"

const hasTools = (request: Chat.Request): boolean =>
  request.tools !== undefined && request.tools.length > 0 && request.toolChoice !== "none"

/**
 * The definitions of tools that the conversation has called (by name only if unknown), with a choice that forbids
 * calls.
 */
const forbidden = (request: Chat.Request, context: Context): Tools => {
  const called = calledNames(request)
  if (called.length === 0) return {}
  const known = request.tools !== undefined && request.tools.length > 0
  const tools = encodeTools(known ? request.tools : called.map((name) => ({ name })), context)
  return { toolConfig: { tools }, toolChoice: { type: "none" } }
}

const calledNames = (request: Chat.Request): ReadonlyArray<string> => {
  const names = new Set<string>()
  for (const message of request.messages) {
    if (message.role !== "assistant") continue
    for (const part of message.content) if (part.type === "tool-call") names.add(part.name)
  }
  return [...names]
}

const encodeTools = (tools: ReadonlyArray<Chat.Tool>, { model, warn }: Context): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  for (const tool of tools) {
    blocks.push({ toolSpec: encodeTool(CustomTools.lower(tool)) })
    if (tool.cache === undefined) continue
    if (model.caches === "everywhere") blocks.push(Content.cachePoint(tool.cache, warn))
    else warn("a cache hint on a tool, which this model does not support")
  }
  return blocks
}

const encodeTool = (tool: Chat.Tool): Block => {
  const block: Block = { name: tool.name }
  if (tool.description !== undefined && tool.description !== "") block["description"] = tool.description
  block["inputSchema"] = { json: { type: "object", ...(tool.parameters ?? { properties: {} }) } }
  if (tool.strict === true) block["strict"] = true
  return block
}

/** A model that does not support choosing a tool is offered that tool only. */
const encodeChoice = (
  { toolChoice: choice, tools = [] }: Chat.Request,
  { choices }: Model,
): { readonly offered: ReadonlyArray<Chat.Tool>; readonly toolChoice?: Block } => {
  if (choice === undefined || choice === "none") return { offered: tools }
  if (choice === "auto")
    return choices.includes("auto") ? { offered: tools, toolChoice: { auto: {} } } : { offered: tools }
  if (Predicate.isString(choice)) return { offered: tools, toolChoice: { any: {} } }
  return choices.includes("tool")
    ? { offered: tools, toolChoice: { tool: { name: choice.name } } }
    : { offered: tools.filter(({ name }) => name === choice.name), toolChoice: { any: {} } }
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

/** `additional` contains Claude's own `tool_choice`. */
export const decode = (
  config: Wire.Request["toolConfig"],
  additional: Json.Fields,
): Pick<Chat.Request, "tools" | "toolChoice" | "parallelToolCalls"> => {
  if (config === undefined) return {}
  const own = Json.fields(additional["tool_choice"])
  const choice = decodeChoice(config.toolChoice, own["type"])
  return {
    tools: decodeTools(config.tools),
    ...(choice === undefined ? undefined : { toolChoice: choice }),
    ...(own["disable_parallel_tool_use"] === true ? { parallelToolCalls: false } : undefined),
  }
}

/** A cache point is a hint on the preceding tool. */
const decodeTools = (wire: ReadonlyArray<Wire.Tool>): ReadonlyArray<Chat.Tool> => {
  const tools: Array<Chat.Tool> = []
  for (const { cachePoint, toolSpec } of wire) {
    const last = cachePoint === undefined ? undefined : tools.pop()
    if (last !== undefined && cachePoint !== undefined) tools.push({ ...last, cache: Content.decodeCache(cachePoint) })
    if (toolSpec === undefined) continue
    const { description, inputSchema, name, strict } = toolSpec
    tools.push({
      name,
      ...(description === undefined ? undefined : { description }),
      parameters: inputSchema.json,
      ...(strict === undefined ? undefined : { strict }),
    })
  }
  return tools
}

const decodeChoice = (
  choice: NonNullable<Wire.Request["toolConfig"]>["toolChoice"],
  own: unknown,
): Chat.ToolChoice | undefined => {
  if (own === "none" || own === "auto") return own
  if (choice?.tool !== undefined) return { name: choice.tool.name }
  if (choice?.any !== undefined) return "required"
  return choice?.auto === undefined ? undefined : "auto"
}
