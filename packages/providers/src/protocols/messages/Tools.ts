/** Tools and tool choice. */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as CustomTools from "../CustomTools.ts"
import * as Json from "../Json.ts"
import type { Block, Warn } from "../Lowering.ts"
import type { Model } from "./Model.ts"
import * as CacheControl from "./CacheControl.ts"
import * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

/** Whether the model is forced to call a tool. */
export const isForced = ({ toolChoice, tools = [] }: Chat.Request): boolean =>
  tools.length > 0 && toolChoice !== undefined && toolChoice !== "auto" && toolChoice !== "none"

/** The unsupported feature of the tools, if any. */
export const unsupported = (request: Chat.Request, model: Model): string | undefined =>
  !model.forcible && isForced(request) ? "forced tool calls, which this model does not support" : undefined

export const encode = (request: Chat.Request, body: Record<string, unknown>, warn: Warn): void => {
  if (request.tools === undefined || request.tools.length === 0) return
  body["tools"] = request.tools.map((tool) => encodeTool(tool, warn))
  const choice = encodeChoice(request.toolChoice)
  const oneAtATime = request.parallelToolCalls === false && choice?.["type"] !== "none"
  if (oneAtATime) body["tool_choice"] = { ...(choice ?? { type: "auto" }), disable_parallel_tool_use: true }
  else if (choice !== undefined) body["tool_choice"] = choice
}

const encodeTool = (tool: Chat.Tool, warn: Warn): Block => {
  const { cache, description, name, parameters, strict } = CustomTools.lower(tool)
  const block: Block = { name }
  if (description !== undefined) block["description"] = description
  block["input_schema"] = { type: "object", ...(parameters ?? { properties: {} }) }
  if (strict === true) block["strict"] = true
  return CacheControl.encode(block, cache, warn)
}

const encodeChoice = (choice: Chat.ToolChoice | undefined): Block | undefined => {
  switch (choice) {
    case undefined:
      return undefined
    case "auto":
    case "none":
      return { type: choice }
    case "required":
      return { type: "any" }
    default:
      return { type: "tool", name: choice.name }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The functions; tools of Anthropic's own stay in the body. `raw` are the tools as written: their other fields are
 * reported.
 */
export const decode = (tools: Wire.Request["tools"], raw: unknown, warn: Warn): ReadonlyArray<Chat.Tool> => {
  const functions: Array<Chat.Tool> = []
  for (const [index, tool] of (tools ?? []).entries()) {
    if (isOwn(tool)) continue
    functions.push(decodeTool(tool))
    const rawTool = Json.fields(Json.list(raw)[index])
    for (const field in rawTool) if (!known.has(field)) warn(`${field} of a tool`)
  }
  return functions
}

/** `eager_input_streaming` is what every other vendor does. */
const known: ReadonlySet<string> = new Set([...Object.keys(Wire.CustomTool.fields), "eager_input_streaming"])

/** Whether there are tools of Anthropic's own. */
export const hasOwn = (tools: Wire.Request["tools"]): boolean => tools?.some(isOwn) === true

const isOwn = (tool: Wire.Tool): tool is Wire.OwnTool => tool.type === "other"

const decodeTool = ({ cache_control, description, input_schema, name, strict }: Wire.CustomTool): Chat.Tool => ({
  name,
  ...(Predicate.isString(description) ? { description } : undefined),
  parameters: input_schema,
  ...(Predicate.isBoolean(strict) ? { strict } : undefined),
  ...CacheControl.decode(cache_control),
})

/** Whether only one tool may be called at a time. */
export const oneAtATime = (choice: Wire.Request["tool_choice"]): boolean =>
  Predicate.isObject(choice) && choice.type !== "none" && choice.disable_parallel_tool_use === true

export const decodeChoice = (choice: Wire.Request["tool_choice"]): Chat.ToolChoice | undefined => {
  switch (choice?.type) {
    case undefined:
      return undefined
    case "auto":
    case "none":
      return choice.type
    case "any":
      return "required"
    case "tool":
      return { name: choice.name }
  }
}
