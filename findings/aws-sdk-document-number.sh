#!/usr/bin/env bash
# What the AWS SDK sends of a tool call whose input looks like its own kept number.
#
# Seen with @aws-sdk/client-bedrock-runtime 3.1162.0 (npm), 2026-11-29: the input
#   { "amount": { "type": "bigDecimal", "string": "12" } }
# is sent as { "amount": 12 }, for the SDK tells its NumericValue by shape, not by class. Any other `type` is sent as it is.
# A caller who forwards a model's tool inputs over Converse has no way to say that object.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund @aws-sdk/client-bedrock-runtime@3.1162.0 @smithy/node-http-handler@4.14.2

cat >client.mjs <<'JS'
import { BedrockRuntimeClient, ConverseCommand } from "@aws-sdk/client-bedrock-runtime"
import { NodeHttpHandler } from "@smithy/node-http-handler"
import { createServer } from "node:http"
const server = createServer((request, response) => {
  let body = ""
  request.on("data", (bytes) => (body += bytes))
  request.on("end", () => {
    console.log(JSON.stringify(JSON.parse(body).messages[1].content[0].toolUse.input))
    response.writeHead(200, { "content-type": "application/json" })
    response.end(JSON.stringify({ output: { message: { role: "assistant", content: [{ text: "Thanks." }] } }, stopReason: "end_turn", usage: {}, metrics: {} }))
  })
})
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve))
const client = new BedrockRuntimeClient({
  region: "us-east-1",
  endpoint: `http://127.0.0.1:${server.address().port}`,
  credentials: { accessKeyId: "any", secretAccessKey: "any" },
  maxAttempts: 1,
  requestHandler: new NodeHttpHandler(),
})
for (const type of ["bigDecimal", "decimal"]) {
  const input = { amount: { type, string: "12" } }
  const messages = [
    { role: "user", content: [{ text: "Pay." }] },
    { role: "assistant", content: [{ toolUse: { toolUseId: "t1", name: "pay", input } }] },
    { role: "user", content: [{ toolResult: { toolUseId: "t1", content: [{ text: "Paid." }] } }] },
  ]
  await client.send(new ConverseCommand({ modelId: "m", messages }))
}
server.closeAllConnections()
server.close()
JS
node client.mjs | tee seen
diff seen - <<'SEEN'
{"amount":12}
{"amount":{"type":"decimal","string":"12"}}
SEEN
