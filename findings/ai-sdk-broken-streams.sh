#!/usr/bin/env bash
# What an application of the AI SDK sees of a stream that breaks after half of its text, in the three ways in which streams
# break: the connection is reset, it is closed cleanly (as proxies do), or the vendor sends an error event.
#
# Seen with ai 7.0.173 and @ai-sdk/openai 4.0.118, 2026-11-29: after a reset `textStream` and `text` reject, and `onError` is
# not called; after a clean end there is no error at all, only the finish reason `interrupted`; after an error event `text`
# resolves with half of the text, and only `onError` tells.
# An application has to check all of: the rejection, `onError` and `finishReason`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund ai@7.0.173 @ai-sdk/openai@4.0.118 zod@4.1.8

cat >client.mjs <<'JS'
import { createServer } from "node:http"
import { once } from "node:events"
import { createOpenAI } from "@ai-sdk/openai"
import { streamText } from "ai"

const event = (data) => `data: ${JSON.stringify(data)}\n\n`
const chunk = (content) =>
  event({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta: { content }, finish_reason: null }] })
const failure = event({ error: { message: "overloaded", type: "server_error", code: null, param: null } })

const server = createServer((request, response) => {
  request.resume().on("end", () => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    response.write(chunk("Take two pills, "))
    response.write(chunk("not "))
    setTimeout(() => {
      if (request.url.startsWith("/reset")) response.destroy()
      else response.end(request.url.startsWith("/error-event") ? failure : undefined)
    }, 100)
  })
}).listen(0, "127.0.0.1")
await once(server, "listening")

const rejects = () => "rejects"
for (const how of ["reset", "clean-end", "error-event"]) {
  const model = createOpenAI({ apiKey: "any", baseURL: `http://127.0.0.1:${server.address().port}/${how}` }).chat("m")
  let called = "not called"
  const result = streamText({ model, prompt: "How many pills?", maxRetries: 0, onError: () => void (called = "called") })
  const loop = (async () => {
    for await (const _ of result.textStream);
    return "ends"
  })().catch(rejects)
  const text = Promise.resolve(result.text).catch(rejects)
  const reason = Promise.resolve(result.finishReason).catch(rejects)
  console.log(`${how}: loop ${await loop}; text: ${await text}; finish reason: ${await reason}; onError ${called}`)
}
server.close()
server.closeAllConnections()
JS
node client.mjs | tee seen
diff seen - <<'SEEN'
reset: loop rejects; text: rejects; finish reason: rejects; onError not called
clean-end: loop ends; text: Take two pills, not ; finish reason: interrupted; onError not called
error-event: loop ends; text: Take two pills, not ; finish reason: error; onError called
SEEN
