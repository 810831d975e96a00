// Asks one question with Anthropic's SDK, streamed by its helper: anthropic.mjs GATEWAY MODEL
import { createRequire } from "node:module"
import { installed, question, tell } from "./tell.mjs"

const { Anthropic } = createRequire(installed)("@anthropic-ai/sdk")
const [, , gateway, model] = process.argv
const client = new Anthropic({ baseURL: gateway, apiKey: "any" })

await tell(async function* () {
  const stream = client.messages.stream({
    model,
    max_tokens: 100,
    messages: [{ role: "user", content: question }],
  })
  for await (const event of stream) if (event.type === "content_block_delta") yield event.delta.text ?? ""
  await stream.finalMessage()
})
