/** Twelve calls of a nightly job and three of a chat at once, on a server that takes two: all are answered, the chat's first. */
import OpenAI from "openai"
import { serve } from "./stage/Serving.ts"

const gateway = await serve("queues.yaml", { CHAT_KEY: "sk-of-chat", NIGHT_KEY: "sk-of-night" })

try {
  const order: Array<string> = []
  const waits: Array<number> = []
  const call = async (name: "chat" | "night") => {
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: `sk-of-${name}`, maxRetries: 0 })
    const { response } = await client.chat.completions
      .create({ model: "assistant", messages: [{ role: "user", content: "Who is on tonight?" }] })
      .withResponse()
    order.push(name)
    waits.push(Number(response.headers.get("x-understudy-queued-ms") ?? 0))
  }
  const night = Array.from({ length: 12 }, () => call("night"))
  // The job was first: it has the server and the queue when the chat's calls come.
  await Promise.race(night)
  await Promise.all([...night, ...Array.from({ length: 3 }, () => call("chat"))])

  console.log(`answered: ${order.length} of 15 calls, in this order: ${order.join(" ")}`)
  console.log(`waited: ${waits.filter((wait) => wait > 0).length} calls, for at most ${Math.max(...waits)} ms`)
  const last = order.lastIndexOf("chat")
  console.log(`after the chat's last answer: ${order.slice(last + 1).length} calls of the job`)
} finally {
  await gateway.stop()
}
