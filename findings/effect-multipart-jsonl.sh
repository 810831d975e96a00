#!/usr/bin/env bash
# What Effect's multipart parser takes for a file.
#
# Seen with effect 4.1.0 (npm) on Node 24, 2026-11-30: a part with a filename is a file, unless its type contains
# `application/json` anywhere: one of type `application/jsonl`, `application/json-seq` or `application/json5` is a text field, held in
# memory, up to 10 MiB. An upload of a batch file for OpenAI, which is of type `application/jsonl`, then has no file. Providing
# `Multipart.FieldMimeTypes` with an empty list makes every part with a filename a file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund effect@4.1.0

cat >parts.mjs <<'JS'
import * as Effect from "effect/Effect"
import * as Channel from "effect/Channel"
import * as Multipart from "effect/http/Multipart"
import * as Stream from "effect/Stream"
const parts = (type) => {
  const body = `--x\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\ncontent-type: ${type}\r\n\r\n{}\r\n--x--\r\n`
  return Stream.make(new TextEncoder().encode(body)).pipe(
    Stream.pipeThroughChannel(Multipart.makeChannel({ "content-type": "multipart/form-data; boundary=x" })),
    Stream.map(({ _tag }) => _tag),
    Stream.runCollect,
  )
}
for (const type of ["text/plain", "application/json", "application/jsonl", "application/json-seq"]) {
  const plain = await Effect.runPromise(parts(type))
  const none = await Effect.runPromise(Effect.provideService(parts(type), Multipart.FieldMimeTypes, []))
  console.log(`${type}: ${plain}, without types of fields: ${none}`)
}
JS
node parts.mjs | tee seen
diff seen - <<'SEEN'
text/plain: File, without types of fields: File
application/json: Field, without types of fields: File
application/jsonl: Field, without types of fields: File
application/json-seq: Field, without types of fields: File
SEEN
