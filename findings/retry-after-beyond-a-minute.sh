#!/usr/bin/env bash
# What SDKs do with a `retry-after` that is longer than they like, by their own defaults.
#
# Seen 2026-11-29, of a 429 with `retry-after: 300`, within 6 seconds:
#   openai 7.59.0 (npm)               ignores it: three requests within two seconds, then an error
#   openai 3.57.0 (PyPI)              believes it is no use: one request, then an error
#   @anthropic-ai/sdk 1.14.0 (npm)    believes it: one request, and it sleeps the 300 seconds without a word
# A server says a long `retry-after` only when it must be waited for.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund openai@7.59.0 @anthropic-ai/sdk@1.14.0
python3 -m venv py && py/bin/pip install -q openai==3.57.0

cat >server.mjs <<'JS'
import { createServer } from "node:http"
const counts = {}
const server = createServer((request, response) => {
  if (request.url === "/counts") return response.end(JSON.stringify(counts))
  let body = ""
  request.on("data", (bytes) => (body += bytes))
  request.on("end", () => {
    const { model } = JSON.parse(body)
    counts[model] = (counts[model] ?? 0) + 1
    response.writeHead(429, { "content-type": "application/json", "retry-after": "300" })
    response.end(JSON.stringify({ type: "error", error: { type: "rate_limit_error", message: "Slow down." } }))
  })
})
server.listen(0, "127.0.0.1", () => console.log(server.address().port))
JS
cat >openai.mjs <<'JS'
import OpenAI from "openai"
const client = new OpenAI({ baseURL: `http://127.0.0.1:${process.argv[2]}/v1`, apiKey: "any" })
await client.chat.completions.create({ model: "openai-npm", messages: [{ role: "user", content: "Hello" }] }).catch(() => {})
JS
cat >anthropic.mjs <<'JS'
import Anthropic from "@anthropic-ai/sdk"
const client = new Anthropic({ baseURL: `http://127.0.0.1:${process.argv[2]}`, apiKey: "any" })
await client.messages.create({ model: "anthropic-npm", max_tokens: 9, messages: [{ role: "user", content: "Hello" }] }).catch(() => {})
JS
cat >client.py <<'PY'
import sys
from openai import OpenAI, RateLimitError
client = OpenAI(base_url=f"http://127.0.0.1:{sys.argv[1]}/v1", api_key="any")
try:
    client.chat.completions.create(model="openai-PyPI", messages=[{"role": "user", "content": "Hello"}])
except RateLimitError:
    pass
PY
node server.mjs >port & while [ ! -s port ]; do sleep 0.1; done
port=$(cat port)
count() { curl -s "http://127.0.0.1:$port/counts" | node -p "JSON.parse(require('fs').readFileSync(0))['$1']"; }
{
  node openai.mjs "$port"; echo "openai-npm: $(count openai-npm) requests, ended"
  py/bin/python client.py "$port"; echo "openai-PyPI: $(count openai-PyPI) requests, ended"
  state=ended; timeout 6 node anthropic.mjs "$port" || state="still waiting"
  echo "anthropic-npm: $(count anthropic-npm) requests, $state"
} | tee seen
diff seen - <<'SEEN'
openai-npm: 3 requests, ended
openai-PyPI: 1 requests, ended
anthropic-npm: 1 requests, still waiting
SEEN
