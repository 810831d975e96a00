/**
 * The session of an agent: each turn resends the conversation so far, with the result of the tool that was called last. Through
 * the real SDKs of OpenAI and Anthropic, every second turn streamed.
 */
import Anthropic from "@anthropic-ai/sdk"
import OpenAI from "openai"

/** What the client of a session was told. */
export interface Replayed {
  /** Input tokens that were read from prompt caches. */
  cached: number
  /** The header `x-understudy-affinity` of each turn. */
  readonly affinity: Array<string | null>
}

export interface Options {
  /** The gateways, in turn. */
  readonly urls: ReadonlyArray<string>
  readonly model: string
  readonly turns: number
  /** Makes the conversation another than all others: it begins with this. */
  readonly name: string
  readonly headers?: Readonly<Record<string, string>>
  /** Runs before a turn, which is counted from 0. */
  readonly before?: (turn: number) => void
}

/** Text of a length, which no other text of it begins like. */
const text = (about: string, length: number): string =>
  `${about}: `.repeat(Math.ceil(length / (about.length + 2))).slice(0, length)

const systemPrompt = (name: string) => text(`${name} works on the code of a theatre`, 8000)
const task = (name: string) => `Find out why ${name} forgets the second act.`
/** From 400 to 3,600 characters. */
const fileContent = (turn: number) => text(`line of file ${turn}`, 400 + ((turn * 797) % 3200))

const parameters = { type: "object" as const, properties: { path: { type: "string" } }, required: ["path"] }
const description = text("Reads a file", 1200)

export const openAi = async (options: Options): Promise<Replayed> => {
  const { headers = {}, model, name, turns, urls } = options
  const clients = urls.map((url) => new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0, logLevel: "off" }))
  const tools = [{ type: "function" as const, function: { name: "read_file", description, parameters } }]
  const messages: Array<OpenAI.ChatCompletionMessageParam> = [
    { role: "system", content: systemPrompt(name) },
    { role: "user", content: task(name) },
  ]
  const replayed: Replayed = { cached: 0, affinity: [] }
  for (let turn = 0; turn < turns; turn++) {
    options.before?.(turn)
    const { chat } = clients[turn % clients.length]!
    const body = { model, tools, messages }
    let call: OpenAI.ChatCompletionMessageToolCall | undefined
    let usage: OpenAI.CompletionUsage | null | undefined
    if (turn % 2 === 0) {
      const { data, response } = await chat.completions.create(body, { headers }).withResponse()
      replayed.affinity.push(response.headers.get("x-understudy-affinity"))
      call = data.choices[0]?.message.tool_calls?.[0]
      usage = data.usage
    } else {
      const { data, response } = await chat.completions
        .create({ ...body, stream: true, stream_options: { include_usage: true } }, { headers })
        .withResponse()
      replayed.affinity.push(response.headers.get("x-understudy-affinity"))
      for await (const chunk of data) {
        const [delta] = chunk.choices[0]?.delta.tool_calls ?? []
        if (delta !== undefined) {
          const { arguments: json = "", name = "" } = delta.function ?? {}
          call = { id: delta.id ?? "", type: "function", function: { name, arguments: json } }
        }
        usage = chunk.usage ?? usage
      }
    }
    if (call === undefined) throw new Error(`turn ${turn} called no tool`)
    replayed.cached += usage?.prompt_tokens_details?.cached_tokens ?? 0
    messages.push({ role: "assistant", content: null, tool_calls: [call] })
    messages.push({ role: "tool", tool_call_id: call.id, content: fileContent(turn) })
  }
  return replayed
}

/** As Claude Code does: breakpoints at the end of the system prompt and of the latest message, which move on each turn. */
export const anthropic = async (options: Options): Promise<Replayed> => {
  const { headers = {}, model, name, turns, urls } = options
  const clients = urls.map((url) => new Anthropic({ baseURL: url, apiKey: "any", maxRetries: 0, logLevel: "off" }))
  const breakpoint = { cache_control: { type: "ephemeral" as const } }
  const tools = [{ name: "read_file", description, input_schema: parameters }]
  const system = [{ type: "text" as const, text: systemPrompt(name), ...breakpoint }]
  const messages: Array<Anthropic.MessageParam> = []
  let latest: Array<Anthropic.TextBlockParam | Anthropic.ToolResultBlockParam> = [{ type: "text", text: task(name) }]
  const replayed: Replayed = { cached: 0, affinity: [] }
  for (let turn = 0; turn < turns; turn++) {
    options.before?.(turn)
    const client = clients[turn % clients.length]!
    const marked = latest.map((block) => ({ ...block, ...breakpoint }))
    const sent = [...messages, { role: "user" as const, content: marked }]
    const body = { model, max_tokens: 1000, tools, system, messages: sent }
    let message: Anthropic.Message
    if (turn % 2 === 0) {
      const { data, response } = await client.messages.create(body, { headers }).withResponse()
      replayed.affinity.push(response.headers.get("x-understudy-affinity"))
      message = data
    } else {
      const stream = client.messages.stream(body, { headers })
      const { response } = await stream.withResponse()
      replayed.affinity.push(response.headers.get("x-understudy-affinity"))
      message = await stream.finalMessage()
    }
    replayed.cached += message.usage.cache_read_input_tokens ?? 0
    const call = message.content.find((block) => block.type === "tool_use")
    if (call === undefined) throw new Error(`turn ${turn} called no tool`)
    messages.push({ role: "user", content: latest })
    messages.push({
      role: "assistant",
      content: [{ type: "tool_use", id: call.id, name: call.name, input: call.input }],
    })
    latest = [{ type: "tool_result", tool_use_id: call.id, content: fileContent(turn) }]
  }
  return replayed
}
