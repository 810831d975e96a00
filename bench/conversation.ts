/** A long conversation of an agent, about 200 kB: 50 tools, and 60 turns in which it calls two of them and reads files. */
import type * as Chat from "@understudy/core/Chat"

const words = "The understudy knows every line of the part and waits in the wings. "
const file = `\tif (cue === "entrance" && !lead.ready) {\n\t\treturn understudy.enter(\`act \\d+, scène \${scene}\`) // …\n\t}\n`
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)
const text = (text: string) => ({ type: "text" as const, text })

const tools: ReadonlyArray<Chat.Tool> = numbers(50).map((tool) => ({
  name: `tool_${tool}`,
  description: words.repeat(4),
  parameters: {
    type: "object",
    properties: Object.fromEntries(
      numbers(8).map((field) => [`field_${field}`, { type: "string", description: words }]),
    ),
    required: ["field_0"],
  },
}))

/** A question, two calls at once, their results, and an answer. */
const turn = (index: number): ReadonlyArray<Chat.Message> => {
  const ids = [`call_${index}_0`, `call_${index}_1`]
  return [
    { role: "user", content: [text(words.repeat(3))] },
    {
      role: "assistant",
      content: ids.map((id) => ({
        type: "tool-call",
        id,
        name: `tool_${index % tools.length}`,
        arguments: JSON.stringify({ field_0: words }),
      })),
    },
    { role: "tool", content: ids.map((id) => ({ type: "tool-result", id, content: [text(file.repeat(6))] })) },
    { role: "assistant", content: [text(words.repeat(4))] },
  ]
}

export const conversation = (model: string): Chat.Request => ({
  model,
  messages: [{ role: "system", content: [text(words.repeat(40))] }, ...numbers(60).flatMap(turn)],
  tools,
})
