// Asks one question with the `openai` SDK over the Responses API, streamed: openai-responses.mjs GATEWAY MODEL
import { createRequire } from "node:module"
import { installed, question, tell } from "./tell.mjs"

const OpenAI = createRequire(installed)("openai")
const [, , gateway, model] = process.argv
const client = new OpenAI({ baseURL: `${gateway}/v1`, apiKey: "any" })

await tell(async function* () {
  const stream = await client.responses.create({ model, stream: true, input: question })
  for await (const event of stream) if (event.type === "response.output_text.delta") yield event.delta
})
