#!/usr/bin/env bash
# What SDKs make of a stream that ends cleanly in the middle: no finish reason, no terminal event, no reset.
#
# Seen with openai 7.59.0 and @google/genai 3.3.0 (npm), openai 3.57.0 and anthropic 2.14.0 (PyPI), 2026-11-29: each gives
# the half text and reports no error. A server has to end a broken stream with an error event, or reset the connection.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund openai@7.59.0 @google/genai@3.3.0
python3 -m venv py && py/bin/pip install -q openai==3.57.0 anthropic==2.14.0

cat >server.mjs <<'JS'
import { createServer } from "node:http"
const chat = { id: "c", object: "chat.completion.chunk", created: 0, model: "m", choices: [{ index: 0, delta: { content: "Half of" }, finish_reason: null }] }
const gemini = { candidates: [{ index: 0, content: { role: "model", parts: [{ text: "Half of" }] } }] }
const usage = { input_tokens: 1, output_tokens: 1 }
const messages = [
  { type: "message_start", message: { id: "msg_1", type: "message", role: "assistant", model: "m", content: [], stop_reason: null, stop_sequence: null, usage } },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Half of" } },
]
const eventsOf = (path) => (path.includes("generateContent") || path.includes("GenerateContent") ? [gemini] : path.includes("messages") ? messages : [chat])
const server = createServer((request, response) => {
  request.resume().on("end", () => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    for (const event of eventsOf(request.url))
      response.write(`${event.type === undefined ? "" : `event: ${event.type}\n`}data: ${JSON.stringify(event)}\n\n`)
    response.end()
  })
})
server.listen(0, "127.0.0.1", () => console.log(server.address().port))
JS
cat >client.mjs <<'JS'
import { GoogleGenAI } from "@google/genai"
import OpenAI from "openai"
const origin = `http://127.0.0.1:${process.argv[2]}`
const read = async (name, stream, textOf) => {
  let text = ""
  const outcome = await (async () => {
    for await (const chunk of await stream()) text += textOf(chunk) ?? ""
    return "no error"
  })().catch(() => "an error")
  console.log(`${name}: ${text}, ${outcome}`)
}
const openai = new OpenAI({ baseURL: `${origin}/v1`, apiKey: "any", maxRetries: 0 })
const google = new GoogleGenAI({ apiKey: "any", httpOptions: { baseUrl: origin } })
const messages = [{ role: "user", content: "Hello" }]
await read("openai npm", () => openai.chat.completions.create({ model: "m", messages, stream: true }), (chunk) => chunk.choices[0].delta.content)
await read("@google/genai npm", () => google.models.generateContentStream({ model: "m", contents: "Hello" }), (chunk) => chunk.text)
JS
cat >client.py <<'PY'
import sys
from anthropic import Anthropic
from openai import OpenAI
origin = f"http://127.0.0.1:{sys.argv[1]}"
messages = [{"role": "user", "content": "Hello"}]


def read(name, stream, text_of):
    text, outcome = "", "no error"
    try:
        for chunk in stream():
            text += text_of(chunk) or ""
    except Exception:
        outcome = "an error"
    print(f"{name}: {text}, {outcome}")


openai = OpenAI(base_url=f"{origin}/v1", api_key="any", max_retries=0)
read("openai PyPI", lambda: openai.chat.completions.create(model="m", messages=messages, stream=True), lambda c: c.choices[0].delta.content)
anthropic = Anthropic(base_url=origin, api_key="any", max_retries=0)
read(
    "anthropic PyPI",
    lambda: anthropic.messages.create(model="m", max_tokens=9, messages=messages, stream=True),
    lambda e: e.delta.text if e.type == "content_block_delta" else "",
)
PY
node server.mjs >port & while [ ! -s port ]; do sleep 0.1; done
{ node client.mjs "$(cat port)"; py/bin/python client.py "$(cat port)"; } 2>/dev/null | tee seen
diff seen - <<'SEEN'
openai npm: Half of, no error
@google/genai npm: Half of, no error
openai PyPI: Half of, no error
anthropic PyPI: Half of, no error
SEEN
