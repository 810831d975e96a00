#!/usr/bin/env bash
# What Google's SDKs make of a comment in a stream of server-sent events, which the HTML standard has readers ignore.
#
# Seen with @google/genai 3.3.0 (npm) and google-genai 2.34.0 (PyPI), 2026-11-29:
#   `: keep-alive` before the first event    npm gives the whole text, PyPI raises
#   `data: {}` in its place                  both give the whole text
# A server that keeps a Gemini stream alive writes `data: {}`.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund @google/genai@3.3.0
python3 -m venv py && py/bin/pip install -q google-genai==2.34.0

cat >server.mjs <<'JS'
import { createServer } from "node:http"
const chunk = { candidates: [{ index: 0, content: { role: "model", parts: [{ text: "Hello." }] }, finishReason: "STOP" }] }
const server = createServer((request, response) => {
  request.resume().on("end", () => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    response.write(request.url.includes("comment") ? ": keep-alive\n\n" : "data: {}\n\n")
    response.end(`data: ${JSON.stringify(chunk)}\n\n`)
  })
})
server.listen(0, "127.0.0.1", () => console.log(server.address().port))
JS
cat >client.mjs <<'JS'
import { GoogleGenAI } from "@google/genai"
const client = new GoogleGenAI({ apiKey: "any", httpOptions: { baseUrl: `http://127.0.0.1:${process.argv[2]}` } })
for (const model of ["comment", "empty"]) {
  const outcome = await (async () => {
    let text = ""
    for await (const part of await client.models.generateContentStream({ model, contents: "Hello" })) text += part.text ?? ""
    return text
  })().catch(() => "an error")
  console.log(`npm ${model}: ${outcome}`)
}
JS
cat >client.py <<'PY'
import sys
from google import genai
from google.genai import types
client = genai.Client(api_key="any", http_options=types.HttpOptions(base_url=f"http://127.0.0.1:{sys.argv[1]}"))
for model in ["comment", "empty"]:
    try:
        text = "".join(part.text or "" for part in client.models.generate_content_stream(model=model, contents="Hello"))
        print(f"PyPI {model}: {text}")
    except Exception:
        print(f"PyPI {model}: an error")
PY
node server.mjs >port & while [ ! -s port ]; do sleep 0.1; done
{ node client.mjs "$(cat port)"; py/bin/python client.py "$(cat port)"; } 2>/dev/null | tee seen
diff seen - <<'SEEN'
npm comment: Hello.
npm empty: Hello.
PyPI comment: an error
PyPI empty: Hello.
SEEN
