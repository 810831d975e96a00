/**
 * The tools a model may call, and whether it must, from both ends.
 *
 * Converse has no way to say that no tool may be called, but for leaving the tools out; and it refuses to leave them out
 * once the conversation holds tool calls ("The toolConfig field must be defined when using toolUse and toolResult content
 * blocks"). Claude takes its own `tool_choice` beside, which can say it, and that parallel calls are not wanted; to any
 * other, what was called is then told as text.
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

/** The feature asked for that this model cannot be told, if there is one. */
export const unsupported = (request: Chat.Request, { choices }: Model): string | undefined =>
  isForced(request) && !choices.includes("any") ? "that a tool must be called" : undefined

/** Whether there will be no tools in the request, whatever has been called before. */
export const isToolless = (request: Chat.Request, { claude }: Model): boolean =>
  claude === undefined && !isOffered(request)

export const encode = (request: Chat.Request, context: Context): Tools => {
  if (!isOffered(request)) return context.toolless ? {} : forbidden(request, context)
  const { offered, toolChoice } = encodeChoice(request, context.model)
  const tools = encodeTools(offered, context)
  const choice = toolChoice === undefined ? undefined : { toolChoice }
  if (request.parallelToolCalls !== false) return { toolConfig: { tools, ...choice } }
  if (context.model.claude === undefined) {
    context.warn("that tools be called one at a time")
    return { toolConfig: { tools, ...choice } }
  }
  return isForced(request)
    ? { toolConfig: { tools, ...choice }, toolChoice: { disable_parallel_tool_use: true } }
    : { toolConfig: { tools }, toolChoice: { type: "auto", disable_parallel_tool_use: true } }
}

/** Whether the model has to call a tool. */
export const isForced = (request: Chat.Request): boolean =>
  isOffered(request) && request.toolChoice !== undefined && request.toolChoice !== "auto"

const isOffered = (request: Chat.Request): boolean =>
  request.tools !== undefined && request.tools.length > 0 && request.toolChoice !== "none"

/** Tools that the conversation has called are defined, by name alone where nothing more is known, and then forbidden. */
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
    else warn("a cache hint on a tool, which this model does not take")
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

/** Where a model cannot be told which tool to call, it is offered that one alone. */
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

/** `additional` holds Claude's own `tool_choice`. */
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

/** A point of caching is a hint on the tool before it. */
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
