// Asks one question with the AI SDK and its provider for compatible servers, streamed: ai-sdk.mjs GATEWAY MODEL
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"
import { installed, question, tell } from "./tell.mjs"

const load = (name) => import(pathToFileURL(createRequire(installed).resolve(name)).href)
const { streamText } = await load("ai")
const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible")
const [, , gateway, model] = process.argv
const provider = createOpenAICompatible({ name: "understudy", baseURL: `${gateway}/v1`, apiKey: "any" })

await tell(async function* () {
  const { stream } = streamText({ model: provider(model), prompt: question, onError: () => {} })
  for await (const part of stream) {
    if (part.type === "text-delta") yield part.text
    if (part.type === "error") throw part.error
  }
})
