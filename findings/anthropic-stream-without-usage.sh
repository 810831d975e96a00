#!/usr/bin/env bash
# What Anthropic's SDKs make of a Messages stream whose events leave `usage` out, as servers that imitate the API do.
#
# Seen with @anthropic-ai/sdk 1.14.0 (npm) and anthropic 2.14.0 (PyPI), 2026-11-29: both helpers give all of the text,
# then raise a TypeError or an AttributeError in place of the final message.
# A server fills `usage` in, in `message_start` and in `message_delta`.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund @anthropic-ai/sdk@1.14.0
python3 -m venv py && py/bin/pip install -q anthropic==2.14.0

cat >server.mjs <<'JS'
import { createServer } from "node:http"
const events = [
  { type: "message_start", message: { id: "msg_1", type: "message", role: "assistant", model: "m", content: [], stop_reason: null, stop_sequence: null } },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Hello." } },
  { type: "content_block_stop", index: 0 },
  { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null } },
  { type: "message_stop" },
]
const server = createServer((request, response) => {
  request.resume().on("end", () => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    for (const event of events) response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    response.end()
  })
})
server.listen(0, "127.0.0.1", () => console.log(server.address().port))
JS
cat >client.mjs <<'JS'
import Anthropic from "@anthropic-ai/sdk"
const client = new Anthropic({ baseURL: `http://127.0.0.1:${process.argv[2]}`, apiKey: "any", maxRetries: 0 })
let text = ""
const outcome = await (async () => {
  const stream = client.messages.stream({ model: "m", max_tokens: 9, messages: [{ role: "user", content: "Hello" }] })
  stream.on("text", (delta) => (text += delta))
  await stream.finalMessage()
  return "no error"
})().catch(() => "an error")
console.log(`npm: ${text} then ${outcome}`)
JS
cat >client.py <<'PY'
import sys
from anthropic import Anthropic
client = Anthropic(base_url=f"http://127.0.0.1:{sys.argv[1]}", api_key="any", max_retries=0)
text, outcome = "", "no error"
try:
    with client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "Hello"}]) as stream:
        for delta in stream.text_stream:
            text += delta
        stream.get_final_message()
except (AttributeError, TypeError) as error:
    outcome = "an error"
print(f"PyPI: {text} then {outcome}")
PY
node server.mjs >port & while [ ! -s port ]; do sleep 0.1; done
{ node client.mjs "$(cat port)"; py/bin/python client.py "$(cat port)"; } | tee seen
diff seen - <<'SEEN'
npm: Hello. then an error
PyPI: Hello. then an error
SEEN
