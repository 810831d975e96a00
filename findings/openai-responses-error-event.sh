#!/usr/bin/env bash
# Which ways of telling an error inside a Responses stream the two OpenAI SDKs raise.
#
# Seen with openai 7.59.0 (npm) and openai 3.57.0 (PyPI), 2026-11-29:
#   an `error` event with its fields at the top level    npm raises APIError, PyPI ends without an error
#   an `error` event with its fields under `error`       both raise
#   `response.failed` alone                              neither raises
# A server that wants both to raise writes the fields in both places.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund openai@7.59.0
python3 -m venv py && py/bin/pip install -q openai==3.57.0

cat >server.mjs <<'JS'
import { createServer } from "node:http"
const fields = { code: "server_error", message: "It broke.", param: null }
const failed = { id: "resp_1", object: "response", status: "failed", error: { code: "server_error", message: "It broke." } }
const endings = {
  top: { type: "error", sequence_number: 1, ...fields },
  nested: { type: "error", sequence_number: 1, error: { type: "server_error", ...fields } },
  failed: { type: "response.failed", sequence_number: 1, response: failed },
}
const server = createServer((request, response) => {
  let body = ""
  request.on("data", (bytes) => (body += bytes))
  request.on("end", () => {
    const { model } = JSON.parse(body)
    response.writeHead(200, { "content-type": "text/event-stream" })
    const created = { type: "response.created", sequence_number: 0, response: { id: "resp_1", object: "response", status: "in_progress", output: [] } }
    for (const event of [created, endings[model]]) response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    response.end()
  })
})
server.listen(0, "127.0.0.1", () => console.log(server.address().port))
JS
cat >client.mjs <<'JS'
import OpenAI from "openai"
const client = new OpenAI({ baseURL: `http://127.0.0.1:${process.argv[2]}/v1`, apiKey: "any", maxRetries: 0 })
for (const model of ["top", "nested", "failed"]) {
  const outcome = await (async () => {
    for await (const _ of await client.responses.create({ model, input: "Hello", stream: true }));
    return "no error"
  })().catch((error) => error.constructor.name)
  console.log(`npm ${model}: ${outcome}`)
}
JS
cat >client.py <<'PY'
import sys
from openai import OpenAI
client = OpenAI(base_url=f"http://127.0.0.1:{sys.argv[1]}/v1", api_key="any", max_retries=0)
for model in ["top", "nested", "failed"]:
    try:
        for _ in client.responses.create(model=model, input="Hello", stream=True):
            pass
        print(f"PyPI {model}: no error")
    except Exception as error:
        print(f"PyPI {model}: {type(error).__name__}")
PY
node server.mjs >port & while [ ! -s port ]; do sleep 0.1; done
{ node client.mjs "$(cat port)"; py/bin/python client.py "$(cat port)"; } | tee seen
diff seen - <<'SEEN'
npm top: APIError
npm nested: APIError
npm failed: no error
PyPI top: no error
PyPI nested: APIError
PyPI failed: no error
SEEN
