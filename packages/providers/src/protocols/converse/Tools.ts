/**
 * The tools a model may call, and whether it must.
 *
 * Converse has no way to say that no tool may be called, but for leaving the tools out; and it refuses to leave them out
 * once the conversation holds tool calls ("The toolConfig field must be defined when using toolUse and toolResult content
 * blocks"). Claude takes its own `tool_choice` beside, which can say it, and that parallel calls are not wanted.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Content from "./Content.ts"
import type { Block } from "../Lowering.ts"
import type { Context } from "./Content.ts"

export interface Tools {
  readonly toolConfig?: Block
  /** Claude's own field, for `additionalModelRequestFields`. */
  readonly toolChoice?: Block
}

/** The feature asked for that this model cannot be told, if there is one. */
export const unsupported = (request: Chat.Request, claude: boolean): string | undefined =>
  !claude && !isOffered(request) && calledNames(request).length > 0
    ? "a conversation with tool calls in which no tool may be called"
    : undefined

export const encode = (request: Chat.Request, context: Context): Tools => {
  if (!isOffered(request)) return forbidden(request, context)
  const tools = encodeTools(request.tools ?? [], context)
  const choice = encodeChoice(request.toolChoice)
  if (request.parallelToolCalls !== false)
    return { toolConfig: choice === undefined ? { tools } : { tools, ...choice } }
  if (!context.claude) {
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

const encodeTools = (tools: ReadonlyArray<Chat.Tool>, { warn }: Context): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  for (const tool of tools) {
    blocks.push({ toolSpec: encodeTool(tool) })
    if (tool.cache !== undefined) blocks.push(Content.cachePoint(tool.cache, warn))
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

const encodeChoice = (choice: Chat.ToolChoice | undefined): Block | undefined => {
  switch (choice) {
    case undefined:
    case "none":
      return undefined
    case "auto":
      return { toolChoice: { auto: {} } }
    case "required":
      return { toolChoice: { any: {} } }
    default:
      return { toolChoice: { tool: { name: choice.name } } }
  }
}
