/**
 * How long a long conversation takes to read: one of some 200 kB with 50 tools, written and read by each protocol's own
 * codec, compared with parsing its JSON.
 *
 *     node bench/decode.ts
 */
import "effect/schema/SchemaJITCompiler/enable"
import * as ChatCompletions from "@understudy/providers/protocols/chat-completions"
import type { ClientProtocol } from "@understudy/providers/internal/protocols/ClientProtocol"
import type { RequestEncoder } from "@understudy/providers/internal/protocols/Lowering"
import * as Gemini from "@understudy/providers/protocols/gemini"
import * as Messages from "@understudy/providers/protocols/messages"
import * as Responses from "@understudy/providers/protocols/responses"
import * as Result from "effect/Result"
import { conversation } from "./conversation.ts"
import { line, median, number } from "./table.ts"

/** A protocol from both its ends. */
type Both = ClientProtocol & { readonly Request: Pick<RequestEncoder<Record<string, unknown>>, "encode"> }

const protocols: ReadonlyArray<readonly [model: string, protocol: Both]> = [
  ["gpt-5", ChatCompletions],
  ["gpt-5", Responses],
  ["claude-sonnet-4-5", Messages],
  ["gemini-2.5-pro", Gemini],
]

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
  if (read.tools?.length !== 50) throw new Error(`${protocol} lost tools`)
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
