/**
 * Selects the tool that a simulated provider calls: a required tool, or one whose name or description shares words with the
 * user's message.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as JsonSchemaSample from "./JsonSchemaSample.ts"
import type { Prompt } from "./Prompt.ts"

/** A tool call. */
export interface SelectedTool {
  readonly name: string
  /** JSON text. */
  readonly arguments: string
}

/** The tool to call; `undefined` after a tool result. */
export const select = (request: Chat.Request, prompt: Prompt): SelectedTool | undefined => {
  if (prompt.results.length > 0 || request.messages.at(-1)?.role !== "user") return undefined
  const tool = choose(request.tools ?? [], request.toolChoice ?? "auto", prompt.text)
  if (tool === undefined) return undefined
  const input = JsonSchemaSample.make({ type: "object", ...tool.parameters }, prompt)
  return { name: tool.name, arguments: JSON.stringify(Predicate.isObject(input) ? input : {}) }
}

const choose = (tools: ReadonlyArray<Chat.Tool>, choice: Chat.ToolChoice, text: string): Chat.Tool | undefined => {
  if (choice === "none") return undefined
  if (Predicate.isObject(choice)) return tools.find(({ name }) => name === choice.name)
  const textWords = new Set(words(text))
  let best: Chat.Tool | undefined
  let highest = choice === "required" ? -1 : 0
  for (const tool of tools) {
    const score = mentions(tool, textWords)
    if (score > highest) {
      best = tool
      highest = score
    }
  }
  return best
}

/** The score of a tool: 2 for each common word in its name, 1 in its description. */
const mentions = ({ description = "", name }: Chat.Tool, textWords: ReadonlySet<string>): number => {
  const named = new Set(words(name.replace(/(?<=[a-z\d])(?=[A-Z])/g, " ")))
  const described = new Set(words(description))
  let score = 0
  for (const word of textWords) score += named.has(word) ? 2 : described.has(word) ? 1 : 0
  return score
}

/** The words of a text, without short and common ones. */
const words = (text: string): ReadonlyArray<string> =>
  (text.toLowerCase().match(/[\p{L}\d]+/gu) ?? []).filter((word) => word.length > 3 && !common.has(word))

const common = new Set(
  "about also call current does find from given have into look make more please return returns some tell than that their them then there these they this tool used uses using want what when where which will with would your".split(
    " ",
  ),
)
