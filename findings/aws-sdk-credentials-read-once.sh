#!/usr/bin/env bash
# When the AWS SDK reads ~/.aws/credentials again: never, in one process.
#
# Seen with @aws-sdk/client-bedrock-runtime and @aws-sdk/credential-providers 3.1162.0 (npm), 2026-11-29: the result of the
# first read is kept per path for the life of the process, a failed read too. So
#   - a file that is missing when the first request is signed stays missing: a process that starts before its secret is
#     mounted fails for ever with CredentialsProviderError, and so do clients and providers made after the file is there;
#   - keys that are rotated in the file are not seen, not even by a new client.
# `ignoreCache: true` on the provider reads the file, and refreshes what other providers get. A client has no such option.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund @aws-sdk/client-bedrock-runtime@3.1162.0 @aws-sdk/credential-providers@3.1162.0

cat >read.mjs <<'JS'
import { BedrockRuntimeClient } from "@aws-sdk/client-bedrock-runtime"
import { fromIni } from "@aws-sdk/credential-providers"
import { writeFileSync } from "node:fs"
const write = (id) => writeFileSync("credentials", `[team]\naws_access_key_id = ${id}\naws_secret_access_key = any\n`)
const client = () => new BedrockRuntimeClient({ region: "us-east-1", profile: "team" }).config.credentials
const show = (what, provide) =>
  provide().then(
    ({ accessKeyId }) => console.log(`${what}: ${accessKeyId}`),
    ({ name }) => console.log(`${what}: ${name}`),
  )
const first = client()
await show("no file, a client", first)
write("KEYONE")
await show("file written, that client", first)
await show("file written, a new client", client())
await show("file written, fromIni", fromIni({ profile: "team" }))
await show("file written, fromIni with ignoreCache", fromIni({ profile: "team", ignoreCache: true }))
write("KEYTWO")
await show("keys rotated, a new client", client())
await show("keys rotated, fromIni with ignoreCache", fromIni({ profile: "team", ignoreCache: true }))
await show("keys rotated, a new client after that", client())
JS
: >config
AWS_SHARED_CREDENTIALS_FILE=$folder/credentials AWS_CONFIG_FILE=$folder/config AWS_EC2_METADATA_DISABLED=true \
  AWS_REGION=us-east-1 node --no-warnings read.mjs 2>/dev/null | tee seen
diff seen - <<'SEEN'
no file, a client: CredentialsProviderError
file written, that client: CredentialsProviderError
file written, a new client: CredentialsProviderError
file written, fromIni: CredentialsProviderError
file written, fromIni with ignoreCache: KEYONE
keys rotated, a new client: KEYONE
keys rotated, fromIni with ignoreCache: KEYTWO
keys rotated, a new client after that: KEYTWO
SEEN
