// Asks one question with the `openai` SDK, streamed: openai-chat.mjs GATEWAY MODEL
import { createRequire } from "node:module"
import { installed, question, tell } from "./tell.mjs"

const OpenAI = createRequire(installed)("openai")
const [, , gateway, model] = process.argv
const client = new OpenAI({ baseURL: `${gateway}/v1`, apiKey: "any" })

await tell(async function* () {
  const stream = await client.chat.completions.create({
    model,
    stream: true,
    messages: [{ role: "user", content: question }],
  })
  for await (const chunk of stream) yield chunk.choices[0]?.delta.content ?? ""
})
