// Asks one question with Google's SDK, streamed: genai.mjs GATEWAY MODEL
import { createRequire } from "node:module"
import { installed, question, tell } from "./tell.mjs"

const { GoogleGenAI } = createRequire(installed)("@google/genai")
const [, , gateway, model] = process.argv
const client = new GoogleGenAI({ apiKey: "any", httpOptions: { baseUrl: gateway } })

await tell(async function* () {
  const stream = await client.models.generateContentStream({ model, contents: question })
  for await (const chunk of stream) yield chunk.text ?? ""
})
