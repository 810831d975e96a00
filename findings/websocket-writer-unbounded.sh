#!/usr/bin/env bash
# A WebSocket of Effect's server writes without waiting for its client.
#
# Seen with effect 4.1.0 and @effect/platform-node 4.1.0 (npm) on Node 20 and 24, 2026-11-29: the documentation of `Socket.Writer` says
# that its writes "apply the transport's native backpressure before succeeding". A WebSocket's do not: `write` succeeds at once while
# the client reads nothing, and everything that was written stays in the memory of the process. (Its reader does pause the client.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund effect@4.1.0 @effect/platform-node@4.1.0 ws@8.23.0 redis@6.3.1

cat >server.mjs <<'JS'
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import { createServer } from "node:http"
import { WebSocket } from "ws"

const megabyte = () => new Uint8Array(1024 * 1024).fill(1)
const count = 200

const endpoint = Effect.gen(function* () {
  const request = yield* HttpServerRequest.HttpServerRequest
  const socket = yield* request.upgrade
  yield* socket.reader
  const { write } = yield* socket.writer
  const before = process.memoryUsage().rss
  let written = 0
  const all = Effect.repeat(
    Effect.andThen(Effect.suspend(() => write(megabyte())), Effect.sync(() => void written++)),
    { times: count - 1 },
  )
  yield* Effect.timeoutOption(all, "5 seconds")
  yield* Effect.sleep("500 millis")
  const grown = (process.memoryUsage().rss - before) / 1024 / 1024
  console.log(`${written} MB written to a client that reads nothing`)
  console.log(`memory grew by ${grown > count / 2 ? "more" : "less"} than half of that`)
  process.exit()
  return HttpServerResponse.empty()
})

const Live = HttpRouter.serve(HttpRouter.add("GET", "/", endpoint), { disableLogger: true, disableListenLog: true }).pipe(
  Layer.provideMerge(NodeHttpServer.layerServer(createServer, { host: "127.0.0.1", port: 0 })),
)
const program = Effect.gen(function* () {
  const { address } = yield* HttpServer.HttpServer
  const client = new WebSocket(HttpServer.formatAddress(address).replace("http", "ws"))
  client.on("open", () => client.pause())
  yield* Effect.never
})
Effect.runFork(program.pipe(Effect.provide(Live), Effect.scoped))
JS
timeout 60 node server.mjs | tee seen
diff seen - <<'SEEN'
200 MB written to a client that reads nothing
memory grew by more than half of that
SEEN
