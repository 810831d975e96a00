#!/usr/bin/env bash
# Where the headers of OPENAI_CUSTOM_HEADERS go.
#
# Seen with openai 7.59.0 (npm), 2026-11-29: to every base URL, so that a header meant for one server, such as a proxy's
# token, reaches each other vendor that the SDK is pointed at with `baseURL`.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund openai@7.59.0

cat >client.mjs <<'JS'
import { createServer } from "node:http"
import OpenAI from "openai"
const server = createServer((request, response) => {
  console.log(`x-internal-token: ${request.headers["x-internal-token"] ?? "not sent"}`)
  request.resume().on("end", () => {
    response.writeHead(200, { "content-type": "application/json" })
    response.end(JSON.stringify({ id: "c", object: "chat.completion", created: 0, model: "m", choices: [] }))
  })
})
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve))
const client = new OpenAI({ baseURL: `http://127.0.0.1:${server.address().port}/another-vendor/v1`, apiKey: "any" })
await client.chat.completions.create({ model: "m", messages: [{ role: "user", content: "Hello" }] })
server.closeAllConnections()
server.close()
JS
OPENAI_CUSTOM_HEADERS='x-internal-token: meant-for-one-proxy' node client.mjs | tee seen
diff seen - <<'SEEN'
x-internal-token: meant-for-one-proxy
SEEN
