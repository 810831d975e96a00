/**
 * Tools, between the AI SDK and `Chat`. Neither conversion runs a tool: the application does, or the vendor.
 */
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4FunctionTool,
  LanguageModelV4ToolChoice,
} from "@ai-sdk/provider"
import * as Chat from "@understudy/core/Chat"
import * as CustomTools from "../protocols/CustomTools.ts"
import * as Metadata from "./Metadata.ts"

type Tool = NonNullable<LanguageModelV4CallOptions["tools"]>[number]

/** The tools of a request, and those that only a model of the AI SDK has, each a noun phrase. */
export interface Converted {
  readonly tools: ReadonlyArray<Chat.Tool>
  readonly required: ReadonlyArray<string>
  readonly dropped: ReadonlyArray<string>
}

/** A tool that its vendor runs is optional next to functions, unless it is forced. */
export const toChat = (
  tools: ReadonlyArray<Tool> = [],
  toolChoice: LanguageModelV4ToolChoice | undefined,
): Converted => {
  const functions: Array<Chat.Tool> = []
  const hosted: Array<string> = []
  const forced: Array<string> = []
  const examples = tools.some((tool) => tool.type === "function" && tool.inputExamples !== undefined)
    ? ["the input examples of tools"]
    : []
  for (const tool of tools) {
    if (tool.type === "function") functions.push(fromFunction(tool))
    else if (toolChoice?.type === "tool" && toolChoice.toolName === tool.name) forced.push(Chat.hostedTool(tool.id))
    else hosted.push(Chat.hostedTool(tool.id))
  }
  return functions.length === 0 && toolChoice?.type !== "none"
    ? { tools: functions, required: [...forced, ...hosted], dropped: examples }
    : { tools: functions, required: forced, dropped: [...hosted, ...examples] }
}

const fromFunction = ({ description, inputSchema, name, providerOptions, strict }: LanguageModelV4FunctionTool) => ({
  name,
  parameters: { ...inputSchema },
  ...(description === undefined ? undefined : { description }),
  ...(strict === undefined ? undefined : { strict }),
  ...Metadata.cache(providerOptions),
})

export const choice = (choice: LanguageModelV4ToolChoice): Chat.ToolChoice =>
  choice.type === "tool" ? { name: choice.toolName } : choice.type

/** A custom tool is a function with one text: see `CustomTools`. */
export const fromChat = (tools: ReadonlyArray<Chat.Tool>): Array<Tool> =>
  tools.map((tool) => {
    const { cache, description, name, parameters, strict } = CustomTools.lower(tool)
    return {
      type: "function",
      name,
      inputSchema: parameters ?? noParameters,
      ...(description === undefined ? undefined : { description }),
      ...(strict === undefined ? undefined : { strict }),
      ...Metadata.options(Metadata.writeCache(cache)),
    }
  })

const noParameters = { type: "object", properties: {}, additionalProperties: false } as const

export const choiceOf = (choice: Chat.ToolChoice): LanguageModelV4ToolChoice =>
  typeof choice === "string" ? { type: choice } : { type: "tool", toolName: choice.name }
