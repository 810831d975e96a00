#!/usr/bin/env bash
# What google-auth-library for Node does when Google's metadata server is away for a moment.
#
# Seen with google-auth-library 10.9.1 and its gcp-metadata 8.1.2 (npm), 2026-11-29:
#   - A server that does not answer the first question is away for the life of the process: the result is kept, and a new
#     `GoogleAuth` fails with "Could not load the default credentials" although the server answers by then. A container that
#     starts before its metadata server (workload identity of GKE takes some seconds) never gets credentials.
#     `gcpMetadata.resetIsAvailableCache()` forgets it.
#   - In the last five minutes of a token's life every call refreshes it, and fails if that fails, although the token is
#     valid. The metadata server itself keeps a token until its last minutes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund google-auth-library@10.9.1

cat >seen.mjs <<'JS'
import { GoogleAuth, gcpMetadata } from "google-auth-library"
import { createServer } from "node:http"
let down = false
const server = createServer((request, response) => {
  if (down) return response.writeHead(404).end()
  response.writeHead(200, { "content-type": "application/json", "metadata-flavor": "Google" })
  response.end(request.url.includes("/token") ? '{"access_token":"token","expires_in":290,"token_type":"Bearer"}' : "{}")
})
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve))
gcpMetadata.setGCPResidency(false)
const auth = () => new GoogleAuth({ projectId: "any", scopes: ["https://www.googleapis.com/auth/cloud-platform"] })
const show = (what, auth) =>
  auth.getAccessToken().then(
    (token) => console.log(`${what}: ${token}`),
    ({ message }) => console.log(`${what}: ${/default credentials/.test(message) ? "no credentials" : "fails"}`),
  )
process.env.GCE_METADATA_HOST = "127.0.0.1:1"
await show("no server", auth())
process.env.GCE_METADATA_HOST = `127.0.0.1:${server.address().port}`
await show("server answers", auth())
gcpMetadata.resetIsAvailableCache()
const found = auth()
await show("server answers, after a reset", found)
down = true
await show("token valid for 290 s, server down", found)
server.close()
JS
CLOUDSDK_CONFIG=$folder GOOGLE_APPLICATION_CREDENTIALS='' node --no-warnings seen.mjs 2>/dev/null | tee seen
diff seen - <<'SEEN'
no server: no credentials
server answers: no credentials
server answers, after a reset: token
token valid for 290 s, server down: fails
SEEN
