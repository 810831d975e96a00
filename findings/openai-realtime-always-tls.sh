#!/usr/bin/env bash
# OpenAI's npm SDK opens realtime sessions by TLS, whatever the scheme of its base URL.
#
# Seen with openai 7.55.0 (npm) on Node 20 and 24, 2026-11-30: a client with `baseURL: "http://127.0.0.1:PORT/v1"` sends its HTTP requests
# in plain text, and `OpenAIRealtimeWS` connects to `wss://127.0.0.1:PORT/v1/realtime`: a server without TLS gets a TLS handshake. A URL of
# one's own (`buildRealtimeURL`) must be `wss:` too.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund openai@7.55.0 ws@8.23.0

cat >client.mjs <<'JS'
import { createServer } from "node:net"
import { OpenAI } from "openai"
import { OpenAIRealtimeWS } from "openai/realtime/ws"

const server = createServer((socket) => {
  socket.once("data", (bytes) => {
    console.log(`the server gets ${bytes[0] === 0x16 ? "a TLS handshake" : "an HTTP request"}`)
    process.exit()
  })
})
server.listen(0, "127.0.0.1", () => {
  const client = new OpenAI({ apiKey: "none", baseURL: `http://127.0.0.1:${server.address().port}/v1` })
  const realtime = new OpenAIRealtimeWS({ model: "m" }, client)
  realtime.on("error", () => {})
  console.log(`the SDK connects by ${realtime.url.protocol}`)
})
JS
timeout 60 node client.mjs | tee seen
diff seen - <<'SEEN'
the SDK connects by wss:
the server gets a TLS handshake
SEEN
