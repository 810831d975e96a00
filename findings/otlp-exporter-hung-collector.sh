#!/usr/bin/env bash
# What Effect's OTLP exporter does while a collector accepts requests and does not answer them.
#
# Seen with effect 4.1.0 (npm) on Node 24, 2026-11-29: it starts a request for each full batch, whatever is under way: their
# number has no bound, and neither has their time. Each holds its spans in memory. OpenTelemetry's batch processor has one
# request under way, a timeout, and a bounded queue.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund effect@4.1.0

cat >hung.mjs <<'JS'
import { createServer } from "node:http"
import { Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { OtlpSerialization, OtlpTracer } from "effect/observability"
let open = 0
const server = createServer((request) => request.resume().once("end", () => open++))
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve))
const TracerLive = OtlpTracer.layer({
  url: `http://127.0.0.1:${server.address().port}/v1/traces`,
  resource: { serviceName: "hung" },
  maxBatchSize: 100,
  exportInterval: "1 hour",
  shutdownTimeout: 0,
}).pipe(Layer.provide([FetchHttpClient.layer, OtlpSerialization.layerJson]))
const span = Effect.withSpan(Effect.void, "work")
const program = Effect.gen(function* () {
  for (const batches of [10, 30]) {
    yield* Effect.replicateEffect(span, batches * 100, { discard: true })
    yield* Effect.sleep("1 second")
    console.log(`requests under way after ${batches} more batches: ${open}`)
  }
})
await Effect.runPromise(Effect.provide(program, TracerLive))
process.exit(0)
JS
node hung.mjs | tee seen
diff seen - <<'SEEN'
requests under way after 10 more batches: 10
requests under way after 30 more batches: 40
SEEN
