/** One request sent twice, complete and streamed: the second response comes from the cache of the route, per key. */
import OpenAI from "openai"
import { serve } from "./stage/Serving.ts"

const gateway = await serve("response-cache.yaml", { WEBSITE_KEY: "sk-website", INTRANET_KEY: "sk-intranet" })

try {
  const clientOf = (key: string) => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 })
  const question = {
    model: "faq",
    messages: [{ role: "user" as const, content: "When do you open?" }],
    tools: [{ type: "function" as const, function: { name: "opening_hours", parameters: { type: "object" } } }],
    tool_choice: "required" as const,
  }
  const told = (how: string, response: Response, began: number, call: string | undefined) => {
    const [cache, attempts] = ["cache", "attempts"].map((name) => response.headers.get(`x-understudy-${name}`))
    console.log(`${how}: ${cache}, ${attempts} asked, ${Math.round(performance.now() - began)} ms, calls ${call}`)
  }

  const whole = async (key: string) => {
    const began = performance.now()
    const { data, response } = await clientOf(key).chat.completions.create(question).withResponse()
    const [call] = data.choices[0]?.message.tool_calls ?? []
    told(`${key}, whole`, response, began, call?.type === "function" ? call.function.name : undefined)
  }
  const streamed = async (key: string) => {
    const began = performance.now()
    const { data, response } = await clientOf(key)
      .chat.completions.create({ ...question, stream: true })
      .withResponse()
    let name: string | undefined
    for await (const { choices } of data) name ??= choices[0]?.delta.tool_calls?.[0]?.function?.name
    told(`${key}, streamed`, response, began, name)
  }

  await whole("sk-website")
  await whole("sk-website")
  await streamed("sk-website")
  await streamed("sk-website")
  await whole("sk-intranet")
} finally {
  await gateway.stop()
}
