/**
 * Whether a simulated provider asks for a tool, and for which: when it is told to, or when the user's words mention what
 * the tool is called or said to do.
 */
import type * as Chat from "@understudy/core/Chat"
import * as Predicate from "effect/Predicate"
import * as JsonSchemaSample from "./JsonSchemaSample.ts"
import type { Prompt } from "./Prompt.ts"

export interface Wanted {
  readonly name: string
  /** JSON text. */
  readonly arguments: string
}

/** The tool to ask for; none once a tool has answered. */
export const wanted = (request: Chat.Request, prompt: Prompt): Wanted | undefined => {
  if (prompt.results.length > 0 || request.messages.at(-1)?.role !== "user") return undefined
  const tool = choose(request.tools ?? [], request.toolChoice ?? "auto", prompt.text)
  if (tool === undefined) return undefined
  const input = JsonSchemaSample.make({ type: "object", ...tool.parameters }, prompt)
  return { name: tool.name, arguments: JSON.stringify(Predicate.isObject(input) ? input : {}) }
}

const choose = (tools: ReadonlyArray<Chat.Tool>, choice: Chat.ToolChoice, text: string): Chat.Tool | undefined => {
  if (choice === "none") return undefined
  if (Predicate.isObject(choice)) return tools.find(({ name }) => name === choice.name)
  const said = new Set(words(text))
  let best: Chat.Tool | undefined
  let most = choice === "required" ? -1 : 0
  for (const tool of tools) {
    const score = mentions(tool, said)
    if (score > most) {
      best = tool
      most = score
    }
  }
  return best
}

/** A word of the name tells twice as much as a word of the description. */
const mentions = ({ description = "", name }: Chat.Tool, said: ReadonlySet<string>): number => {
  const named = new Set(words(name.replace(/(?<=[a-z\d])(?=[A-Z])/g, " ")))
  const described = new Set(words(description))
  let score = 0
  for (const word of said) score += named.has(word) ? 2 : described.has(word) ? 1 : 0
  return score
}

/** The words that say what a sentence is about: small and common ones are left out. */
const words = (text: string): ReadonlyArray<string> =>
  (text.toLowerCase().match(/[\p{L}\d]+/gu) ?? []).filter((word) => word.length > 3 && !common.has(word))

const common = new Set(
  "about also call current does find from given have into look make more please return returns some tell than that their them then there these they this tool used uses using want what when where which will with would your".split(
    " ",
  ),
)
