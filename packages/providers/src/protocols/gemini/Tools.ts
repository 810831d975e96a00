/** Tools: functions, tool choice, and tools that run at Google. */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as CustomTools from "../CustomTools.ts"
import * as Json from "../Json.ts"
import type { Block, Warn } from "../Lowering.ts"
import { protocol } from "./Protocol.ts"
import * as Schemas from "./Schemas.ts"
import type * as Wire from "./Wire.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Encode
// ---------------------------------------------------------------------------------------------------------------------

/** Adds the request's functions to `body`, and the Google tools in its vendor fields. */
export const encode = (request: Chat.Request, body: Record<string, unknown>, warn: Warn): void => {
  const hosted = Json.list(request.vendor?.[protocol]?.["tools"])
  const tools = request.tools ?? []
  if (tools.length === 0) {
    if (hosted.length > 0) body["tools"] = hosted
    return
  }
  body["tools"] = [{ functionDeclarations: tools.map((tool) => declaration(tool, warn)) }, ...hosted]
  const config = encodeChoice(request.toolChoice, tools)
  if (config !== undefined) body["toolConfig"] = { functionCallingConfig: config }
  if (request.parallelToolCalls === false) warn("disabling parallel tool calls")
}

const declaration = (tool: Chat.Tool, warn: Warn): Block => {
  const { cache, description, name, parameters } = CustomTools.lower(tool)
  if (cache !== undefined) warn("a cache hint")
  return {
    name,
    ...(description === undefined ? undefined : { description }),
    ...(parameters === undefined ? undefined : { parametersJsonSchema: parameters }),
  }
}

/** The choice. `ANY` enforces a function's schema; `VALIDATED` does so for optional calls. */
const encodeChoice = (choice: Chat.ToolChoice | undefined, tools: ReadonlyArray<Chat.Tool>): Block | undefined => {
  if (choice === "none") return { mode: "NONE" }
  if (choice === "required") return { mode: "ANY" }
  if (Predicate.isObject(choice)) return { mode: "ANY", allowedFunctionNames: [choice.name] }
  if (tools.some(({ strict }) => strict === true)) return { mode: "VALIDATED" }
  return choice === "auto" ? { mode: "AUTO" } : undefined
}

// ---------------------------------------------------------------------------------------------------------------------
// Decode
// ---------------------------------------------------------------------------------------------------------------------

/**
 * The functions and the choice, functions reduced to the allowed ones: other protocols have no list of allowed tools.
 */
export const decode = (
  wire: Pick<Wire.Request, "tools" | "toolConfig">,
): Pick<Chat.Request, "tools" | "toolChoice"> => {
  const { allowedFunctionNames, mode } = wire.toolConfig?.functionCallingConfig ?? {}
  const allowed = allowedFunctionNames ?? []
  const toolChoice = decodeChoice(mode, allowed)
  const allAllowed = allowed.length === 0 || Predicate.isObject(toolChoice)
  const tools = (wire.tools ?? [])
    .flatMap(({ functionDeclarations }) => functionDeclarations ?? [])
    .filter(({ name }) => allAllowed || allowed.includes(name))
    .map(decodeTool)
  return {
    ...(tools.length === 0 ? undefined : { tools }),
    ...(toolChoice === undefined ? undefined : { toolChoice }),
  }
}

const decodeTool = ({ description, name, parameters, parametersJsonSchema }: Wire.FunctionDeclaration): Chat.Tool => ({
  name,
  ...(Predicate.isString(description) ? { description } : undefined),
  ...(parametersJsonSchema
    ? { parameters: parametersJsonSchema }
    : parameters
      ? { parameters: Schemas.toJsonSchema(parameters) }
      : undefined),
})

const decodeChoice = (
  mode: string | null | undefined,
  [only, ...others]: ReadonlyArray<string>,
): Chat.ToolChoice | undefined => {
  switch (mode) {
    case "AUTO":
    case "VALIDATED":
      return "auto"
    case "NONE":
      return "none"
    case "ANY":
      return only !== undefined && others.length === 0 ? { name: only } : "required"
    default:
      return undefined
  }
}

/** The tools that run at Google, as written. */
export const hosted = (body: Record<string, unknown>): ReadonlyArray<unknown> =>
  Json.list(body["tools"]).flatMap((tool) => {
    const { functionDeclarations: _, ...others } = Json.fields(tool) as Record<string, unknown>
    return Object.keys(others).length === 0 ? [] : [others]
  })
