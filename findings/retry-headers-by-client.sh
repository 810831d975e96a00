#!/usr/bin/env bash
# Whether clients heed `x-should-retry: false`, and whether they ask again after a 429 that says no time.
#
# Seen with openai 7.59.0, ai 7.0.173 with @ai-sdk/openai-compatible 3.0.92, @langchain/openai 1.6.0 (npm), 2026-11-29,
# requests made within 5 seconds:
#   503 with `x-should-retry: false`    openai 1, AI SDK at least 2, LangChain at least 2: only OpenAI's SDK heeds it
#   429 without `retry-after`           openai at least 2, AI SDK at least 2, LangChain 1
#   429 with `retry-after: 1`           openai at least 2, AI SDK at least 2, LangChain at least 2
# A server says `retry-after` with every 429, or LangChain gives up at once.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund openai@7.59.0 ai@7.0.173 @ai-sdk/openai-compatible@3.0.92 @langchain/core@1.4.0 @langchain/openai@1.6.0

cat >server.mjs <<'JS'
import { createServer } from "node:http"
const counts = {}
const answers = {
  no: [503, { "x-should-retry": "false" }],
  bare: [429, {}],
  timed: [429, { "retry-after": "1" }],
}
const server = createServer((request, response) => {
  if (request.url === "/counts") return response.end(JSON.stringify(counts))
  let body = ""
  request.on("data", (bytes) => (body += bytes))
  request.on("end", () => {
    const { model } = JSON.parse(body)
    counts[model] = (counts[model] ?? 0) + 1
    const [status, headers] = answers[model.split("/")[1]]
    response.writeHead(status, { "content-type": "application/json", ...headers })
    response.end(JSON.stringify({ error: { message: "Not now.", type: "server_error", code: null, param: null } }))
  })
})
server.listen(0, "127.0.0.1", () => console.log(server.address().port))
JS
cat >client.mjs <<'JS'
import { createOpenAICompatible } from "@ai-sdk/openai-compatible"
import { ChatOpenAI } from "@langchain/openai"
import { generateText } from "ai"
import OpenAI from "openai"
const origin = `http://127.0.0.1:${process.argv[2]}`
const at = { baseURL: `${origin}/v1`, apiKey: "any" }
const openai = new OpenAI(at)
const sdk = createOpenAICompatible({ name: "test", ...at })
const clients = {
  openai: (model) => openai.chat.completions.create({ model, messages: [{ role: "user", content: "Hello" }] }),
  ai: (model) => generateText({ model: sdk(model), prompt: "Hello" }),
  langchain: (model) => new ChatOpenAI({ model, apiKey: "any", configuration: at }).invoke("Hello"),
}
const failures = ["no", "bare", "timed"]
for (const [name, ask] of Object.entries(clients)) for (const how of failures) ask(`${name}/${how}`).catch(() => {})
setTimeout(async () => {
  const counts = await (await fetch(`${origin}/counts`)).json()
  for (const name of Object.keys(clients))
    console.log(`${name}: ${failures.map((how) => `${how} ${counts[`${name}/${how}`] > 1 ? "again" : "once"}`).join(", ")}`)
  process.exit()
}, 5_000)
JS
node server.mjs >port & while [ ! -s port ]; do sleep 0.1; done
node client.mjs "$(cat port)" | tee seen
diff seen - <<'SEEN'
openai: no once, bare again, timed again
ai: no again, bare again, timed again
langchain: no again, bare once, timed again
SEEN
