// Asks one question with LangChain, streamed: langchain.mjs GATEWAY MODEL
import { createRequire } from "node:module"
import { installed, question, tell } from "./tell.mjs"

const { ChatOpenAI } = createRequire(installed)("@langchain/openai")
const [, , gateway, model] = process.argv
const client = new ChatOpenAI({ model, apiKey: "any", configuration: { baseURL: `${gateway}/v1` } })

await tell(async function* () {
  for await (const chunk of await client.stream(question)) yield String(chunk.content)
})
