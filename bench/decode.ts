/**
 * How long a long conversation takes to read: one of some 200 kB with 50 tools, written and read by each protocol's own
 * codec, compared with parsing its JSON.
 *
 *     node bench/decode.ts
 */
import "effect/schema/SchemaJITCompiler/enable"
import type * as Chat from "@understudy/core/Chat"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import type { ClientProtocol } from "@understudy/providers/internal/protocols/ClientProtocol"
import type { RequestEncoder } from "@understudy/providers/internal/protocols/Lowering"
import * as Gemini from "@understudy/providers/protocols/gemini"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Responses from "@understudy/providers/protocols/responses"
import * as Result from "effect/Result"
import { line, median, number } from "./table.ts"

/** A protocol from both its ends. */
type Both = ClientProtocol & { readonly Request: Pick<RequestEncoder<Record<string, unknown>>, "encode"> }

const protocols: ReadonlyArray<readonly [model: string, protocol: Both]> = [
  ["gpt-5", ChatCompletions],
  ["gpt-5", Responses],
  ["claude-sonnet-4-5", Messages],
  ["gemini-2.5-pro", Gemini],
]

const words = "The understudy knows every line of the part and waits in the wings. "
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
    { role: "tool", content: ids.map((id) => ({ type: "tool-result", id, content: [text(words.repeat(10))] })) },
    { role: "assistant", content: [text(words.repeat(4))] },
  ]
}

const conversation = (model: string): Chat.Request => ({
  model,
  messages: [{ role: "system", content: [text(words.repeat(40))] }, ...numbers(60).flatMap(turn)],
  tools,
})

/** Milliseconds that one takes, the median of a second's, after half a second's. */
const timed = (run: () => unknown): number => {
  const times: Array<number> = []
  const began = performance.now()
  for (let now = began; now - began < 1_500;) {
    run()
    const after = performance.now()
    if (now - began > 500) times.push(after - now)
    now = after
  }
  return median(times)
}

const rows = protocols.map(([model, { protocol, Request }]) => {
  const { body } = Result.getOrThrow(Request.encode(conversation(model)))
  const sent: Record<string, unknown> = { ...body, model }
  const json = JSON.stringify(sent)
  const read = Result.getOrThrow(Request.decode(sent, { model }))
  if (read.tools?.length !== tools.length) throw new Error(`${protocol} lost tools`)
  const decoding = timed(() => Request.decode(sent, { model }))
  const parsing = timed(() => JSON.parse(json))
  return line([
    protocol,
    number(json.length / 1000, 0),
    `${read.messages.length}`,
    number(decoding, 2),
    number(parsing, 2),
    number(decoding / parsing, 2),
  ])
})

const head = ["reading a conversation with 50 tools", "kB", "messages", "ms", "its JSON alone, ms", "÷"]
console.log([line(head), line(["---", ...head.slice(1).map(() => "---:")]), ...rows].join("\n"))
