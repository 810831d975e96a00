#!/usr/bin/env bash
# How many connections a Node server accepts in one turn of its event loop: one.
#
# Seen with Node 20.20.2 and 24.21.0 (npm package `node`; libuv 1.46 and 1.52), 2026-11-29: with 200 connections in the
# backlog, a server without any work needs 200 turns to accept them. So while each turn serves a thousand busy
# connections, a new connection waits for as many turns as there are connections before it, however short its request.
# libuv up to 1.44 accepted until the backlog was empty.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
(mkdir 20 && cd 20 && npm install --silent --no-audit --no-fund node@20.20.2)
(mkdir 24 && cd 24 && npm install --silent --no-audit --no-fund node@24.21.0)

cat >accept.mjs <<'JS'
import { fork } from "node:child_process"
import { createServer, connect } from "node:net"
import { fileURLToPath } from "node:url"
const connections = 200
if (process.argv[2] === "connect") {
  const [, , , port] = process.argv
  let open = 0
  for (let index = 0; index < connections; index++) connect(Number(port), "127.0.0.1").on("connect", () => ++open === connections && process.send("open"))
  process.on("disconnect", () => process.exit())
} else {
  const turns = new Set()
  let turn = 0
  let accepted = 0
  const server = createServer(() => {
    turns.add(turn)
    if (++accepted < connections) return
    console.log(`Node ${process.versions.node.split(".")[0]}: ${connections} connections accepted in ${turns.size} turns`)
    process.exit()
  })
  server.listen({ port: 0, host: "127.0.0.1", backlog: 511 }, () => {
    const child = fork(fileURLToPath(import.meta.url), ["connect", String(server.address().port)])
    // Blocks until all connections are in the backlog: the kernel completes them without the server.
    child.once("spawn", () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000))
    const next = () => {
      turn++
      setImmediate(next)
    }
    next()
  })
}
JS
{ 20/node_modules/.bin/node accept.mjs && 24/node_modules/.bin/node accept.mjs; } | tee seen
diff seen - <<'SEEN'
Node 20: 200 connections accepted in 200 turns
Node 24: 200 connections accepted in 200 turns
SEEN
