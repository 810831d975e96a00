// Reranks with the `cohere-ai` SDK, by both of its clients: cohere-rerank.mjs GATEWAY MODEL
import { createRequire } from "node:module"
import { installed, tellEach } from "./tell.mjs"

const { CohereClient, CohereClientV2 } = createRequire(installed)("cohere-ai")
const [, , gateway, model] = process.argv
const options = { token: "any", environment: gateway, maxRetries: 0 }
const question = { model, query: "best", documents: ["one", "two"] }

const order = async (response) =>
  (await response).results.map(({ index, relevanceScore }) => `${index}: ${relevanceScore}`).join(" ")

await tellEach({
  rerank: () => order(new CohereClientV2(options).rerank(question)),
  "rerank, version 1": () => order(new CohereClient(options).rerank(question)),
})
