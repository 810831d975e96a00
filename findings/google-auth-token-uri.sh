#!/usr/bin/env bash
# Which token endpoint google-auth-library for Node calls for a service account: always Google's public one.
#
# Seen with google-auth-library 10.9.1 (npm), 2026-11-29: `token_uri` in a service account's file is ignored. The assertion
# goes to https://oauth2.googleapis.com/token, and is made out to it (`aud`). Google's libraries for Python, Go and Java use
# the file's `token_uri`. So a restricted network with a private endpoint, or a stand-in in a test, is never called, and
# the library says nothing. Only `additionalClaims` changes `aud`; nothing but a `fetchImplementation` changes the address.
# Credentials of an external account do have their address from the file (`token_url`).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund google-auth-library@10.9.1

cat >seen.mjs <<'JS'
import { GoogleAuth } from "google-auth-library"
import { generateKeyPairSync } from "node:crypto"
const { privateKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
})
const fetchImplementation = (url, { body }) => {
  const assertion = new URLSearchParams(String(body)).get("assertion")
  const { aud } = JSON.parse(Buffer.from(assertion.split(".")[1], "base64url"))
  console.log(`called: ${url}\naud: ${aud}`)
  return Promise.resolve(Response.json({ access_token: "token", expires_in: 3600 }))
}
await new GoogleAuth({
  scopes: ["https://www.googleapis.com/auth/cloud-platform"],
  credentials: {
    type: "service_account",
    client_email: "a@b.iam.gserviceaccount.com",
    private_key: privateKey,
    token_uri: "https://token.internal.example/token",
  },
  clientOptions: { transporterOptions: { fetchImplementation } },
}).getAccessToken()
JS
node --no-warnings seen.mjs | tee seen
diff seen - <<'SEEN'
called: https://oauth2.googleapis.com/token
aud: https://oauth2.googleapis.com/token
SEEN
