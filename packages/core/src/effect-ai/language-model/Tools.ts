/**
 * Tools, between `effect/ai` and `Chat`. Neither conversion runs a tool: the caller of the router does.
 */
import type * as LanguageModel from "effect/ai/LanguageModel"
import * as Tool from "effect/ai/Tool"
import type * as Toolkit from "effect/ai/Toolkit"
import * as Effect from "effect/Effect"
import type * as JsonSchema from "effect/JsonSchema"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type * as Chat from "../../model/Chat.ts"

// ---------------------------------------------------------------------------------------------------------------------
// effect/ai -> Chat
// ---------------------------------------------------------------------------------------------------------------------

/** The tools; fails with the name of a tool that its vendor runs. */
export const toChat = (tools: ReadonlyArray<Tool.Any>): Result.Result<ReadonlyArray<Chat.Tool>, string> =>
  Result.all(
    tools.map((tool) => {
      if (Tool.isProviderDefined(tool)) return Result.fail(tool.name)
      const description = Tool.getDescription(tool)
      const strict = Tool.getStrictMode(tool)
      return Result.succeed<Chat.Tool>({
        name: tool.name,
        parameters: Tool.getJsonSchema(tool),
        ...(description === undefined ? undefined : { description }),
        ...(strict === undefined ? undefined : { strict }),
      })
    }),
  )

/** The tool choice. `oneOf` needs no field: the request has only the tools that may be called. */
export const choice = (choice: LanguageModel.ToolChoice<string>): Chat.ToolChoice => {
  if (typeof choice === "string") return choice
  return "tool" in choice ? { name: choice.tool } : (choice.mode ?? "auto")
}

/** The parsed arguments of a call, or `otherwise` if they are not JSON. Without arguments, an empty object. */
export const params = <A>(text: string, otherwise: A): unknown => Result.getOrElse(parse(text), () => otherwise)

export const parse = (text: string): Result.Result<unknown, unknown> =>
  text.trim() === "" ? Result.succeed({}) : Result.try(() => Tool.unsafeSecureJsonParse(text))

// ---------------------------------------------------------------------------------------------------------------------
// Chat -> effect/ai
// ---------------------------------------------------------------------------------------------------------------------

/** A tool that is declared, and not run here. */
export type Declared = Tool.Tool<
  string,
  {
    readonly parameters: typeof Schema.Unknown
    readonly success: typeof Schema.Unknown
    readonly failure: typeof Schema.Never
    readonly failureMode: "error"
  }
>

/** A toolkit whose calls are returned to the caller, not handled. */
export const toolkit = (tools: ReadonlyArray<Chat.Tool> = []): Toolkit.WithHandler<Record<string, Declared>> => ({
  tools: Object.fromEntries(tools.map((tool) => [tool.name, declare(tool)])),
  handle: (name) => Effect.die(new Error(`Tool ${name} has no handler here: the caller of the router runs it`)),
})

const declare = ({ description, custom, name, parameters, strict }: Chat.Tool): Declared => {
  const schema: JsonSchema.JsonSchema = custom === undefined ? (parameters ?? noParameters) : freeText
  const tool = Tool.dynamic(name, { description, parameters: schema })
  return strict === undefined ? tool : tool.annotate(Tool.Strict, strict)
}

const noParameters = { type: "object", properties: {}, additionalProperties: false } as const

/** The JSON schema of a custom tool, for models whose tools take JSON alone. */
const freeText = {
  type: "object",
  properties: { input: { type: "string" } },
  required: ["input"],
  additionalProperties: false,
} as const

export const choiceOf = (choice: Chat.ToolChoice | undefined): LanguageModel.ToolChoice<string> =>
  choice === undefined || typeof choice === "string" ? (choice ?? "auto") : { tool: choice.name }
